//! Begins at the end: what was there before is skipped.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Begin, Defect, Policed, Policy},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "starts-at-latest",
    does: "begins at the end: what was there before is skipped",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::Exactly(500),
    entails: &[Anomaly::CommitAhead, Anomaly::CommitBehind],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { begin: Begin::Latest, ..Policy::default() }))
}
