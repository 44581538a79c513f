//! `lost-at-source`: a producer was told that its record is safe, and the source does not hold it.
//!
//! ```text
//! producer     1 ok, 2 ok, 3 ok
//! source       1 3               2 is lost at the source: no mirror can be blamed
//! ```
//!
//! The truth itself is then in doubt, and so is the verdict. Compacted topics and topics of which
//! records have expired forget lawfully. Where no end was awaited, nobody has looked.

use super::{Check, scene::Scene, tally::Tally};
use crate::{
    history::{Outcome, TopicIndex},
    verdict::{Anomaly, Circumstance, Evidence, Finding},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(LostAtSource { scene })
}

struct LostAtSource<'s> {
    scene: &'s Scene<'s>,
}

impl Check for LostAtSource<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let history = self.scene.history;
        let forgetful = history.forgetful_topics();
        let lasting = |topic: TopicIndex| {
            history.topics[topic as usize].selected && !forgetful[topic as usize]
        };
        let mut tally = Tally::of(Anomaly::LostAtSource);
        for index in &self.scene.correspondence.absent {
            let produced = &history.produced[*index as usize];
            let was_looked_for = history.completion.is_some() && lasting(produced.topic);
            if produced.outcome == Outcome::Acknowledged && was_looked_for {
                tally.add(Circumstance::Plain, produced);
            }
        }
        tally.findings(|produced| {
            let topic = &history.topics[produced.topic as usize].source;
            let detail = format!("id {} of {topic} was acknowledged and is not there", produced.id);
            Evidence { detail, ..Evidence::default() }
        })
    }
}
