//! Cuts values at 64 KiB.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Every},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "cuts-large-values",
    does: "cuts values at 64 KiB",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Every(|record| {
        if let Some(value) = &mut record.value {
            value.truncate(64 << 10);
        }
    }))
}
