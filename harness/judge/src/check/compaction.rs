//! What compaction may have removed on either side, and what may take the place of a record that it left.
//!
//! ```text
//! source       t/0: 1   t/1: 2
//! destination  . 2               2 came behind 1, of which compaction has left nothing
//! ```

use super::scene::Scene;
use crate::{
    contract::{Contract, Isolation, Partitioning},
    correspondence::{Correspondence, NONE, Recognition},
    history::{
        Completeness, DestinationRecord, History, Outcome, Payload, SourceRecord, TopicPartition,
    },
};
use std::collections::{BTreeSet, HashMap, HashSet};

impl Scene<'_> {
    /// On a compacted topic: a later record of its key lies in its partition, or the destination's compaction may have
    /// removed its copy (see `may_have_been_removed`), or a record that the source has forgotten may be a later one, or the
    /// latest copy has its value.
    pub(crate) fn is_superseded(&self, source: u32) -> bool {
        let record = self.source(source);
        if !self.history.topics[record.at.topic as usize].compacted {
            return false;
        }
        let Some(key) = self.key(source) else { return false };
        let is_missing = self.correspondence.first[source as usize] == NONE;
        if self.last_of_key.get(&(record.at, key)).is_some_and(|last| *last != source)
            || (is_missing && (self.forgotten.contains(&key) || self.erased.contains(&key)))
        {
            return true;
        }
        let latest = self.copied_from.get(&key).and_then(|latest| latest.get(&record.at));
        let same = |latest: &u32| {
            *latest != source && self.source(*latest).content.value() == record.content.value()
        };
        latest.is_some_and(same) || self.may_have_been_removed(source, key)
    }

    /// Whether compaction of the destination may have removed the copy of a key's last record: there are copies of the key from
    /// another source partition, between which there is no order. Or it is a tombstone, and a partition where its copy may have
    /// lain has no record of its key: compaction removes tombstones in the end, and "no record" says the same to every reader.
    fn may_have_been_removed(&self, source: u32, key: u32) -> bool {
        let record = self.source(source);
        let is_tombstone = record.content.value() == Payload::Null;
        let Some(latest) = self.copied_from.get(&key) else { return is_tombstone };
        let is_missing = self.correspondence.first[source as usize] == NONE;
        latest.keys().any(|at| *at != record.at)
            || (is_tombstone && is_missing && self.is_erased_in(source, |_| true))
    }

    /// Whether a copy of a record may have lain in a partition that has no record of its key, among these. Where each offset
    /// shows a record nothing was removed.
    fn is_erased_in(&self, source: u32, among: impl Fn(u32) -> bool) -> bool {
        let record = self.source(source);
        let counts = &self.history.topics[record.at.topic as usize].destination_partitions;
        let most = counts.iter().max().copied().unwrap_or_default();
        if most == 0 {
            // Nobody knows how many there are.
            return false;
        }
        let holders = self.key(source).and_then(|key| self.holders.get(&key));
        let is_erased = |place: u32| {
            among(place)
                && !holders.is_some_and(|holders| holders.contains(&place))
                && !self.full.contains(&TopicPartition { partition: place, ..record.at })
        };
        match self.places(record) {
            Some(places) => places.into_iter().any(is_erased),
            None => (0..most).any(is_erased),
        }
    }

    /// Whether a tombstone may have been copied again to another partition than `copy`, where compaction has removed it
    /// since with all that lay there of its key.
    pub(crate) fn may_have_been_erased(&self, source: u32, copy: &DestinationRecord) -> bool {
        let SourceRecord { at, content, .. } = self.source(source);
        self.history.topics[at.topic as usize].compacted
            && content.value() == Payload::Null
            && self.is_erased_in(source, |place| place != copy.at.partition)
    }
}

/// The destination partitions that have a record of a key of a compacted topic, by the key's number.
pub(super) fn holders(
    history: &History,
    correspondence: &Correspondence,
) -> HashMap<u32, BTreeSet<u32>> {
    let is_compacted = |at: TopicPartition| history.topics[at.topic as usize].compacted;
    let mut numbers = HashMap::new();
    for (record, number) in history.source.iter().zip(&correspondence.keys) {
        if let Some(key) = record.content.key().filter(|_| is_compacted(record.at)) {
            numbers.insert((record.at.topic, key), *number);
        }
    }
    let mut holders = HashMap::<u32, BTreeSet<u32>>::new();
    for index in correspondence.time.iter().filter(|_| !numbers.is_empty()) {
        let DestinationRecord { at, content, .. } = &history.destination[*index as usize];
        let number = content.key().and_then(|key| numbers.get(&(at.topic, key)));
        if let Some(number) = number {
            holders.entry(*number).or_default().insert(at.partition);
        }
    }
    holders
}

