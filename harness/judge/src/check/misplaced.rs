//! `misplaced`: a copy is not in the partition that the contract says.
//!
//! ```text
//! source       p0: a1            murmur2("a") mod 4 = 3
//! destination  p1: a1            misplaced: who looks for "a" looks in p3
//! ```
//!
//! The place is a function of the *source's* key (a damaged key must not justify its own place), of
//! the source's partition, and of the destination's partition count. After growth, every count that
//! the topic has had is accepted, for a producer learns of new partitions in its own time; until the
//! metadata age of the contract has passed: what was written later lies by the new count.
//!
//! ```text
//! destination  p0: a1 | a2 | a3  grown to 4 partitions at the first |, settled at the second:
//!                                a2 is excused, a3 is misplaced
//! ```
//!
//! Null keys may lie anywhere, and by CRC32 empty ones too; where the number is preserved, nothing
//! may.

use super::{
    Check, Observation,
    evidence::{key, on_destination},
    scene::Scene,
    tally::Tally,
};
use crate::verdict::{Anomaly, Circumstance, Finding};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Misplaced { scene, tally: Tally::of(Anomaly::Misplaced) })
}

struct Misplaced<'s> {
    scene: &'s Scene<'s>,
    tally: Tally<(u32, u32)>,
}

impl Check for Misplaced<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Copy { destination, source, .. } = observation else { return };
        let copy = self.scene.destination(destination);
        let places = self.scene.places_of(copy, self.scene.source(source));
        if places.is_some_and(|places| !places.contains(&copy.at.partition)) {
            self.tally.add(Circumstance::Plain, (destination, source));
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        self.tally.findings(|(destination, source)| {
            let original = scene.source(source);
            let copy = scene.destination(destination);
            let places = scene.places_of(copy, original).unwrap_or_default();
            let places = places.iter().map(u32::to_string).collect::<Vec<_>>().join(" or ");
            let key = key(&original.content).unwrap_or_else(|| "the null key".into());
            let from = original.at.partition;
            let to = copy.at.partition;
            let detail = format!("{key} of partition {from} belongs in {places}, not in {to}");
            on_destination(scene, destination, detail)
        })
    }
}
