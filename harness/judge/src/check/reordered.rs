//! `reordered`: the first copy of a record lies behind the first copy of a later one.
//!
//! ```text
//! source       1 2 3
//! destination  1 3 2             2 is reordered, and no event excuses it
//! destination  1 2 3 | 2 3       not reordered: the first copies are in order
//! ```
//!
//! Order follows source offsets. It is compared within one destination partition, for each source
//! partition and key (order scope `key`; null keys have none) or for each source partition (order
//! scope `partition`). Records of one key in several source partitions have no order between them.
//! Each record that comes too late is counted once.
//!
//! Where the order of a partition is promised, but its keys go to different places, equal records
//! are told apart by their key's sequence alone. They then say something about the order within their
//! key, and nothing about that between keys.
//!
//! Of equal records that nothing tells apart some may be known to come too late whichever they are (see `span`). They are judged
//! where they are known to be no repeats.
//!
//! ```text
//! source       x x y             no ids: both x are equal
//! destination  y x x             both are reordered
//! ```
//!
//! A first copy is the first over all destination partitions: when a key has moved after growth, a
//! replay into its new partition repeats what the old one has, and is no new order. And a
//! copy is not reordered if another partition has a copy of the same record that may have been
//! written before: between partitions there is no order in time but that of events and samples.
//!
//! The first copy may be gone: removed by compaction, or expired with the beginning of a partition
//! where the record may lie. The first one that is seen is then taken for a repeat if an event
//! explains it as one. If none does, it came too late, or came again for no reason: it stays reordered.
//!
//! ```text
//! source       1 2 3
//! destination  . . 3 | 2 3       killed at |, position 1 committed: 2 has expired, and is a replay
//! destination  . 3 2             reordered, wherever 2 may have been before
//! ```
//!
//! ```text
//! source       1 2 3             2 was on its way to p1, where it never arrived
//! destination  p0: 1 3 | 2       killed at |, position 1 committed
//!              p1:     | 3       not reordered: who reads 3 too early gets it again
//! ```
//!
//! A record that may lie in several partitions (a null key, partitioning `any`, growth) is not
//! reordered either, if an event precedes its copy and the later record is copied again behind it: a
//! replay makes good what got lost on the way to another partition. The copy behind it may have expired
//! with the beginning of another partition, and while a replay may still be under way (the run did not end) it may
//! be yet to come. Nor is it reordered there if its first copy may lie in another partition and is not seen yet, written
//! by the other of two writers (a freeze or a rebalance that is not known to be over). A record with one place has no
//! such excuse.

use super::{
    Check, Observation,
    evidence::in_sequence,
    scene::{Order, Scene},
    span::Span,
    tally::Tally,
};
use crate::{
    history::{Completeness, DestinationRecord, TopicPartition},
    verdict::{Anomaly, Circumstance, Finding},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Reordered {
        scene,
        furthest: HashMap::new(),
        calm: HashMap::new(),
        closed: HashMap::new(),
        late: BTreeMap::new(),
    })
}

struct Reordered<'s> {
    scene: &'s Scene<'s>,
    /// For each shard the latest source record with a first copy, and that copy.
    furthest: HashMap<(TopicPartition, TopicPartition, Order), (u32, u32)>,
    /// The same of equal records without order, too, where their copies are no repeats.
    calm: HashMap<(TopicPartition, TopicPartition, Order), (u32, u32)>,
    /// The same of the last of equal records, at the last copy of all of them.
    closed: HashMap<(TopicPartition, TopicPartition, Order), (u32, u32)>,
    /// For each source record that came too late: its copy, and the one that came too early.
    late: BTreeMap<u32, (u32, u32)>,
}

