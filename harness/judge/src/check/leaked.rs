//! `leaked`: a record is visible on the destination that should not be.
//!
//! ```text
//! topics       orders (selected), audit (not selected)
//! destination  audit: 1          leaked: nobody asked for it
//!
//! producer     1 ok, 2 aborted
//! destination  orders: 1 2       2 is leaked: the source shows it to nobody
//! ```
//!
//! What is certainly failed (or aborted) and absent from the source must not appear. A record whose
//! outcome is unknown, or acknowledged and gone, may have been on the source for a while.

use super::{Check, Observation, evidence::on_destination, scene::Scene, tally::Tally};
use crate::{
    correspondence::Recognition,
    history::Outcome,
    verdict::{Anomaly, Circumstance, Finding},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Leaked { scene, tally: Tally::of(Anomaly::Leaked) })
}

struct Leaked<'s> {
    scene: &'s Scene<'s>,
    tally: Tally<u32>,
}

impl Check for Leaked<'_> {
    fn step(&mut self, observation: Observation) {
        if let Observation::Other(
            destination,
            Recognition::Unselected | Recognition::Absent(Outcome::Failed),
        ) = observation
        {
            self.tally.add(Circumstance::Plain, destination);
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        self.tally.findings(|destination| {
            let detail = if scene.is_selected(scene.destination(destination).at) {
                "its producer was told that it failed, and the source does not show it"
            } else {
                "the topic is not selected"
            };
            on_destination(scene, destination, detail.into())
        })
    }
}
