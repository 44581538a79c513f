//! Cuts timestamps to whole seconds.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Every},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "truncates-timestamps",
    does: "cuts timestamps to whole seconds",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Every(|record| record.timestamp = record.timestamp.map(|time| time / 1_000 * 1_000)))
}
