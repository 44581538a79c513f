//! Faults: what a bad mirror, or a bad day, does to a history. Each puts in one, at random, and
//! keeps away from what another has touched.

use crate::{
    format::{RUN, generated},
    generate::STEP,
};
use judge::{contract::*, history::*, partition::java_partition};
use rand::{RngExt, rngs::ChaCha8Rng, seq::IndexedRandom};
use std::collections::{BTreeMap, BTreeSet};

/// A history into which faults are put.
pub(crate) struct Bench {
    pub(crate) history: History,
    pub(crate) contract: Contract,
    pub(crate) random: ChaCha8Rng,
    /// Ids that a fault has touched already: faults are kept apart.
    pub(crate) touched: BTreeSet<RecordId>,
}

fn id(content: &Content) -> RecordId {
    content.header_id().unwrap()
}

impl Bench {
    /// Indices of copies that no fault has touched, of records that occur once on both sides.
    fn sole_copies(&self) -> Vec<usize> {
        let count = |ids: &mut dyn Iterator<Item = Option<RecordId>>| {
            let mut counts = BTreeMap::<Option<RecordId>, u32>::new();
            ids.for_each(|id| *counts.entry(id).or_default() += 1);
            counts
        };
        let id = |content: &Content| content.header_id();
        let copies = count(&mut self.history.destination.iter().map(|r| id(&r.content)));
        let originals = count(&mut self.history.source.iter().map(|r| id(&r.content)));
        let sole = |record: &DestinationRecord| {
            let id = id(&record.content);
            let is_touched = id.is_some_and(|id| self.touched.contains(&id));
            copies.get(&id) == Some(&1) && originals.get(&id) == Some(&1) && !is_touched
        };
        let records = self.history.destination.iter().enumerate();
        records.filter(|(_, record)| sole(record)).map(|(index, _)| index).collect()
    }

    fn pick(&mut self) -> Option<usize> {
        let index = *self.sole_copies().choose(&mut self.random)?;
        self.touched.insert(id(&self.history.destination[index].content));
        Some(index)
    }

    /// Where the source holds the record of a copy.
    fn original(&self, copy: usize) -> (TopicPartition, SourceOffset) {
        let id = self.history.destination[copy].content.header_id();
        let record = self.history.source.iter().find(|record| record.content.header_id() == id);
        record.map(|record| (record.at, record.offset)).unwrap()
    }

    /// Writes a record at or as near behind an offset as there is room.
    fn write(&mut self, at: TopicPartition, from: i64, content: Content) {
        let taken: BTreeSet<i64> =
            self.history.destination.iter().filter(|r| r.at == at).map(|r| r.offset.0).collect();
        let offset = (from..).find(|offset| !taken.contains(offset)).unwrap();
        let offset = DestinationOffset(offset);
        self.history.destination.push(DestinationRecord { at, offset, content });
        self.history.destination.sort_by_key(|record| (record.at, record.offset));
        let zero = DestinationOffset(0);
        let fresh = DestinationBounds { low_baseline: zero, baseline: zero, low: zero, end: zero };
        let bounds = self.history.destination_bounds.entry(at).or_insert(fresh);
        bounds.end = bounds.end.max(DestinationOffset(offset.0 + 1));
    }

    fn end(&self, at: TopicPartition) -> i64 {
        self.history.destination_bounds.get(&at).map_or(0, |bounds| bounds.end.0)
    }
}

pub(crate) fn lose(bench: &mut Bench) -> Option<()> {
    let index = bench.pick()?;
    bench.history.destination.remove(index);
    Some(())
}

pub(crate) fn duplicate(bench: &mut Bench) -> Option<()> {
    if !bench.history.events.is_empty() {
        return None;
    }
    let index = bench.pick()?;
    let copy = bench.history.destination[index].clone();
    let end = bench.end(copy.at);
    let from = bench.random.random_range(copy.offset.0 + 1..=end);
    bench.write(copy.at, from, copy.content);
    Some(())
}