impl Reordered<'_> {
    fn excuse(&mut self, repeat: u32, source: u32) {
        let Some((late, _)) = self.late.get(&source) else { return };
        let (late, repeat) = (self.scene.destination(*late), self.scene.destination(repeat));
        let rank = |copy: &DestinationRecord| {
            self.scene.correspondence.timeline.rank(copy.at, copy.offset)
        };
        if late.at != repeat.at && rank(late) == rank(repeat) {
            self.late.remove(&source);
        }
    }

    /// Where nothing can be a repeat a copy of equal records without order came too late if all that
    /// it may be of come before all that another may be of.
    fn step_calm(&mut self, destination: u32, source: u32) {
        let scene = self.scene;
        if scene.correspondence.unordered.is_empty() {
            return;
        }
        let Some(Span { earliest: Some(earliest), latest, is_calm: true }) =
            scene.span(destination, source)
        else {
            return;
        };
        let is_repeat = !scene.correspondence.unordered.contains(&source)
            && (scene.may_be_repeat(destination, source)
                || may_repeat_unseen(scene, destination, source));
        let (to, from) = (scene.destination(destination).at, scene.source(source).at);
        for order in scene.orders(source) {
            let furthest = self.calm.entry((to, from, order)).or_insert((earliest, destination));
            let closed = self.closed.get(&(to, from, order)).filter(|closed| latest < closed.0);
            let early = if latest < furthest.0 { Some(&*furthest) } else { closed };
            match early {
                Some((_, early)) if !is_repeat => {
                    self.late.insert(source, (destination, *early));
                }
                Some(_) => {}
                None if earliest > furthest.0 => *furthest = (earliest, destination),
                None => {}
            }
        }
    }

    /// Behind the last copy of equal records without order, all in one partition, the last of them has been copied, whichever
    /// its copy is.
    fn close(&mut self, destination: u32) {
        let scene = self.scene;
        let Some(source) = scene.closed_by(destination) else { return };
        let (to, from) = (scene.destination(destination).at, scene.source(source).at);
        for order in scene.orders(source) {
            let closed = self.closed.entry((to, from, order)).or_insert((source, destination));
            *closed = (*closed).max((source, destination));
        }
    }

    /// A record as far as it can be told from others: itself, or the number of its equals.
    fn known(&self, source: u32) -> (bool, u32) {
        let correspondence = &self.scene.correspondence;
        match correspondence.equal.get(&source) {
            Some(set) if correspondence.unordered.contains(&source) => (true, *set),
            _ => (false, source),
        }
    }

    /// For each record that came too early: where its copies are.
    fn replays(&self) -> HashMap<(bool, u32), Vec<u32>> {
        let mut replays = HashMap::<_, Vec<u32>>::new();
        for (_, early) in self.late.values() {
            if let Some(early) = self.scene.correspondence.source_of(*early) {
                replays.entry(self.known(early)).or_default();
            }
        }
        if !replays.is_empty() {
            for index in &self.scene.correspondence.time {
                let source = self.scene.correspondence.source_of(*index);
                let copies = source.and_then(|source| replays.get_mut(&self.known(source)));
                if let Some(copies) = copies {
                    copies.push(*index);
                }
            }
        }
        replays
    }

    /// Whether a copy may be a repeat; of equal records without order some are known not to be.
    fn may_be_replay(&self, copy: u32) -> bool {
        let source = self.scene.correspondence.source_of(copy);
        source.is_some_and(|source| {
            let span = self.scene.span(copy, source);
            !self.scene.correspondence.unordered.contains(&source)
                || span.is_none_or(|span| !span.is_calm)
        })
    }

    /// Whether the record that came too early was copied again behind the one that came too late, or may be yet.
    fn is_made_good(
        &self,
        replays: &HashMap<(bool, u32), Vec<u32>>,
        source: u32,
        late: u32,
        early: u32,
    ) -> bool {
        let (late, early_copy) = (self.scene.destination(late), self.scene.destination(early));
        let early = self.scene.correspondence.source_of(early);
        let copies = early.and_then(|early| replays.get(&self.known(early)));
        let is_there = copies.is_some_and(|copies| {
            let mut copies = copies.iter().filter(|copy| self.may_be_replay(**copy));
            copies.any(|copy| {
                let copy = self.scene.destination(*copy);
                let epochs = (self.scene.epoch(copy), self.scene.epoch(late));
                let behind = copy.at != late.at || copy.offset > late.offset;
                behind && epochs.0 >= epochs.1 && epochs.1 > 0
            })
        });
        let may_be_gone = early.is_some_and(|early| self.scene.may_have_been_replayed(early, late));
        let may_come = self.scene.history.completeness() == Completeness::Unknown
            && early.is_some_and(|early| {
                let record = self.scene.source(early);
                // Who wrote before an event may have had it on its way until the event was over.
                let mut events = self.scene.history.events.iter();
                events.any(|event| {
                    let is_before = !event.precedes(early_copy) || event.was_not_over(early_copy);
                    is_before && event.explains(late, record)
                })
            });
        self.scene.may_be_spread(source) && (is_there || may_be_gone || may_come)
    }
}

/// Whether the first copy that is seen may be a repeat of one in another partition that nobody has seen yet: of two
/// writers, when an event that made them is not known to be over.
fn may_repeat_unseen(scene: &Scene<'_>, copy: u32, source: u32) -> bool {
    let (copy, record) = (scene.destination(copy), scene.source(source));
    scene.history.completeness() == Completeness::Unknown
        && scene.may_be_spread(source)
        && scene.history.events.iter().any(|event| {
            event.kind.makes_two_writers() && event.over.is_none() && event.explains(copy, record)
        })
}

impl Check for Reordered<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Copy { destination, source, first } = observation else { return };
        if !first {
            self.excuse(destination, source);
            self.close(destination);
            return;
        }
        let scene = self.scene;
        self.step_calm(destination, source);
        self.close(destination);
        if scene.correspondence.unordered.contains(&source) {
            return;
        }
        let (to, from) = (scene.destination(destination).at, scene.source(source).at);
        for order in scene.orders(source) {
            let furthest = self.furthest.entry((to, from, order)).or_insert((source, destination));
            match source.cmp(&furthest.0) {
                Ordering::Greater => *furthest = (source, destination),
                Ordering::Less
                    if !scene.may_be_repeat(destination, source)
                        && !may_repeat_unseen(scene, destination, source) =>
                {
                    // The order of the partition comes last: its predecessor is the latest of all.
                    self.late.insert(source, (destination, furthest.1));
                }
                Ordering::Less | Ordering::Equal => {}
            }
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let replays = self.replays();
        let counted = self.late.iter().filter(|(source, (late, early))| {
            !self.is_made_good(&replays, **source, *late, *early)
        });
        let mut late: Vec<_> = counted.map(|(_, instance)| *instance).collect();
        late.sort_unstable();
        let mut tally = Tally::of(Anomaly::Reordered);
        for instance in late {
            tally.add(Circumstance::Plain, instance);
        }
        tally.findings(|(late, early)| {
            let offset = scene.destination(early).offset.0;
            let later = match scene.correspondence.source_of(early) {
                Some(source) => format!("source @{}", scene.source(source).offset.0),
                None => "a later record".into(),
            };
            in_sequence(scene, late, format!("comes after {later}, which lies at @{offset}"))
        })
    }
}
