//! Copies a topic of which only a part of the name matches.

use super::super::{Fault, Force, Shows, Times, defect::Defect, filter::Filter};
use judge::verdict::Anomaly;

pub(super) const FAULT: Fault = Fault {
    name: "forwards-excluded-topic",
    does: "copies a topic of which only a part of the name matches",
    forced_by: Force::Load,
    shows: Shows::Everywhere,
    found_as: Anomaly::Leaked,
    times: Times::Exactly(200),
    entails: &[],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(ForwardsExcluded)
}

struct ForwardsExcluded;

impl Defect for ForwardsExcluded {
    fn wants(&self, filter: &Filter, topic: &str) -> bool {
        filter.matches_somewhere(topic)
    }
}
