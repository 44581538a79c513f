//! Faults of what is there and should not be, or should be and is not, whatever the copies are.

use super::{Bench, Victim, key};
use crate::format::{RUN, generated};
use judge::{contract::Isolation, history::*};
use rand::{RngExt, seq::IndexedRandom};

/// Writes a record that is nobody's copy anywhere behind the baseline.
pub(super) fn stranger(bench: &mut Bench, at: TopicPartition, id: RecordId) -> Victim {
    let baseline = bench.history.destination_bounds[&at].baseline.0;
    let from = bench.random.random_range(baseline..=bench.end(at));
    let content = generated(Some(b"k1"), id, None);
    let (key, says) = (key(&content), format!("id {id}"));
    let destination = Some(bench.write(at, from, content));
    Victim { key, source: None, destination, says }
}

pub(crate) fn invent(bench: &mut Bench) -> Option<Victim> {
    let at = bench.history.destination.choose(&mut bench.random)?.at;
    let sequence = bench.random.random_range(2_000_000..3_000_000);
    let id = RecordId { run: RUN, producer: 7, key: 9, sequence };
    Some(stranger(bench, at, id))
}

pub(crate) fn leak(bench: &mut Bench) -> Option<Victim> {
    // It may have lain there, aborted, for who reads such.
    let reads_all = bench.contract.isolation == Isolation::ReadUncommitted;
    if reads_all && bench.history.topics[0].compacted {
        return None;
    }
    let at = bench.history.destination.choose(&mut bench.random)?.at;
    let sequence = bench.random.random_range(3_000_000..4_000_000);
    let id = RecordId { run: RUN, producer: 8, key: 9, sequence };
    let outcome = Outcome::Failed;
    bench.history.produced.push(Produced { topic: at.topic, id, outcome });
    Some(stranger(bench, at, id))
}

pub(crate) fn leak_aborted(bench: &mut Bench) -> Option<Victim> {
    if bench.contract.isolation == Isolation::ReadUncommitted {
        return None;
    }
    let at = bench.history.destination.choose(&mut bench.random)?.at;
    let record = bench.history.source.choose(&mut bench.random)?;
    let from = TopicPartition { topic: at.topic, ..record.at };
    let offset = bench.behind(from, record.offset)?;
    let sequence = bench.random.random_range(6_000_000..7_000_000);
    let id = RecordId { run: RUN, producer: 5, key: 9, sequence };
    bench.history.aborted.push(SourceRecord {
        at: from,
        offset,
        content: generated(Some(b"k1"), id, None),
    });
    if bench.random.random_range(0..2) == 0 {
        let outcome = Outcome::Failed;
        bench.history.produced.push(Produced { topic: at.topic, id, outcome });
    }
    // It is no copy of what the source shows, so the place there is named in words alone.
    let place = bench.source_place(from, offset);
    Some(Victim { says: format!("at {place}"), ..stranger(bench, at, id) })
}

pub(crate) fn loop_back(bench: &mut Bench) -> Option<Victim> {
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
    let (key, says) = (key(&content), format!("id {}", super::id(&content)));
    let source = Some(bench.source_place(record.at, offset));
    let at = record.at;
    bench.history.after_cut.push(SourceRecord { at, offset, content });
    Some(Victim { key, source, destination: None, says })
}

pub(crate) fn lose_at_source(bench: &mut Bench) -> Option<Victim> {
    // A compacted source forgets what it has acknowledged.
    if bench.history.topics[0].compacted {
        return None;
    }
    let sequence = bench.random.random_range(4_000_000..5_000_000);
    let id = RecordId { run: RUN, producer: 9, key: 9, sequence };
    let topic = bench.random.random_range(0..bench.history.topics.len()) as TopicIndex;
    bench.history.produced.push(Produced { topic, id, outcome: Outcome::Acknowledged });
    // It lies nowhere, and the log of the producers knows no more than its topic and its id.
    let topic = &bench.history.topics[topic as usize].source;
    Some(Victim { says: format!("id {id} of {topic} was"), ..Victim::default() })
}

pub(crate) fn expire(bench: &mut Bench) -> Option<Victim> {
    if bench.random.random_range(0..2) == 0 {
        expire_prefilled(bench)
    } else {
        expire_source(bench)
    }
}

/// Counted by partition: the place is where its log begins now.
fn expire_source(bench: &mut Bench) -> Option<Victim> {
    let bounds = bench.history.source_bounds.iter();
    let whole: Vec<_> =
        bounds.filter(|(_, one)| one.low == one.baseline).map(|one| *one.0).collect();
    let at = *whole.choose(&mut bench.random)?;
    let bounds = bench.history.source_bounds.get_mut(&at).unwrap();
    let (before, low) = (bounds.low.0, SourceOffset(bounds.low.0 + 1));
    bounds.low = low;
    let source = Some(bench.source_place(at, low));
    let says = format!("rose from {before} to {}", low.0);
    Some(Victim { source, says, ..Victim::default() })
}

/// Of what was there before the start alone: a copy that is gone excuses much else.
fn expire_prefilled(bench: &mut Bench) -> Option<Victim> {
    let bounds = bench.history.destination_bounds.iter();
    let whole = bounds.filter(|(_, one)| one.low == one.low_baseline && one.low < one.baseline);
    let whole: Vec<_> = whole.map(|(at, _)| *at).collect();
    let at = *whole.choose(&mut bench.random)?;
    let bounds = bench.history.destination_bounds.get_mut(&at).unwrap();
    let (before, low) = (bounds.low.0, DestinationOffset(bounds.low.0 + 1));
    bounds.low = low;
    bench.history.destination.retain(|record| record.at != at || record.offset >= low);
    let destination = Some(bench.destination_place(at, low));
    let says = format!("rose from {before} to {}", low.0);
    Some(Victim { destination, says, ..Victim::default() })
}
