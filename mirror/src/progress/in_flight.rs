//! Records that are received and not yet part of the acknowledged prefix, and the room that they take.

use std::collections::VecDeque;

use crate::witness::Witness;

/// Room for so many is kept where there are none: a stream may have a thousand partitions, each with its bursts.
const KEPT: usize = 256;

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) offset: i64,
    pub(super) print: u64,
    /// What the producer forgets.
    pub(super) timestamp: Option<i64>,
    pub(super) acknowledged: bool,
}

impl InFlight {
    pub(super) fn witness(&self) -> Witness {
        Witness { offset: self.offset, print: self.print }
    }
}

/// Gives back what a burst took. It is for now and then, not for each record: the next burst takes it again.
pub(super) fn give_back_room<T>(waiting: &mut VecDeque<T>) {
    if waiting.capacity() > KEPT && waiting.len() < KEPT / 2 {
        waiting.shrink_to(KEPT);
    }
}
