//! Every fault that is put into a lawful history is found: as what it is, as often as it is, and where
//! it is.
//!
//! A fault may entail other anomalies (the last record of a key, written once more at the end, is
//! stale, too): those are listed, each at most once, and nothing else may be found. What is no fault,
//! though it looks like one, gives no finding at all.

use crate::{
    format::sketch,
    generate::{Lawful, Shape, lawful},
    lawful::{cases, is_vacuous, shapes},
    mutate::*,
};
use judge::{
    contract::{Isolation, Offsets, Timestamps},
    judge,
    verdict::*,
};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeSet;

/// Puts in one fault, if the history has a place for it, and says what its finding must name.
type Fault = fn(&mut Bench) -> Option<Victim>;

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

/// Changes a history, if there is a place for it, and leaves it lawful.
type Harmless = fn(&mut Bench) -> Option<()>;

/// What looks like a fault and is none.
const HARMLESS: [(&str, Harmless); 5] = [
    ("move_unplaced", move_unplaced),
    ("repeat_explained", repeat_explained),
    ("swap_unordered", swap_unordered),
    ("show_undecided", show_undecided),
    ("show_aborted", show_aborted),
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

/// A lawful history, as hard as they come.
fn bench(shape: &Shape) -> Bench {
    let Lawful { history, contract, .. } = lawful(shape);
    let random = ChaCha8Rng::seed_from_u64(shape.seed);
    let mut bench = Bench { history, contract, random, touched: BTreeSet::new() };
    // A group that has not read everything catches a record that is moved or removed.
    bench.history.translations.clear();
    // A copy that is written behind a growth that has settled would be misplaced, too.
    bench.history.grown.clear();
    bench.contract.offsets = Offsets::Independent;
    bench
}

/// Puts in faults by number; `None` if the history has no place for one of them.
fn broken(shape: &Shape, faults: &[usize]) -> Option<(Bench, Vec<Victim>)> {
    let mut bench = bench(shape);
    let victims = faults.iter().map(|fault| FAULTS[*fault].1(&mut bench));
    let victims = victims.collect::<Option<_>>()?;
    Some((bench, victims))
}

/// The first fault from `wanted` on for which there is a place behind those in `faults`: a history
/// without any fault in it shows nothing.
fn with_one_more(shape: &Shape, faults: &[usize], wanted: usize) -> Option<Vec<usize>> {
    let numbers = (0..FAULTS.len()).map(|step| (wanted + step) % FAULTS.len());
    let excused =
        |fault: usize| faults.iter().any(|one| excuses(shape, FAULTS[*one].0, FAULTS[fault].0));
    let mut choices =
        numbers.filter(|fault| !excused(*fault)).map(|fault| [faults, &[fault]].concat());
    choices.find(|faults| broken(shape, faults).is_some())
}

fn are_found(shape: &Shape, faults: &[usize]) -> Result<(), TestCaseError> {
    let (bench, victims) = broken(shape, faults).unwrap();
    let judgement = judge(&bench.history, &bench.contract);
    let kinds: Vec<_> = faults.iter().map(|fault| FAULTS[*fault].0).collect();
    let violations = &judgement.violations;
    let text = || format!("{kinds:?} {victims:#?}: {violations:#?}\n{}", sketch(&bench.history));
    for anomaly in Anomaly::ALL {
        let least = kinds.iter().filter(|kind| **kind == anomaly).count() as u64;
        // More of its own kind are entailed by what another fault does.
        let entails = |(kind, _, entailed): &(Anomaly, Fault, &[Anomaly])| {
            entailed.contains(&anomaly) && (*kind != anomaly || faults.len() > 1)
        };
        let entailed = faults.iter().filter(|fault| entails(&FAULTS[**fault])).count();
        let count = violations.count(anomaly);
        prop_assert!((least..=least + entailed as u64).contains(&count), "{}", text());
    }
    // So few are shown one by one, and each is of what some fault has touched.
    let shown = |anomaly: Option<Anomaly>| {
        let findings = violations.0.iter();
        let findings = findings.filter(move |one| anomaly.is_none_or(|kind| kind == one.anomaly));
        findings.flat_map(|finding| &finding.evidence)
    };
    for finding in &violations.0 {
        prop_assert!(
            !finding.capped && finding.evidence.len() as u64 == finding.count,
            "{}",
            text()
        );
    }
    for (kind, victim) in kinds.iter().zip(&victims) {
        // The same may have happened twice: two trials that show nothing of the same topic.
        let same = kinds.iter().zip(&victims).filter(|one| *one == (kind, victim)).count();
        let named = shown(Some(*kind)).filter(|evidence| victim.is_named_by(evidence));
        prop_assert_eq!(named.count(), same, "{}", text());
    }
    for evidence in shown(None) {
        // A record that was left on its way is named by what it entails alone.
        let is_victim = victims.iter().any(|victim| victim.is_of(evidence));
        prop_assert!(is_victim || bench.has_touched(evidence), "{}", text());
    }
    let proven = kinds.iter().any(|kind| !kind.is_inconclusive());
    let expected = if proven { Verdict::Violated } else { Verdict::Inconclusive };
    prop_assert_eq!(judgement.verdict, expected);
    Ok(())
}

/// Whether one of two faults lawfully hides the other: what a stalled subject has not committed is
/// not called lost, a source from which records expired does not lack any, and what failed may have lain
/// there, aborted, for who reads such.
fn excuses(shape: &Shape, one: Anomaly, other: Anomaly) -> bool {
    let both = |set: &[Anomaly]| set.contains(&one) && set.contains(&other);
    let stalled = one == Anomaly::Stalled || other == Anomaly::Stalled;
    let reads_all = shape.aborts == Some(Isolation::ReadUncommitted);
    (stalled && both(&[Anomaly::Stalled, Anomaly::Lost, Anomaly::CommitBehind]))
        || (one != other && both(&[Anomaly::Expired, Anomaly::LostAtSource]))
        || (one != other && reads_all && both(&[Anomaly::Expired, Anomaly::Leaked]))
}

fn roomy() -> impl Strategy<Value = Shape> {
    let kept = Timestamps::Kept;
    // A header that is added once more is no fault.
    let roomy = move |(shape, records)| Shape { records, timestamps: kept, added: false, ..shape };
    (shapes(true, 2), 20..60_u32).prop_map(roomy)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn each_fault_is_found(shape in roomy(), wanted in 0..FAULTS.len()) {
        are_found(&shape, &with_one_more(&shape, &[], wanted).unwrap())?;
    }

    #[test]
    fn pairs_of_faults_are_found(shape in roomy(), one in 0..FAULTS.len(), other in 0..FAULTS.len()) {
        let first = with_one_more(&shape, &[], one).unwrap();
        are_found(&shape, &with_one_more(&shape, &first, other).unwrap())?;
    }

    #[test]
    fn what_is_no_fault_is_not_found(shape in roomy(), wanted in 0..HARMLESS.len()) {
        let mut numbers = (0..HARMLESS.len()).map(|step| (wanted + step) % HARMLESS.len());
        let placed = |number: usize| {
            let mut bench = bench(&shape);
            HARMLESS[number].1(&mut bench).map(|()| (HARMLESS[number].0, bench))
        };
        let placed = numbers.find_map(placed);
        // One history of thousands, without keys and read from its end, has a place for none.
        prop_assume!(placed.is_some());
        let Some((name, bench)) = placed else { unreachable!("assumed") };
        let judgement = judge(&bench.history, &bench.contract);
        let is_vacuous = is_vacuous(&bench.history, &bench.contract, &judgement);
        let Judgement { verdict, violations, doubts, .. } = judgement;
        let text = || format!("{name}: {violations:#?} {doubts:?}\n{}", sketch(&bench.history));
        prop_assert!(violations.0.is_empty(), "{}", text());
        let expected =
            if is_vacuous { Verdict::Inconclusive } else { Verdict::Holds };
        prop_assert_eq!(verdict, expected, "{}", text());
    }
}

/// A fault that hardly ever finds a place would hardly be tested.
#[test]
fn every_fault_finds_a_place() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    const CASES: usize = 400;
    let mut runner = TestRunner::deterministic();
    let (mut faults, mut harmless) = ([0; FAULTS.len()], [0; HARMLESS.len()]);
    for _ in 0..CASES {
        let shape = roomy().new_tree(&mut runner).unwrap().current();
        for (fault, count) in faults.iter_mut().enumerate() {
            *count += usize::from(broken(&shape, &[fault]).is_some());
        }
        for ((_, mutation), count) in HARMLESS.iter().zip(&mut harmless) {
            *count += usize::from(mutation(&mut bench(&shape)).is_some());
        }
    }
    let faults = FAULTS.iter().map(|fault| fault.0.name()).zip(faults).enumerate();
    let harmless = HARMLESS.iter().map(|mutation| mutation.0).zip(harmless).enumerate();
    for (number, (name, count)) in faults.chain(harmless) {
        println!("{number:2} {name}: a place in {count} of {CASES} histories");
        assert!(count * 20 >= CASES, "{number} {name}: a place in {count} of {CASES} histories");
    }
}
