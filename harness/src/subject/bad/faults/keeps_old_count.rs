//! Goes on hashing with the old partition count after the topic grew.

use super::super::{
    Fault, Force, Shows,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::{partition::java_partition, verdict::Anomaly};
use std::collections::BTreeMap;

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
    Box::new(KeepsOldCount(BTreeMap::new()))
}

/// How many partitions each topic had when it was first seen.
struct KeepsOldCount(BTreeMap<String, u32>);

impl Defect for KeepsOldCount {
    fn learn(&mut self, topic: &str, partitions: u32) {
        self.0.insert(topic.to_owned(), partitions);
    }

    fn copy(&mut self, mut record: Record, out: &mut Outbox) {
        let count = self.0.get(&record.topic).copied().filter(|count| *count > 0);
        if let (Some(key), Some(count)) = (&record.key, count) {
            record.partition = Some(java_partition(key, count) as i32);
        }
        out.send(record);
    }
}
