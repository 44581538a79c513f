//! Commits what it has read, delivered or not.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Commits, Defect, Policy},
};
use judge::verdict::Anomaly;
use rdkafka::ClientConfig;

pub(super) const FAULT: Fault = Fault {
    name: "commits-before-delivery",
    does: "commits what it has read, delivered or not",
    forced_by: Force::Kill,
    shows: Shows::Everywhere,
    found_as: Anomaly::CommitAhead,
    times: Times::Many,
    entails: &[Anomaly::Lost],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(CommitsEarly)
}

struct CommitsEarly;

impl Defect for CommitsEarly {
    fn policy(&self) -> Policy {
        Policy { commits: Commits::Received, ..Policy::default() }
    }

    /// What is read lies in the queue for longer than a commit interval.
    fn producer(&self, config: &mut ClientConfig) {
        config.set("linger.ms", "1000");
    }
}
