//! A history as large as a soak test's is judged in seconds, not minutes, whatever is wrong with it.

use crate::format::{RUN, generated};
use judge::{
    contract::{Contract, Partitioning},
    history::*,
    judge,
    partition::java_partition,
    verdict::{Anomaly, Judgement, Verdict},
};
use std::time::{Duration, Instant};

/// How many records, unless the environment asks for more: two million take a release build.
const RECORDS: u32 = 20_000;
const PARTITIONS: u32 = 16;

fn records() -> u32 {
    let asked = std::env::var("MIRRORPROOF_RECORDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(RECORDS)
}

fn timed(history: &History) -> (Judgement, Duration) {
    let begin = Instant::now();
    (judge(history, &Contract::default()), begin.elapsed())
}

#[test]
fn a_large_history_is_judged_exactly() {
    let (judgement, took) = timed(&large(records(), |_| false));
    println!("{} records judged in {took:?}", records());
    assert_eq!(judgement.verdict, Verdict::Holds, "{:?}", judgement.violations);
    assert!(judgement.judged.repeats > 0);
}

#[test]
fn a_large_history_with_half_of_it_lost_is_judged_exactly() {
    let (judgement, took) = timed(&large(records(), |number| number % 2 == 1));
    println!("{} records, half of them lost, judged in {took:?}", records());
    assert_eq!(judgement.verdict, Verdict::Violated);
    let findings = &judgement.violations.0;
    let lost = findings.iter().find(|finding| finding.anomaly == Anomaly::Lost).unwrap();
    assert_eq!(lost.count, u64::from(records() / 2));
    assert_eq!((lost.evidence.len(), lost.capped), (6, true));
}

#[test]
fn a_large_history_of_equal_contents_is_judged_exactly() {
    for every in [2, 1_000, u32::MAX] {
        let history = equals(records(), |number| number % every == every - 1);
        let (judgement, took) = timed(&history);
        println!("{} equal records, one of {every} lost, judged in {took:?}", records());
        let found = judgement.violations.count(Anomaly::Lost);
        assert!(found >= u64::from(records() / every), "{found}");
        assert_eq!(judgement.verdict == Verdict::Holds, every == u32::MAX);
    }
}

#[test]
fn a_large_history_of_equal_records_that_all_come_again_is_judged_exactly() {
    let half = u64::from(records() / 2);
    for key in [None, Some(&b"k"[..])] {
        for (kind, is_committed, explained) in [
            (EventKind::Kill, false, half),
            (EventKind::Kill, true, 0),
            (EventKind::ProduceFault, true, 0),
        ] {
            let (judgement, took) = timed(&again(records() / 2, key, kind, is_committed));
            println!("{half} equal records twice, {kind:?} {is_committed}, judged in {took:?}");
            let tolerated = judgement.tolerated.iter().map(|one| one.finding.count).sum::<u64>();
            let rewound = judgement.violations.count(Anomaly::Rewound);
            assert_eq!((tolerated, rewound), (explained, half - explained));
            assert_eq!(judgement.verdict == Verdict::Holds, explained == half);
        }
    }
}

#[test]
fn a_large_history_of_equal_records_that_a_compacted_source_forgot_is_judged() {
    let anywhere = Contract { partitioning: Partitioning::Any, ..Contract::default() };
    for (contract, partitions) in
        [(Contract::default(), 1), (Contract::default(), 2), (anywhere, 2)]
    {
        for (held, is_timed) in
            [1, records() / 2, records() - 1].into_iter().zip([true, false, true])
        {
            let history = compacted(records(), held, is_timed, partitions);
            let begin = Instant::now();
            let judgement = judge(&history, &contract);
            let (all, took) = (records(), begin.elapsed());
            println!("{all} equal records, {held} held, in {partitions}, judged in {took:?}");
            assert_ne!(judgement.verdict, Verdict::Violated, "{:?}", judgement.violations);
        }
    }
}

/// Equal records of a compacted topic, all copied, of which the source still holds the last.
fn compacted(records: u32, held: u32, is_timed: bool, partitions: u32) -> History {
    let mut history = History { run: RUN, ..History::default() };
    history.topics.push(Topic { compacted: true, ..topic(partitions) });
    let mut ends = Ends::new();
    let mut committed = Positions::new();
    for partition in 0..partitions {
        let at = TopicPartition { topic: 0, partition };
        for number in 0..records {
            let time = if is_timed { Timestamp::Create(number.into()) } else { Timestamp::None };
            let content = Content::of(Some(b"k"), Some(b"x"), Vec::new(), time);
            let record = SourceRecord { at, offset: SourceOffset(number.into()), content };
            let home = TopicPartition { partition: java_partition(b"k", partitions), ..at };
            copy(&mut history, &mut ends, &SourceRecord { at: home, ..record.clone() });
            if number >= records - held {
                history.source.push(record);
            }
        }
        let (low, cut) = (SourceOffset(0), SourceOffset(records.into()));
        history.source_bounds.insert(at, SourceBounds { baseline: low, low, cut });
        committed.insert(at, cut);
    }
    history.final_commit = FinalCommit { committed: Some(committed), graceful: true };
    history.completion = Some(Completion::Completed);
    history
}

/// Records that are all alike, an event, and all of them again.
fn again(records: u32, key: Option<&[u8]>, kind: EventKind, is_committed: bool) -> History {
    let mut history = History { run: RUN, ..History::default() };
    history.topics.push(topic(1));
    let at = TopicPartition { topic: 0, partition: 0 };
    let content = Content::of(key, Some(b"x"), Vec::new(), Timestamp::None);
    for number in 0..records {
        let (offset, content) = (SourceOffset(number.into()), content.clone());
        history.source.push(SourceRecord { at, offset, content });
    }
    let mut ends = Ends::new();
    let end = Positions::from([(at, SourceOffset(records.into()))]);
    for round in 0..2 {
        for record in history.source.clone() {
            copy(&mut history, &mut ends, &record);
        }
        if round == 0 {
            let destination_ends = ends.clone();
            let committed = if is_committed { end.clone() } else { Positions::new() };
            history.events.push(Event { kind, destination_ends, committed, over: None });
        }
    }
    history.final_commit = FinalCommit { committed: Some(end), graceful: true };
    history.completion = Some(Completion::Completed);
    history
}

/// One key, and five values that come again and again: nothing but order tells records apart.
fn equals(records: u32, is_lost: impl Fn(u32) -> bool) -> History {
    let mut history = History { run: RUN, ..History::default() };
    history.topics.push(topic(1));
    let at = TopicPartition { topic: 0, partition: 0 };
    let mut ends = Ends::new();
    for number in 0..records {
        let value = [b'a' + (number.wrapping_mul(number) % 11 % 5) as u8];
        let content = Content::of(Some(b"k"), Some(&value), Vec::new(), Timestamp::None);
        let record = SourceRecord { at, offset: SourceOffset(number.into()), content };
        if !is_lost(number) {
            copy(&mut history, &mut ends, &record);
        }
        history.source.push(record);
    }
    let end = SourceOffset(records.into());
    history.final_commit = FinalCommit { committed: Some([(at, end)].into()), graceful: true };
    history.completion = Some(Completion::Completed);
    history
}

fn topic(partitions: u32) -> Topic {
    Topic {
        source: "t".into(),
        destination: "t".into(),
        source_partitions: vec![partitions],
        destination_partitions: vec![partitions],
        selected: true,
        compacted: false,
    }
}

/// Ten records a key, one kill in the middle that repeats a thousandth, a sample per thousand.
fn large(records: u32, is_lost: impl Fn(u32) -> bool) -> History {
    let mut history = History { run: RUN, ..History::default() };
    history.topics.push(topic(PARTITIONS));
    let (mut ends, mut destination_ends) = (Positions::new(), Ends::new());
    let keys = records.div_ceil(10);
    let mut recent = Vec::new();
    for number in 0..records {
        let (key, sequence) = (number % keys, number / keys);
        let name = format!("key-{key}");
        let id = RecordId { run: RUN, producer: 0, key, sequence };
        let partition = java_partition(name.as_bytes(), PARTITIONS);
        let at = TopicPartition { topic: 0, partition };
        let end = ends.entry(at).or_insert(SourceOffset(0));
        let record =
            SourceRecord { at, offset: *end, content: generated(Some(name.as_bytes()), id, None) };
        end.0 += 1;
        history.produced.push(Produced { topic: 0, id, outcome: Outcome::Acknowledged });
        if !is_lost(number) {
            copy(&mut history, &mut destination_ends, &record);
            if number >= records / 2 - records / 1_000 && number < records / 2 {
                recent.push(record.clone());
            }
        }
        if number == records / 2 {
            let committed = recent.iter().rev().map(|record| (record.at, record.offset)).collect();
            let (kind, destination_ends) = (EventKind::Kill, destination_ends.clone());
            history.events.push(Event { kind, destination_ends, committed, over: None });
        }
        history.source.push(record);
        if number == records / 2 {
            for record in std::mem::take(&mut recent) {
                copy(&mut history, &mut destination_ends, &record);
            }
        }
        if number % 1_000 == 0 && number < records / 4 {
            let (committed, destination_ends) = (ends.clone(), destination_ends.clone());
            history.commits.push(CommitSample { committed, destination_ends });
        }
    }
    history.source.sort_by_key(|record| (record.at, record.offset));
    history.destination.sort_by_key(|record| (record.at, record.offset));
    history.final_commit = FinalCommit { committed: Some(ends), graceful: true };
    history.completion = Some(Completion::Completed);
    history
}

fn copy(history: &mut History, ends: &mut Ends, record: &SourceRecord) {
    let end = ends.entry(record.at).or_insert(DestinationOffset(0));
    let (at, content) = (record.at, record.content.clone());
    history.destination.push(DestinationRecord { at, offset: *end, content });
    end.0 += 1;
}
