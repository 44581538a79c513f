//! `leaked`: a record is visible on the destination that should not be.
//!
//! ```text
//! topics       orders (selected), audit (not selected)
//! destination  audit: 1          leaked: nobody asked for it
//!
//! producer     1 ok, 2 aborted
//! destination  orders: 1 2       2 is leaked: the source shows it to nobody
//!
//! source       1 (2) 3           2 lies in an aborted transaction
//! destination  1 2 3             2 is leaked, whatever its producer was told
//! ```
//!
//! What is certainly failed (or aborted) and absent from the source must not appear. A record whose
//! outcome is unknown, or acknowledged and gone, may have been on the source for a while. What only a
//! read_uncommitted reader of the source sees is told apart: a contract may allow it. So is what
//! failed on a topic that forgets (compacted, expired): it may have been there, aborted, for a while.

use super::{
    Check, Observation,
    evidence::{on_destination, source_place},
    scene::Scene,
    tally::Tally,
};
use crate::{
    correspondence::Recognition,
    history::Outcome,
    verdict::{Anomaly, Circumstance, Finding, Place},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Leaked {
        scene,
        tally: Tally::of(Anomaly::Leaked),
        forgetful: scene.history.forgetful_topics(),
    })
}

struct Leaked<'s> {
    scene: &'s Scene<'s>,
    tally: Tally<u32>,
    /// Topics of which the source may have forgotten what was aborted: compacted or expired.
    forgetful: Vec<bool>,
}

impl Check for Leaked<'_> {
    fn step(&mut self, observation: Observation) {
        let (destination, recognition) = match observation {
            Observation::Other(destination, recognition) => (destination, recognition),
            Observation::Copy { destination, source, .. } => {
                if self.scene.is_aborted(source) {
                    self.tally.add(Circumstance::Aborted, destination);
                }
                return;
            }
            Observation::Source(_) | Observation::Commit(_) => return,
        };
        match recognition {
            Recognition::Absent(Outcome::Failed)
                if self.forgetful[self.scene.destination(destination).at.topic as usize] =>
            {
                self.tally.add(Circumstance::Aborted, destination);
            }
            Recognition::Unselected | Recognition::Absent(Outcome::Failed) => {
                self.tally.add(Circumstance::Plain, destination);
            }
            Recognition::Aborted(_) => self.tally.add(Circumstance::Aborted, destination),
            Recognition::Prefilled
            | Recognition::Copy(_)
            | Recognition::Absent(Outcome::Acknowledged | Outcome::Indeterminate)
            | Recognition::Forgotten
            | Recognition::Stranger => {}
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        self.tally.findings(|destination| {
            let detail = match scene.recognised(destination) {
                Recognition::Unselected => "the topic is not selected".into(),
                Recognition::Aborted(aborted) => in_transaction(aborted_place(scene, aborted)),
                Recognition::Copy(source) => in_transaction(source_place(scene, source)),
                Recognition::Prefilled
                | Recognition::Absent(_)
                | Recognition::Forgotten
                | Recognition::Stranger => {
                    "its producer was told that it failed, and the source does not show it".into()
                }
            };
            on_destination(scene, destination, detail)
        })
    }
}

fn in_transaction(place: Place) -> String {
    format!("it lies in an aborted transaction of the source, at {place}")
}

fn aborted_place(scene: &Scene<'_>, index: u32) -> Place {
    let record = &scene.history.aborted[index as usize];
    let topic = scene.history.topics[record.at.topic as usize].source.clone();
    Place { topic, partition: record.at.partition, offset: record.offset.0 }
}
