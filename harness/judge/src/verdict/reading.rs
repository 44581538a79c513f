//! What a source says to a subject that reads uncommitted records: all that was written, or, if it does
//! not make use of that, what was committed.
//!
//! ```text
//! source       1 (2) 3           2 lies in an aborted transaction
//! destination  1 2 3             all was read: 2 is copied, and judged like any other
//! destination  1 3               2 was left out, which is no loss
//!
//! source       x (y) y           records without ids: both y are equal
//! destination  x y y             read as a whole it is lawful; as what was committed, y comes twice
//! destination  x y               and here it is the other way round, if the y were told apart
//! ```
//!
//! A subject reads in one of the two ways throughout. If one of its copies can only be of an aborted
//! record, it has read everything. Where nothing tells, the reading that accuses it less is taken, of two that accuse it as
//! much the one of whose records its copies are alike, and then the one that leaves fewer doubts.

use super::{
    Anomaly, Circumstance, Findings, Judged, Judgement, Verdict, guarantees::judge_as_read,
    malformed::malformed,
};
use crate::{
    contract::{Contract, Isolation},
    history::History,
};

/// Judges a history against a contract.
///
/// Any violation decides, whatever else is in doubt: it is proven. Any doubt prevents a pass.
pub fn judge(history: &History, contract: &Contract) -> Judgement {
    if let Some(doubt) = malformed(history) {
        return Judgement {
            verdict: Verdict::Inconclusive,
            violations: Findings::default(),
            tolerated: Vec::new(),
            doubts: vec![doubt],
            judged: Judged::default(),
        };
    }
    let committed = judge_as_read(history, contract);
    if contract.isolation == Isolation::ReadCommitted || history.aborted.is_empty() {
        return committed;
    }
    let everything = judge_as_read(&with_aborted(history), contract);
    if shows_aborted(&committed) || weight(&everything) < weight(&committed) {
        everything
    } else {
        committed
    }
}

/// The history of one who reads everything: what was aborted lies on the source like the rest. It is still
/// listed as aborted, by which it is known.
fn with_aborted(history: &History) -> History {
    let mut whole = history.clone();
    whole.source.extend_from_slice(&history.aborted);
    whole.source.sort_by_key(|record| (record.at, record.offset));
    whole
}

/// Whether a copy can only be of an aborted record.
fn shows_aborted(judgement: &Judgement) -> bool {
    judgement.tolerated.iter().any(|tolerated| {
        let finding = &tolerated.finding;
        (finding.anomaly, finding.circumstance) == (Anomaly::Leaked, Circumstance::Aborted)
    })
}

/// How much a judgement accuses of, of how many copies that are not like their records, and how many doubts it leaves.
fn weight(judgement: &Judgement) -> (Verdict, u64, u64, usize) {
    let findings = &judgement.violations;
    let accused = findings.0.iter().map(|finding| finding.count).sum();
    (judgement.verdict, accused, findings.count(Anomaly::Corrupted), judgement.doubts.len())
}
