//! Sends one record behind later ones of its key.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, HoldsOne},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "delays-one",
    does: "sends one record behind later ones of its key",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Reordered,
    times: Times::Exactly(1),
    entails: &[Anomaly::Stale],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(HoldsOne::new(seed, 3))
}
