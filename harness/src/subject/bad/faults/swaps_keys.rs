//! Gives two records each other's key.

use super::super::{
    Fault, Force, Shows, Times,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

pub(super) const FAULT: Fault = Fault {
    name: "swaps-keys",
    does: "gives two records each other's key",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Exactly(2),
    entails: &[Anomaly::Misplaced, Anomaly::Reordered, Anomaly::Stale],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(SwapsKeys { random: ChaCha8Rng::seed_from_u64(seed), held: None, done: false })
}

struct SwapsKeys {
    random: ChaCha8Rng,
    held: Option<Record>,
    done: bool,
}

impl Defect for SwapsKeys {
    fn copy(&mut self, mut record: Record, out: &mut Outbox) {
        match self.held.take() {
            Some(mut held) if record.is_data() && record.key != held.key => {
                std::mem::swap(&mut held.key, &mut record.key);
                self.done = true;
                out.send(held);
                out.send(record);
            }
            Some(held) => {
                out.send(held);
                out.send(record);
            }
            None if !self.done && record.is_data() && self.random.random_range(0..50) == 0 => {
                self.held = Some(record);
            }
            None => out.send(record),
        }
    }
}
