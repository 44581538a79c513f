//! Repeats one record long after a restart, which is no reason to.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Once},
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;
use std::cell::Cell;

pub(super) const FAULT: Fault = Fault {
    name: "repeats-one-later",
    does: "repeats one record that it first copied after a restart",
    forced_by: Force::Restart,
    shows: Shows::Everywhere,
    found_as: Anomaly::Rewound,
    times: Times::Exactly(1),
    entails: &[Anomaly::Stale],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    let once = Once::new(
        seed,
        |_| true,
        |record, out, _| {
            let again = record.again();
            out.send(record);
            out.send(again);
        },
    );
    Box::new(RepeatsOneLater { once, started_again: Cell::new(false) })
}

struct RepeatsOneLater {
    once: Once,
    started_again: Cell<bool>,
}

impl Defect for RepeatsOneLater {
    fn begins_at(&self, committed: i64) -> i64 {
        self.started_again.set(true);
        committed
    }

    fn copy(&mut self, record: Record, out: &mut Outbox) {
        if self.started_again.get() {
            self.once.copy(record, out);
        } else {
            out.send(record);
        }
    }
}
