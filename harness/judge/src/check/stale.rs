//! `stale`: the last copy of a key is not its latest record that was delivered.
//!
//! ```text
//! source       1 2 3 4 5
//! destination  1 2 3 4 5 3       who reads the key's last value gets 3: stale
//! destination  1 2 3 | 2 3 4 5   not stale: the replay went through to the end
//! ```
//!
//! Compared for each destination partition, source partition and key, for keys alone. Two cases are
//! not stale although the offsets say so: the older record equals the newer one in value (nobody
//! can tell), and the newer record was copied again to another partition after the same event (a
//! replay by a subject that may put a key anywhere, or after growth), or may have been, where it would
//! have expired since. While a replay may still be under way (the run did not end), what an event
//! precedes is not called stale. That the beginning of its own partition has expired excuses nothing:
//! the last copy is there, and so is a newer one before it. But of several equal records without an id
//! nobody knows then which one the last copy is of.
//!
//! Of equal records without order (keys that may lie anywhere) a last copy is stale if it is older whichever of them it
//! is of (see `span`).
//!
//! ```text
//! source       x x y             no ids: both x are equal
//! destination  x x y x           whichever x came last, y is newer: stale
//! ```
//!
//! On a topic that forgets, the y that is there may be an older one. So there it is stale only if that is its key's last
//! record, of which a copy must have stayed, and there is none elsewhere.
//!
//! On a compacted topic the newer copy may be gone, if another record of the key came later: only
//! the very last copy of a key can be stale there, in its partition and, after an event, in all.
//!
//! A record that a compacted source has forgotten is older than all that it still holds of the key:
//! as the last copy it is stale, too. It is judged if the key lies in one source partition alone,
//! for else nobody knows in which the forgotten record lay. A tombstone may be all that was left of the key in another
//! partition: where there are several it leaves a doubt, unless partition numbers are kept.
//!
//! ```text
//! source       . 2 .             1 was superseded and is gone
//! destination  2 1               who reads the key's last value gets 1: stale
//! ```
//!
//! Without an id it may as well be a record that nobody produced, which is no better.
//!
//! A freeze or a rebalance before it makes it the possible work of a zombie, unless that was over by then.

use super::{Check, Observation, evidence::in_sequence, scene::Scene, tally::Tally};
use crate::{
    contract::Isolation,
    correspondence::{NONE, Recognition},
    history::{
        Completeness, DestinationRecord, Outcome, Payload, SourceRecord, TopicIndex, TopicPartition,
    },
    verdict::{Anomaly, Circumstance, Finding},
};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Stale {
        scene,
        shards: HashMap::new(),
        replayed: BTreeMap::new(),
        last: HashMap::new(),
        tails: HashMap::new(),
        last_of: OnceCell::new(),
        place_of: OnceCell::new(),
        homes: homes(scene),
    })
}

struct Stale<'s> {
    scene: &'s Scene<'s>,
    shards: HashMap<(TopicPartition, TopicPartition, u32), Shard>,
    /// For each source partition and key what was copied after an event.
    replayed: BTreeMap<(TopicPartition, u32), Vec<Replayed>>,
    /// On compacted topics: the last copy of each key in each partition.
    last: HashMap<u32, BTreeMap<TopicPartition, u32>>,
    /// On compacted topics: the end of each key in each partition.
    tails: HashMap<(TopicPartition, u32), Tail>,
    /// The last source record of each content in each partition, where anybody asks for it.
    last_of: OnceCell<HashMap<(TopicPartition, u128), u32>>,
    /// Where all copies of each content lie, unless in several partitions, where anybody asks for it.
    place_of: OnceCell<HashMap<(TopicIndex, u128), Option<TopicPartition>>>,
    /// The number of each key that lies in one source partition alone, on compacted topics.
    homes: HashMap<(TopicIndex, &'s [u8]), u32>,
}

/// The latest delivered record of a key, and what lies behind its copies that the source has
/// forgotten.
struct Tail {
    latest: u32,
    forgotten: Option<u32>,
}

/// Numbers of the keys of compacted topics that lie in one source partition alone.
fn homes<'s>(scene: &'s Scene<'s>) -> HashMap<(TopicIndex, &'s [u8]), u32> {
    let mut homes = HashMap::new();
    for (index, record) in (0..).zip(&scene.history.source) {
        let Some(key) = record.content.key() else { continue };
        if scene.history.topics[record.at.topic as usize].compacted {
            let number = scene.correspondence.keys[index as usize];
            let home = homes.entry((record.at.topic, key)).or_insert(Some((record.at, number)));
            if home.is_some_and(|(at, _)| at != record.at) {
                *home = None;
            }
        }
    }
    homes.into_iter().filter_map(|(key, home)| Some((key, home?.1))).collect()
}

