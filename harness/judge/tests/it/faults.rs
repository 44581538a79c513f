//! Every fault that is put into a lawful history is found, as what it is and as often as it is.
//!
//! A fault may entail other anomalies (the last record of a key, written once more at the end, is
//! stale, too): those are listed, and nothing else may be found.

use crate::{
    format::sketch,
    generate::{Lawful, Shape, lawful},
    lawful::{cases, shapes},
    mutate::*,
};
use judge::{
    contract::{Isolation, Offsets, Start},
    judge,
    verdict::*,
};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeSet;

/// Puts in one fault, if the history has a place for it.
type Fault = fn(&mut Bench) -> Option<()>;

/// Each fault: what it is, how to put it in, and what it may entail.
const FAULTS: [(Anomaly, Fault, &[Anomaly]); 23] = [
    (Anomaly::Lost, lose, &[Anomaly::CommitAhead]),
    (Anomaly::Duplicated, duplicate, &[Anomaly::Stale]),
    (Anomaly::Rewound, rewind, &[Anomaly::Stale]),
    (Anomaly::Reordered, reorder, &[Anomaly::Stale, Anomaly::CommitAhead]),
    (Anomaly::Stale, make_stale, &[Anomaly::Duplicated]),
    (Anomaly::Misplaced, misplace, &MOVED),
    (Anomaly::Misplaced, misplace_after_growth, &MOVED),
    (Anomaly::Corrupted, corrupt, &[]),
    (Anomaly::Phantom, invent, &[]),
    (Anomaly::Leaked, leak, &[]),
    (Anomaly::Leaked, leak_aborted, &[]),
    (Anomaly::Stalled, stall, &[Anomaly::CommitAhead]),
    (Anomaly::CommitAhead, commit_ahead, &[]),
    (Anomaly::CommitAhead, commit_beyond, &[]),
    (Anomaly::CommitBehind, commit_behind, &[]),
    (Anomaly::Looped, loop_back, &[]),
    (Anomaly::TranslationSkips, translate_too_far, &[]),
    (Anomaly::TranslationRewinds, translate_too_near, &[]),
    (Anomaly::ConfigDrift, drift, &[]),
    (Anomaly::OffsetsMispredicted, mispredict, &[]),
    (Anomaly::OffsetsCoincide, coincide, &[]),
    (Anomaly::LostAtSource, lose_at_source, &[]),
    (Anomaly::Expired, expire, &[]),
];

/// What a copy that is moved to the end of another partition may entail, or another fault behind
/// the growth of its topic.
const MOVED: [Anomaly; 6] = [
    Anomaly::Misplaced,
    Anomaly::CommitAhead,
    Anomaly::Stale,
    Anomaly::Reordered,
    Anomaly::OffsetsMispredicted,
    Anomaly::TranslationRewinds,
];

/// Puts in faults by number; `None` if the history has no place for one of them.
fn broken(shape: &Shape, faults: &[usize]) -> Option<Bench> {
    // What a compacted topic or a start at the end excuses is no fault.
    let aborts = shape.aborts.map(|_| Isolation::ReadCommitted);
    let shape = Shape { compacted: false, start: Start::Earliest, aborts, ..shape.clone() };
    let Lawful { history, contract, .. } = lawful(&shape);
    let random = ChaCha8Rng::seed_from_u64(shape.seed);
    let mut bench = Bench { history, contract, random, touched: BTreeSet::new() };
    // A sample catches a record that is moved or removed; left out, faults are exact.
    bench.history.commits.clear();
    // So does a group that has not read everything.
    bench.history.translations.clear();
    // A copy that is written behind a growth that has settled would be misplaced, too.
    bench.history.grown.clear();
    bench.contract.offsets = Offsets::Independent;
    for fault in faults {
        FAULTS[*fault].1(&mut bench)?;
    }
    Some(bench)
}

fn found(shape: &Shape, faults: &[usize]) -> Result<bool, TestCaseError> {
    let Some(bench) = broken(shape, faults) else { return Ok(false) };
    let judgement = judge(&bench.history, &bench.contract);
    let kinds: Vec<_> = faults.iter().map(|fault| FAULTS[*fault].0).collect();
    let entailed = |anomaly: Anomaly| faults.iter().any(|f| FAULTS[*f].2.contains(&anomaly));
    let violations = &judgement.violations;
    let text = || format!("{kinds:?}: {violations:#?}\n{}", sketch(&bench.history));
    for kind in &kinds {
        let expected = kinds.iter().filter(|other| *other == kind).count() as u64;
        let count = violations.count(*kind);
        let exact = !entailed(*kind);
        prop_assert!(count == expected || (!exact && count > expected), "{}", text());
    }
    for finding in &violations.0 {
        prop_assert!(kinds.contains(&finding.anomaly) || entailed(finding.anomaly), "{}", text());
        prop_assert!(!finding.evidence.is_empty());
    }
    let proven = kinds.iter().any(|kind| !kind.is_inconclusive());
    let expected = if proven { Verdict::Violated } else { Verdict::Inconclusive };
    prop_assert_eq!(judgement.verdict, expected);
    Ok(true)
}

/// Whether one of two faults lawfully hides the other: what a stalled subject has not committed is
/// not called lost, and a source from which records expired does not lack any.
fn excuses(one: Anomaly, other: Anomaly) -> bool {
    let both = |set: &[Anomaly]| set.contains(&one) && set.contains(&other);
    let stalled = one == Anomaly::Stalled || other == Anomaly::Stalled;
    (stalled && both(&[Anomaly::Stalled, Anomaly::Lost, Anomaly::CommitBehind]))
        || (one != other && both(&[Anomaly::Expired, Anomaly::LostAtSource]))
}

fn roomy() -> impl Strategy<Value = Shape> {
    (shapes(true, 2), 20..60_u32).prop_map(|(shape, records)| Shape { records, ..shape })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn each_fault_is_found(shape in roomy(), fault in 0..FAULTS.len()) {
        found(&shape, &[fault])?;
    }

    #[test]
    fn pairs_of_faults_are_found(shape in roomy(), one in 0..FAULTS.len(), other in 0..FAULTS.len()) {
        prop_assume!(!excuses(FAULTS[one].0, FAULTS[other].0));
        found(&shape, &[one, other])?;
    }
}

/// A fault that never finds a place would be tested by nobody.
#[test]
fn every_fault_finds_a_place() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut placed = BTreeSet::new();
    for _ in 0..300 {
        let shape = roomy().new_tree(&mut runner).unwrap().current();
        placed.extend((0..FAULTS.len()).filter(|fault| broken(&shape, &[*fault]).is_some()));
    }
    let anomalies: BTreeSet<_> = placed.iter().map(|fault| FAULTS[*fault].0).collect();
    assert_eq!(anomalies, BTreeSet::from(Anomaly::ALL));
}
