//! Writes its own output back to the source.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Policed, Policy},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "loops",
    does: "writes its own output back to the source",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Looped,
    times: Times::Many,
    entails: &[Anomaly::Duplicated, Anomaly::Stale, Anomaly::Rewound],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { loops: true, ..Policy::default() }))
}
