//! `stalled`: the subject neither delivers nor commits any more, or ended by itself.
//!
//! ```text
//! source       1 2 3 4
//! destination  1 2               no new record, no new commit, and canaries pass: stalled
//! ```
//!
//! Idling after everything arrived is `commit-behind`, or nothing; idling with the position beyond
//! the end of the source is `lost`. One instance, with how many records were never copied.

use super::{Check, Observation, scene::Scene, tally::Tally};
use crate::{
    correspondence::NONE,
    history::Completion,
    verdict::{Anomaly, Circumstance, Evidence, Finding},
};

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Stalled { scene, missing: 0 })
}

struct Stalled<'s> {
    scene: &'s Scene<'s>,
    missing: u64,
}

impl Check for Stalled<'_> {
    fn step(&mut self, observation: Observation) {
        if let Observation::Source(source) = observation
            && self.scene.correspondence.first[source as usize] == NONE
        {
            self.missing += 1;
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let how = match &self.scene.history.completion {
            Some(Completion::Idle { sentinels_arrived: false, behind, seconds })
                if *behind != Some(0) || !self.scene.history.has_passed_the_end() =>
            {
                format!("neither a new record nor a new commit for {seconds} s")
            }
            Some(Completion::Exited { status, output }) => {
                format!("ended by itself ({status}); it wrote last:\n{output}")
            }
            Some(
                Completion::Completed
                | Completion::Idle { .. }
                | Completion::Deadline { .. }
                | Completion::Unobservable { .. },
            )
            | None => return Vec::new(),
        };
        let detail = format!("{} source records without a copy; {how}", self.missing);
        let mut tally = Tally::of(Anomaly::Stalled);
        tally.add(Circumstance::Plain, detail);
        tally.findings(|detail| Evidence { detail, ..Evidence::default() })
    }
}
