//! Reads values as text, and replaces what is not UTF-8.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Every},
};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "re-encodes-text",
    does: "reads values as text, and replaces what is not UTF-8",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Many,
    entails: &[],
    defect,
};

/// Each byte that is not text becomes three: a large value would be refused.
const MAY_GROW: usize = 64 << 10;

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Every(|record| {
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned().into_bytes();
        if record.value.as_ref().is_some_and(|value| value.len() < MAY_GROW) {
            record.value = record.value.take().map(text);
        }
    }))
}
