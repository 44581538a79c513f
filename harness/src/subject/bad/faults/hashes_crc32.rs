//! Chooses partitions by CRC32 instead of murmur2.

use super::super::{Fault, Force, Shows, Times, defect::Defect};
use judge::verdict::Anomaly;
use rdkafka::ClientConfig;

pub(super) const FAULT: Fault = Fault {
    name: "hashes-crc32",
    does: "chooses partitions by CRC32 instead of murmur2",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Misplaced,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(HashesCrc32)
}

struct HashesCrc32;

impl Defect for HashesCrc32 {
    fn producer(&self, config: &mut ClientConfig) {
        config.set("partitioner", "consistent");
    }
}
