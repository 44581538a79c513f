//! Turns an empty key into null.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Every},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "nulls-empty-key",
    does: "turns an empty key into null",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Many,
    entails: &[Anomaly::Misplaced],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Every(|record| record.key = record.key.take().filter(|key| !key.is_empty())))
}
