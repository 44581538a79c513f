//! Reports for the tests of this folder.
//!
//! [`golden`] compares with a file in `samples/`; `MIRRORPROOF_BLESS=1 cargo test -p judge` rewrites
//! them all, to be read in the diff before they are committed.

use super::{PromiseReport, Report, ScenarioOutcome, ScenarioReport};
use crate::{
    history::EventKind,
    verdict::{
        Anomaly, Circumstance, Evidence, Finding, Findings, Judged, Judgement, Place, Tolerated,
        Verdict,
    },
};
use std::{env, fs, path::Path};

pub(super) fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/samples").join(name);
    if env::var_os("MIRRORPROOF_BLESS").is_some() {
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name} differs; MIRRORPROOF_BLESS=1 rewrites it:\n{}",
        similar::TextDiff::from_lines(expected.as_str(), actual).unified_diff()
    );
}

/// One promise with these outcomes, one scenario each.
pub(super) fn of(outcomes: Vec<ScenarioOutcome>) -> Report {
    let scenarios = outcomes.into_iter().enumerate();
    let scenarios = scenarios.map(|(index, outcome)| scenario("a scenario", 10 + index, outcome));
    report(vec![PromiseReport {
        promise: "Nothing is lost".into(),
        file: "features/completeness.feature".into(),
        asked_for: true,
        scenarios: scenarios.collect(),
    }])
}

fn report(promises: Vec<PromiseReport>) -> Report {
    Report {
        schema_version: Report::SCHEMA_VERSION,
        program_version: "0.1.0".into(),
        seed: 42,
        clusters: "embedded".into(),
        subject: "mirror".into(),
        started_unix: 1_760_000_000,
        duration_ms: 12_345,
        complete: true,
        environment_failure: None,
        folder: "runs/2025-10-09T085320".into(),
        promises,
    }
}

fn scenario(name: &str, line: usize, outcome: ScenarioOutcome) -> ScenarioReport {
    ScenarioReport {
        name: name.into(),
        file: "features/completeness.feature".into(),
        line,
        tags: vec!["@embedded".into()],
        duration_ms: 1_500,
        outcome,
        repeat: format!("mirrorproof spec --seed 42 features/completeness.feature:{line}"),
        logs: vec![format!("{line}/subject-1.log")],
    }
}

fn judged(verdict: Verdict, source_records: u64) -> Judgement {
    Judgement {
        verdict,
        violations: Findings::default(),
        tolerated: Vec::new(),
        doubts: Vec::new(),
        judged: Judged {
            source_records,
            destination_records: source_records + 40,
            repeats: 40,
            keys: 100,
            null_keys: 0,
            partition_pairs: 24,
            excusable: 0,
        },
    }
}

fn outcome(judgement: Judgement) -> ScenarioOutcome {
    ScenarioOutcome::Judged { judgement, failed_step: None }
}

pub(super) fn holds(records: u64) -> ScenarioOutcome {
    outcome(judged(Verdict::Holds, records))
}

pub(super) fn tolerates(anomaly: Anomaly, circumstance: Circumstance) -> ScenarioOutcome {
    let finding = Finding { anomaly, circumstance, count: 40, evidence: vec![], capped: true };
    let mut judgement = judged(Verdict::Holds, 2_000);
    judgement.tolerated.push(Tolerated { finding, reason: "at least once".into() });
    outcome(judgement)
}

pub(super) fn doubtful() -> ScenarioOutcome {
    let mut judgement = judged(Verdict::Inconclusive, 900);
    judgement.doubts.push("still progressing at the deadline: awaited 3 sentinels, saw 2".into());
    judgement.violations.0.push(Finding {
        anomaly: Anomaly::Expired,
        circumstance: Circumstance::Plain,
        count: 1,
        evidence: vec![Evidence {
            detail: "source orders[2]: low watermark rose from 0 to 959".into(),
            ..Evidence::default()
        }],
        capped: false,
    });
    outcome(judgement)
}

pub(super) fn inconclusive() -> ScenarioOutcome {
    ScenarioOutcome::Inconclusive { reason: "the mirror was not ready within 30 s".into() }
}

pub(super) fn broken() -> ScenarioOutcome {
    ScenarioOutcome::Broken { reason: "no broker of the source answered\nsee docker.log".into() }
}

pub(super) fn skipped(reason: &str) -> ScenarioOutcome {
    ScenarioOutcome::Skipped { reason: reason.into() }
}

pub(super) fn violated() -> ScenarioOutcome {
    let place = |partition, offset| Some(Place { topic: "orders".into(), partition, offset });
    let mut judgement = judged(Verdict::Violated, 2_000);
    judgement.violations.0 = vec![
        Finding {
            anomaly: Anomaly::Lost,
            circumstance: Circumstance::Plain,
            count: 1_203,
            evidence: vec![
                Evidence {
                    key: Some("\"key-17\"".into()),
                    source: place(3, 1_201),
                    detail: "between records that were copied".into(),
                    diff: Some(" 4\n-5\n 6".into()),
                    ..Evidence::default()
                },
                Evidence {
                    source: place(0, 7),
                    detail: "without a key".into(),
                    ..Evidence::default()
                },
            ],
            capped: true,
        },
        Finding {
            anomaly: Anomaly::Reordered,
            circumstance: Circumstance::Plain,
            count: 1,
            evidence: vec![Evidence {
                key: Some("\"KEY ‘Ä’ \"".into()),
                source: place(2, 88),
                destination: place(1, 131),
                detail: "sequence 3 lies behind sequence 4".into(),
                neighbours: vec![
                    "orders[1]@129  KEY ‘Ä’  2".into(),
                    "orders[1]@130  KEY ‘Ä’  4".into(),
                    "orders[1]@131  KEY ‘Ä’  3  <".into(),
                ],
                diff: Some(" 2\n-3\n 4\n+3".into()),
            }],
            capped: false,
        },
        Finding {
            anomaly: Anomaly::Stalled,
            circumstance: Circumstance::Plain,
            count: 1,
            evidence: vec![Evidence {
                detail: "ended by itself: exit status: 1\nfatal: no such topic\n\tat line 3".into(),
                ..Evidence::default()
            }],
            capped: false,
        },
    ];
    ScenarioOutcome::Judged {
        judgement,
        failed_step: Some("features/completeness.feature:16: Then nothing is lost".into()),
    }
}

