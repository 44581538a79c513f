//! Begins before the committed position when it is started again.

use super::super::{Fault, Force, Shows, Times, defect::Defect};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "rewinds",
    does: "begins before the committed position when it is started again",
    forced_by: Force::Restart,
    shows: Shows::Everywhere,
    found_as: Anomaly::Rewound,
    times: Times::Many,
    entails: &[Anomaly::Stale],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Rewinds)
}

struct Rewinds;

impl Defect for Rewinds {
    fn begins_at(&self, committed: i64) -> i64 {
        (committed - 20).max(0)
    }
}
