//! `commit-behind`: everything is delivered, and yet the position is not committed.
//!
//! ```text
//! source       1 2 3 4
//! destination  1 2 3 4           idle, or stopped gracefully
//! committed    position 2        a restart repeats 3 and 4 for no reason
//! ```
//!
//! Counted by source partition. Two occasions: the subject idled with all sentinels delivered and
//! data records uncommitted, even if the stop committed them, or it completed, was stopped gracefully, and left data records below
//! the cut uncommitted. A partition of which all uncommitted records lie before the first
//! readiness is told apart, as a subject that starts at the end never commits them.

use super::{Check, Observation, evidence::on_source, scene::Scene, tally::Tally};
use crate::{
    history::{Completion, TopicPartition},
    verdict::{Anomaly, Circumstance, Evidence, Finding},
};
use std::collections::BTreeMap;

pub(super) fn check<'s>(scene: &'s Scene<'s>) -> Box<dyn Check + 's> {
    Box::new(CommitBehind { scene, behind: BTreeMap::new() })
}

struct CommitBehind<'s> {
    scene: &'s Scene<'s>,
    /// For each source partition: the first uncommitted record, how many, and the last.
    behind: BTreeMap<TopicPartition, (u32, u64, u32)>,
}

impl Check for CommitBehind<'_> {
    fn step(&mut self, observation: Observation) {
        let Observation::Source(source) = observation else { return };
        let Some(committed) = &self.scene.history.final_commit.committed else { return };
        let record = self.scene.source(source);
        if committed.get(&record.at).is_none_or(|position| record.offset >= *position) {
            let behind = self.behind.entry(record.at).or_insert((source, 0, source));
            behind.1 += 1;
            behind.2 = source;
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let (scene, history) = (self.scene, self.scene.history);
        let idle = match &history.completion {
            Some(Completion::Idle { sentinels_arrived: true, behind, .. }) => *behind,
            Some(Completion::Completed) if history.final_commit.graceful => None,
            _ => return Vec::new(),
        };
        let mut tally = Tally::of(Anomaly::CommitBehind);
        for (first, count, last) in self.behind.into_values() {
            let last = scene.source(last);
            let circumstance = if history.is_before_readiness(last.at, last.offset) {
                Circumstance::BeforeReadiness
            } else {
                Circumstance::Plain
            };
            tally.add(circumstance, (first, count));
        }
        let mut findings = tally.findings(|(first, count)| {
            on_source(scene, first, format!("the first of {count} records left uncommitted"))
        });
        let of = |circumstance| {
            let these = findings.iter().filter(|finding| finding.circumstance == circumstance);
            these.map(|finding| finding.count).sum::<u64>()
        };
        // What is uncommitted at the end was so before: the others were committed by the stop alone.
        let others = idle.map_or(0, u64::from).saturating_sub(of(Circumstance::BeforeReadiness));
        if others > 0 && of(Circumstance::Plain) == 0 {
            let detail = format!("{others} source partitions idle and uncommitted");
            findings.push(Finding {
                anomaly: Anomaly::CommitBehind,
                circumstance: Circumstance::Plain,
                count: others,
                evidence: vec![Evidence { detail, ..Evidence::default() }],
                capped: others > 1,
            });
        }
        findings
    }
}
