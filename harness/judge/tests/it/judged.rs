//! What a judgement says beside its findings: how much was judged, and what no history may be.

use crate::format::{Golden, parse};
use judge::{
    contract::{Contract, Isolation},
    history::*,
    judge,
    verdict::{Anomaly, Circumstance, Judged, Verdict},
};

const PLAIN: &str = "
    topic t 2 -> 2
    topic u 1 -> 1 unselected
    source t/0: a1 a2 _1 _2
    source t/1: b1
    source u/0: c1
    destination t/0: a1 a2 a1 _1 _2
    destination t/1: b1 b1
    event kill when t/0=2 t/1=1 committed
";

fn plain() -> Golden {
    parse(PLAIN)
}

#[test]
fn how_much_was_judged_is_counted() {
    let Golden { mut history, mut contract, .. } = plain();
    let judgement = judge(&history, &contract);
    let expected = Judged {
        source_records: 5,
        destination_records: 7,
        repeats: 2,
        keys: 2,
        null_keys: 2,
        partition_pairs: 2,
        excusable: 0,
    };
    assert_eq!(judgement.judged, expected);
    let at = history.source[0].at;
    history.ready = Some([(at, SourceOffset(2))].into());
    contract.start = judge::contract::Start::Latest;
    assert_eq!(judge(&history, &contract).judged, Judged { excusable: 2, ..expected });
}

#[test]
fn findings_are_counted_by_anomaly() {
    let Golden { mut history, contract, .. } = plain();
    history.destination.retain(|record| record.content.key() != Some(b"a"));
    let judgement = judge(&history, &contract);
    assert_eq!(judgement.violations.count(Anomaly::Lost), 2);
    assert_eq!(judgement.violations.count(Anomaly::Stale), 0);
    assert_eq!(judgement.verdict.to_string(), "violated");
    let findings = &judgement.violations.0;
    assert!(findings.iter().all(|finding| finding.evidence.len() == 2 && !finding.capped));
}

/// What only the stop committed is counted, and not shown one by one.
#[test]
fn what_is_not_shown_is_said_to_be_capped() {
    for (behind, capped) in [(1, false), (2, true)] {
        let Golden { mut history, contract, .. } = plain();
        let ends = history.source_bounds.iter().map(|(at, bounds)| (*at, bounds.cut));
        history.final_commit = FinalCommit { committed: Some(ends.collect()), graceful: true };
        history.completion =
            Some(Completion::Idle { sentinels_arrived: true, behind: Some(behind), seconds: 60 });
        let findings = judge(&history, &contract).violations.0;
        let found = findings.iter().filter(|one| one.anomaly == Anomaly::CommitBehind);
        let shown: Vec<_> = found.map(|one| (one.count, one.evidence.len(), one.capped)).collect();
        assert_eq!(shown, [(u64::from(behind), 1, capped)]);
    }
}

/// The source has forgotten what was aborted: that it was copied can be told from the finding alone.
#[test]
fn a_tolerated_leak_can_be_asked_for() {
    let text = include_str!("../histories/holds-failed-on-a-topic-that-forgets.txt");
    let Golden { history, contract, .. } = parse(text);
    let judgement = judge(&history, &contract);
    assert_eq!((judgement.verdict, history.aborted.len()), (Verdict::Holds, 0));
    assert!(judgement.tolerates(Anomaly::Leaked) && !judgement.tolerates(Anomaly::Lost));
    let Golden { history, contract, .. } = plain();
    assert!(!judge(&history, &contract).tolerates(Anomaly::Leaked));
}

#[test]
fn a_tolerated_loss_can_be_asked_for_by_its_circumstance() {
    let text = include_str!("../histories/holds-equals-behind-the-readiness.txt");
    let Golden { history, contract, .. } = parse(text);
    let judgement = judge(&history, &contract);
    assert!(judgement.tolerates_under(Anomaly::Lost, Circumstance::BeforeReadiness));
    assert!(!judgement.tolerates_under(Anomaly::Lost, Circumstance::Superseded));
}

/// Headers that a subject may add, of equal records without order: what the copies of two records with so many others
/// beside them give, when each has the header of the other.
#[track_caller]
fn swapped_headers(records: usize, verdict: Verdict) {
    let one = |number: &usize| format!("_:x{{extra=h:{number}}}");
    let source: Vec<_> = (0..records).collect();
    let mut copies = source.clone();
    copies.swap(0, 1);
    let line = |numbers: &[usize]| numbers.iter().map(one).collect::<Vec<_>>().join(" ");
    headers_of_equals(&line(&source), &line(&copies), "", verdict);
}

#[track_caller]
fn headers_of_equals(source: &str, copies: &str, event: &str, verdict: Verdict) {
    let Golden { history, contract, .. } = parse(&format!(
        "contract {{\"added-headers\": [\"h\"]}}
         topic t 1 -> 1
         source t/0: {source}
         destination t/0: {copies}
         {event}"
    ));
    let judgement = judge(&history, &contract);
    assert_eq!(judgement.verdict, verdict, "{:?} {:?}", judgement.violations, judgement.doubts);
}

#[test]
fn so_many_different_headers_of_equals_are_tried_and_no_more() {
    swapped_headers(64, Verdict::Holds);
    swapped_headers(65, Verdict::Inconclusive);
}

/// The last copy is the one that can be of the second record.
#[test]
fn so_many_copies_of_equals_are_tried_in_vain_and_no_more() {
    for (in_vain, verdict) in [(1000, Verdict::Holds), (1001, Verdict::Inconclusive)] {
        let copies = "_:x{extra=h:1} ".repeat(1 + in_vain) + "_:x{extra=h:2}";
        let event = "event produce-fault when t/0=0 committed";
        headers_of_equals("_:x{extra=h:1} _:x{extra=h:2}", &copies, event, verdict);
    }
}

#[track_caller]
fn is_malformed(doubt: &str, damage: impl FnOnce(&mut History)) {
    let Golden { mut history, .. } = plain();
    damage(&mut history);
    for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
        let judgement = judge(&history, &Contract { isolation, ..Contract::default() });
        assert_eq!(judgement.verdict, Verdict::Inconclusive);
        assert!(judgement.doubts.iter().any(|one| one.contains(doubt)), "{:?}", judgement.doubts);
        assert_eq!(judgement.judged, Judged::default());
    }
}

#[test]
fn a_history_that_makes_no_sense_is_not_judged() {
    let at = TopicPartition { topic: 2, partition: 0 };
    let topics = "a topic that it does not list";
    is_malformed(topics, |history| _ = history.source_ends.insert(at, SourceOffset(0)));
    is_malformed(topics, |history| {
        history.grown.push(Growth { topic: 2, partitions: 1, settled: Ends::new() });
    });
    let order = "not in order";
    is_malformed(order, |history| history.source.swap(0, 1));
    is_malformed(order, |history| history.destination.swap(0, 1));
    is_malformed(order, |history| history.source.insert(0, history.source[0].clone()));
    let aborted = "one place of the source";
    is_malformed(aborted, |history| history.aborted.push(history.source[3].clone()));
    is_malformed(aborted, |history| {
        let offset = SourceOffset(9);
        let record = SourceRecord { offset, ..history.source[3].clone() };
        history.aborted = vec![record.clone(), record];
    });
    is_malformed(order, |history| history.destination.insert(0, history.destination[0].clone()));
}
