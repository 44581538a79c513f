//! Writes an old value of a key once more when all is done, as a zombie does.

use super::super::{
    Fault, Force, Shows, Times,
    defect::Defect,
    record::{Outbox, Record},
};
use judge::verdict::Anomaly;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeMap;

pub(super) const FAULT: Fault = Fault {
    name: "writes-late",
    does: "writes an old value of a key once more when all is done, as a zombie does",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Stale,
    times: Times::Exactly(1),
    entails: &[Anomaly::Duplicated],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    let random = ChaCha8Rng::seed_from_u64(seed);
    Box::new(WritesLate { random, keys: BTreeMap::new(), seen: 0, done: false })
}

struct WritesLate {
    random: ChaCha8Rng,
    /// The first and the latest record of each key of a partition.
    keys: BTreeMap<(i32, Vec<u8>), (Record, Record)>,
    seen: u32,
    done: bool,
}

/// As many records show that the mirror was ready long ago.
const MANY: u32 = 1_000;

impl Defect for WritesLate {
    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let partition = record.origin.as_ref().map_or(0, |origin| origin.partition);
        if record.is_data() {
            self.seen += 1;
            if let Some(key) = record.key.clone() {
                let first = || (record.again(), record.again());
                self.keys.entry((partition, key)).or_insert_with(first).1 = record.again();
            }
            return out.send(record);
        }
        out.send(record);
        // A record of the harness lies behind all data of its partition. An equal value would not be
        // an old one.
        let old: Vec<&Record> = self
            .keys
            .iter()
            .filter(|((at, _), (first, latest))| *at == partition && first.value != latest.value)
            .map(|(_, (first, _))| first)
            .collect();
        if !self.done && self.seen > MANY && !old.is_empty() {
            self.done = true;
            out.send(old[self.random.random_range(0..old.len())].clone());
        }
    }
}
