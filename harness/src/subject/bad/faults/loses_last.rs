//! Loses the last record of a partition.

use super::super::{
    Fault, Force, Shows, Times,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

pub(super) const FAULT: Fault = Fault {
    name: "loses-last",
    does: "loses the last record of a partition",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Lost,
    times: Times::Exactly(1),
    entails: &[Anomaly::CommitAhead],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(LosesLast { random: ChaCha8Rng::seed_from_u64(seed), victim: None, held: None })
}

struct LosesLast {
    random: ChaCha8Rng,
    /// The partition whose newest record is always held back.
    victim: Option<(String, i32)>,
    held: Option<Record>,
}

impl Defect for LosesLast {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let Some(origin) = record.origin.clone().filter(|_| record.is_data()) else {
            return out.send(record);
        };
        let place = (origin.topic, origin.partition);
        if self.victim.is_none() && self.random.random_range(0..10) == 0 {
            self.victim = Some(place.clone());
        }
        if self.victim.as_ref() != Some(&place) {
            return out.send(record);
        }
        // Counted as copied at once: it is only sent when another comes.
        out.forget(&record);
        if let Some(before) = self.held.replace(record) {
            out.send(before);
        }
    }
}
