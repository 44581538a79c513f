//! Goes on hashing with the old partition count after the topic grew.

use super::super::{Fault, Force, Shows, defect::Defect};
use judge::verdict::Anomaly;
use rdkafka::ClientConfig;

pub(super) const FAULT: Fault = Fault {
    name: "keeps-old-count",
    does: "goes on hashing with the old partition count after the topic grew",
    forced_by: Force::Growth,
    shows: Shows::RealBrokers,
    found_as: Anomaly::Misplaced,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(KeepsOldCount)
}

struct KeepsOldCount;

impl Defect for KeepsOldCount {
    /// It never hears of the new partitions.
    fn producer(&self, config: &mut ClientConfig) {
        config.set("metadata.max.age.ms", "3600000");
        config.set("topic.metadata.refresh.interval.ms", "-1");
    }
}
