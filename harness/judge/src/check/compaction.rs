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
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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
        let ends = self.ends_where_it_may_lie(source);
        let is_empty = |ends: Vec<(u32, Option<u32>)>| ends.iter().any(|(_, end)| end.is_none());
        latest.keys().any(|at| *at != record.at)
            || (is_tombstone && is_missing && ends.is_some_and(is_empty))
    }

    /// The partitions in which a copy of a record of a compacted topic may have lain, each with the last record of its key there.
    /// Where each offset shows a record nothing was removed. `None` if nobody knows how many there are.
    fn ends_where_it_may_lie(&self, source: u32) -> Option<Vec<(u32, Option<u32>)>> {
        let record = self.source(source);
        let counts = &self.history.topics[record.at.topic as usize].destination_partitions;
        let most = counts.iter().max().copied().filter(|most| *most > 0)?;
        let places = self.places(record).unwrap_or_else(|| (0..most).collect());
        let ends = self.key(source).and_then(|key| self.ends.get(&key));
        let end = |place: u32| ends.and_then(|ends| ends.get(&place)).copied();
        let has_room = |place: &u32| {
            end(*place).is_some()
                || self.has_holes(TopicPartition { partition: *place, ..record.at })
        };
        Some(places.into_iter().filter(has_room).map(|place| (place, end(place))).collect())
    }

    /// Whether some offset of a destination partition shows no record.
    fn has_holes(&self, at: TopicPartition) -> bool {
        self.history.destination_bounds.get(&at).is_none_or(|bounds| {
            let first = bounds.baseline.max(bounds.low);
            let shown = self.shown.get(&at).copied().unwrap_or_default();
            bounds.end.0 - first.0 > shown
        })
    }

    /// Whether a tombstone may have been copied again to another partition than `copy`, where compaction has removed it
    /// since with all that lay there of its key.
    pub(crate) fn may_have_been_erased(&self, source: u32, copy: &DestinationRecord) -> bool {
        let SourceRecord { at, content, .. } = self.source(source);
        let is_erased =
            |(place, end): &(u32, Option<u32>)| *place != copy.at.partition && end.is_none();
        self.history.topics[at.topic as usize].compacted
            && content.value() == Payload::Null
            && self.ends_where_it_may_lie(source).is_some_and(|ends| ends.iter().any(is_erased))
    }
}

/// The last record of each key of a compacted topic in each destination partition, by the key's number.
pub(super) fn ends(
    history: &History,
    correspondence: &Correspondence,
) -> HashMap<u32, BTreeMap<u32, u32>> {
    let is_compacted = |at: TopicPartition| history.topics[at.topic as usize].compacted;
    let mut numbers = HashMap::new();
    for (record, number) in history.source.iter().zip(&correspondence.keys) {
        if let Some(key) = record.content.key().filter(|_| is_compacted(record.at)) {
            numbers.insert((record.at.topic, key), *number);
        }
    }
    let mut ends = HashMap::<u32, BTreeMap<u32, u32>>::new();
    for index in correspondence.time.iter().filter(|_| !numbers.is_empty()) {
        let DestinationRecord { at, content, .. } = &history.destination[*index as usize];
        let number = content.key().and_then(|key| numbers.get(&(at.topic, key)));
        if let Some(number) = number {
            ends.entry(*number).or_default().insert(at.partition, *index);
        }
    }
    ends
}

/// How many records each destination partition of a compacted topic shows of this run.
pub(super) fn shown(history: &History) -> HashMap<TopicPartition, i64> {
    let mut shown = HashMap::new();
    let is_compacted = |at: TopicPartition| history.topics[at.topic as usize].compacted;
    for record in history.destination.iter().filter(|record| is_compacted(record.at)) {
        let first = history.destination_bounds.get(&record.at).map(|b| b.baseline.max(b.low));
        if first.is_none_or(|first| record.offset >= first) {
            *shown.entry(record.at).or_default() += 1;
        }
    }
    shown
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
