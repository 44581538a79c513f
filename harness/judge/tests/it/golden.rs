//! Histories written by hand, each with the findings that it must give.

use crate::format::{Golden, anomaly, parse};
use judge::verdict::{Anomaly, Circumstance, Finding, Judgement};
use std::{collections::BTreeSet, fs, path::Path};

fn files() -> Vec<(String, Golden)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, parse(&fs::read_to_string(&path).unwrap()))
        })
        .collect();
    files.sort_by(|left, right| left.0.cmp(&right.0));
    files
}

fn line(finding: &Finding) -> String {
    let circumstance = match finding.circumstance {
        Circumstance::Explained(kind) => {
            format!("explained-{}", serde_json::to_value(kind).unwrap().as_str().unwrap())
        }
        other => serde_json::to_value(other).unwrap().as_str().unwrap().to_string(),
    };
    format!("{} {circumstance} {}", finding.anomaly, finding.count)
}

fn complaints(golden: &Golden, judgement: &Judgement) -> Vec<String> {
    let mut complaints = Vec::new();
    let violations: Vec<_> = judgement.violations.0.iter().map(line).collect();
    let tolerated: Vec<_> = judgement.tolerated.iter().map(|t| line(&t.finding)).collect();
    if Some(judgement.verdict) != golden.verdict {
        complaints.push(format!("verdict {}", judgement.verdict));
    }
    if violations != golden.violations {
        complaints.push(format!("violations {violations:?}"));
    }
    if tolerated != golden.tolerated {
        complaints.push(format!("tolerated {tolerated:?}"));
    }
    let doubts = judgement.doubts.join("\n");
    if golden.doubts.iter().any(|doubt| !doubts.contains(doubt))
        || golden.doubts.is_empty() != doubts.is_empty()
    {
        complaints.push(format!("doubts {doubts:?}"));
    }
    let findings =
        judgement.violations.0.iter().chain(judgement.tolerated.iter().map(|t| &t.finding));
    let evidence: String = findings.flat_map(|f| &f.evidence).map(|e| format!("{e:#?}")).collect();
    let evidence = evidence.replace("\\\"", "\"");
    if golden.evidence.iter().any(|part| !evidence.contains(part)) {
        complaints.push(format!("evidence {evidence}"));
    }
    complaints
}

#[test]
fn every_history_gives_what_it_says() {
    let mut failures = Vec::new();
    for (name, golden) in files() {
        let judgement = judge::judge(&golden.history, &golden.contract);
        let complaints = complaints(&golden, &judgement);
        if !complaints.is_empty() {
            failures.push(format!("{name}:\n  {}", complaints.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_anomaly_is_shown_by_a_history_of_its_name() {
    let shown: BTreeSet<Anomaly> = files()
        .iter()
        .filter(|(name, golden)| {
            golden.violations.iter().any(|line| name.starts_with(anomaly(line).name()))
        })
        .flat_map(|(_, golden)| {
            golden.violations.iter().map(|line| anomaly(line)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(shown, BTreeSet::from(Anomaly::ALL));
}
