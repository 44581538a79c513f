//! What happened in the subject's life, and what it explains: a value of the history, which knows no contract.

use super::{
    DestinationOffset, DestinationRecord, Ends, History, Positions, SourceRecord, TopicPartition,
};
use serde::{Deserialize, Serialize};

/// What can make an at-least-once mirror repeat records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Asked to stop by its stop signal.
    Stop,
    /// Killed.
    Kill,
    /// The group rebalanced: caused by the scenario, or seen as a new generation.
    Rebalance,
    /// Frozen beyond the session timeout and thawed again (a zombie).
    Freeze,
    /// A fault on the path from the subject to the destination.
    ProduceFault,
}

impl EventKind {
    /// Whether two may write for a while: the former owner of a partition, and who has it now.
    pub fn makes_two_writers(self) -> bool {
        matches!(self, EventKind::Rebalance | EventKind::Freeze)
    }
}

/// One event of a subject's life, with what bounds the repeats that it explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// End offsets of the destination, read when the event began.
    pub destination_ends: Ends,
    /// The highest position committed by then; for a stop or a kill read once the process is gone.
    pub committed: Positions,
    /// End offsets of the destination, read when the event was over: the process was gone and its
    /// last requests had arrived, or the group had been stable again for a while. It explains repeats
    /// only of what had been copied by then. `None`: nobody saw it end.
    pub over: Option<Ends>,
}

impl Event {
    /// Whether the event had begun when a destination record was written.
    pub fn precedes(&self, copy: &DestinationRecord) -> bool {
        self.had_begun(copy.at, copy.offset)
    }

    fn had_begun(&self, at: TopicPartition, offset: DestinationOffset) -> bool {
        self.destination_ends.get(&at).is_none_or(|end| offset >= *end)
    }

    /// Whether a copy was written before the event was over.
    pub fn was_not_over(&self, copy: &DestinationRecord) -> bool {
        let over = self.over.as_ref();
        over.is_none_or(|ends| ends.get(&copy.at).is_some_and(|end| copy.offset < *end))
    }

    /// Whether the event explains that a record was copied again: it had begun, and the record was
    /// not committed by then.
    pub fn explains(&self, copy: &DestinationRecord, original: &SourceRecord) -> bool {
        let committed = self.committed.get(&original.at);
        self.precedes(copy) && committed.is_none_or(|position| original.offset >= *position)
    }
}

impl History {
    /// Whether some event explains that a record was copied again.
    pub fn explains(&self, copy: &DestinationRecord, original: &SourceRecord) -> bool {
        self.events.iter().any(|event| event.explains(copy, original))
    }

    /// How many events had begun when the destination was written at an offset: it only grows, so those are the first.
    pub(crate) fn epoch(&self, at: TopicPartition, offset: DestinationOffset) -> usize {
        self.events.partition_point(|event| event.had_begun(at, offset))
    }
}
