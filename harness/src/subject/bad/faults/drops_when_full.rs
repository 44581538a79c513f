//! Drops records when its queue is full.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Policy, WhenFull},
};
use judge::verdict::Anomaly;
use rdkafka::ClientConfig;

pub(super) const FAULT: Fault = Fault {
    name: "drops-when-full",
    does: "drops records when its queue is full",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::Many,
    // What it dropped and had not committed is read again after a rebalance, which a busy machine brings about:
    // its first copy then comes behind later ones of its key.
    entails: &[Anomaly::CommitAhead, Anomaly::Reordered, Anomaly::Stale],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(DropsWhenFull)
}

struct DropsWhenFull;

impl Defect for DropsWhenFull {
    fn policy(&self) -> Policy {
        Policy { when_full: WhenFull::Drop, ..Policy::default() }
    }

    fn producer(&self, config: &mut ClientConfig) {
        config.set("queue.buffering.max.messages", "10");
    }
}
