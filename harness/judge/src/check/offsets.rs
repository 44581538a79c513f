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
//! shows nothing: `offsets-coincide`, inconclusive. A contract that preserves offsets promises just
//! that, and `translation` holds it to it.

use super::{Check, evidence::on_source, scene::Scene, tally::Tally};
use crate::{
    contract::Offsets,
    correspondence::Recognition,
    history::{DestinationOffset, ResumeTrial, TopicIndex, TopicPartition},
    verdict::{Anomaly, Circumstance, Evidence, Finding},
};
use std::collections::{BTreeMap, HashSet};

/// Which of a source record's copies lie where a consumer goes on.
#[derive(Clone, Copy, Default)]
pub(super) struct Placed {
    /// The first in time.
    pub(super) first: bool,
    /// Any.
    pub(super) any: bool,
}

/// For each source record of a topic that has copies, in order: which of them are `beyond` where a
/// consumer goes on.
pub(super) fn placed(
    scene: &Scene<'_>,
    topic: TopicIndex,
    beyond: impl Fn(TopicPartition, DestinationOffset) -> bool,
) -> BTreeMap<u32, Placed> {
    let mut placed = BTreeMap::<u32, Placed>::new();
    for index in &scene.correspondence.time {
        let record = scene.destination(*index);
        let Recognition::Copy(source) = scene.recognised(*index) else { continue };
        if record.at.topic == topic {
            let beyond = beyond(record.at, record.offset);
            let placed = placed.entry(source).or_insert(Placed { first: beyond, any: false });
            placed.any |= beyond;
        }
    }
    placed
}

/// What a trial shows, by the placements.
#[derive(Default)]
struct Outcome {
    /// Whether the consumer skips or repeats any record.
    differs: bool,
    /// The records for which it was not what the consumer received, and whether it should have received them.
    wrong: Vec<(u32, bool)>,
}

fn outcome(scene: &Scene<'_>, trial: &ResumeTrial) -> Outcome {
    let got: HashSet<_> = trial.received.iter().collect();
    let reachable = placed(scene, trial.topic, |at, offset| {
        trial.resumed.get(&at).is_some_and(|from| offset >= *from)
    });
    let received = placed(scene, trial.topic, |at, offset| got.contains(&(at, offset)));
    let among = |placed: &BTreeMap<u32, Placed>, source| placed.get(&source).is_some_and(|p| p.any);
    let mut outcome = Outcome::default();
    for source in 0..scene.history.source.len() as u32 {
        let record = scene.source(source);
        if record.at.topic != trial.topic || scene.is_aborted(source) {
            continue;
        }
        let read = trial.committed.get(&record.at).is_some_and(|at| record.offset < *at);
        let predicted = among(&reachable, source);
        // Read and to come is repeated, neither is skipped.
        outcome.differs |= read == predicted;
        if among(&received, source) != predicted {
            outcome.wrong.push((source, predicted));
        }
    }
    outcome
}

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(OffsetTrials { scene })
}

struct OffsetTrials<'s> {
    scene: &'s Scene<'s>,
}

impl Check for OffsetTrials<'_> {
    fn finish(self: Box<Self>) -> Vec<Finding> {
        let scene = self.scene;
        let mut mispredicted = Tally::of(Anomaly::OffsetsMispredicted);
        let preserved = scene.contract.offsets == Offsets::Preserved;
        let mut coincide = Tally::of(Anomaly::OffsetsCoincide);
        for trial in &scene.history.resumes {
            let Outcome { differs, wrong } = outcome(scene, trial);
            // Where offsets are preserved, it is promised that they coincide.
            if !differs && !preserved {
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
