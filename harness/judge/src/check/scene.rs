//! What every checker looks at: the history, the correspondence, and a few questions about both
//! that more than one checker asks.

use super::{
    compaction::{erased, forgotten, hidden},
    damaged::damaged,
    last_copies::LastCopies,
    span::{Span, Spans},
};
use crate::{
    contract::{Contract, OrderScope, Partitioning, Start},
    correspondence::{Correspondence, NONE, Recognition, correspond},
    history::{
        DestinationBounds, DestinationOffset, DestinationRecord, History, Payload, SourceRecord,
        TopicIndex, TopicPartition,
    },
    partition::{crc32_partition, java_partition},
    verdict::Circumstance,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// An order that a source record belongs to within its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// Of the records with this key.
    OfKey(u32),
    /// Of all records.
    OfPartition,
}

/// A history with its correspondence.
pub(crate) struct Scene<'h> {
    pub(crate) history: &'h History,
    pub(crate) contract: &'h Contract,
    pub(crate) correspondence: Correspondence,
    /// On compacted topics: the last record of each source partition and key.
    pub(super) last_of_key: HashMap<(TopicPartition, u32), u32>,
    /// Of which source partitions each key of a compacted topic has copies, and the latest.
    pub(super) copied_from: HashMap<u32, BTreeMap<TopicPartition, u32>>,
    /// On compacted topics: the source partitions that hold a tombstone of each key whose copy may be gone.
    pub(super) tombstones: HashMap<u32, BTreeSet<TopicPartition>>,
    pub(super) last_copies: LastCopies,
    /// Source partitions of which an offset shows nothing.
    pub(super) hollow: BTreeSet<TopicPartition>,
    /// Topics of which the source may have forgotten records.
    forgetful: BTreeSet<TopicIndex>,
    /// On compacted topics: of how many offsets of each destination partition nothing is shown.
    pub(super) hidden: HashMap<TopicPartition, i64>,
    /// Records that are gone, and too many for what the destination has removed.
    pub(super) overdrawn: HashSet<u32>,
    /// Keys of which the destination has a record that the source has forgotten, and that may be a later one.
    pub(super) forgotten: HashSet<u32>,
    /// Keys whose last record in a destination partition is a tombstone that the source has forgotten, nobody knows of
    /// which partition.
    pub(crate) erased: HashSet<u32>,
    /// Destination partitions of which copies have expired.
    expired: Vec<(TopicPartition, DestinationBounds)>,
    spans: Spans,
}

