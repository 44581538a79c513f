//! Flips one bit of one value.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Once},
    record::Record,
};
use judge::verdict::Anomaly;
use rand::RngExt;

pub(super) const FAULT: Fault = Fault {
    name: "flips-a-bit",
    does: "flips one bit of one value",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Exactly(1),
    entails: &[],
    defect,
};

fn defect(seed: u64) -> Box<dyn Defect> {
    let can = |record: &Record| record.value.as_ref().is_some_and(|value| !value.is_empty());
    Box::new(Once::new(seed, can, |mut record, out, random| {
        if let Some(value) = &mut record.value {
            let place = random.random_range(0..value.len());
            value[place] ^= 1 << random.random_range(0..8_u32);
        }
        out.send(record);
    }))
}