/// In which partition all copies of each key and value lie, if in one.
fn place_of_content(scene: &Scene<'_>) -> HashMap<(TopicIndex, u128), Option<TopicPartition>> {
    let mut places = HashMap::new();
    for index in &scene.correspondence.time {
        if let Some(source) = scene.correspondence.source_of(*index) {
            let SourceRecord { at, content, .. } = scene.source(source);
            let at = (at.topic, content.digest());
            let copy = scene.destination(*index).at;
            let place = places.entry(at).or_insert(Some(copy));
            *place = place.filter(|place| *place == copy);
        }
    }
    places
}

/// The last source record of each key and value in each partition.
fn last_of_content(scene: &Scene<'_>) -> HashMap<(TopicPartition, u128), u32> {
    let records = (0..).zip(&scene.history.source);
    records.map(|(index, record)| ((record.at, record.content.digest()), index)).collect()
}

/// The destination partition, the epoch, and the latest source record that was copied in it.
type Replayed = (TopicPartition, usize, u32);

struct Shard {
    /// The latest source record that was delivered, unless only such came of which nothing is certain.
    latest: Option<u32>,
    /// The source record whose copy is the last, and that copy.
    last: (u32, u32),
    /// Whether that may be of a record that the source has forgotten.
    is_vague: bool,
}

impl Stale<'_> {
    /// Whether nothing tells `last` apart from a record that came as late as `latest`, nor the sequence
    /// of its key, whose beginning is gone.
    fn may_be_of_a_later_equal(&self, last: u32, latest: u32) -> bool {
        let scene = self.scene;
        let old = scene.source(last);
        scene.correspondence.equal.contains_key(&last)
            && scene.may_have_expired(last)
            && self.last_of.get_or_init(|| last_of_content(scene))[&(old.at, old.content.digest())]
                >= latest
    }

    /// The newer record, if the last copy is stale.
    fn judge(&self, key: u32, shard: &Shard) -> Option<(u32, Circumstance)> {
        let (scene, (last, copy)) = (self.scene, shard.last);
        let from = scene.source(last).at;
        let latest = if shard.is_vague { None } else { shard.latest };
        let latest = latest.max(self.newest(from, key, copy))?;
        let (old, new) = (scene.source(last), scene.source(latest));
        if last >= latest || old.content.value() == new.content.value() {
            return None;
        }
        if self.may_be_of_a_later_equal(last, latest) {
            return None;
        }
        let record = scene.destination(copy);
        let epoch = scene.epoch(record);
        let compacted = scene.key(last).and_then(|key| self.last.get(&key));
        let supersedes = |(at, other): (&TopicPartition, &u32)| {
            let later = epoch > 0 && scene.epoch(scene.destination(*other)) >= epoch;
            if *at == record.at { *other != copy } else { later }
        };
        if compacted.is_some_and(|copies| copies.iter().any(supersedes)) {
            return None;
        }
        if epoch > 0 && scene.history.completeness() == Completeness::Unknown {
            return None;
        }
        let elsewhere = scene.key(last).and_then(|key| self.replayed.get(&(old.at, key)));
        let again = |(at, later, source): &Replayed| {
            *at != record.at && *later >= epoch && *source >= latest
        };
        if epoch > 0 && elsewhere.is_some_and(|copies| copies.iter().any(again)) {
            return None;
        }
        let end = scene.last_of_key(from, key).unwrap_or(latest);
        if scene.may_have_been_replayed(latest, record)
            || (epoch > 0 && scene.may_have_been_erased(end, record))
        {
            return None;
        }
        Some((latest, self.author(record)))
    }

    /// The last record of a key, where it is certain that a copy of it lies before the last copy of the key: that may
    /// be of a record which the source has forgotten. Of tombstones nothing is certain, they are removed, too; nor where
    /// what was forgotten may have lain in another partition.
    fn newest(&self, from: TopicPartition, key: u32, copy: u32) -> Option<u32> {
        let partitions = &self.scene.history.topics[from.topic as usize].source_partitions;
        let is_one = partitions.iter().all(|count| *count <= 1);
        if is_one { self.certain_last(from, key, copy) } else { None }
    }

    /// The same, if what was forgotten lay in the same partition.
    fn certain_last(&self, from: TopicPartition, key: u32, copy: u32) -> Option<u32> {
        let scene = self.scene;
        let newest = scene.last_of_key(from, key)?;
        let content = &scene.source(newest).content;
        if content.value() == Payload::Null {
            return None;
        }
        self.homes.get(&(from.topic, content.key()?))?;
        let places = self.place_of.get_or_init(|| place_of_content(scene));
        let place = places.get(&(from.topic, content.digest())).copied().flatten();
        let is_certain = place == Some(scene.destination(copy).at)
            && scene.correspondence.first[newest as usize] != NONE
            && !scene.may_have_expired(newest)
            && scene.history.completeness() == Completeness::Final;
        is_certain.then_some(newest)
    }

    fn author(&self, record: &DestinationRecord) -> Circumstance {
        let zombie = self.scene.history.events.iter().any(|event| {
            event.kind.makes_two_writers() && event.precedes(record) && event.was_not_over(record)
        });
        if zombie { Circumstance::PossibleZombie } else { Circumstance::Plain }
    }

    /// A record that the source has forgotten, if it is the stale end of its key.
    fn forgotten(&self, key: u32, tail: &Tail) -> Option<(u32, u32, Circumstance)> {
        let copy = tail.forgotten?;
        let record = self.scene.destination(copy);
        let epoch = self.scene.epoch(record);
        let later = |(at, other): (&TopicPartition, &u32)| {
            *at != record.at && self.scene.epoch(self.scene.destination(*other)) >= epoch
        };
        let replayed = self.last.get(&key).is_some_and(|copies| copies.iter().any(later));
        let excused = epoch > 0
            && (replayed || self.scene.history.completeness() == Completeness::Unknown)
            || self.scene.may_have_been_replayed(tail.latest, record);
        // One that the source holds as well, and that is not older, may be what was copied.
        let from = self.scene.source(tail.latest).at;
        let held = self.last_of.get_or_init(|| last_of_content(self.scene));
        let held = held.get(&(from, record.content.digest()));
        let same = record.content.value() == self.scene.source(tail.latest).content.value()
            || held.is_some_and(|held| *held >= tail.latest);
        // What is held may be yet to come, or lie elsewhere, and what was copied be one of its equals that is forgotten.
        let is_elsewhere = || {
            self.scene.may_be_spread(tail.latest) && self.certain_last(from, key, copy).is_none()
        };
        let is_vague = self.scene.source(tail.latest).content.ids().next().is_none()
            && self.scene.may_have_forgotten(record.at.topic)
            && (self.scene.history.completeness() != Completeness::Final || is_elsewhere());
        let excused = excused
            || is_vague
            || (record.content.value() == Payload::Null && self.scene.erased.contains(&key));
        (!excused && !same).then(|| (copy, tail.latest, self.author(record)))
    }

    fn step_forgotten(&mut self, destination: u32) {
        let record = self.scene.destination(destination);
        let Some(key) = record.content.key() else { return };
        if let Some(key) = self.homes.get(&(record.at.topic, key))
            && let Some(tail) = self.tails.get_mut(&(record.at, *key))
        {
            tail.forgotten = Some(destination);
        }
    }
}