/// The destination partitions of compacted topics of which each offset of this run shows a record.
pub(super) fn full(history: &History) -> HashSet<TopicPartition> {
    let bounds = history.destination_bounds.iter();
    let compacted = bounds.filter(|(at, _)| history.topics[at.topic as usize].compacted);
    let mut left: HashMap<_, _> = compacted
        .map(|(at, bounds)| {
            let first = bounds.baseline.max(bounds.low);
            (*at, (first, bounds.end.0 - first.0))
        })
        .collect();
    for record in &history.destination {
        if let Some((first, left)) = left.get_mut(&record.at)
            && record.offset >= *first
        {
            *left -= 1;
        }
    }
    left.into_iter().filter(|(_, (_, left))| *left <= 0).map(|(at, _)| at).collect()
}

/// Numbers of the keys of which the destination has a record that the source has forgotten, and that need not be older
/// than what the source holds of the key: it was aborted, or may have been, or the key lies in several partitions. In the
/// latter case the source has forgotten it for a newer one of its partition, which has a copy behind it once the run has ended.
pub(super) fn forgotten(
    history: &History,
    contract: &Contract,
    correspondence: &Correspondence,
) -> HashSet<u32> {
    let reads_all = contract.isolation == Isolation::ReadUncommitted;
    let is_aborted = |recognition: &Recognition| match recognition {
        Recognition::Absent(Outcome::Failed) => reads_all.then_some(true),
        Recognition::Forgotten | Recognition::Absent(Outcome::Indeterminate) => Some(reads_all),
        Recognition::Absent(Outcome::Acknowledged) => Some(false),
        Recognition::Prefilled
        | Recognition::Unselected
        | Recognition::Copy(_)
        | Recognition::Aborted(_)
        | Recognition::Stranger => None,
    };
    // For each key: its number, where it lies on the source, and whether the forgotten record was aborted.
    let mut homes = HashMap::<_, (u32, BTreeSet<_>, bool)>::new();
    for (record, recognition) in history.destination.iter().zip(&correspondence.recognised) {
        let key = record.content.key().map(|key| (record.at.topic, key));
        if let (Some(key), Some(is_aborted)) = (key, is_aborted(recognition)) {
            homes.entry(key).or_insert((NONE, BTreeSet::new(), false)).2 |= is_aborted;
        }
    }
    for (record, number) in history.source.iter().zip(&correspondence.keys) {
        let key = record.content.key().map(|key| (record.at.topic, key));
        if let Some(home) = key.and_then(|key| homes.get_mut(&key)) {
            home.0 = *number;
            home.1.insert(record.at);
        }
    }
    let may_be_superseded = history.completeness() != Completeness::Final;
    let younger = homes
        .into_values()
        .filter(|(_, at, is_aborted)| *is_aborted || (may_be_superseded && at.len() > 1));
    younger.map(|(number, ..)| number).collect()
}

/// Numbers of the keys whose last record in a destination partition is a tombstone that the source has forgotten. All that
/// a partition of a compacted source held of a key is gone with its last tombstone: it may have been another partition
/// than those that still hold the key. Where partition numbers are kept, and where what is held ends with another
/// tombstone, nothing is in question.
pub(super) fn erased(
    history: &History,
    contract: &Contract,
    correspondence: &Correspondence,
    last_of_key: &HashMap<(TopicPartition, u32), u32>,
) -> HashSet<u32> {
    let is_in_question = |at: &TopicPartition| {
        let topic = &history.topics[at.topic as usize];
        topic.compacted
            && topic.source_partitions.iter().any(|count| *count > 1)
            && contract.partitioning != Partitioning::Preserve
    };
    let mut ends = HashMap::new();
    for (record, recognition) in history.destination.iter().zip(&correspondence.recognised) {
        if let Some(key) = record.content.key().filter(|_| is_in_question(&record.at)) {
            let is_forgotten = matches!(
                recognition,
                Recognition::Forgotten | Recognition::Absent(Outcome::Acknowledged)
            );
            let is_erased = is_forgotten && record.content.value() == Payload::Null;
            ends.insert((record.at, key), is_erased);
        }
    }
    ends.retain(|_, is_erased| *is_erased);
    let ends: HashSet<_> = ends.into_keys().map(|(at, key)| (at.topic, key)).collect();
    let is_held = |source: u32| {
        let SourceRecord { at, content, .. } = &history.source[source as usize];
        let is_end = |key| ends.contains(&(at.topic, key));
        content.value() != Payload::Null && content.key().is_some_and(is_end)
    };
    let held = last_of_key.iter().filter(|(_, source)| is_held(**source));
    held.map(|((_, number), _)| *number).collect()
}
