//! The checkers: each finds one kind of anomaly in what was observed, and knows no policy.
//!
//! A checker is a fold over observations in order of time, `step` and `finish`, so that the same
//! checker serves a scenario held in memory and, later, an audit that streams. It returns data: it
//! never fails and never stops at the first instance. The contract is read in detection only where
//! it defines what is right (partitioning, order scope, headers added, timestamps); what a contract
//! tolerates is decided in [`crate::verdict`].

mod blurred;
mod borrowed;
mod commit_ahead;
mod commit_behind;
mod compaction;
mod config_drift;
mod corrupted;
mod damaged;
mod evidence;
mod expired;
mod last_copies;
mod leaked;
mod looped;
mod lost;
mod lost_at_source;
mod misplaced;
mod offsets;
mod phantom;
mod reordered;
mod repeated;
mod scene;
mod span;
mod stale;
mod stalled;
mod tally;
mod tangled;
mod translation;

pub(crate) use blurred::blurred;
pub(crate) use borrowed::Borrowed;
pub(crate) use scene::Scene;
pub(crate) use tangled::tangled;

use crate::{
    correspondence::{Recognition, timeline::Mark},
    verdict::{Anomaly, Finding, Findings},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One thing that was observed. Records are indices into the history.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Observation {
    /// A data record of a selected topic lies on the source.
    Source(u32),
    /// A copy was written to the destination.
    Copy {
        /// Where it lies.
        destination: u32,
        /// Whose copy it is.
        source: u32,
        /// Whether it is that record's first copy.
        first: bool,
    },
    /// Something else was written to the destination by the subject.
    Other(u32, Recognition),
    /// A committed position was read.
    Commit(usize),
}

/// A checker.
pub(crate) trait Check {
    /// Takes in one observation. Checkers that look at the whole alone need none.
    fn step(&mut self, _observation: Observation) {}
    /// Says what was wrong.
    fn finish(self: Box<Self>) -> Vec<Finding>;
}

/// All checkers: what they find, and how they begin.
pub(crate) type Registered = (&'static [Anomaly], for<'s> fn(&'s Scene<'s>) -> Box<dyn Check + 's>);

const CHECKS: [Registered; 17] = [
    (&[Anomaly::Lost], lost::check),
    (&[Anomaly::Duplicated, Anomaly::Rewound], repeated::check),
    (&[Anomaly::Reordered], reordered::check),
    (&[Anomaly::Stale], stale::check),
    (&[Anomaly::Misplaced], misplaced::check),
    (&[Anomaly::Corrupted], corrupted::check),
    (&[Anomaly::Phantom], phantom::check),
    (&[Anomaly::Leaked], leaked::check),
    (&[Anomaly::Stalled], stalled::check),
    (&[Anomaly::CommitAhead], commit_ahead::check),
    (&[Anomaly::CommitBehind], commit_behind::check),
    (&[Anomaly::Looped], looped::check),
    (&[Anomaly::TranslationSkips, Anomaly::TranslationRewinds], translation::check),
    (&[Anomaly::ConfigDrift], config_drift::check),
    (&[Anomaly::OffsetsMispredicted, Anomaly::OffsetsCoincide], offsets::check),
    (&[Anomaly::LostAtSource], lost_at_source::check),
    (&[Anomaly::Expired], expired::check),
];

/// Runs every checker. A checker that crashes is our bug: it is named in the second value, and the
/// verdict must not be a pass.
pub(crate) fn run(scene: &Scene<'_>) -> (Findings, Vec<String>) {
    run_with(scene, &CHECKS)
}

/// Runs these checkers.
pub(crate) fn run_with(scene: &Scene<'_>, checks: &[Registered]) -> (Findings, Vec<String>) {
    let (mut findings, mut crashed) = (Vec::new(), Vec::new());
    for (anomalies, begin) in checks {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut check = begin(scene);
            observe(scene, |observation| check.step(observation));
            check.finish()
        }));
        match outcome {
            Ok(found) => findings.extend(found),
            Err(_) => {
                let names = anomalies.iter().map(|anomaly| anomaly.name()).collect::<Vec<_>>();
                crashed.push(format!("the checker of {} crashed", names.join(" and ")));
            }
        }
    }
    findings.sort_by_key(|finding: &Finding| (finding.anomaly, finding.circumstance));
    (Findings(findings), crashed)
}

/// Everything that was observed: first the truth, then what the subject did, in order of time.
fn observe(scene: &Scene<'_>, mut step: impl FnMut(Observation)) {
    for index in 0..scene.history.source.len() as u32 {
        if scene.is_judged(index) {
            step(Observation::Source(index));
        }
    }
    let correspondence = &scene.correspondence;
    let marks = correspondence.timeline.marks.iter().zip(&correspondence.before_mark);
    let mut marks = marks.peekable();
    for (position, index) in correspondence.time.iter().enumerate() {
        while let Some((mark, _)) = marks.next_if(|(_, before)| **before <= position) {
            step_mark(mark, &mut step);
        }
        step(match correspondence.recognised[*index as usize] {
            Recognition::Copy(source) => {
                let first = correspondence.first[source as usize] == *index;
                Observation::Copy { destination: *index, source, first }
            }
            other => Observation::Other(*index, other),
        });
    }
    for (mark, _) in marks {
        step_mark(mark, &mut step);
    }
}

/// Events bound what explains a repeat, which is a matter of places, not of time: checkers look
/// them up. Only commits are steps.
fn step_mark(mark: &Mark, step: &mut impl FnMut(Observation)) {
    if let Mark::Commit(index) = mark {
        step(Observation::Commit(*index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_has_a_checker() {
        for anomaly in Anomaly::ALL {
            let checkers = CHECKS.iter().filter(|(found, _)| found.contains(&anomaly)).count();
            assert_eq!(checkers, 1, "{anomaly}");
        }
    }
}