/// A run with every kind of outcome.
pub(super) fn everything() -> Report {
    let transactions = "needs transactions, which embedded clusters do not have";
    let killed = || tolerates(Anomaly::Duplicated, Circumstance::Explained(EventKind::Kill));
    let promise = |promise: &str, file: &str, scenarios: Vec<ScenarioReport>| {
        let file = format!("features/{file}.feature");
        let here = |scenario| ScenarioReport { file: file.clone(), ..scenario };
        let scenarios = scenarios.into_iter().map(here).collect();
        PromiseReport { promise: promise.into(), file: file.clone(), asked_for: true, scenarios }
    };
    report(vec![
        promise(
            "Every record arrives",
            "completeness",
            vec![
                scenario("a stop and a start lose nothing", 12, killed()),
                scenario("a kill loses nothing, with 3 and 8 partitions", 20, violated()),
                scenario("a transaction arrives as a whole", 31, skipped(transactions)),
            ],
        ),
        promise(
            "Records of one key keep their order, however many partitions there are on either \
             side and however often the mirror is killed while it copies",
            "ordering",
            vec![
                scenario("order survives a kill", 9, killed()),
                scenario("order survives a stop", 15, holds(123_456)),
                scenario("order survives a rebalance", 22, inconclusive()),
                scenario("order survives the end of retention", 40, doubtful()),
                scenario("order survives a lost broker", 51, broken()),
            ],
        ),
        promise(
            "Aborted records stay invisible",
            "transactions",
            vec![
                scenario("an aborted transaction is not copied", 7, skipped(transactions)),
                scenario("ACLs are left alone", 19, skipped("needs ACLs")),
            ],
        ),
        promise(
            "Offsets are not interchangeable 鏡",
            "offsets",
            vec![scenario("a resumed consumer repeats or skips", 8, holds(500))],
        ),
        promise("Nothing of this was selected", "network", vec![]),
        unasked(),
    ])
}

/// A promise that a scenario of another one saw broken.
fn unasked() -> PromiseReport {
    let mut judgement = judged(Verdict::Violated, 2_000);
    judgement.violations.0.push(Finding {
        anomaly: Anomaly::Corrupted,
        circumstance: Circumstance::Plain,
        count: 1,
        evidence: vec![Evidence {
            detail: "timestamp differs: 5 became 6".into(),
            ..Evidence::default()
        }],
        capped: false,
    });
    let seen_by = scenario("order survives a stop", 15, outcome(judgement));
    PromiseReport {
        promise: "Copies equal their records".into(),
        file: "features/fidelity.feature".into(),
        asked_for: true,
        scenarios: vec![ScenarioReport { file: "features/ordering.feature".into(), ..seen_by }],
    }
}

/// A run whose texts contain whatever text can contain, and whose numbers are extreme.
pub(super) fn odd() -> Report {
    let odd =
        "\0\x1b[31mred\x1b[0m\u{9b}2J\r\n\ttwo \u{202e}lines ]]> <&\"' \u{fffe}\u{ffff} 鏡🪞é\n\n";
    let mut report = everything();
    (report.seed, report.duration_ms, report.started_unix) = (u64::MAX, u64::MAX, u64::MAX);
    report.complete = false;
    report.environment_failure = Some(odd.into());
    for text in
        [&mut report.program_version, &mut report.clusters, &mut report.subject, &mut report.folder]
    {
        *text = odd.into();
    }
    for promise in &mut report.promises {
        (promise.promise, promise.file) = (odd.into(), odd.into());
        for scenario in &mut promise.scenarios {
            (scenario.name, scenario.file) = (odd.into(), odd.into());
            scenario.repeat = String::new();
            (scenario.duration_ms, scenario.line) = (u64::MAX, usize::MAX);
            scenario.tags = vec![odd.into()];
            scenario.logs = vec![odd.into(), String::new()];
            oddly(&mut scenario.outcome, odd);
        }
    }
    report
}

fn oddly(outcome: &mut ScenarioOutcome, odd: &str) {
    match outcome {
        ScenarioOutcome::Judged { judgement, failed_step } => {
            *failed_step = Some(odd.into());
            judgement.doubts.extend([odd.into(), String::new()]);
            judgement.judged.source_records = u64::MAX;
            let Judgement { violations, tolerated, .. } = judgement;
            tolerated.iter_mut().for_each(|one| one.reason = odd.into());
            let tolerated = tolerated.iter_mut().map(|one| &mut one.finding);
            for finding in violations.0.iter_mut().chain(tolerated) {
                finding.count = u64::MAX;
                for evidence in &mut finding.evidence {
                    let place = Place { topic: odd.into(), partition: u32::MAX, offset: i64::MIN };
                    *evidence = Evidence {
                        key: Some(odd.into()),
                        source: Some(place.clone()),
                        destination: Some(place),
                        detail: odd.into(),
                        neighbours: vec![odd.into(), String::new()],
                        diff: Some(odd.into()),
                    };
                }
            }
        }
        ScenarioOutcome::Inconclusive { reason }
        | ScenarioOutcome::Broken { reason }
        | ScenarioOutcome::Skipped { reason } => *reason = odd.into(),
    }
}
