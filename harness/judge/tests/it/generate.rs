//! Lawful histories from a seed: a small model of a source, and of a mirror that keeps its contract.
//!
//! The model is independent of the checkers: it moves positions, appends copies and reads positions
//! and end offsets as the harness would. Offsets are multiples of [`STEP`], which leaves room for
//! faults to put records between.

use crate::format::{RUN, generated};
use judge::{
    contract::{Contract, OrderScope, Partitioning, Start},
    history::*,
    partition::{crc32_partition, java_partition},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeMap;

/// Distance between offsets.
pub(crate) const STEP: i64 = 10;

/// What kind of history.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) topics: u16,
    pub(crate) source_partitions: u32,
    pub(crate) destination_partitions: u32,
    pub(crate) records: u32,
    pub(crate) keys: u32,
    pub(crate) partitioning: Partitioning,
    pub(crate) order: OrderScope,
    pub(crate) start: Start,
    pub(crate) events: u32,
    /// Whether records carry ids, or a few contents that occur again and again.
    pub(crate) ids: bool,
    pub(crate) compacted: bool,
    pub(crate) growth: bool,
}

/// A lawful history and its contract.
pub(crate) fn lawful(shape: &Shape) -> (History, Contract) {
    let mut model = Model::of(shape);
    model.produce();
    model.mirror();
    model.finish()
}

struct Model<'s> {
    shape: &'s Shape,
    random: ChaCha8Rng,
    contract: Contract,
    history: History,
    /// The source by partition.
    source: BTreeMap<TopicPartition, Vec<SourceRecord>>,
    /// The next record of each source partition.
    next: BTreeMap<TopicPartition, usize>,
    committed: Positions,
    ends: Ends,
}

