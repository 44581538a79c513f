//! Lawful histories from a seed: a small model of a source, and of a mirror that keeps its contract.
//!
//! The model is independent of the checkers: it moves positions, appends copies and reads positions
//! and end offsets as the harness would. Offsets are multiples of [`STEP`], which leaves room for
//! faults to put records between.

use crate::format::{RUN, generated};
use judge::{
    contract::{Contract, Isolation, Offsets, OrderScope, Partitioning, Start, Timestamps},
    history::*,
    partition::{crc32_partition, java_partition},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::collections::{BTreeMap, BTreeSet};

/// The header that a mirror may add.
const HOP: &str = "hop";

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
    pub(crate) timestamps: Timestamps,
    pub(crate) events: u32,
    /// Whether records carry ids, or a few contents that occur again and again.
    pub(crate) ids: bool,
    /// Whether some of those contents carry an id in their header all the same.
    pub(crate) mixed: bool,
    /// Whether both sides may have forgotten records that were superseded.
    pub(crate) compacted: bool,
    pub(crate) growth: bool,
    /// Whether the source has aborted transactions, and whether the mirror copies them.
    pub(crate) aborts: Option<Isolation>,
    /// Whether the beginning of some destination partitions is gone at the end.
    pub(crate) expires: bool,
    /// Whether a broker sets the timestamps of the source.
    pub(crate) broker_time: bool,
    /// Whether the mirror adds a header, which some records of the source have already.
    pub(crate) added: bool,
    /// Whether the mirror ends by itself, or is not waited for, before it has copied everything.
    pub(crate) unfinished: bool,
}

/// What a history contains that makes it hard to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feature {
    Rewinds,
    OverlappingWriters,
    LostOnTheWay,
    RetriedBatches,
    Growth,
    SettledGrowth,
    Aborts,
    SentAgain,
    Compaction,
    Indeterminate,
    NullKeys,
    Translations,
}

impl Feature {
    pub(crate) const ALL: [Feature; 12] = [
        Feature::Rewinds,
        Feature::OverlappingWriters,
        Feature::LostOnTheWay,
        Feature::RetriedBatches,
        Feature::Growth,
        Feature::SettledGrowth,
        Feature::Aborts,
        Feature::SentAgain,
        Feature::Compaction,
        Feature::Indeterminate,
        Feature::NullKeys,
        Feature::Translations,
    ];
}

/// A lawful history, its contract, and what it contains.
pub(crate) struct Lawful {
    pub(crate) history: History,
    pub(crate) contract: Contract,
    pub(crate) features: BTreeSet<Feature>,
}