pub(crate) fn rewind(bench: &mut Bench) -> Option<()> {
    let index = bench.pick()?;
    let (copy, (from, offset)) = (bench.history.destination[index].clone(), bench.original(index));
    let committed = |event: &Event| event.committed.get(&from).is_some_and(|at| offset < *at);
    if bench.history.events.is_empty() || !bench.history.events.iter().all(committed) {
        return None;
    }
    let end = bench.end(copy.at);
    bench.write(copy.at, end, copy.content);
    Some(())
}

pub(crate) fn reorder(bench: &mut Bench) -> Option<()> {
    // Two neighbours of one source partition, key and destination partition.
    let sole = bench.sole_copies();
    let pairs: Vec<(usize, usize)> = sole
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(left, right)| {
            let (one, other) =
                (&bench.history.destination[*left], &bench.history.destination[*right]);
            let same_lane = match bench.contract.order {
                OrderScope::Key => {
                    one.content.key() == other.content.key() && one.content.key().is_some()
                }
                OrderScope::Partition => true,
            };
            let between = |index: usize| bench.original(index).0 == bench.original(*left).0;
            one.at == other.at
                && same_lane
                && between(*right)
                && !(left + 1..*right).any(|index| bench.history.destination[index].at == one.at)
        })
        .collect();
    let (left, right) = *pairs.choose(&mut bench.random)?;
    let content = bench.history.destination[left].content.clone();
    bench.touched.insert(id(&content));
    bench.touched.insert(id(&bench.history.destination[right].content));
    bench.history.destination[left].content = bench.history.destination[right].content.clone();
    bench.history.destination[right].content = content;
    Some(())
}

pub(crate) fn make_stale(bench: &mut Bench) -> Option<()> {
    if !bench.history.events.is_empty() {
        return None;
    }
    // A record that is not its key's last in that pair of partitions, written once more at the end.
    let history = &bench.history;
    let older: Vec<usize> = bench
        .sole_copies()
        .into_iter()
        .filter(|index| {
            let (copy, (from, offset)) = (&history.destination[*index], bench.original(*index));
            let later = |record: &SourceRecord| {
                record.at == from
                    && record.offset > offset
                    && record.content.key() == copy.content.key()
            };
            // Of equal records nobody can tell which of them came when.
            let once = |record: &SourceRecord| {
                let id = record.content.header_id();
                history.source.iter().filter(|other| other.content.header_id() == id).count() == 1
            };
            let copied = |record: &SourceRecord| {
                history.destination.iter().any(|other| {
                    other.at == copy.at && other.content.header_id() == record.content.header_id()
                })
            };
            copy.content.key().is_some()
                && history
                    .source
                    .iter()
                    .any(|record| later(record) && once(record) && copied(record))
        })
        .collect();
    let copy = history.destination[*older.choose(&mut bench.random)?].clone();
    // One stale key is one finding, however often: touch the whole key.
    let same = |record: &&SourceRecord| record.content.key() == copy.content.key();
    let touched: Vec<_> = history.source.iter().filter(same).map(|r| id(&r.content)).collect();
    bench.touched.extend(touched);
    let end = bench.end(copy.at);
    bench.write(copy.at, end, copy.content);
    Some(())
}

pub(crate) fn misplace(bench: &mut Bench) -> Option<()> {
    let index = bench.pick()?;
    let copy = bench.history.destination[index].clone();
    let topic = &bench.history.topics[copy.at.topic as usize];
    let unplaced =
        copy.content.key().is_none() && bench.contract.partitioning != Partitioning::Preserve;
    if bench.contract.partitioning == Partitioning::Any
        || unplaced
        || topic.destination_partitions.len() > 1
        || topic.destination_partitions[0] < 2
    {
        return None;
    }
    let partition = (copy.at.partition + 1) % topic.destination_partitions[0];
    let at = TopicPartition { partition, ..copy.at };
    bench.history.destination.remove(index);
    let end = bench.end(at);
    bench.write(at, end, copy.content);
    Some(())
}