impl Model<'_> {
    fn of(shape: &Shape) -> Model<'_> {
        let count = match shape.partitioning {
            Partitioning::Preserve => shape.destination_partitions.max(shape.source_partitions),
            Partitioning::Murmur2 | Partitioning::Crc32 | Partitioning::Any => {
                shape.destination_partitions
            }
        };
        let topic = |number| Topic {
            source: format!("t{number}"),
            destination: format!("t{number}"),
            source_partitions: vec![shape.source_partitions],
            destination_partitions: vec![count],
            selected: true,
            compacted: shape.compacted,
        };
        let contract = Contract {
            partitioning: shape.partitioning,
            order: shape.order,
            start: shape.start,
            ..Contract::default()
        };
        Model {
            shape,
            random: ChaCha8Rng::seed_from_u64(shape.seed),
            contract,
            history: History {
                run: RUN,
                topics: (0..shape.topics).map(topic).collect(),
                ..History::default()
            },
            source: BTreeMap::new(),
            next: BTreeMap::new(),
            committed: Positions::new(),
            ends: Ends::new(),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn produce(&mut self) {
        let mut sequences = BTreeMap::<u32, u32>::new();
        for topic in 0..self.shape.topics {
            for partition in 0..self.shape.source_partitions {
                self.source.insert(TopicPartition { topic, partition }, Vec::new());
            }
        }
        // No topic is left out.
        let least = u32::from(self.shape.topics);
        for number in 0..self.shape.records.max(least) {
            let topic = match number {
                _ if number < least => number as TopicIndex,
                _ => self.random.random_range(0..self.shape.topics),
            };
            let key = self.random.random_range(0..=self.shape.keys);
            let id = RecordId {
                run: RUN,
                producer: 0,
                key,
                sequence: sequences_next(&mut sequences, key),
            };
            let key_bytes = (key > 0).then(|| format!("k{key}").into_bytes());
            let content = self.content(key_bytes.as_deref(), id);
            let partition = self.random.random_range(0..self.shape.source_partitions);
            self.log(topic, id);
            // A producer that is not idempotent may write a record twice.
            let times = if self.chance(3) { 2 } else { 1 };
            for _ in 0..times {
                self.append(TopicPartition { topic, partition }, content.clone());
            }
        }
        for (at, records) in &self.source {
            self.next.insert(*at, 0);
            let zero = SourceOffset(0);
            let cut = records.last().map_or(zero, |last| SourceOffset(last.offset.0 + STEP));
            self.history.source_bounds.insert(*at, SourceBounds { baseline: zero, low: zero, cut });
        }
    }

    fn log(&mut self, topic: TopicIndex, id: RecordId) {
        if !self.shape.ids {
            return;
        }
        let outcome = if self.chance(10) { Outcome::Indeterminate } else { Outcome::Acknowledged };
        self.history.produced.push(Produced { topic, id, outcome });
        if self.chance(5) {
            // A failed or unknown one that never reached the source.
            let id = RecordId { producer: 1, ..id };
            let outcome = if self.chance(50) { Outcome::Failed } else { Outcome::Indeterminate };
            self.history.produced.push(Produced { topic, id, outcome });
        }
    }

    fn content(&mut self, key: Option<&[u8]>, id: RecordId) -> Content {
        if self.shape.ids {
            return generated(key, id, None);
        }
        let value = [None, Some(""), Some("x"), Some("y")][self.random.random_range(0..4)];
        Content::of(key, value.map(str::as_bytes), Vec::new(), Timestamp::Create(1_000))
    }

    fn append(&mut self, at: TopicPartition, content: Content) {
        let hole = if self.chance(10) { 2 * STEP } else { STEP };
        let records = self.source.get_mut(&at).unwrap();
        let offset = SourceOffset(records.last().map_or(0, |last| last.offset.0 + hole));
        records.push(SourceRecord { at, offset, content });
    }

    fn mirror(&mut self) {
        self.prefill();
        if self.shape.start == Start::Latest {
            self.start_at_the_end();
        }
        let mut events = self.shape.events;
        let mut growth = self.shape.growth;
        while self.copy_some() {
            self.commit_some();
            if events > 0 && self.chance(20) {
                events -= 1;
                self.event();
            }
            if growth && self.chance(10) {
                growth = false;
                for topic in &mut self.history.topics {
                    topic.destination_partitions.push(topic.destination_partitions[0] + 3);
                }
            }
        }
    }

    fn prefill(&mut self) {
        for topic in 0..self.shape.topics {
            for partition in 0..self.shape.destination_partitions {
                let at = TopicPartition { topic, partition };
                for sequence in 0..self.random.random_range(0..3) {
                    let id = RecordId { run: 99, producer: 0, key: 1, sequence };
                    self.write(at, generated(Some(b"k1"), id, None));
                }
            }
        }
        for (at, end) in &self.ends {
            let zero = DestinationOffset(0);
            let bounds =
                DestinationBounds { low_baseline: zero, baseline: *end, low: zero, end: *end };
            self.history.destination_bounds.insert(*at, bounds);
        }
    }

    fn start_at_the_end(&mut self) {
        let mut ready = Positions::new();
        for (at, records) in &self.source {
            let skipped = self.random.random_range(0..=records.len());
            let end = records[..skipped].last().map_or(0, |last| last.offset.0 + STEP);
            ready.insert(*at, SourceOffset(end));
            self.next.insert(*at, skipped);
        }
        self.committed = ready.clone();
        self.history.ready = Some(ready);
    }

    fn write(&mut self, at: TopicPartition, content: Content) {
        let hole = if self.chance(10) { 2 * STEP } else { STEP };
        let end = self.ends.entry(at).or_insert(DestinationOffset(0));
        self.history.destination.push(DestinationRecord { at, offset: *end, content });
        end.0 += hole;
    }

    /// Copies a few records of one source partition that has any left.
    fn copy_some(&mut self) -> bool {
        let left: Vec<_> =
            self.next.iter().filter(|(at, next)| **next < self.source[at].len()).collect();
        if left.is_empty() {
            return false;
        }
        let at = *left[self.random.random_range(0..left.len())].0;
        for _ in 0..self.random.random_range(1..4) {
            let Some(record) = self.source[&at].get(self.next[&at]).cloned() else { break };
            *self.next.get_mut(&at).unwrap() += 1;
            let partition = self.place(&record);
            self.write(TopicPartition { topic: at.topic, partition }, record.content);
        }
        true
    }

    fn place(&mut self, record: &SourceRecord) -> u32 {
        let counts = &self.history.topics[record.at.topic as usize].destination_partitions;
        let count = *counts.last().unwrap();
        match (self.shape.partitioning, &record.content.key) {
            (Partitioning::Preserve, _) => record.at.partition,
            (Partitioning::Murmur2, Some(key)) => java_partition(key, count),
            (Partitioning::Crc32, Some(key)) => crc32_partition(key, count),
            _ => self.random.random_range(0..count),
        }
    }

    /// Where a mirror that delivered everything so far may commit.
    fn position(&self, at: &TopicPartition) -> SourceOffset {
        let records = &self.source[at];
        let end = records.last().map_or(0, |last| last.offset.0 + STEP);
        SourceOffset(records.get(self.next[at]).map_or(end, |record| record.offset.0))
    }

    fn commit_some(&mut self) {
        for at in self.next.keys().copied().collect::<Vec<_>>() {
            if self.next[&at] > 0 && self.chance(30) {
                self.committed.insert(at, self.position(&at));
            }
        }
        if self.chance(30) {
            let (committed, destination_ends) = (self.committed.clone(), self.ends.clone());
            self.history.commits.push(CommitSample { committed, destination_ends });
        }
    }

    fn event(&mut self) {
        let kinds = [EventKind::Stop, EventKind::Kill, EventKind::Rebalance, EventKind::Freeze];
        let kind = kinds[self.random.random_range(0..kinds.len())];
        let destination_ends = self.ends.clone();
        // What is in flight arrives after the event began, and may still be committed.
        if self.chance(50) {
            self.copy_some();
        }
        if kind == EventKind::Stop || self.chance(20) {
            for at in self.next.keys().copied().collect::<Vec<_>>() {
                if self.next[&at] > 0 {
                    self.committed.insert(at, self.position(&at));
                }
            }
        }
        self.history.events.push(Event {
            kind,
            destination_ends,
            committed: self.committed.clone(),
        });
        for (at, next) in &mut self.next {
            let position = self.committed.get(at).copied().unwrap_or(SourceOffset(0));
            *next = self.source[at].partition_point(|record| record.offset < position);
        }
    }

    fn finish(mut self) -> (History, Contract) {
        if self.shape.compacted {
            self.compact();
        }
        for at in self.next.keys().copied().collect::<Vec<_>>() {
            self.committed.insert(at, self.position(&at));
        }
        let committed = Some(self.committed.clone());
        self.history.final_commit = FinalCommit { committed, graceful: true };
        self.history.completion = Some(Completion::Completed);
        for (at, end) in &self.ends {
            let zero = DestinationOffset(0);
            let fresh =
                DestinationBounds { low_baseline: zero, baseline: zero, low: zero, end: zero };
            self.history.destination_bounds.entry(*at).or_insert(fresh).end = *end;
        }
        self.history.source = self.source.into_values().flatten().collect();
        self.history.destination.sort_by_key(|record| (record.at, record.offset));
        (self.history, self.contract)
    }

    /// The destination's own compaction: any superseded record may be gone.
    fn compact(&mut self) {
        let mut last = BTreeMap::new();
        for record in &self.history.destination {
            last.insert((record.at, record.content.key.clone()), record.offset);
        }
        let bounds = self.history.destination_bounds.clone();
        let random = &mut self.random;
        self.history.destination.retain(|record| {
            let kept = last[&(record.at, record.content.key.clone())] == record.offset;
            let before =
                bounds.get(&record.at).is_some_and(|bounds| record.offset < bounds.baseline);
            kept || before || record.content.key.is_none() || random.random_range(0..3) > 0
        });
    }
}

fn sequences_next(sequences: &mut BTreeMap<u32, u32>, key: u32) -> u32 {
    let next = sequences.entry(key).or_default();
    *next += 1;
    *next
}
