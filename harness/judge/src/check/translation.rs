//! `translation-skips` and `translation-rewinds`: what a group gets that goes on at the
//! destination where the subject's promise about offsets says.
//!
//! ```text
//! source       a0 b1 c2 d3       the group committed 2: it has read a b
//! destination  x0 a1 b2 c3 d4    translated 3: gets c d, as it should
//!                                translated 4: c is skipped
//!                                translated 1: a b come again: 2 rewound
//! ```
//!
//! - *Skipped* is what the group has not read (at or beyond its committed position, everything in a
//!   partition without one), has copies, and has none at or beyond the position in the partition
//!   where that copy lies. What has no copy at all is `lost`, not skipped. A position beyond the
//!   destination's end skips what will come there: one instance for each such partition.
//! - *Rewound* is what the group had read and whose first copy lies at or beyond the position. A
//!   later copy is a repeat, which `rewound` and `duplicated` judge. The contract says how many of
//!   a topic a group may get again; those beyond are counted.
//!
//! A copy that has expired since may have lain beyond the position, and was read there: a record is
//! not called skipped if one may be missing beyond it. And the first copy that is seen is not taken
//! for the first if the first may be gone, and an event explains it as a repeat.
//!
//! Which of several equal records a copy is of was chosen, and the subject may know better. They are counted:
//! so many as the group has not read must lie at or beyond the position, and so many as it has read before it.
//! If some have no copy (yet), a copy that was taken for one that the group has read may be of one that it
//! has not, and the other way round.
//!
//! A partition without a translated position is read from its beginning: that skips nothing. Only a
//! contract that promises something is held to it. Where offsets are translated, the positions are
//! those that the subject wrote. Where offsets are preserved, a group goes on at the number that it
//! committed, unless the subject wrote another for it; consumers that really moved by raw offsets are
//! judged too; and nothing may come again. On a compacted topic a superseded record may be skipped.

use super::{Check, evidence::on_source, offsets::placed, scene::Scene, tally::Tally};
use crate::{
    contract::Offsets,
    correspondence::NONE,
    history::{Completeness, DestinationOffset, Ends, Positions, TopicIndex, TopicPartition},
    verdict::{Anomaly, Circumstance, Evidence, Finding, Place},
};
use std::collections::BTreeMap;

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Translation { scene })
}

struct Translation<'s> {
    scene: &'s Scene<'s>,
}

/// A group that moves, and where it goes on. Partitions without a position: at their beginning.
struct Move<'h> {
    topic: TopicIndex,
    group: &'h str,
    committed: &'h Positions,
    resumed: Ends,
}

impl Move<'_> {
    fn has_read(&self, scene: &Scene<'_>, source: u32) -> bool {
        let record = scene.source(source);
        self.committed.get(&record.at).is_some_and(|at| record.offset < *at)
    }

    /// Whether the group gets what lies there.
    fn reaches(&self, at: TopicPartition, offset: DestinationOffset) -> bool {
        self.resumed.get(&at).is_none_or(|from| offset >= *from)
    }

    /// Whether a copy that has expired since may have lain where the group goes on.
    fn may_find_expired(&self, scene: &Scene<'_>, source: u32) -> bool {
        let mut expired = scene.expired_from(source);
        expired.any(|(at, bounds)| self.resumed.get(at).is_none_or(|from| *from < bounds.low))
    }
}

/// Equal records that have copies, how many others a copy may be of, and how many copies of any of them lie where the
/// group goes on.
#[derive(Default)]
struct Equals {
    read: Vec<u32>,
    unread: Vec<u32>,
    read_missing: usize,
    unread_missing: usize,
    before: usize,
    beyond: usize,
}

impl Equals {
    /// The last of those that had to be beyond the position, if they are more than the copies there.
    fn skipped(&self, scene: &Scene<'_>, one: &Move<'_>) -> impl Iterator<Item = u32> {
        let needed = self.unread.iter().filter(|source| {
            scene.had_to_arrive(**source) && !one.may_find_expired(scene, **source)
        });
        let needed: Vec<u32> = needed.copied().collect();
        let there = (self.beyond + self.read_missing).min(needed.len());
        needed.into_iter().skip(there)
    }