impl Check for Stale<'_> {
    fn step(&mut self, observation: Observation) {
        let (destination, source) = match observation {
            Observation::Copy { destination, source, .. } => (destination, source),
            Observation::Other(destination, Recognition::Absent(Outcome::Acknowledged)) => {
                return self.step_forgotten(destination);
            }
            // What was aborted is not known to be older.
            Observation::Other(destination, Recognition::Forgotten)
                if self.scene.contract.isolation == Isolation::ReadCommitted =>
            {
                return self.step_forgotten(destination);
            }
            Observation::Source(_) | Observation::Other(..) | Observation::Commit(_) => return,
        };
        let Some(key) = self.scene.key(source) else { return };
        let (copy, original) = (self.scene.destination(destination), self.scene.source(source));
        let span = self.scene.span(destination, source);
        if self.scene.history.topics[copy.at.topic as usize].compacted {
            self.last.entry(key).or_default().insert(copy.at, destination);
            let at = (copy.at, key);
            if !self.scene.correspondence.unordered.contains(&source) {
                let tail = self.tails.entry(at).or_insert(Tail { latest: source, forgotten: None });
                *tail = Tail { latest: source.max(tail.latest), forgotten: None };
            } else if let Some(tail) = self.tails.get_mut(&at) {
                tail.forgotten = None;
            }
        }
        let Some(span) = span else { return };
        let source = span.latest;
        let epoch = self.scene.epoch(copy);
        if epoch > 0 {
            let copies = self.replayed.entry((original.at, key)).or_default();
            // One entry for each partition and epoch is enough: the latest record.
            match copies.iter_mut().rfind(|(at, at_epoch, _)| (*at, *at_epoch) == (copy.at, epoch))
            {
                Some((_, _, latest)) => *latest = (*latest).max(source),
                None => copies.push((copy.at, epoch, source)),
            }
        }
        let shard = (copy.at, original.at, key);
        let shard = self.shards.entry(shard).or_insert(Shard {
            latest: None,
            last: (source, destination),
            is_vague: false,
        });
        shard.latest = shard.latest.max(span.earliest);
        shard.last = (source, destination);
        shard.is_vague = span.earliest.is_none();
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let mut stale: Vec<_> = self
            .shards
            .iter()
            .filter_map(|((_, _, key), shard)| {
                let (latest, circumstance) = self.judge(*key, shard)?;
                Some((shard.last.1, latest, circumstance))
            })
            .collect();
        let forgotten = self.tails.iter().filter_map(|((_, key), tail)| self.forgotten(*key, tail));
        stale.extend(forgotten);
        stale.sort_unstable();
        let mut tally = Tally::of(Anomaly::Stale);
        for (copy, latest, circumstance) in stale {
            tally.add(circumstance, (copy, latest));
        }
        tally.findings(|(copy, latest)| {
            let latest = scene.source(latest).offset.0;
            in_sequence(
                scene,
                copy,
                format!("its key's last copy, though source @{latest} is newer"),
            )
        })
    }
}
