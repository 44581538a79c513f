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
//! replay by a subject that may put a key anywhere, or after growth). While a replay may still be
//! under way (the run did not end), what an event precedes is not called stale.
//!
//! On a compacted topic the newer copy may be gone, if another record of the key came later: only
//! the very last copy of a key can be stale there, in its partition and, after an event, in all.
//!
//! A freeze or a rebalance before it makes it the possible work of a zombie.

use super::{
    Check, Observation,
    evidence::in_sequence,
    scene::{Completeness, Scene},
    tally::Tally,
};
use crate::{
    history::{EventKind, TopicPartition},
    verdict::{Anomaly, Circumstance, Finding},
};
use std::collections::{BTreeMap, HashMap};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Stale {
        scene,
        shards: HashMap::new(),
        replayed: BTreeMap::new(),
        last: HashMap::new(),
    })
}

struct Stale<'s> {
    scene: &'s Scene<'s>,
    shards: HashMap<(TopicPartition, TopicPartition, u32), Shard>,
    /// For each source partition and key what was copied after an event.
    replayed: BTreeMap<(TopicPartition, u32), Vec<Replayed>>,
    /// On compacted topics: the last copy of each key in each partition.
    last: HashMap<u32, BTreeMap<TopicPartition, u32>>,
}

/// The destination partition, the epoch, and the latest source record that was copied in it.
type Replayed = (TopicPartition, u32, u32);

struct Shard {
    /// The latest source record that was delivered.
    latest: u32,
    /// The source record whose copy is the last, and that copy.
    last: (u32, u32),
}

impl Stale<'_> {
    fn circumstance(&self, shard: &Shard) -> Option<Circumstance> {
        let (scene, (last, copy)) = (self.scene, shard.last);
        let (old, new) = (scene.source(last), scene.source(shard.latest));
        if last >= shard.latest || old.content.value == new.content.value {
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
        if epoch > 0 && scene.completeness() == Completeness::Unknown {
            return None;
        }
        let elsewhere = scene.key(last).and_then(|key| self.replayed.get(&(old.at, key)));
        let again = |(at, later, source): &Replayed| {
            *at != record.at && *later >= epoch && *source >= shard.latest
        };
        if epoch > 0 && elsewhere.is_some_and(|copies| copies.iter().any(again)) {
            return None;
        }
        let zombie = scene.history.events.iter().any(|event| {
            matches!(event.kind, EventKind::Freeze | EventKind::Rebalance) && event.precedes(record)
        });
        Some(if zombie { Circumstance::PossibleZombie } else { Circumstance::Plain })
    }
}

impl Check for Stale<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Copy { destination, source, .. } = observation else { return };
        let Some(key) = self.scene.key(source) else { return };
        if self.scene.correspondence.unordered.contains(&source) {
            return;
        }
        let (copy, original) = (self.scene.destination(destination), self.scene.source(source));
        if self.scene.history.topics[copy.at.topic as usize].compacted {
            self.last.entry(key).or_default().insert(copy.at, destination);
        }
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
        let shard = self
            .shards
            .entry(shard)
            .or_insert(Shard { latest: source, last: (source, destination) });
        shard.latest = shard.latest.max(source);
        shard.last = (source, destination);
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let mut stale: Vec<_> = self
            .shards
            .values()
            .filter_map(|shard| Some((shard.last.1, shard.latest, self.circumstance(shard)?)))
            .collect();
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
