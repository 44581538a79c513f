//! Sets timestamps to the beginning of 1970.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Every},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "zeroes-timestamps",
    does: "sets timestamps to the beginning of 1970",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    // librdkafka takes 0 for "now".
    Box::new(Every(|record| record.timestamp = Some(1)))
}
