//! A history as large as a soak test's is judged in seconds, not minutes.

use crate::format::{RUN, generated};
use judge::{contract::Contract, history::*, judge, partition::java_partition, verdict::Verdict};
use std::time::Instant;

/// How many records, unless the environment asks for more: two million take a release build.
const RECORDS: u32 = 20_000;
const PARTITIONS: u32 = 16;

#[test]
fn a_large_history_is_judged_in_time() {
    let asked = std::env::var("MIRRORPROOF_RECORDS").ok().and_then(|text| text.parse().ok());
    let records = asked.unwrap_or(RECORDS);
    let history = large(records);
    let begin = Instant::now();
    let judgement = judge(&history, &Contract::default());
    println!("{records} records judged in {:?}", begin.elapsed());
    assert_eq!(judgement.verdict, Verdict::Holds, "{:?}", judgement.violations);
    assert!(judgement.judged.repeats > 0);
}

/// Ten records a key, one kill in the middle that repeats a thousandth, a sample per thousand.
fn large(records: u32) -> History {
    let mut history = History { run: RUN, ..History::default() };
    history.topics.push(Topic {
        source: "t".into(),
        destination: "t".into(),
        source_partitions: vec![PARTITIONS],
        destination_partitions: vec![PARTITIONS],
        selected: true,
        compacted: false,
    });
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
        copy(&mut history, &mut destination_ends, &record);
        if number >= records / 2 - records / 1_000 && number < records / 2 {
            recent.push(record.clone());
        }
        if number == records / 2 {
            let committed = recent.iter().rev().map(|record| (record.at, record.offset)).collect();
            let (kind, destination_ends) = (EventKind::Kill, destination_ends.clone());
            history.events.push(Event { kind, destination_ends, committed });
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
