//! Sets timestamps anew.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Every},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "restamps",
    does: "sets timestamps anew",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Every(|record| record.timestamp = None))
}
