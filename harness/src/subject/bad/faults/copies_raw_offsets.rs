//! Gives an application its source positions on the destination.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Policed, Policy, Translation},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "copies-raw-offsets",
    does: "gives an application its source positions on the destination",
    forced_by: Force::Failover,
    shows: Shows::Everywhere,
    found_as: Anomaly::TranslationSkips,
    times: Times::Many,
    entails: &[Anomaly::TranslationRewinds],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { translation: Translation::Raw, ..Policy::default() }))
}
