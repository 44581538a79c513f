//! Ends in the middle, with exit code 0.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Once},
    record::Step,
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "ends-silently",
    does: "ends in the middle, with exit code 0",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Stalled,
    times: Times::Exactly(1),
    entails: &[],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(Once::new(
        seed,
        |_| true,
        |record, out, _| {
            out.send(record);
            out.0.push(Step::End);
        },
    ))
}
