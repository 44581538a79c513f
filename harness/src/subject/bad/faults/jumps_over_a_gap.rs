//! Goes on silently where the source no longer holds what was next.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Policed, Policy, WhenGone},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "jumps-over-a-gap",
    does: "goes on silently where the source no longer holds what was next",
    forced_by: Force::Outrun,
    shows: Shows::RealBrokers,
    found_as: Anomaly::Lost,
    times: Times::Many,
    entails: &[Anomaly::CommitAhead],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { when_gone: WhenGone::Jump, ..Policy::default() }))
}
