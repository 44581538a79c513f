//! Copies records of aborted transactions.

use super::super::{Fault, Force, Shows, Times, defect::Defect};
use judge::verdict::Anomaly;
use rdkafka::ClientConfig;

pub(super) const FAULT: Fault = Fault {
    name: "forwards-aborted",
    does: "copies records of aborted transactions",
    forced_by: Force::Aborts,
    shows: Shows::RealBrokers,
    found_as: Anomaly::Leaked,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(ForwardsAborted)
}

struct ForwardsAborted;

impl Defect for ForwardsAborted {
    fn consumer(&self, config: &mut ClientConfig) {
        config.set("isolation.level", "read_uncommitted");
    }
}
