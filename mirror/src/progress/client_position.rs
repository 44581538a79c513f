//! Of which assignment of a partition the client's position is. For a moment it can still be that of the one before: librdkafka
//! forgets it on the partition's own thread (`rd_kafka_toppar_fetch_stopped`, 2.12.1).

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientPosition {
    /// Nothing yet.
    Unknown,
    /// Perhaps it is of the one before, as long as it is this one.
    Before(i64),
    /// It is of this one, of which nothing was handed over yet.
    Start,
    /// It is of this one.
    Now,
}

impl ClientPosition {
    /// What is known once this was told: `None` is no position.
    pub(super) fn told(self, position: Option<i64>) -> Self {
        match (self, position) {
            (Self::Unknown, Some(position)) => Self::Before(position),
            (Self::Before(before), Some(position)) if before == position => self,
            (Self::Now, _) | (_, Some(_)) => Self::Now,
            (_, None) => Self::Start,
        }
    }
}
