//! `phantom`: a record on the destination that nobody produced.
//!
//! ```text
//! source       1 2
//! destination  1 x 2      x is neither on the source nor in the producers' log
//! ```
//!
//! What lay on the destination before the subject's first start is not looked at. A record of
//! another topic is a phantom here, and lost there. On a source that has forgotten records
//! (compaction, retention) a record without an id is given the benefit of the doubt, which the verdict
//! names, unless all of that topic's records carry one.

use super::{Check, Observation, evidence::on_destination, scene::Scene, tally::Tally};
use crate::{
    correspondence::Recognition,
    verdict::{Anomaly, Circumstance, Finding},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Phantom { scene, tally: Tally::of(Anomaly::Phantom) })
}

struct Phantom<'s> {
    scene: &'s Scene<'s>,
    tally: Tally<u32>,
}

impl Check for Phantom<'_> {
    fn step(&mut self, observation: Observation) {
        if let Observation::Other(destination, Recognition::Stranger) = observation {
            self.tally.add(Circumstance::Plain, destination);
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        self.tally.findings(|destination| {
            let detail = "neither on the source nor in the producers' log";
            on_destination(scene, destination, detail.into())
        })
    }
}
