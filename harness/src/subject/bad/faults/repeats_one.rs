//! Repeats one record without any restart.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Once},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "repeats-one",
    does: "repeats one record without any restart",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Duplicated,
    times: Times::Exactly(1),
    entails: &[Anomaly::Stale],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(Once::new(
        seed,
        |_| true,
        |record, out, _| {
            let again = record.again();
            out.send(record);
            out.send(again);
        },
    ))
}
