//! What was read, what of it is copied, and which position may be committed.

use super::{defect::Commits, record::Origin};
use std::collections::{BTreeMap, BTreeSet};

/// One source partition.
#[derive(Debug, Default)]
struct Partition {
    /// Behind the last record that was read.
    next: i64,
    /// Records that were read and are not yet copied.
    open: BTreeSet<i64>,
    /// Behind the highest record that is copied.
    highest: Option<i64>,
    committed: Option<i64>,
}

/// All partitions that are assigned.
#[derive(Debug, Default)]
pub(super) struct Progress(BTreeMap<(String, i32), Partition>);

impl Progress {
    pub(super) fn assign(&mut self, topic: &str, partition: i32, from: i64) {
        let fresh = Partition { next: from, ..Partition::default() };
        self.0.insert((topic.to_owned(), partition), fresh);
    }

    pub(super) fn revoke(&mut self, topic: &str, partition: i32) {
        self.0.remove(&(topic.to_owned(), partition));
    }

    pub(super) fn read(&mut self, origin: &Origin) {
        if let Some(partition) = self.0.get_mut(&(origin.topic.clone(), origin.partition)) {
            partition.next = origin.offset + 1;
            partition.open.insert(origin.offset);
        }
    }

    pub(super) fn copied(&mut self, origin: &Origin) {
        if let Some(partition) = self.0.get_mut(&(origin.topic.clone(), origin.partition)) {
            partition.open.remove(&origin.offset);
            partition.highest = partition.highest.max(Some(origin.offset + 1));
        }
    }

    /// The next position of each partition.
    pub(super) fn next(&self) -> Vec<(String, i32, i64)> {
        self.0.iter().map(|((topic, number), one)| (topic.clone(), *number, one.next)).collect()
    }

    /// Positions to commit that were not committed before.
    pub(super) fn take(&mut self, how: Commits) -> Vec<(String, i32, i64)> {
        let mut positions = Vec::new();
        for ((topic, number), partition) in &mut self.0 {
            let position = match how {
                Commits::Contiguous => {
                    Some(partition.open.first().copied().unwrap_or(partition.next))
                }
                Commits::Received => Some(partition.next),
                Commits::Highest => partition.highest,
                Commits::Never => None,
            };
            if position.is_some() && position != partition.committed {
                partition.committed = position;
                positions.extend(position.map(|at| (topic.clone(), *number, at)));
            }
        }
        positions
    }

    /// A commit failed: it is tried again.
    pub(super) fn not_committed(&mut self) {
        for partition in self.0.values_mut() {
            partition.committed = None;
        }
    }
}
