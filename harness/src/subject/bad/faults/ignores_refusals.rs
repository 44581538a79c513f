//! Goes on when the destination refuses a record.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Policy, WhenRefused},
};
use judge::verdict::Anomaly;
use rdkafka::ClientConfig;

pub(super) const FAULT: Fault = Fault {
    name: "ignores-refusals",
    does: "goes on when the destination refuses a record",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::Many,
    entails: &[Anomaly::CommitAhead],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(IgnoresRefusals)
}

struct IgnoresRefusals;

impl Defect for IgnoresRefusals {
    fn policy(&self) -> Policy {
        Policy { when_refused: WhenRefused::Ignore, ..Policy::default() }
    }

    /// Large values are refused.
    fn producer(&self, config: &mut ClientConfig) {
        config.set("message.max.bytes", "50000");
    }
}
