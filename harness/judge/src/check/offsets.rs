//! `offsets-mispredicted` and `offsets-coincide`: what a consumer gets that moves to the
//! destination with the raw offsets that its group committed on the source.
//!
//! ```text
//! source p0       a0 b1 c2 d3         committed 2: has read a b, has not read c d
//! destination p0  x0 y1 z2 a3 b4 c5 d6   (x y z were there before)
//! resumed at 2    reads z a b c d     repeated: a b, skipped: none
//! ```
//!
//! U is what the group has not read: records at or after its committed position, all of them where
//! it committed none. *Skipped* is U without a copy at or beyond the resume point of that copy's
//! partition; *repeated* is what the group had read and that has a copy there. Records that lay on
//! the destination before are neither. Both follow from the placements alone, so the consumer must
//! have received exactly that: each record for which it did not is one `offsets-mispredicted`.
//! If nothing is skipped or repeated, the two sides' offsets happened to coincide and the trial
//! shows nothing: `offsets-coincide`, inconclusive.

use super::{Check, evidence::on_source, scene::Scene, tally::Tally};
use crate::{
    contract::Contract,
    correspondence::Recognition,
    history::{History, ResumeTrial},
    verdict::{Anomaly, Circumstance, Evidence, Finding},
};
use std::collections::HashSet;

/// What one consumer that resumed by raw offsets skipped and repeated, by the placements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumption {
    /// Records that its group had not read on the source and that it does not get.
    pub skipped: u64,
    /// Records that its group had read on the source and that it gets again.
    pub repeated: u64,
}

/// What each trial of a history skipped and repeated, in order.
pub fn resumptions(history: &History, contract: &Contract) -> Vec<Resumption> {
    if history.resumes.is_empty() {
        return Vec::new();
    }
    let scene = Scene::of(history, contract);
    history.resumes.iter().map(|trial| outcome(&scene, trial).0).collect()
}

/// The prediction, and the records for which it was not what the consumer received.
fn outcome(scene: &Scene<'_>, trial: &ResumeTrial) -> (Resumption, Vec<(u32, bool)>) {
    let length = scene.history.source.len();
    let (mut reachable, mut received) = (vec![false; length], vec![false; length]);
    let got: HashSet<_> = trial.received.iter().collect();
    for index in &scene.correspondence.time {
        let record = scene.destination(*index);
        let Recognition::Copy(source) = scene.recognised(*index) else { continue };
        if record.at.topic == trial.topic {
            let resumed = trial.resumed.get(&record.at);
            reachable[source as usize] |= resumed.is_some_and(|from| record.offset >= *from);
            received[source as usize] |= got.contains(&(record.at, record.offset));
        }
    }
    let (mut resumption, mut wrong) = (Resumption::default(), Vec::new());
    for source in 0..length as u32 {
        let record = scene.source(source);
        if record.at.topic != trial.topic {
            continue;
        }
        let read = trial.committed.get(&record.at).is_some_and(|at| record.offset < *at);
        let predicted = reachable[source as usize];
        resumption.repeated += u64::from(read && predicted);
        resumption.skipped += u64::from(!read && !predicted);
        if received[source as usize] != predicted {
            wrong.push((source, predicted));
        }
    }
    (resumption, wrong)
}

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(Offsets { scene })
}

struct Offsets<'s> {
    scene: &'s Scene<'s>,
}

impl Check for Offsets<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let mut mispredicted = Tally::of(Anomaly::OffsetsMispredicted);
        let mut coincide = Tally::of(Anomaly::OffsetsCoincide);
        for trial in &scene.history.resumes {
            let (resumption, wrong) = outcome(scene, trial);
            if resumption == Resumption::default() {
                coincide.add(Circumstance::Plain, trial.topic);
            }
            for instance in wrong {
                mispredicted.add(Circumstance::Plain, instance);
            }
        }
        let mut findings = mispredicted.findings(|(source, predicted)| {
            let detail = if predicted {
                "not received, though a copy lies beyond the resume point"
            } else {
                "received, though no copy lies beyond the resume point"
            };
            on_source(scene, source, detail.into())
        });
        findings.extend(coincide.findings(|topic| {
            let topic = &scene.history.topics[topic as usize].source;
            let detail = format!("nothing of {topic} was skipped or repeated");
            Evidence { detail, ..Evidence::default() }
        }));
        findings
    }
}
