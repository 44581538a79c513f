//! Loses the first record of a partition.

use super::super::{
    Fault, Force, Shows,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "loses-first",
    does: "loses the first record of a partition",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    entails: &[Anomaly::CommitAhead],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(LosesFirst { partition: None })
}

struct LosesFirst {
    /// The partition that was read first.
    partition: Option<i32>,
}

impl Defect for LosesFirst {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let partition = record.origin.as_ref().map(|origin| origin.partition);
        if record.is_data() && self.partition.is_none() {
            self.partition = partition;
            return out.forget(&record);
        }
        out.send(record);
    }
}
