//! `expired`: records were deleted on one side before they could be judged.
//!
//! ```text
//! source       low watermark 0 -> 5      0..5 may have been copied or not: nobody can tell
//! ```
//!
//! Counted by partition and side. It is not the subject's fault, but completeness is in doubt.

use super::{Check, scene::Scene, tally::Tally};
use crate::{
    history::TopicPartition,
    verdict::{Anomaly, Circumstance, Evidence, Finding, Place},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Expired { scene })
}

struct Expired<'s> {
    scene: &'s Scene<'s>,
}

impl Check for Expired<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let history = self.scene.history;
        let mut tally = Tally::of(Anomaly::Expired);
        let place = |topic: &String, at: &TopicPartition, offset| Place {
            topic: topic.clone(),
            partition: at.partition,
            offset,
        };
        let detail = |from, to| format!("the low watermark rose from {from} to {to}");
        for (at, bounds) in &history.source_bounds {
            if self.scene.is_selected(*at) && bounds.low > bounds.baseline {
                let topic = &history.topics[at.topic as usize].source;
                let detail = detail(bounds.baseline.0, bounds.low.0);
                let source = Some(place(topic, at, bounds.low.0));
                let evidence = Evidence { source, detail, ..Evidence::default() };
                tally.add(Circumstance::Plain, evidence);
            }
        }
        for (at, bounds) in &history.destination_bounds {
            if self.scene.is_selected(*at) && bounds.low > bounds.low_baseline {
                let topic = &history.topics[at.topic as usize].destination;
                let detail = detail(bounds.low_baseline.0, bounds.low.0);
                let destination = Some(place(topic, at, bounds.low.0));
                let evidence = Evidence { destination, detail, ..Evidence::default() };
                tally.add(Circumstance::Plain, evidence);
            }
        }
        tally.findings(|evidence| evidence)
    }
}
