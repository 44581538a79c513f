//! Copies 500 records a second, and no more.

use super::Awkward;
use crate::subject::bad::{
    Force,
    defect::Defect,
    record::{Outbox, Record},
};
use std::time::{Duration, Instant};

pub(super) const AWKWARD: Awkward = Awkward {
    name: "throttled",
    does: "copies 500 records a second",
    forced_by: Force::Load,
    contract: "",
    defect: |_| Box::new(Throttled { next: Instant::now() }),
};

struct Throttled {
    next: Instant,
}

impl Defect for Throttled {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        // A pause for each record, made good for where the clock is coarse.
        self.next = self.next.max(Instant::now() - Duration::from_millis(50));
        self.next += Duration::from_millis(2);
        std::thread::sleep(self.next.saturating_duration_since(Instant::now()));
        out.send(record);
    }
}
