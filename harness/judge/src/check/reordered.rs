//! `reordered`: the first copy of a record lies behind the first copy of a later one.
//!
//! ```text
//! source       1 2 3
//! destination  1 3 2             2 is reordered, and no event excuses it
//! destination  1 2 3 | 2 3       not reordered: the first copies are in order
//! ```
//!
//! Order follows source offsets. It is compared within one destination partition, for each source
//! partition and key (order scope `key`; null keys have none) or for each source partition (order
//! scope `partition`). Records of one key in several source partitions have no order between them.
//! Each record that comes too late is counted once.
//!
//! A first copy is the first over all destination partitions: when a key has moved after growth, a
//! replay into its new partition repeats what the old one has, and is no new order.

use super::{Check, Observation, evidence::in_sequence, scene::Scene, tally::Tally};
use crate::{
    history::TopicPartition,
    verdict::{Anomaly, Circumstance, Finding},
};
use std::collections::HashMap;

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Reordered { scene, furthest: HashMap::new(), tally: Tally::of(Anomaly::Reordered) })
}

struct Reordered<'s> {
    scene: &'s Scene<'s>,
    /// For each shard the latest source record with a first copy, and that copy.
    furthest: HashMap<(TopicPartition, TopicPartition, u32), (u32, u32)>,
    tally: Tally<(u32, u32)>,
}

impl Check for Reordered<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Copy { destination, source, first: true } = observation else { return };
        let Some(lane) = self.scene.lane(source) else { return };
        if self.scene.correspondence.unordered.contains(&source) {
            return;
        }
        let shard = (self.scene.destination(destination).at, self.scene.source(source).at, lane);
        let furthest = self.furthest.entry(shard).or_insert((source, destination));
        if source < furthest.0 {
            self.tally.add(Circumstance::Plain, (destination, furthest.1));
        } else {
            *furthest = (source, destination);
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        self.tally.findings(|(late, early)| {
            let offset = scene.destination(early).offset.0;
            let later = match scene.correspondence.source_of(early) {
                Some(source) => format!("source @{}", scene.source(source).offset.0),
                None => "a later record".into(),
            };
            in_sequence(scene, late, format!("comes after {later}, which lies at @{offset}"))
        })
    }
}