pub(crate) fn misplace_after_growth(bench: &mut Bench) -> Option<()> {
    let index = bench.pick()?;
    let copy = bench.history.destination[index].clone();
    let topic = &mut bench.history.topics[copy.at.topic as usize];
    let [count] = topic.destination_partitions[..] else { return None };
    let key = copy.content.key()?;
    let grown = count + 2;
    if bench.contract.partitioning != Partitioning::Murmur2
        || java_partition(key, grown) == copy.at.partition
    {
        return None;
    }
    topic.destination_partitions.push(grown);
    // It grew behind all copies, and one more comes to where it came before.
    let bounds = bench.history.destination_bounds.iter();
    let settled = bounds.map(|(at, bounds)| (*at, bounds.end)).collect();
    bench.history.grown.push(Growth { topic: copy.at.topic, partitions: grown, settled });
    bench.history.destination.remove(index);
    let end = bench.end(copy.at);
    bench.write(copy.at, end, copy.content);
    Some(())
}

pub(crate) fn corrupt(bench: &mut Bench) -> Option<()> {
    let index = bench.pick()?;
    let how = bench.random.random_range(0..7);
    let content = &mut bench.history.destination[index].content;
    let id = id(content);
    let other = RecordId { sequence: 1_000_000, ..id };
    let own = |id: RecordId| Header {
        name: Content::ID_HEADER.into(),
        value: Some(id.to_string().into_bytes()),
    };
    let extra = Header { name: "extra".into(), value: None };
    let (key, time) = (content.key(), content.timestamp());
    let (value, changed) = (content.value().head().to_vec(), format!("{id}|other").into_bytes());
    *content = match how {
        0 => Content::of(key, Some(&changed), vec![own(id)], time),
        1 => Content::of(key, None, vec![own(id)], time),
        2 => Content::of(key, Some(&value), vec![], time),
        3 => Content::of(key, Some(&value), vec![own(id)], Timestamp::Create(77)),
        4 => Content::of(Some(b"damaged"), Some(&value), vec![own(id)], time),
        5 => Content::of(key, Some(&value), vec![own(other)], time),
        _ => Content::of(key, Some(&value), vec![own(id), extra], time),
    };
    Some(())
}

pub(crate) fn invent(bench: &mut Bench) -> Option<()> {
    let at = bench.history.destination.choose(&mut bench.random)?.at;
    let sequence = bench.random.random_range(2_000_000..3_000_000);
    let id = RecordId { run: RUN, producer: 7, key: 9, sequence };
    let from = bench.random.random_range(baseline(bench, at)..=bench.end(at));
    bench.write(at, from, generated(Some(b"k1"), id, None));
    Some(())
}

pub(crate) fn leak_aborted(bench: &mut Bench) -> Option<()> {
    let at = bench.history.destination.choose(&mut bench.random)?.at;
    let record = bench.history.source.choose(&mut bench.random)?;
    let from = TopicPartition { topic: at.topic, ..record.at };
    let offset = SourceOffset(record.offset.0 + 3);
    let sequence = bench.random.random_range(6_000_000..7_000_000);
    let id = RecordId { run: RUN, producer: 5, key: 9, sequence };
    let content = generated(Some(b"k1"), id, None);
    bench.history.aborted.push(SourceRecord { at: from, offset, content: content.clone() });
    if bench.random.random_range(0..2) == 0 {
        let outcome = Outcome::Failed;
        bench.history.produced.push(Produced { topic: at.topic, id, outcome });
    }
    let from = bench.random.random_range(baseline(bench, at)..=bench.end(at));
    bench.write(at, from, content);
    Some(())
}

fn baseline(bench: &Bench, at: TopicPartition) -> i64 {
    bench.history.destination_bounds[&at].baseline.0
}

pub(crate) fn leak(bench: &mut Bench) -> Option<()> {
    let at = bench.history.destination.choose(&mut bench.random)?.at;
    let sequence = bench.random.random_range(3_000_000..4_000_000);
    let id = RecordId { run: RUN, producer: 8, key: 9, sequence };
    let outcome = Outcome::Failed;
    bench.history.produced.push(Produced { topic: at.topic, id, outcome });
    let from = bench.random.random_range(baseline(bench, at)..=bench.end(at));
    bench.write(at, from, generated(Some(b"k1"), id, None));
    Some(())
}

