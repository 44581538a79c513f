//! Keeps one header of each name.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Defect, Every},
};
use judge::verdict::Anomaly;
use std::collections::BTreeSet;

pub(super) const FAULT: Fault = Fault {
    name: "merges-headers",
    does: "keeps one header of each name",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Corrupted,
    times: Times::Many,
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(Every(|record| {
        let mut seen = BTreeSet::new();
        record.headers.retain(|(name, _)| seen.insert(name.clone()));
    }))
}
