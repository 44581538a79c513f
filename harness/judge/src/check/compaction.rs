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
        Completeness, DestinationRecord, History, Outcome, Payload, SourceRecord, TopicIndex,
        TopicPartition,
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

    /// Whether compaction of the destination may have removed the copy of a key's last record, for one of another source
    /// partition: between those there is no order. Or it is a tombstone, and a partition where its copy may have lain has no
    /// record of its key: compaction removes tombstones in the end, and "no record" says the same to every reader.
    fn may_have_been_removed(&self, source: u32, key: u32) -> bool {
        let record = self.source(source);
        let is_tombstone = record.content.value() == Payload::Null;
        let Some(latest) = self.copied_from.get(&key) else { return is_tombstone };
        let is_missing = self.correspondence.first[source as usize] == NONE;
        let has_rivals = self.contract.partitioning != Partitioning::Preserve
            && latest.iter().any(|(at, latest)| {
                let ends = &self.ends;
                *at != record.at
                    || (is_missing && ends.may_be_of_another(&self.correspondence, *latest))
            });
        let gave_way = |place: u32| self.gave_way_in(source, key, place);
        (is_missing && is_tombstone && self.is_erased_in(source, |_| true))
            || (has_rivals && (!is_missing || self.places_within(record).any(gave_way)))
    }

    /// Whether the copy of a key's last record may have lain in a partition, and been removed for what lies behind it there: it
    /// lay behind all of its own source partition, and at an offset that shows nothing.
    fn gave_way_in(&self, source: u32, key: u32, place: u32) -> bool {
        let from = self.source(source).at;
        let at = TopicPartition { partition: place, ..from };
        let Some(end) = self.ends.all.get(&(at, key)) else {
            return !self.full.contains(&at) && self.may_have_been_erased_from_elsewhere(key, from);
        };
        let Some(bounds) = self.history.destination_bounds.get(&at) else { return true };
        let destination = &self.history.destination;
        let (begin, offset) = match self.ends.own.get(&(at, from, key)) {
            Some(own) => (*own as usize, self.destination(*own).offset),
            None => {
                let offset = bounds.baseline.max(bounds.low);
                let begin =
                    destination.partition_point(|record| (record.at, record.offset) < (at, offset));
                (begin, offset)
            }
        };
        let shown = *end as usize - begin;
        self.destination(*end).offset.0 - offset.0 > shown as i64
    }

    /// Whether compaction of the destination may have removed anything of a topic.
    pub(super) fn may_have_removed(&self, topic: TopicIndex) -> bool {
        let mut partitions = self.history.destination_bounds.keys().filter(|at| at.topic == topic);
        partitions.any(|at| !self.full.contains(at))
    }

    /// Whether a tombstone of a key may have come from another source partition than this one, and have been removed since.
    fn may_have_been_erased_from_elsewhere(&self, key: u32, from: TopicPartition) -> bool {
        let tombstones = self.tombstones.get(&key);
        self.may_have_forgotten(from.topic)
            || tombstones.is_some_and(|homes| homes.iter().any(|home| *home != from))
    }

    /// The destination partitions in which some copy of a record may lie. None where nobody knows how many there are.
    fn places_within(&self, record: &SourceRecord) -> impl Iterator<Item = u32> {
        let counts = &self.history.topics[record.at.topic as usize].destination_partitions;
        let most = counts.iter().max().copied().unwrap_or_default();
        self.places(record).unwrap_or_else(|| (0..most).collect()).into_iter()
    }

    /// Whether a copy of a record may have lain in a partition that has no record of its key, among these. Where each offset
    /// shows a record nothing was removed.
    fn is_erased_in(&self, source: u32, among: impl Fn(u32) -> bool) -> bool {
        let record = self.source(source);
        let is_erased = |partition: u32| {
            let at = TopicPartition { partition, ..record.at };
            let holds = self.key(source).is_some_and(|key| self.ends.all.contains_key(&(at, key)));
            among(partition) && !holds && !self.full.contains(&at)
        };
        self.places_within(record).any(is_erased)
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

/// The last records of keys in destination partitions of compacted topics.
#[derive(Default)]
pub(super) struct Ends {
    /// Of each partition and number of a key.
    pub(super) all: HashMap<(TopicPartition, u32), u32>,
    /// Of each partition, source partition and number of a key: the last first copy that is of a record of there for certain.
    pub(super) own: HashMap<(TopicPartition, TopicPartition, u32), u32>,
    /// Sets of equal records that lie in several source partitions.
    spread: HashSet<u32>,
}

impl Ends {
    /// Whether a copy that was taken for one of a record may be of an equal in another source partition.
    fn may_be_of_another(&self, correspondence: &Correspondence, source: u32) -> bool {
        correspondence.equal.get(&source).is_some_and(|set| self.spread.contains(set))
    }

    pub(super) fn of(history: &History, correspondence: &Correspondence) -> Ends {
        let is_compacted = |at: TopicPartition| history.topics[at.topic as usize].compacted;
        let mut numbers = HashMap::new();
        for (record, number) in history.source.iter().zip(&correspondence.keys) {
            if let Some(key) = record.content.key().filter(|_| is_compacted(record.at)) {
                numbers.insert((record.at.topic, key), *number);
            }
        }
        if numbers.is_empty() {
            return Ends::default();
        }
        let mut ends = Ends { spread: spread(history, correspondence), ..Ends::default() };
        let gaps = history.gaps();
        let home = |ends: &Ends, copy: &DestinationRecord, source: u32| {
            let original = &history.source[source as usize];
            let may_be_of_another = ends.may_be_of_another(correspondence, source)
                || (gaps[copy.at.topic as usize] > 0 && copy.content.ids().next().is_none());
            let is_repeat = || history.events.iter().any(|event| event.explains(copy, original));
            (!may_be_of_another && !is_repeat()).then_some(original.at)
        };
        for index in &correspondence.time {
            let copy = &history.destination[*index as usize];
            let number = copy.content.key().and_then(|key| numbers.get(&(copy.at.topic, key)));
            let Some(number) = number else { continue };
            ends.all.insert((copy.at, *number), *index);
            let source = correspondence.source_of(*index);
            let is_first = |source: &u32| correspondence.first[*source as usize] == *index;
            let source = source.filter(is_first);
            if let Some(from) = source.and_then(|source| home(&ends, copy, source)) {
                ends.own.insert((copy.at, from, *number), *index);
            }
        }
        ends
    }
}

/// Sets of equal records that lie in several source partitions.
fn spread(history: &History, correspondence: &Correspondence) -> HashSet<u32> {
    let mut homes = HashMap::new();
    let from = |source: &u32| history.source[*source as usize].at;
    let is_elsewhere = |(source, set): &(&u32, &u32)| {
        *homes.entry(**set).or_insert_with(|| from(source)) != from(source)
    };
    correspondence.equal.iter().filter(is_elsewhere).map(|(_, set)| *set).collect()
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