pub(crate) fn stall(bench: &mut Bench) -> Option<()> {
    // It exits while the last record of a partition, not yet committed, is on its way.
    let index = bench.pick()?;
    let (from, offset) = bench.original(index);
    let committed = bench.history.final_commit.committed.as_ref()?;
    if committed[&from] > bench.history.source_ends[&from] {
        return None;
    }
    let reached = |at: Option<&SourceOffset>| at.is_some_and(|at| *at > offset);
    if bench.history.commits.iter().any(|sample| reached(sample.committed.get(&from))) {
        return None;
    }
    bench.history.destination.remove(index);
    bench.history.final_commit.committed.as_mut()?.insert(from, offset);
    bench.history.final_commit.graceful = false;
    let (status, output) = ("exit status: 1".to_string(), String::new());
    bench.history.completion = Some(Completion::Exited { status, output });
    Some(())
}

pub(crate) fn commit_ahead(bench: &mut Bench) -> Option<()> {
    let history = &bench.history;
    // One sample more, between others, would have to fit in time; alone it is exact.
    if !history.events.is_empty() || !history.commits.is_empty() || history.topics[0].compacted {
        return None;
    }
    let index = bench.pick()?;
    let (from, offset) = bench.original(index);
    let copy = &bench.history.destination[index];
    let mut ends: Ends =
        bench.history.destination_bounds.iter().map(|(at, bounds)| (*at, bounds.end)).collect();
    ends.insert(copy.at, copy.offset);
    let committed = [(from, SourceOffset(offset.0 + STEP))].into();
    bench.history.commits.push(CommitSample { committed, destination_ends: ends });
    Some(())
}

pub(crate) fn commit_behind(bench: &mut Bench) -> Option<()> {
    let index = bench.pick()?;
    let (from, offset) = bench.original(index);
    if bench.history.completion != Some(Completion::Completed) {
        return None;
    }
    let committed = bench.history.final_commit.committed.as_mut()?;
    if committed[&from] <= offset || committed[&from] > bench.history.source_bounds[&from].cut {
        return None;
    }
    let whole = |at: &TopicPartition, position: &SourceOffset| {
        bench.history.source_bounds[at].cut <= *position
    };
    if !committed.iter().all(|(at, position)| whole(at, position)) {
        return None;
    }
    committed.insert(from, offset);
    Some(())
}

pub(crate) fn commit_beyond(bench: &mut Bench) -> Option<()> {
    let history = &mut bench.history;
    let committed = history.final_commit.committed.as_mut()?;
    let whole = |at: &TopicPartition| committed[at] == history.source_bounds[at].cut;
    let whole: Vec<_> = committed.keys().copied().filter(whole).collect();
    let at = *whole.choose(&mut bench.random)?;
    committed.insert(at, SourceOffset(history.source_ends[&at].0 + 1));
    Some(())
}

pub(crate) fn loop_back(bench: &mut Bench) -> Option<()> {
    let record = bench.history.source.choose(&mut bench.random)?;
    let sequence = bench.random.random_range(5_000_000..6_000_000);
    let id = RecordId { run: RUN, producer: 6, key: 9, sequence };
    // Its own output, or something that nobody produced.
    let content = match bench.random.random_range(0..2) {
        0 => record.content.clone(),
        _ => generated(Some(b"k1"), id, None),
    };
    let cut = bench.history.source_bounds[&record.at].cut;
    let offset = SourceOffset(cut.0 + bench.random.random_range(0..100));
    bench.history.after_cut.push(SourceRecord { at: record.at, offset, content });
    Some(())
}

/// Positions of a group that has read everything, on both sides.
fn read_all(bench: &mut Bench, topic: TopicIndex) -> Translation {
    bench.contract.offsets = Offsets::Translated { max_rewind: 0 };
    let source = bench.history.source_bounds.iter();
    let committed = source.map(|(at, bounds)| (*at, bounds.cut));
    let destination = bench.history.destination_bounds.iter();
    let translated = destination.map(|(at, bounds)| (*at, bounds.end));
    Translation {
        topic,
        group: "app".into(),
        committed: committed.filter(|(at, _)| at.topic == topic).collect(),
        translated: translated.filter(|(at, _)| at.topic == topic).collect(),
    }
}