    /// The first of those whose first copies had to be before the position, if they are more than the copies
    /// there.
    fn rewound(&self, scene: &Scene<'_>) -> impl Iterator<Item = u32> {
        let needed = self
            .read
            .iter()
            .filter(|source| scene.had_to_arrive(**source) && !scene.first_may_be_gone(**source));
        let needed: Vec<u32> = needed.copied().collect();
        let missing = needed.len().saturating_sub(self.before + self.unread_missing);
        needed.into_iter().take(missing)
    }
}

/// Something that a group does not get.
enum Skipped {
    Record(u32),
    Beyond(TopicPartition, DestinationOffset),
}

impl<'s> Translation<'s> {
    /// The moves that the contract promises something about, and how much they may get again.
    fn moves(&self) -> (Vec<Move<'s>>, u64) {
        let history = self.scene.history;
        let translations = history.translations.iter();
        match self.scene.contract.offsets {
            Offsets::Independent => (Vec::new(), 0),
            Offsets::Translated { max_rewind } => {
                let moves = translations.map(|one| Move {
                    topic: one.topic,
                    group: &one.group,
                    committed: &one.committed,
                    resumed: one.translated.clone(),
                });
                (moves.collect(), max_rewind)
            }
            Offsets::Preserved => {
                let raw = |committed: &Positions| -> Ends {
                    committed
                        .iter()
                        .map(|(at, offset)| (*at, DestinationOffset(offset.0)))
                        .collect()
                };
                let translations = translations.map(|one| {
                    let mut resumed = raw(&one.committed);
                    resumed.extend(one.translated.iter().map(|(at, offset)| (*at, *offset)));
                    let (group, committed) = (one.group.as_str(), &one.committed);
                    Move { topic: one.topic, group, committed, resumed }
                });
                let trials = history.resumes.iter().map(|trial| Move {
                    topic: trial.topic,
                    group: "a consumer that moved",
                    committed: &trial.committed,
                    resumed: trial.resumed.clone(),
                });
                (translations.chain(trials).collect(), 0)
            }
        }
    }

    fn judge(&self, one: &Move<'s>) -> (Vec<Skipped>, Vec<u32>) {
        let scene = self.scene;
        let placed = placed(scene, one.topic, |at, offset| one.reaches(at, offset));
        let (mut skipped, mut rewound) = (Vec::new(), Vec::new());
        let mut equals = BTreeMap::<u32, Equals>::new();
        for (source, placed) in placed {
            if !scene.is_judged(source) {
                continue;
            }
            let read = one.has_read(scene, source);
            let first = scene.correspondence.first[source as usize];
            if let Some(set) = scene.correspondence.equal.get(&source) {
                let equals = equals.entry(*set).or_default();
                let records = if read { &mut equals.read } else { &mut equals.unread };
                records.push(source);
            } else if read && placed.first && !scene.may_be_repeat(first, source) {
                rewound.push(source);
            } else if !read && !placed.any && !one.may_find_expired(scene, source) {
                skipped.push(Skipped::Record(source));
            }
        }
        self.count_copies(one, &mut equals);
        self.count_missing(one, &mut equals);
        for equals in equals.into_values() {
            skipped.extend(equals.skipped(scene, one).map(Skipped::Record));
            rewound.extend(equals.rewound(scene));
        }

        for (at, position) in &one.resumed {
            let end = scene.history.destination_bounds.get(at).map(|bounds| bounds.end);
            if at.topic == one.topic && end.is_some_and(|end| *position > end) {
                skipped.push(Skipped::Beyond(*at, *position));
            }
        }
        (skipped, rewound)
    }

