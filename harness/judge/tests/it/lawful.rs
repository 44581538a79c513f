//! No lawful history is accused: a checker that cries wolf is switched off.

use crate::generate::{Shape, lawful};
use judge::{
    contract::{OrderScope, Partitioning, Start},
    judge,
    verdict::Verdict,
};
use proptest::prelude::*;

/// How many cases each property tries.
pub(crate) fn cases() -> ProptestConfig {
    let cases = std::env::var("MIRRORPROOF_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(256),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub(crate) fn shapes(ids: bool, events: u32) -> impl Strategy<Value = Shape> {
    let partitionings =
        [Partitioning::Murmur2, Partitioning::Preserve, Partitioning::Crc32, Partitioning::Any];
    let sizes = (1..3_u16, 1..9_u32, 1..9_u32, 1..60_u32, 0..6_u32);
    let terms = (
        prop::sample::select(partitionings.to_vec()),
        prop::sample::select(vec![OrderScope::Key, OrderScope::Partition]),
        prop::sample::select(vec![Start::Earliest, Start::Earliest, Start::Latest]),
    );
    let extras = (0..=events, prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (any::<u64>(), sizes, terms, extras).prop_map(move |(seed, sizes, terms, extras)| Shape {
        seed,
        topics: sizes.0,
        source_partitions: sizes.1,
        destination_partitions: sizes.2,
        records: sizes.3,
        keys: sizes.4,
        partitioning: terms.0,
        order: terms.1,
        start: terms.2,
        events: extras.0,
        ids,
        compacted: ids && extras.1,
        growth: extras.2 && terms.0 != Partitioning::Preserve,
    })
}

fn holds(shape: &Shape) -> Result<(), TestCaseError> {
    let (history, contract) = lawful(shape);
    let judgement = judge(&history, &contract);
    let violations = &judgement.violations;
    prop_assert!(violations.0.is_empty(), "{violations:#?}\n{}", crate::format::sketch(&history));
    let judged = &judgement.judged;
    let vacuous = judged.excusable >= judged.source_records || judged.destination_records == 0;
    let expected = if vacuous { Verdict::Inconclusive } else { Verdict::Holds };
    prop_assert_eq!(judgement.verdict, expected, "{:?}", judgement.doubts);
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_lawful_history_holds(shape in shapes(true, 4)) {
        holds(&shape)?;
    }

    #[test]
    fn equal_contents_without_ids_hold(shape in shapes(false, 0)) {
        holds(&shape)?;
    }

    #[test]
    fn equal_contents_after_restarts_hold(shape in shapes(false, 3)) {
        holds(&shape)?;
    }
}
