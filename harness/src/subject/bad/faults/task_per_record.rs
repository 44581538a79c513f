//! Spawns a task for each record, and tasks overtake each other.

use super::super::{
    Fault, Force, Shows, Times,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

pub(super) const FAULT: Fault = Fault {
    name: "task-per-record",
    does: "spawns a task for each record, and tasks overtake each other",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Reordered,
    times: Times::Many,
    entails: &[Anomaly::Stale],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    Box::new(Tasks {
        random: ChaCha8Rng::seed_from_u64(seed),
        started: Instant::now(),
        tasks: BTreeMap::new(),
    })
}

/// A task waits its turn for up to 5 ms, whatever the others do.
struct Tasks {
    random: ChaCha8Rng,
    started: Instant,
    tasks: BTreeMap<(Duration, u64), Record>,
}

impl Defect for Tasks {
    fn copy(&mut self, record: Record, _out: &mut Outbox) {
        let turn =
            self.started.elapsed() + Duration::from_micros(self.random.random_range(0..5_000));
        self.tasks.insert((turn, self.random.random()), record);
    }

    fn tick(&mut self, out: &mut Outbox) {
        while let Some(task) = self.tasks.first_entry()
            && task.key().0 <= self.started.elapsed()
        {
            out.send(task.remove());
        }
    }
}
