//! `looped`: what the subject wrote came back to the source.
//!
//! ```text
//! source       1 2 3 | 1     producers had finished at |: the subject writes to its own source
//! source       1 2 3 | x     so does whoever writes what nobody produced
//! ```
//!
//! Nothing but the subject writes to the source once the producers have finished, so every data
//! record at or beyond the cut is its own, of any topic. One exception: a record of the producers'
//! log that lies nowhere below the cut, and did not certainly fail, may have been on its way for
//! longer than its producer waited.

use super::{
    Check,
    evidence::{brief, key},
    scene::Scene,
    tally::Tally,
};
use crate::{
    correspondence::same_record,
    history::{Outcome, SourceRecord},
    verdict::{Anomaly, Circumstance, Evidence, Finding, Place},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Looped { scene })
}

struct Looped<'s> {
    scene: &'s Scene<'s>,
}

impl Looped<'_> {
    /// Whether a producer may have written it after it had given up.
    fn is_late(&self, record: &SourceRecord) -> bool {
        let history = self.scene.history;
        self.scene.correspondence.absent.iter().any(|index| {
            let produced = &history.produced[*index as usize];
            produced.topic == record.at.topic
                && produced.outcome != Outcome::Failed
                && record.content.ids().any(|id| id == produced.id)
        })
    }
}

impl Check for Looped<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let history = self.scene.history;
        let mut tally = Tally::of(Anomaly::Looped);
        let mut late = std::collections::HashSet::new();
        for record in &history.after_cut {
            // The producer's own record is there once; a second one is a loop all the same.
            let first = |id| late.insert((record.at.topic, id));
            if self.is_late(record) && record.content.ids().next().is_some_and(first) {
                continue;
            }
            tally.add(Circumstance::Plain, record);
        }
        let place = |record: &SourceRecord| Place {
            topic: history.topics[record.at.topic as usize].source.clone(),
            partition: record.at.partition,
            offset: record.offset.0,
        };
        tally.findings(|record| {
            let twin = history.source.iter().find(|other| {
                other.at.topic == record.at.topic && same_record(&other.content, &record.content)
            });
            let what = match twin {
                Some(twin) => format!("written to the source again: it lies at {}", place(twin)),
                None => "written to the source, and nobody produced it".into(),
            };
            Evidence {
                key: key(&record.content),
                source: Some(place(record)),
                detail: format!("{}: {what}", brief(&record.content)),
                ..Evidence::default()
            }
        })
    }
}
