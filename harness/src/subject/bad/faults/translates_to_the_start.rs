//! Lets an application read everything again.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Policed, Policy, Translation},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "translates-to-the-start",
    does: "lets an application read everything again",
    forced_by: Force::Failover,
    shows: Shows::Everywhere,
    found_as: Anomaly::TranslationRewinds,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { translation: Translation::Start, ..Policy::default() }))
}
