//! Loses the first record of a partition.

use super::super::{
    Fault, Force, Shows, Times,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeSet;

pub(super) const FAULT: Fault = Fault {
    name: "loses-first",
    does: "loses the first record of a partition",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::Exactly(1),
    entails: &[Anomaly::CommitAhead],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    let wait = ChaCha8Rng::seed_from_u64(seed).random_range(0..3);
    Box::new(LosesFirst { wait, seen: BTreeSet::new() })
}

struct LosesFirst {
    /// How many partitions show themselves before the victim does.
    wait: usize,
    seen: BTreeSet<(String, i32)>,
}

impl Defect for LosesFirst {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let place = record.origin.as_ref().map(|origin| (origin.topic.clone(), origin.partition));
        let fresh = record.is_data() && place.is_some_and(|place| self.seen.insert(place));
        if fresh && self.seen.len() == self.wait + 1 {
            return out.forget(&record);
        }
        out.send(record);
    }
}
