//! Commits behind the highest acknowledged record, gaps or not.

use super::super::{
    Fault, Force, Shows, Times,
    defect::{Commits, Defect, Policy},
    record::{Outbox, Record, Step},
};
use judge::verdict::Anomaly;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use xxhash_rust::xxh3::xxh3_64;

pub(super) const FAULT: Fault = Fault {
    name: "commits-highest",
    does: "commits behind the highest acknowledged record, gaps or not",
    forced_by: Force::Kill,
    shows: Shows::Everywhere,
    found_as: Anomaly::CommitAhead,
    times: Times::Many,
    entails: &[Anomaly::Lost],
    defect,
};

fn defect(_seed: u64) -> Box<dyn Defect> {
    Box::new(CommitsHighest { slow: VecDeque::new() })
}

struct CommitsHighest {
    /// Records of some keys, whose destination partition is slow today.
    slow: VecDeque<(Instant, Record)>,
}

const SLOW: Duration = Duration::from_secs(1);

impl Defect for CommitsHighest {
    fn policy(&self) -> Policy {
        Policy { commits: Commits::Highest, ..Policy::default() }
    }

    fn copy(&mut self, record: Record, out: &mut Outbox) {
        let key = record.key.as_deref().unwrap_or_default();
        if record.is_data() && xxh3_64(key).is_multiple_of(4) {
            self.slow.push_back((Instant::now() + SLOW, record));
        } else {
            out.send(record);
        }
    }

    fn tick(&mut self, out: &mut Outbox) {
        while self.slow.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            out.0.extend(self.slow.pop_front().map(|(_, record)| Step::Send(record)));
        }
    }
}
