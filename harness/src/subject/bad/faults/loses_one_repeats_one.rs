//! Loses one record and repeats another: counts are equal.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Once},
    record::{Outbox, Record, Step},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "loses-one-repeats-one",
    does: "loses one record and repeats another: counts are equal",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::With(1, Anomaly::Duplicated),
    entails: &[Anomaly::CommitAhead, Anomaly::Duplicated, Anomaly::Stale],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(Cancels {
        lost: false,
        once: Once::new(seed, |_| true, |record, out, _| out.forget(&record)),
    })
}

struct Cancels {
    lost: bool,
    once: Once,
}

impl Defect for Cancels {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let (before, again) = (self.lost, record.again());
        self.once.copy(record, out);
        if let [Step::Forget(_)] = out.0[..] {
            self.lost = true;
        } else if before && again.is_data() {
            // The record behind the lost one makes up for it in number.
            self.lost = false;
            out.send(again);
        }
    }
}
