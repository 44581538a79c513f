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
        Completeness, DestinationOffset, DestinationRecord, Ends, History, Outcome, Payload,
        SourceRecord, TopicIndex, TopicPartition,
    },
    verdict::Circumstance,
};
use std::collections::{BTreeSet, HashMap, HashSet};

impl Scene<'_> {
    /// On a compacted topic: a later record of its key lies in its partition, or a record that the source has forgotten may be
    /// a later one, or the latest copy has its value, or the destination's compaction may have removed its copy (see
    /// `may_have_been_removed`) and has removed as many.
    pub(crate) fn is_superseded(&self, source: u32) -> bool {
        let record = self.source(source);
        if !self.history.topics[record.at.topic as usize].compacted {
            return false;
        }
        let Some(key) = self.key(source) else { return false };
        self.is_superseded_for_certain(source, key)
            || (self.may_have_been_removed(source, key) && !self.overdrawn.contains(&source))
    }

    /// The same, whatever the destination has removed.
    fn is_superseded_for_certain(&self, source: u32, key: u32) -> bool {
        let record = self.source(source);
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
        latest.is_some_and(same)
    }

    /// Records without a copy, each of which the destination may have removed, that are too many for the offsets that show nothing
    /// there: the last of them, since nobody knows which.
    pub(super) fn overdrawn(&self) -> HashSet<u32> {
        let mut left = HashMap::<TopicIndex, i64>::new();
        for (at, hidden) in &self.hidden {
            let bounds = self.history.destination_bounds[at];
            let expired = (bounds.low.0 - bounds.baseline.0).max(0);
            *left.entry(at.topic).or_default() += hidden + expired;
        }
        let mut overdrawn = HashSet::new();
        for (source, record) in (0..).zip(&self.history.source) {
            if self.correspondence.first[source as usize] == NONE
                && self.is_judged(source)
                && let Some(key) = self.key(source)
                && let Some(left) = left.get_mut(&record.at.topic)
                && !self.is_superseded_for_certain(source, key)
                && self.may_have_been_removed(source, key)
            {
                *left -= 1;
                if *left < 0 {
                    overdrawn.insert(source);
                }
            }
        }
        overdrawn
    }

    /// Whether compaction of the destination may have removed the copy of a key's last record, for one of another source
    /// partition: between those there is no order. Or it is a tombstone, and a partition where its copy may have lain has no
    /// record of its key: compaction removes tombstones in the end, and "no record" says the same to every reader.
    fn may_have_been_removed(&self, source: u32, key: u32) -> bool {
        let record = self.source(source);
        let is_tombstone = record.content.value() == Payload::Null;
        let is_missing = self.correspondence.first[source as usize] == NONE;
        let is_rival = |(at, latest): (&TopicPartition, &u32)| {
            let copies = &self.last_copies;
            *at != record.at
                || (is_missing && copies.may_be_of_another(&self.correspondence, *latest))
        };
        let has_rivals = self.contract.partitioning != Partitioning::Preserve
            && (self.copied_from.get(&key).is_some_and(|latest| latest.iter().any(is_rival))
                || (is_missing && self.has_tombstones_elsewhere(key, record.at)));
        let gave_way = |place: u32| self.gave_way_in(source, key, place);
        let places = || self.places_within(record);
        (is_missing && is_tombstone && self.is_erased_in(source, |_| true))
            || (has_rivals
                && (!is_missing || places().is_none_or(|all| all.into_iter().any(gave_way))))
    }

    /// Whether the copy of a key's last record may have lain in a partition, and been removed for what lies behind it there: it
    /// lay behind all of its own source partition, and at an offset that shows nothing. Of equals in several source partitions
    /// nobody knows which is missing.
    fn gave_way_in(&self, source: u32, key: u32, place: u32) -> bool {
        let from = self.source(source).at;
        let at = TopicPartition { partition: place, ..from };
        let Some(end) = self.last_copies.all.get(&(at, key)) else {
            let may_be_erased =
                self.may_have_forgotten(from.topic) || self.has_tombstones_elsewhere(key, from);
            return may_be_erased && !self.is_full(at);
        };
        let lies_behind = |home: &TopicPartition| {
            let own = self.last_copies.own.get(&(at, *home, key));
            let begin = own.map(|own| self.destination(*own).offset);
            self.has_holes(at, begin, Some(self.destination(*end).offset))
        };
        let homes = self.last_copies.homes(&self.correspondence, source);
        homes.map_or_else(|| lies_behind(&from), |homes| homes.iter().any(lies_behind))
    }

    /// Whether each offset of a destination partition shows a record.
    pub(super) fn is_full(&self, at: TopicPartition) -> bool {
        self.hidden.get(&at).is_some_and(|hidden| *hidden <= 0)
    }

    /// Whether an offset of a destination partition shows nothing, of those that this run has written between these.
    fn has_holes(
        &self,
        at: TopicPartition,
        begin: Option<DestinationOffset>,
        end: Option<DestinationOffset>,
    ) -> bool {
        let Some(bounds) = self.history.destination_bounds.get(&at) else { return true };
        let first = bounds.baseline.max(bounds.low);
        let begin = begin.map_or(first, |begin| begin.max(first));
        let end = end.map_or(bounds.end, |end| end.min(bounds.end));
        let destination = &self.history.destination;
        let index = |offset: DestinationOffset| {
            destination.partition_point(|record| (record.at, record.offset) < (at, offset)) as i64
        };
        end.0 - begin.0 > index(end) - index(begin)
    }

    /// Under which circumstance a record had no copy when the destination ended there, whatever came later; `None` at the end of
    /// the run. On a compacted topic the copy that came later may be a repeat, or of an equal which the source has forgotten, and
    /// the record's own was removed for it: that lay where nothing is shown now.
    pub(crate) fn absence_by_then(&self, source: u32, ends: Option<&Ends>) -> Circumstance {
        let record = self.source(source);
        let first = self.correspondence.first[source as usize];
        let Some(key) = self.key(source) else { return self.absence(source) };
        if first == NONE || !self.history.topics[record.at.topic as usize].compacted {
            return self.absence(source);
        }
        let copy = self.destination(first);
        let is_repeat = self.history.explains(copy, record);
        let has_id = record.content.ids().next().is_some();
        let may_be_of_another = !has_id && self.may_have_forgotten_equals(record.at);
        let was_removed = |partition: u32| {
            let at = TopicPartition { partition, ..record.at };
            let end = ends.and_then(|ends| ends.get(&at)).copied();
            let last = self.last_copies.all.get(&(at, key));
            let last = last.map(|last| self.destination(*last).offset);
            self.has_holes(at, None, last.into_iter().chain(end).min())
        };
        if (is_repeat || may_be_of_another)
            && self.places_within(record).is_none_or(|all| all.into_iter().any(was_removed))
        {
            Circumstance::Superseded
        } else if self.correspondence.equal.contains_key(&source) {
            self.absence(source)
        } else {
            self.absence_by_place(source)
        }
    }

    /// Whether records of a compacted topic may have been forgotten whose copies lie among those of this source partition.
    pub(super) fn may_have_forgotten_equals(&self, from: TopicPartition) -> bool {
        self.history.topics[from.topic as usize].compacted
            && match self.contract.partitioning {
                Partitioning::Preserve => self.hollow.contains(&from),
                _ => self.may_have_forgotten(from.topic),
            }
    }

    /// Whether another source partition than this one has a tombstone of a key which may be gone on the destination.
    fn has_tombstones_elsewhere(&self, key: u32, from: TopicPartition) -> bool {
        self.tombstones.get(&key).is_some_and(|homes| homes.iter().any(|home| *home != from))
    }

    /// The destination partitions in which some copy of a record may lie; `None` where nobody knows how many there are.
    fn places_within(&self, record: &SourceRecord) -> Option<Vec<u32>> {
        let counts = &self.history.topics[record.at.topic as usize].destination_partitions;
        let most = counts.iter().max().copied().unwrap_or_default();
        self.places(record).or_else(|| (most > 0).then(|| (0..most).collect()))
    }

    /// Whether a copy of a record may have lain in a partition that has no record of its key, among these. Where each offset
    /// shows a record nothing was removed.
    fn is_erased_in(&self, source: u32, among: impl Fn(u32) -> bool) -> bool {
        let record = self.source(source);
        let is_erased = |partition: u32| {
            let at = TopicPartition { partition, ..record.at };
            let holds =
                self.key(source).is_some_and(|key| self.last_copies.all.contains_key(&(at, key)));
            among(partition) && !holds && !self.is_full(at)
        };
        self.places_within(record).is_some_and(|places| places.into_iter().any(is_erased))
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

/// Of how many offsets that this run wrote to each destination partition of a compacted topic nothing is shown.
pub(super) fn hidden(history: &History) -> HashMap<TopicPartition, i64> {
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
    left.into_iter().map(|(at, (_, left))| (at, left)).collect()
}

/// Numbers of the keys of which the destination has a record that the source has forgotten, and that need not be older
/// than what the source holds of the key: it was aborted, or may have been, or the key lies in several partitions. In the
/// latter case the source has forgotten it for a newer one of its partition, which has a copy behind it once the run has ended.
/// In the former it is older than the record whose copy comes last in its partition, unless that is a repeat.
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
    if !correspondence.recognised.iter().any(|recognition| is_aborted(recognition).is_some()) {
        return HashSet::new();
    }
    let mut ends = HashMap::new();
    for (record, recognition) in history.destination.iter().zip(&correspondence.recognised) {
        if let Some(key) = record.content.key() {
            ends.insert((record.at, key), (record, recognition));
        }
    }
    let is_older = |(end, recognition): (&DestinationRecord, &Recognition)| match recognition {
        Recognition::Copy(source) => !history.explains(end, &history.source[*source as usize]),
        _ => false,
    };
    // For each key: its number, where it lies on the source, and whether the forgotten record was aborted.
    let mut homes = HashMap::<_, (u32, BTreeSet<_>, bool)>::new();
    for (record, recognition) in history.destination.iter().zip(&correspondence.recognised) {
        let Some(key) = record.content.key() else { continue };
        if let Some(is_aborted) = is_aborted(recognition) {
            let home = homes.entry((record.at.topic, key));
            home.or_insert((NONE, BTreeSet::new(), false)).2 |=
                is_aborted && !is_older(ends[&(record.at, key)]);
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