pub(crate) fn translate_too_far(bench: &mut Bench) -> Option<()> {
    // All but the last record of a source partition was read; the position is the end.
    let index = bench.pick()?;
    let (from, offset) = bench.original(index);
    let later = |record: &SourceRecord| record.at == from && record.offset > offset;
    if bench.history.source.iter().any(later) {
        return None;
    }
    let mut translation = read_all(bench, from.topic);
    translation.committed.insert(from, offset);
    bench.history.translations.push(translation);
    Some(())
}

pub(crate) fn translate_too_near(bench: &mut Bench) -> Option<()> {
    // Everything was read; the position is that of the last copy in its partition.
    let index = bench.pick()?;
    let copy = &bench.history.destination[index];
    let (at, offset) = (copy.at, copy.offset);
    let later = |record: &DestinationRecord| record.at == at && record.offset > offset;
    if bench.history.destination.iter().any(later) {
        return None;
    }
    let mut translation = read_all(bench, at.topic);
    translation.translated.insert(at, offset);
    bench.history.translations.push(translation);
    Some(())
}

pub(crate) fn drift(bench: &mut Bench) -> Option<()> {
    let name = format!("setting-{}", bench.contract.copied_configs.len());
    let drifted = bench.random.random_range(0..bench.history.topics.len()) as TopicIndex;
    let value = |text: &str| Some(text.to_string());
    let other = [None, value("2")][bench.random.random_range(0..2)].clone();
    for topic in 0..bench.history.topics.len() as TopicIndex {
        let destination = if topic == drifted { other.clone() } else { value("1") };
        let config = TopicConfig { topic, name: name.clone(), source: value("1"), destination };
        bench.history.configs.push(config);
    }
    bench.contract.copied_configs.push(name);
    Some(())
}

pub(crate) fn lose_at_source(bench: &mut Bench) -> Option<()> {
    let sequence = bench.random.random_range(4_000_000..5_000_000);
    let id = RecordId { run: RUN, producer: 9, key: 9, sequence };
    if bench.history.topics[0].compacted {
        return None;
    }
    bench.history.produced.push(Produced { topic: 0, id, outcome: Outcome::Acknowledged });
    Some(())
}

pub(crate) fn expire(bench: &mut Bench) -> Option<()> {
    let partitions: Vec<_> = bench.history.source_bounds.iter_mut().collect();
    let bounds = partitions.into_iter().find(|(_, bounds)| bounds.low == bounds.baseline)?.1;
    bounds.low = SourceOffset(bounds.low.0 + 1);
    Some(())
}

/// A consumer that resumes by raw offsets, and what it receives if all goes well.
fn trial(bench: &mut Bench, committed: Positions, from: i64) -> ResumeTrial {
    let topic = 0;
    let bounds = bench.history.destination_bounds.iter();
    let resumed: Ends = bounds
        .filter(|(at, _)| at.topic == topic)
        .map(|(at, bounds)| (*at, DestinationOffset(bounds.baseline.0 + from)))
        .collect();
    let records = bench.history.destination.iter();
    let received = records
        .filter(|record| resumed.get(&record.at).is_some_and(|from| record.offset >= *from))
        .map(|record| (record.at, record.offset))
        .collect();
    ResumeTrial { topic, committed, resumed, received }
}

pub(crate) fn mispredict(bench: &mut Bench) -> Option<()> {
    let index = bench.pick()?;
    let (from, _) = bench.original(index);
    let copy = &bench.history.destination[index];
    if from.topic != 0 {
        return None;
    }
    let place = (copy.at, copy.offset);
    let committed = [(from, bench.history.source_bounds[&from].cut)].into();
    let mut trial = trial(bench, committed, 0);
    // Something else must come again, or the trial would show nothing.
    trial.received.retain(|received| *received != place);
    bench.history.resumes.push(trial);
    Some(())
}

pub(crate) fn coincide(bench: &mut Bench) -> Option<()> {
    let bounds = bench.history.source_bounds.iter();
    let committed = bounds.map(|(at, bounds)| (*at, bounds.cut)).collect();
    let trial = trial(bench, committed, i64::MAX / 2);
    bench.history.resumes.push(trial);
    Some(())
}
