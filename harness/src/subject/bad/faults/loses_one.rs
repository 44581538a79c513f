//! Loses one record.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Once},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "loses-one",
    does: "loses one record",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::Exactly(1),
    entails: &[Anomaly::CommitAhead],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(Once::new(seed, |_| true, |record, out, _| out.forget(&record)))
}
