//! Gives an application positions beyond what it has not read.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Policed, Policy, Translation},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "translates-past-unread",
    does: "gives an application positions beyond what it has not read",
    forced_by: Force::Failover,
    shows: Shows::Everywhere,
    found_as: Anomaly::TranslationSkips,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { translation: Translation::End, ..Policy::default() }))
}
