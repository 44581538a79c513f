//! What a lane's open transaction carries, counted: it counts for those who look once it is committed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::meters::{Count, StreamMeters};

/// Records and bytes that count when their transaction is committed.
#[derive(Debug, Default)]
pub(in super::super) struct Uncommitted {
    records: Count,
    bytes: Count,
    /// Records that are sent and not reported on.
    on_their_way: Count,
    /// Nothing counts any more.
    given_up: AtomicBool,
}

impl Uncommitted {
    /// A record is handed over.
    pub(in super::super) fn sent(&self) {
        self.on_their_way.add(1);
    }

    /// A record is reported on; false if that is nobody's business any more.
    pub(in super::super) fn reported(&self) -> bool {
        if self.given_up.load(Ordering::Acquire) {
            return false;
        }
        self.on_their_way.set(self.on_their_way.get().saturating_sub(1));
        true
    }

    /// Where what is acknowledged is counted for now.
    pub(in super::super) fn acknowledged(&self) -> (&Count, &Count) {
        (&self.records, &self.bytes)
    }

    /// Counts what was acknowledged: the transaction is committed.
    pub(in super::super) fn committed(&self, meters: &StreamMeters) {
        meters.copied.add(self.records.take());
        meters.bytes.add(self.bytes.take());
    }

    /// The producer is given up, and may be polled by another thread: what is on its way counts as reported now, and
    /// no later report does.
    pub(in super::super) fn give_up(&self, meters: &StreamMeters) {
        self.given_up.store(true, Ordering::Release);
        meters.reported.add(self.on_their_way.take());
    }
}