    /// Counts the copies of each set of equal records.
    fn count_copies(&self, one: &Move<'s>, equals: &mut BTreeMap<u32, Equals>) {
        let correspondence = &self.scene.correspondence;
        for index in &correspondence.time {
            let source = correspondence.source_of(*index);
            let set = source.and_then(|source| correspondence.equal.get(&source));
            if let Some(equals) = set.and_then(|set| equals.get_mut(set)) {
                let copy = self.scene.destination(*index);
                if one.reaches(copy.at, copy.offset) {
                    equals.beyond += 1;
                } else {
                    equals.before += 1;
                }
            }
        }
    }

    /// Counts the records of each set that have no copy, though a copy may be theirs: they had to arrive, or others are
    /// still to come. One whose copy has expired had it, where the group does not get it.
    fn count_missing(&self, one: &Move<'s>, equals: &mut BTreeMap<u32, Equals>) {
        let (scene, correspondence) = (self.scene, &self.scene.correspondence);
        let may_come = scene.history.completeness() != Completeness::Final;
        let is_missed = |source: u32| {
            let has_expired =
                scene.may_have_expired(source) && !one.may_find_expired(scene, source);
            scene.had_to_arrive(source) && !has_expired
        };
        for (source, set) in &correspondence.equal {
            if correspondence.first[*source as usize] == NONE
                && scene.is_judged(*source)
                && (may_come || is_missed(*source))
                && let Some(equals) = equals.get_mut(set)
            {
                let read = one.has_read(scene, *source);
                let missing =
                    if read { &mut equals.read_missing } else { &mut equals.unread_missing };
                *missing += 1;
            }
        }
    }

    fn show_skipped(&self, skipped: &Skipped, group: &str) -> Evidence {
        match skipped {
            Skipped::Record(source) => {
                let detail = format!("not read by {group}, and no copy lies where it goes on");
                on_source(self.scene, *source, detail)
            }
            Skipped::Beyond(at, position) => {
                let topic = self.scene.history.topics[at.topic as usize].destination.clone();
                let place = Place { topic, partition: at.partition, offset: position.0 };
                let detail = format!("{group} goes on beyond the end of the partition");
                Evidence { destination: Some(place), detail, ..Evidence::default() }
            }
        }
    }
}

impl Check for Translation<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let mut skips = Tally::of(Anomaly::TranslationSkips);
        let mut rewinds = Tally::of(Anomaly::TranslationRewinds);
        let (moves, allowed) = self.moves();
        for (number, one) in moves.iter().enumerate() {
            if !scene.history.topics[one.topic as usize].selected {
                continue;
            }
            let (skipped, rewound) = self.judge(one);
            for skipped in skipped {
                let circumstance = match skipped {
                    Skipped::Record(source) if scene.is_superseded(source) => {
                        Circumstance::Superseded
                    }
                    Skipped::Record(_) | Skipped::Beyond(..) => Circumstance::Plain,
                };
                skips.add(circumstance, (number, skipped));
            }
            // The furthest back are those that are too many.
            let beyond =
                rewound.len() - rewound.len().min(allowed.try_into().unwrap_or(usize::MAX));
            for source in furthest_back(scene, one.committed, rewound, beyond) {
                rewinds.add(Circumstance::Plain, (number, source));
            }
        }
        let mut findings =
            skips.findings(|(number, skipped)| self.show_skipped(&skipped, moves[number].group));
        findings.extend(rewinds.findings(|(number, source)| {
            let group = moves[number].group;
            on_source(scene, source, format!("read by {group}, which gets it again"))
        }));
        findings
    }
}

/// The records that lie furthest before the positions of their partitions, in order.
fn furthest_back(
    scene: &Scene<'_>,
    committed: &Positions,
    mut records: Vec<u32>,
    count: usize,
) -> Vec<u32> {
    let distance = |source: &u32| {
        let record = scene.source(*source);
        committed.get(&record.at).map_or(0, |at| at.0 - record.offset.0)
    };
    records.sort_by_key(|source| std::cmp::Reverse(distance(source)));
    records.truncate(count);
    records.sort_unstable();
    records
}
