//! Never commits a position.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Commits, Defect, Policed, Policy},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "never-commits",
    does: "never commits a position",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::CommitBehind,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { commits: Commits::Never, ..Policy::default() }))
}
