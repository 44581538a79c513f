//! Faults of positions and settings: what was committed, translated, resumed from and configured.

use super::{Bench, Victim};
use crate::generate::STEP;
use judge::{contract::*, history::*};
use rand::{RngExt, seq::IndexedRandom};

pub(crate) fn stall(bench: &mut Bench) -> Option<Victim> {
    // It exits while the last record of a partition, not yet committed, is on its way.
    let index = bench.pick_needed()?;
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
    // What it did not come to was never promised: records are counted, none is named.
    let says = format!("{} source records without a copy", bench.missing()?);
    Some(Victim { says, ..Victim::default() })
}

pub(crate) fn commit_ahead(bench: &mut Bench) -> Option<Victim> {
    // One sample more, between events or before what another saw, would have to fit in time.
    if !bench.history.events.is_empty() || bench.history.topics[0].compacted {
        return None;
    }
    let is_unseen = |copy: &usize| {
        let copy = &bench.history.destination[*copy];
        let sees = |sample: &CommitSample| {
            sample.destination_ends.get(&copy.at).is_some_and(|end| copy.offset < *end)
        };
        !bench.history.commits.iter().any(sees)
    };
    let unseen: Vec<_> = bench.sole_copies().into_iter().filter(is_unseen).collect();
    let index = *unseen.choose(&mut bench.random)?;
    bench.touch(index);
    let (from, offset) = bench.original(index);
    let copy = &bench.history.destination[index];
    let mut ends: Ends =
        bench.history.destination_bounds.iter().map(|(at, bounds)| (*at, bounds.end)).collect();
    ends.insert(copy.at, copy.offset);
    let position = SourceOffset(offset.0 + STEP);
    let committed = [(from, position)].into();
    bench.history.commits.push(CommitSample { committed, destination_ends: ends });
    // Its copy came later, and is none of the finding's business.
    let says = format!("when position {} was", position.0);
    Some(Victim { says, ..bench.on_source(index) })
}

pub(crate) fn commit_behind(bench: &mut Bench) -> Option<Victim> {
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
    // Counted by partition: the first record that is not covered is named, with how many there are.
    let uncovered = |record: &&SourceRecord| record.at == from && record.offset >= offset;
    let count = bench.history.source.iter().filter(uncovered).count();
    let says = format!("the first of {count} records");
    Some(Victim { says, ..bench.on_source(index) })
}

pub(crate) fn commit_beyond(bench: &mut Bench) -> Option<Victim> {
    let history = &mut bench.history;
    let committed = history.final_commit.committed.as_mut()?;
    let whole = |at: &TopicPartition| committed[at] == history.source_bounds[at].cut;
    let whole: Vec<_> = committed.keys().copied().filter(whole).collect();
    let at = *whole.choose(&mut bench.random)?;
    let end = history.source_ends[&at].0;
    let position = SourceOffset(end + 1);
    committed.insert(at, position);
    // Nothing lies there yet that has a key: the position is named.
    let source = Some(bench.source_place(at, position));
    Some(Victim { source, says: format!("beyond the source's end {end}"), ..Victim::default() })
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

pub(crate) fn translate_too_far(bench: &mut Bench) -> Option<Victim> {
    // All but the last record of a source partition was read; the position is the end.
    let index = bench.pick_needed()?;
    let (from, offset) = bench.original(index);
    let later = |record: &SourceRecord| record.at == from && record.offset > offset;
    if bench.history.source.iter().any(later) {
        return None;
    }
    let mut translation = read_all(bench, from.topic);
    translation.committed.insert(from, offset);
    bench.history.translations.push(translation);
    Some(bench.on_source(index))
}

pub(crate) fn translate_too_near(bench: &mut Bench) -> Option<Victim> {
    if bench.may_hide_first_copies() {
        return None;
    }
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
    Some(bench.on_source(index))
}

pub(crate) fn drift(bench: &mut Bench) -> Option<Victim> {
    let name = format!("setting-{}", bench.contract.copied_configs.len());
    let drifted = bench.random.random_range(0..bench.history.topics.len()) as TopicIndex;
    let value = |text: &str| Some(text.to_string());
    let other = [None, value("2")][bench.random.random_range(0..2)].clone();
    for topic in 0..bench.history.topics.len() as TopicIndex {
        let destination = if topic == drifted { other.clone() } else { value("1") };
        let config = TopicConfig { topic, name: name.clone(), source: value("1"), destination };
        bench.history.configs.push(config);
    }
    let topic = &bench.history.topics[drifted as usize].source;
    let says = format!("{name} of {topic}: ");
    bench.contract.copied_configs.push(name);
    Some(Victim { says, ..Victim::default() })
}

/// A consumer that resumes by raw offsets, and what it receives if all goes well.
fn trial(bench: &Bench, topic: TopicIndex, committed: Positions, from: i64) -> ResumeTrial {
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

pub(crate) fn mispredict(bench: &mut Bench) -> Option<Victim> {
    let index = bench.pick()?;
    let (from, _) = bench.original(index);
    let copy = &bench.history.destination[index];
    let place = (copy.at, copy.offset);
    let committed = [(from, bench.history.source_bounds[&from].cut)].into();
    let mut trial = trial(bench, from.topic, committed, 0);
    // Something else must come again, or the trial would show nothing.
    trial.received.retain(|received| *received != place);
    bench.history.resumes.push(trial);
    Some(Victim { says: "not received".into(), ..bench.on_source(index) })
}

pub(crate) fn coincide(bench: &mut Bench) -> Option<Victim> {
    let bounds = bench.history.source_bounds.iter();
    let committed = bounds.map(|(at, bounds)| (*at, bounds.cut)).collect();
    let topic = bench.random.random_range(0..bench.history.topics.len()) as TopicIndex;
    let trial = trial(bench, topic, committed, i64::MAX / 2);
    bench.history.resumes.push(trial);
    let topic = &bench.history.topics[topic as usize].source;
    Some(Victim { says: format!("nothing of {topic} was"), ..Victim::default() })
}
