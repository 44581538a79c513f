//! `lost`: a data record of the source has no copy.
//!
//! ```text
//! source       1 2 3
//! destination  1   3      2 is lost
//! ```
//!
//! Truth is what the source holds below the cut, whatever the producer was told. Where the copy
//! lies, how often, and whether it is damaged are other checkers' business. A record can only be
//! called lost when it can no longer come:
//!
//! - the run completed, or idled after everything else had arrived: every absent record;
//! - the subject stalled or ended by itself: absent records below the position that it committed.
//!   The others were never promised; they are counted by `stalled`;
//! - the subject was still moving, or no end was awaited: none.
//!
//! What was deleted on the source before the subject could read it is told apart, if the subject
//! said so and stopped: silence would be loss.
//!
//! A record whose copy may have expired on the destination is not lost, nor is a last tombstone on
//! a compacted topic whose key the destination does not have. If a position passed the end of
//! the source, no record is missing that had to be there and yet a sentinel is, the sentinel itself was lost.

use super::{Check, Observation, evidence::on_source, scene::Scene, tally::Tally};
use crate::{
    history::Completion,
    verdict::{Anomaly, Circumstance, Evidence, Finding},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Lost { scene, tally: Tally::of(Anomaly::Lost) })
}

struct Lost<'s> {
    scene: &'s Scene<'s>,
    tally: Tally<u32>,
}

impl Check for Lost<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Source(source) = observation else { return };
        if self.scene.is_lost(source) {
            self.tally.add(self.scene.absence(source), source);
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let mut findings = self
            .tally
            .findings(|source| on_source(scene, source, "no copy on the destination".into()));
        let sentinel_lost = matches!(
            scene.history.completion,
            Some(Completion::Idle { sentinels_arrived: false, behind: Some(0), .. })
        ) && scene.history.has_passed_the_end();
        // What is tolerated explains no lost sentinel, which comes last and is like no other record.
        let is_explained = !scene.is_start_unknown()
            && findings.iter().any(|finding| finding.circumstance == Circumstance::Plain);
        if sentinel_lost && !is_explained {
            let detail = "a sentinel has no copy, and the position has passed it".into();
            findings.push(Finding {
                anomaly: Anomaly::Lost,
                circumstance: Circumstance::Plain,
                count: 1,
                evidence: vec![Evidence { detail, ..Evidence::default() }],
                capped: false,
            });
        }
        findings
    }
}
