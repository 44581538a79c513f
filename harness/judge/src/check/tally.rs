//! Exact counts with capped evidence: text is only written for the instances that are kept.

use crate::verdict::{Anomaly, Circumstance, Evidence, Finding};
use std::collections::{BTreeMap, VecDeque};

/// How many of the first, and how many of the last instances are kept.
const HALF: usize = Finding::EVIDENCE / 2;

/// Instances of one anomaly.
pub(super) struct Tally<T> {
    anomaly: Anomaly,
    by_circumstance: BTreeMap<Circumstance, Kept<T>>,
}

struct Kept<T> {
    count: u64,
    first: Vec<T>,
    last: VecDeque<T>,
}

impl<T> Tally<T> {
    pub(super) fn of(anomaly: Anomaly) -> Tally<T> {
        Tally { anomaly, by_circumstance: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, circumstance: Circumstance, instance: T) {
        let kept = self.by_circumstance.entry(circumstance).or_insert_with(|| Kept {
            count: 0,
            first: Vec::new(),
            last: VecDeque::new(),
        });
        kept.count += 1;
        if kept.first.len() < HALF {
            kept.first.push(instance);
            return;
        }
        if kept.last.len() == HALF {
            kept.last.pop_front();
        }
        kept.last.push_back(instance);
    }

    /// The findings, with `show` for each instance that was kept.
    pub(super) fn findings(self, show: impl Fn(T) -> Evidence) -> Vec<Finding> {
        let anomaly = self.anomaly;
        let finding = |(circumstance, kept): (Circumstance, Kept<T>)| {
            let evidence: Vec<_> = kept.first.into_iter().chain(kept.last).map(&show).collect();
            let capped = kept.count > evidence.len() as u64;
            Finding { anomaly, circumstance, count: kept.count, evidence, capped }
        };
        self.by_circumstance.into_iter().map(finding).collect()
    }
}
