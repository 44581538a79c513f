//! Loses every record of one partition.

use super::super::{
    Fault, Force, Shows, Times,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeSet;

pub(super) const FAULT: Fault = Fault {
    name: "loses-partition",
    does: "loses every record of one partition",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::Many,
    entails: &[Anomaly::CommitAhead],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(LosesPartition {
        random: ChaCha8Rng::seed_from_u64(seed),
        victim: None,
        sent: BTreeSet::new(),
    })
}

struct LosesPartition {
    random: ChaCha8Rng,
    victim: Option<(String, i32)>,
    /// Partitions that got something through already.
    sent: BTreeSet<(String, i32)>,
}

impl Defect for LosesPartition {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let Some(origin) = record.origin.clone().filter(|_| record.is_data()) else {
            return out.send(record);
        };
        let place = (origin.topic, origin.partition);
        let fresh = self.sent.insert(place.clone());
        // Any new partition may be the victim; the third is, if none was before.
        let chosen = self.random.random_range(0..2) == 0 || self.sent.len() > 2;
        if self.victim.is_none() && fresh && chosen {
            self.victim = Some(place.clone());
        }
        if self.victim.as_ref() == Some(&place) {
            out.forget(&record);
        } else {
            out.send(record);
        }
    }
}
