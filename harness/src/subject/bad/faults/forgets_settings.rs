//! Creates topics without the settings of the source.

use super::super::{
    Fault, Force, Shows,
    defect::{Creates, Defect, Policed, Policy},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "forgets-settings",
    does: "creates topics without the settings of the source",
    forced_by: Force::Settings,
    shows: Shows::RealBrokers,
    found_as: Anomaly::ConfigDrift,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Policed(Policy { creates: Creates::Bare, ..Policy::default() }))
}