pub(crate) fn lawful(shape: &Shape) -> Lawful {
    let mut model = Model::of(shape);
    model.produce();
    if shape.compacted && model.chance(50) {
        model.compact_source();
    }
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
    /// Which records of the source lie in aborted transactions.
    aborted: BTreeSet<(TopicPartition, SourceOffset)>,
    /// Destination partitions to which nothing gets through.
    blocked: BTreeSet<TopicPartition>,
    /// The number of partitions that the mirror knows of.
    known: u32,
    features: BTreeSet<Feature>,
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
            timestamps: shape.timestamps,
            isolation: shape.aborts.unwrap_or(Isolation::ReadCommitted),
            added_headers: if shape.added { vec![HOP.into()] } else { Vec::new() },
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
            aborted: BTreeSet::new(),
            blocked: BTreeSet::new(),
            known: count,
            features: BTreeSet::new(),
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
            if key == 0 {
                self.features.insert(Feature::NullKeys);
            }
            if self.shape.aborts.is_some() && self.chance(15) {
                self.abort(TopicPartition { topic, partition }, key_bytes.as_deref(), id);
            }
            self.log(topic, id);
            // A producer that is not idempotent may write a record twice.
            // (Of such twins a compacted source may forget one, and nobody can tell.)
            let times = if !self.shape.compacted && self.chance(3) { 2 } else { 1 };
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

    /// A record of a transaction that is aborted: a control record follows. It may be sent again, with
    /// another time. (A compacted source may forget it, and nobody can tell its copy from the other's.)
    fn abort(&mut self, at: TopicPartition, key: Option<&[u8]>, id: RecordId) {
        let again = !self.shape.compacted && self.chance(40);
        let id = if again { id } else { RecordId { producer: 2, ..id } };
        let mut content = self.content(key, id);
        if again {
            content = at_another_time(&content, 7);
            self.features.insert(Feature::SentAgain);
        }
        if self.shape.ids && !again {
            let outcome = if self.chance(80) { Outcome::Failed } else { Outcome::Indeterminate };
            self.history.produced.push(Produced { topic: at.topic, id, outcome });
        }
        self.append(at, content);
        let offset = self.source[&at].last().unwrap().offset;
        self.aborted.insert((at, offset));
        self.features.insert(Feature::Aborts);
        if again && self.chance(30) {
            self.abort(at, key, id);
        }
    }

    fn log(&mut self, topic: TopicIndex, id: RecordId) {
        if !self.shape.ids {
            return;
        }
        let outcome = if self.chance(10) { Outcome::Indeterminate } else { Outcome::Acknowledged };
        if outcome == Outcome::Indeterminate {
            self.features.insert(Feature::Indeterminate);
        }
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
        let name = Content::ID_HEADER.into();
        let header = Header { name, value: Some(id.to_string().into_bytes()) };
        let headers = if self.shape.mixed && self.chance(30) { vec![header] } else { Vec::new() };
        let time = self.random.random_range(1_000..1_003);
        Content::of(key, value.map(str::as_bytes), headers, Timestamp::Create(time))
    }

    fn append(&mut self, at: TopicPartition, mut content: Content) {
        if self.shape.added && self.chance(30) {
            content = self.with_hop(&content);
        }
        if self.shape.broker_time
            && let Timestamp::Create(time) = content.timestamp()
        {
            content = changed(&content, Timestamp::Append(time), None);
        }
        let hole = if self.chance(10) { 2 * STEP } else { STEP };
        let records = self.source.get_mut(&at).unwrap();
        let offset = SourceOffset(records.last().map_or(0, |last| last.offset.0 + hole));
        records.push(SourceRecord { at, offset, content });
    }

    /// With one more of the headers that a mirror may add.
    fn with_hop(&mut self, content: &Content) -> Content {
        let value = [b"1", b"2"][self.random.random_range(0..2)];
        let hop = Header { name: HOP.into(), value: Some(value.to_vec()) };
        changed(content, content.timestamp(), Some(hop))
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
            if self.shape.unfinished && self.chance(10) {
                return;
            }
            if events > 0 && self.chance(20) {
                events -= 1;
                self.event();
            }
            if growth && self.chance(25) {
                growth = false;
                for topic in &mut self.history.topics {
                    topic.destination_partitions.push(topic.destination_partitions[0] + 3);
                }
                self.features.insert(Feature::Growth);
            }
            let grown = *self.history.topics[0].destination_partitions.last().unwrap();
            if grown != self.known && self.chance(50) {
                // It learns of the growth in its own time, and is held to it later.
                self.known = grown;
                self.copy_some();
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        let (partitions, settled) = (self.known, self.ends.clone());
        for topic in 0..self.shape.topics {
            let settled = settled.clone();
            self.history.grown.push(Growth { topic, partitions, settled });
        }
        self.features.insert(Feature::SettledGrowth);
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
        if self.blocked.contains(&at) {
            self.features.insert(Feature::LostOnTheWay);
            return;
        }
        let hole = if self.chance(10) { 2 * STEP } else { STEP };
        let mut content = content;
        if self.shape.added && self.chance(80) {
            content = self.with_hop(&content);
        }
        let content = match (self.contract.timestamps, content.timestamp()) {
            (Timestamps::Kept, Timestamp::Append(time)) => at_another_time(&content, time),
            (Timestamps::Kept, _) => content,
            // As near to those of the source as it can be.
            (Timestamps::Restamped, _) => {
                let time = self.random.random_range(1_000..1_004);
                at_another_time(&content, time)
            }
        };
        let end = self.ends.entry(at).or_insert(DestinationOffset(0));
        self.history.destination.push(DestinationRecord { at, offset: *end, content });
        end.0 += hole;
    }

    /// A source partition that has records left.
    fn some_left(&mut self) -> Option<TopicPartition> {
        let left: Vec<_> =
            self.next.iter().filter(|(at, next)| **next < self.source[at].len()).collect();
        (!left.is_empty()).then(|| *left[self.random.random_range(0..left.len())].0)
    }

    /// Copies a few records of one source partition that has any left.
    fn copy_some(&mut self) -> bool {
        let Some(at) = self.some_left() else { return false };
        for (to, content) in self.take(at, 4) {
            self.write(to, content);
        }
        true
    }

    /// The next few records of a source partition, and where they go.
    fn take(&mut self, at: TopicPartition, most: usize) -> Vec<(TopicPartition, Content)> {
        let mut taken = Vec::new();
        for _ in 0..self.random.random_range(1..most) {
            let Some(record) = self.source[&at].get(self.next[&at]).cloned() else { break };
            *self.next.get_mut(&at).unwrap() += 1;
            let aborted = self.aborted.contains(&(at, record.offset));
            if !aborted || self.contract.isolation == Isolation::ReadUncommitted {
                let partition = self.place(&record);
                taken.push((TopicPartition { topic: at.topic, partition }, record.content));
            }
        }
        taken
    }

    fn place(&mut self, record: &SourceRecord) -> u32 {
        let count = self.known;
        match (self.shape.partitioning, record.content.key()) {
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
        let kinds = [
            EventKind::Stop,
            EventKind::Kill,
            EventKind::Rebalance,
            EventKind::Freeze,
            EventKind::ProduceFault,
        ];
        let kind = kinds[self.random.random_range(0..kinds.len())];
        let loses = kind == EventKind::Kill && self.chance(60);
        if loses {
            self.block_some();
            self.copy_some();
        }
        let destination_ends = self.ends.clone();
        match kind {
            // A late write of an old value, and compaction that removes the newer one for it, lose
            // the newer one for good: that is not lawful.
            EventKind::Rebalance | EventKind::Freeze
                if !self.shape.compacted && self.chance(70) =>
            {
                self.history.events.push(self.event_of(kind, destination_ends));
                return self.overlap();
            }
            EventKind::ProduceFault => {
                self.history.events.push(self.event_of(kind, destination_ends));
                return self.retry();
            }
            EventKind::Stop | EventKind::Kill | EventKind::Rebalance | EventKind::Freeze => {}
        }
        // What is in flight arrives after the event began, and may still be committed.
        if self.chance(50) {
            self.copy_some();
        }
        self.blocked.clear();
        if kind == EventKind::Stop || (!loses && self.chance(20)) {
            for at in self.next.keys().copied().collect::<Vec<_>>() {
                if self.next[&at] > 0 {
                    self.committed.insert(at, self.position(&at));
                }
            }
        }
        let over = matches!(kind, EventKind::Stop | EventKind::Kill).then(|| self.ends.clone());
        self.history.events.push(Event { over, ..self.event_of(kind, destination_ends) });
        self.resume();
    }

    fn event_of(&self, kind: EventKind, destination_ends: Ends) -> Event {
        Event { kind, destination_ends, committed: self.committed.clone(), over: None }
    }

    /// Nothing gets through to some partitions from now on.
    fn block_some(&mut self) {
        for at in self.ends.keys().copied().collect::<Vec<_>>() {
            if self.chance(40) {
                self.blocked.insert(at);
            }
        }
    }

    /// What the old owner has in flight arrives between the replay of the new one.
    fn overlap(&mut self) {
        let Some(at) = self.some_left() else { return self.resume() };
        let mut in_flight = std::collections::VecDeque::from(self.take(at, 5));
        self.resume();
        while !in_flight.is_empty() {
            let written = match self.chance(50) {
                true => in_flight.pop_front().into_iter().collect(),
                false => self.take(at, 2),
            };
            for (to, content) in written {
                self.write(to, content);
            }
        }
        self.features.insert(Feature::OverlappingWriters);
    }

    /// A batch whose acknowledgement got lost is sent again, to where it went before.
    fn retry(&mut self) {
        let Some(at) = self.some_left() else { return };
        let batch = self.take(at, 4);
        for _ in 0..self.random.random_range(1..4) {
            for (to, content) in batch.clone() {
                self.write(to, content);
            }
        }
        self.features.insert(Feature::RetriedBatches);
    }

    /// Goes back to what is committed.
    fn resume(&mut self) {
        for (at, next) in &mut self.next {
            let position = self.committed.get(at).copied().unwrap_or(SourceOffset(0));
            *next = self.source[at].partition_point(|record| record.offset < position);
        }
    }

    fn finish(mut self) -> Lawful {
        if self.shape.compacted {
            self.compact();
            if self.chance(50) {
                self.compact_source();
            }
        }
        if self.shape.unfinished {
            let (status, output) = ("exit status: 1".to_string(), String::new());
            self.history.completion = Some(match self.chance(50) {
                true => Completion::Exited { status, output },
                false => Completion::Deadline { awaited: String::new() },
            });
        } else {
            for at in self.next.keys().copied().collect::<Vec<_>>() {
                self.committed.insert(at, self.position(&at));
            }
            self.history.completion = Some(Completion::Completed);
        }
        let (committed, graceful) = (Some(self.committed.clone()), !self.shape.unfinished);
        self.history.final_commit = FinalCommit { committed, graceful };
        for (at, end) in &self.ends {
            let zero = DestinationOffset(0);
            let fresh =
                DestinationBounds { low_baseline: zero, baseline: zero, low: zero, end: zero };
            self.history.destination_bounds.entry(*at).or_insert(fresh).end = *end;
        }
        let source = std::mem::take(&mut self.source).into_values().flatten();
        (self.history.aborted, self.history.source) =
            source.partition(|record| self.aborted.contains(&(record.at, record.offset)));
        self.history.destination.sort_by_key(|record| (record.at, record.offset));
        // Control records lie behind the data.
        let ends = self.history.source_bounds.iter();
        self.history.source_ends =
            ends.map(|(at, bounds)| (*at, SourceOffset(bounds.cut.0 + 1))).collect();
        let copies = self.history.destination.len() > self.history.source.len();
        if copies && !self.history.events.is_empty() {
            self.features.insert(Feature::Rewinds);
        }
        if self.shape.ids && self.chance(30) {
            self.translate();
        }
        if self.shape.expires {
            self.expire();
        }
        Lawful { history: self.history, contract: self.contract, features: self.features }
    }

    /// Positions of a group anywhere on the source, and such on the destination that skip nothing.
    fn translate(&mut self) {
        let topic = self.random.random_range(0..self.shape.topics);
        let mut committed = Positions::new();
        for (at, bounds) in self.history.source_bounds.clone() {
            if at.topic == topic && self.chance(80) {
                committed.insert(at, SourceOffset(self.random.random_range(0..=bounds.cut.0)));
            }
        }
        let unread = |record: &&SourceRecord| {
            committed.get(&record.at).is_none_or(|position| record.offset >= *position)
        };
        let unread: BTreeSet<_> =
            self.history.source.iter().filter(unread).map(|r| r.content.header_id()).collect();
        let mut translated = Ends::new();
        for (at, bounds) in
            self.history.destination_bounds.iter().filter(|(at, _)| at.topic == topic)
        {
            let copies = self.history.destination.iter().filter(|record| {
                record.at == *at
                    && record.offset >= bounds.baseline
                    && unread.contains(&record.content.header_id())
            });
            let lowest = copies.map(|record| record.offset).min().unwrap_or(bounds.end);
            if self.random.random_range(0..5) > 0 {
                translated.insert(*at, lowest);
            }
        }
        if !committed.is_empty() {
            let group = "app".into();
            self.history.translations.push(Translation { topic, group, committed, translated });
            self.contract.offsets = Offsets::Translated { max_rewind: u64::MAX };
            self.features.insert(Feature::Translations);
        }
    }

    /// The destination's retention: some partitions have lost their beginning.
    fn expire(&mut self) {
        for bounds in self.history.destination_bounds.values_mut() {
            if self.random.random_range(0..3) > 0 {
                bounds.low = DestinationOffset(self.random.random_range(0..=bounds.end.0));
            }
        }
        let bounds = &self.history.destination_bounds;
        self.history.destination.retain(|record| record.offset >= bounds[&record.at].low);
    }

    /// The source's compaction: below some offset only the last record of each key is left.
    fn compact_source(&mut self) {
        for records in self.source.values_mut() {
            let cleaned = self.random.random_range(0..=records.len());
            let mut last = BTreeMap::new();
            for (index, record) in records[..cleaned].iter().enumerate() {
                last.insert(record.content.key().map(<[u8]>::to_vec), index);
            }
            let mut index = 0;
            records.retain(|record| {
                index += 1;
                let key = &record.content.key().map(<[u8]>::to_vec);
                key.is_none() || index > cleaned || last[key] == index - 1
            });
        }
        self.features.insert(Feature::Compaction);
    }

    /// The destination's own compaction: any superseded record may be gone.
    fn compact(&mut self) {
        self.features.insert(Feature::Compaction);
        let mut last = BTreeMap::new();
        for record in &self.history.destination {
            last.insert((record.at, record.content.key().map(<[u8]>::to_vec)), record.offset);
        }
        let bounds = self.history.destination_bounds.clone();
        let random = &mut self.random;
        self.history.destination.retain(|record| {
            let kept =
                last[&(record.at, record.content.key().map(<[u8]>::to_vec))] == record.offset;
            let before =
                bounds.get(&record.at).is_some_and(|bounds| record.offset < bounds.baseline);
            kept || before || record.content.key().is_none() || random.random_range(0..3) > 0
        });
    }
}

fn at_another_time(content: &Content, time: i64) -> Content {
    changed(content, Timestamp::Create(time), None)
}

fn changed(content: &Content, timestamp: Timestamp, added: Option<Header>) -> Content {
    let owned = |header: HeaderRef<'_>| Header {
        name: header.name.into(),
        value: header.value.map(Into::into),
    };
    let headers = content.headers().map(owned).chain(added).collect();
    let value = content.value();
    let value = value.length().map(|_| value.head());
    Content::of(content.key(), value, headers, timestamp)
}

fn sequences_next(sequences: &mut BTreeMap<u32, u32>, key: u32) -> u32 {
    let next = sequences.entry(key).or_default();
    *next += 1;
    *next
}