impl<'h> Scene<'h> {
    pub(crate) fn of(history: &'h History, contract: &'h Contract) -> Scene<'h> {
        let scene = Scene::with(history, contract, correspond(history, contract));
        let damaged = damaged(&scene);
        if damaged.is_empty() {
            return scene;
        }
        let mut correspondence = scene.correspondence;
        for (copy, source) in damaged {
            correspondence.take_for(copy, source);
        }
        Scene::with(history, contract, correspondence)
    }

    fn with(
        history: &'h History,
        contract: &'h Contract,
        correspondence: Correspondence,
    ) -> Scene<'h> {
        let (mut last_of_key, mut copied_from) =
            (HashMap::new(), HashMap::<u32, BTreeMap<_, _>>::new());
        let mut tombstones = HashMap::<u32, BTreeSet<_>>::new();
        for (index, record) in history.source.iter().enumerate() {
            // What was aborted and not copied supersedes nothing.
            let is_there = correspondence.first[index] != NONE
                || !correspondence.aborted.contains(&(index as u32));
            if history.topics[record.at.topic as usize].compacted && is_there {
                let shard = (record.at, correspondence.keys[index]);
                last_of_key.insert(shard, index as u32);
                let may_be_gone = correspondence.first[index] == NONE || !history.events.is_empty();
                if may_be_gone && record.content.value() == Payload::Null {
                    tombstones.entry(shard.1).or_default().insert(record.at);
                }
                if correspondence.first[index] != NONE {
                    copied_from.entry(shard.1).or_default().insert(record.at, index as u32);
                }
            }
        }
        let gaps = history.gaps_of_partitions().into_iter();
        let hollow: BTreeSet<TopicPartition> =
            gaps.filter(|(_, gaps)| *gaps > 0).map(|(at, _)| at).collect();
        let may_forget = history.forgetful_topics();
        let forgetful =
            hollow.iter().map(|at| at.topic).filter(|topic| may_forget[*topic as usize]).collect();
        let last_copies = LastCopies::of(history, &correspondence, &forgetful);
        let forgotten = forgotten(history, contract, &correspondence);
        let erased = erased(history, contract, &correspondence, &last_of_key);
        let bounds = history.destination_bounds.iter().map(|(at, bounds)| (*at, *bounds));
        let expired = bounds.filter(|(_, bounds)| bounds.have_copies_expired()).collect();
        let spans = Spans::of(history, &correspondence);
        let mut scene = Scene {
            history,
            contract,
            correspondence,
            last_of_key,
            copied_from,
            tombstones,
            last_copies,
            hollow,
            forgetful,
            hidden: hidden(history),
            forgotten,
            erased,
            overdrawn: HashSet::new(),
            expired,
            spans,
        };
        scene.overdrawn = scene.overdrawn();
        scene
    }

    pub(crate) fn source(&self, index: u32) -> &'h SourceRecord {
        &self.history.source[index as usize]
    }

    pub(crate) fn destination(&self, index: u32) -> &'h DestinationRecord {
        &self.history.destination[index as usize]
    }

    /// The number of a source record's key, unless it is null.
    pub(crate) fn key(&self, source: u32) -> Option<u32> {
        Some(self.correspondence.keys[source as usize]).filter(|key| *key != NONE)
    }

    /// Which source records a copy may be of that was taken for one of `source`; `None` if those lie in several partitions.
    pub(super) fn span(&self, copy: u32, source: u32) -> Option<Span> {
        let forgets = self.may_have_forgotten(self.source(source).at.topic);
        self.spans.of_copy(&self.correspondence, copy, source, forgets)
    }

    /// Whether the source may have forgotten records of a topic.
    pub(super) fn may_have_forgotten(&self, topic: TopicIndex) -> bool {
        self.forgetful.contains(&topic)
    }

    /// The last of a set of equal records, which must have a copy, if all copies of the set lie in one partition up to this
    /// one.
    pub(super) fn closed_by(&self, copy: u32) -> Option<u32> {
        self.spans.closed_by(copy)
    }

    /// On compacted topics: the last record of a key in a source partition.
    pub(super) fn last_of_key(&self, from: TopicPartition, key: u32) -> Option<u32> {
        self.last_of_key.get(&(from, key)).copied()
    }

    /// The orders within its partition that a source record belongs to, and says something about.
    pub(crate) fn orders(&self, source: u32) -> impl Iterator<Item = Order> {
        let key = self.key(source).map(Order::OfKey);
        let partition = match self.contract.order {
            OrderScope::Key => None,
            OrderScope::Partition if self.is_told_by_key(source) => None,
            OrderScope::Partition => Some(Order::OfPartition),
        };
        key.into_iter().chain(partition)
    }

    /// Whether only the sequence of its key tells which of several records a copy is of.
    fn is_told_by_key(&self, source: u32) -> bool {
        let topic = &self.history.topics[self.source(source).at.topic as usize];
        if topic.compacted {
            return self.is_blurred(source);
        }
        let whole = self.contract.partitioning == Partitioning::Preserve
            || topic.destination_partitions[..] == [1];
        !whole && self.correspondence.equal.contains_key(&source)
    }

    /// Whether completeness covers a source record: of a selected topic, below the cut, and not aborted.
    pub(crate) fn is_judged(&self, source: u32) -> bool {
        let record = self.source(source);
        self.history.topics[record.at.topic as usize].selected
            && self.history.is_below_cut(record)
            && !self.is_aborted(source)
    }

    /// Whether it lies in an aborted transaction: it may be copied, and need not be.
    pub(crate) fn is_aborted(&self, source: u32) -> bool {
        self.correspondence.aborted.contains(&source)
    }

    /// Under which circumstance a source record is absent, were it absent.
    pub(crate) fn absence(&self, source: u32) -> Circumstance {
        if self.is_superseded(source) {
            Circumstance::Superseded
        } else {
            self.absence_by_place(source)
        }
    }

    /// The same, whatever became of the other records of its key.
    pub(crate) fn absence_by_place(&self, source: u32) -> Circumstance {
        let record = self.source(source);
        if self.history.is_announced(record) {
            Circumstance::Announced
        } else if self.history.is_before_readiness(record.at, record.offset) {
            Circumstance::BeforeReadiness
        } else {
            Circumstance::Plain
        }
    }

    /// Whether the subject began at the end of the source, and nobody saw where that was.
    pub(crate) fn is_start_unknown(&self) -> bool {
        self.contract.start == Start::Latest && self.history.ready.is_none()
    }

    /// Whether a source record has no copy, and can no longer have one.
    pub(super) fn is_lost(&self, source: u32) -> bool {
        self.correspondence.first[source as usize] == NONE
            && self.history.is_final(self.source(source))
            && !self.may_have_expired(source)
    }

    /// Whether nothing excuses the absence of a source record, were it absent.
    pub(crate) fn had_to_arrive(&self, source: u32) -> bool {
        match self.absence(source) {
            Circumstance::BeforeReadiness => self.contract.start == Start::Earliest,
            absence => absence == Circumstance::Plain,
        }
    }

    /// Where copies of a source record may have expired on the destination.
    pub(crate) fn expired_from(
        &self,
        source: u32,
    ) -> impl Iterator<Item = &(TopicPartition, DestinationBounds)> {
        let record = self.source(source);
        self.expired.iter().filter(|(at, _)| {
            at.topic == record.at.topic
                && self.places(record).is_none_or(|places| places.contains(&at.partition))
        })
    }

    /// Whether a copy of the source record may have expired on the destination.
    pub(crate) fn may_have_expired(&self, source: u32) -> bool {
        self.expired_from(source).next().is_some()
    }

    /// Whether the first copy of a source record may be gone, expired or removed by compaction: the
    /// first one that is seen is then not known to be the first.
    pub(crate) fn first_may_be_gone(&self, source: u32) -> bool {
        self.history.topics[self.source(source).at.topic as usize].compacted
            || self.may_have_expired(source)
    }

    /// Whether the first copy that is seen may be a repeat of one that is gone: an event explains it.
    pub(crate) fn may_be_repeat(&self, copy: u32, source: u32) -> bool {
        let (copy, original) = (self.destination(copy), self.source(source));
        self.first_may_be_gone(source) && self.history.explains(copy, original)
    }

    /// Whether a copy of `source` that has expired since may have been written to another partition
    /// than `copy`, after the same event or a later one.
    pub(crate) fn may_have_been_replayed(&self, source: u32, copy: &DestinationRecord) -> bool {
        let epoch = self.epoch(copy);
        let last = |at, bounds: &DestinationBounds| {
            let last = DestinationOffset(bounds.low.0 - 1);
            self.history.epoch(at, last)
        };
        epoch > 0
            && self
                .expired_from(source)
                .any(|(at, bounds)| *at != copy.at && last(*at, bounds) >= epoch)
    }

    /// The destination partitions in which some copy of a record may lie by contract; `None` if in
    /// any.
    pub(super) fn places(&self, record: &SourceRecord) -> Option<Vec<u32>> {
        let topic = &self.history.topics[record.at.topic as usize];
        self.places_by(record, &topic.destination_partitions)
    }

    /// Whether copies of a source record may lie in several partitions.
    pub(crate) fn may_be_spread(&self, source: u32) -> bool {
        let record = self.source(source);
        let counts = &self.history.topics[record.at.topic as usize].destination_partitions;
        let places = self.places(record);
        places.map_or(counts.iter().any(|count| *count > 1), |places| places.len() > 1)
    }

    /// Where this copy of a record may lie by contract: what was written once the metadata age had
    /// passed since a growth lies by the new number of partitions.
    pub(crate) fn places_of(
        &self,
        copy: &DestinationRecord,
        record: &SourceRecord,
    ) -> Option<Vec<u32>> {
        let counts = &self.history.topics[record.at.topic as usize].destination_partitions;
        let settled = self.history.grown.iter().filter(|growth| {
            growth.topic == copy.at.topic
                && growth.settled.get(&copy.at).is_none_or(|end| copy.offset >= *end)
        });
        let oldest = settled
            .filter_map(|growth| counts.iter().position(|count| *count == growth.partitions))
            .max();
        self.places_by(record, &counts[oldest.unwrap_or(0)..])
    }

    fn places_by(&self, record: &SourceRecord, counts: &[u32]) -> Option<Vec<u32>> {
        let counts = counts.iter().filter(|count| **count > 0);
        let mut places: Vec<u32> = match (self.contract.partitioning, record.content.key()) {
            (Partitioning::Preserve, _) => return Some(vec![record.at.partition]),
            (Partitioning::Murmur2, Some(key)) => {
                counts.map(|count| java_partition(key, *count)).collect()
            }
            (Partitioning::Crc32, Some(key)) if !key.is_empty() => {
                counts.map(|count| crc32_partition(key, *count)).collect()
            }
            (Partitioning::Murmur2 | Partitioning::Crc32 | Partitioning::Any, _) => return None,
        };
        places.dedup();
        // Without a known partition count nothing can be said.
        (!places.is_empty()).then_some(places)
    }

    /// How many events had begun when a destination record was written.
    pub(crate) fn epoch(&self, record: &DestinationRecord) -> usize {
        self.history.epoch(record.at, record.offset)
    }

    /// Whether the subject was asked for this topic.
    pub(crate) fn is_selected(&self, at: TopicPartition) -> bool {
        self.history.topics[at.topic as usize].selected
    }

    /// How a destination record was recognised.
    pub(crate) fn recognised(&self, destination: u32) -> Recognition {
        self.correspondence.recognised[destination as usize]
    }
}
