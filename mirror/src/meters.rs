//! What a running mirror counts, for whoever watches it.
//!
//! ```text
//!  engine, each stream -> Meters -> Snapshot -> line of progress, metrics
//! ```
//! A stream writes its own counters without a lock, and others read them. It knows no client and no format.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// A counter that many read and one thread at a time writes: it costs that one a plain store.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    /// Replaces the count.
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// Takes the count, which is 0 then.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    /// The count as last seen.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many records lie before the end of each partition, by topic and partition.
pub type Lags = BTreeMap<(String, i32), i64>;

/// What one stream counts, since its start.
#[derive(Debug, Default)]
pub struct StreamMeters {
    /// Records handed to the producer.
    pub sent: Count,
    /// Records the producer has reported on, well or badly.
    pub reported: Count,
    /// Records acknowledged; with `--exactly-once`, committed.
    pub copied: Count,
    /// Bytes of their keys and values.
    pub bytes: Count,
    /// Records that could not be sent, and were passed over.
    pub dropped: Count,
    /// Failed attempts to send a record, whether or not it was sent again.
    pub send_errors: Count,
    /// Records handed over with another timestamp than the source's, which cannot be written.
    pub restamped: Count,
    /// Records read again that this process had read before.
    pub read_again: Count,
    /// Commits that the source took.
    pub commits: Count,
    /// Commits that it did not.
    pub failed_commits: Count,
    /// Ranges of records that were gone from the source before they were read.
    pub lost_ranges: Count,
    /// Assignments received from the group.
    pub rebalances: Count,
    joined: AtomicBool,
    lags: Mutex<Lags>,
}

impl StreamMeters {
    /// Notes that the group has given the stream its partitions, or has taken all of them.
    pub fn joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    /// Whether the group has given the stream its partitions, were it none.
    pub fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// The lag of each partition of the stream, as far as it is known.
    pub fn lags(&self) -> MutexGuard<'_, Lags> {
        self.lags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The meters of all streams.
#[derive(Debug, Clone, Default)]
pub struct Meters(Vec<Arc<StreamMeters>>);

impl Meters {
    /// For so many streams.
    pub fn new(streams: u16) -> Self {
        Self((0..streams).map(|_| Arc::default()).collect())
    }

    /// Those of one stream.
    pub fn stream(&self, index: usize) -> Arc<StreamMeters> {
        Arc::clone(&self.0[index])
    }

    /// All streams together, now.
    pub fn snapshot(&self) -> Snapshot {
        let sum = |count: fn(&StreamMeters) -> &Count| {
            self.0.iter().map(|stream| count(stream).get()).sum()
        };
        // In this order: a record that is reported has been sent.
        let reported: u64 = sum(|stream| &stream.reported);
        let sent: u64 = sum(|stream| &stream.sent);
        let mut lags = Lags::new();
        for stream in &self.0 {
            lags.extend(stream.lags().iter().map(|(partition, lag)| (partition.clone(), *lag)));
        }
        Snapshot {
            in_flight: sent.saturating_sub(reported),
            copied: sum(|stream| &stream.copied),
            bytes: sum(|stream| &stream.bytes),
            dropped: sum(|stream| &stream.dropped),
            send_errors: sum(|stream| &stream.send_errors),
            restamped: sum(|stream| &stream.restamped),
            read_again: sum(|stream| &stream.read_again),
            commits: sum(|stream| &stream.commits),
            failed_commits: sum(|stream| &stream.failed_commits),
            lost_ranges: sum(|stream| &stream.lost_ranges),
            rebalances: sum(|stream| &stream.rebalances),
            joined: self.0.iter().all(|stream| stream.has_joined()),
            lags,
        }
    }
}

/// All meters at one moment; the fields are those of [`StreamMeters`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are explained where they are counted")]
pub struct Snapshot {
    pub copied: u64,
    pub bytes: u64,
    pub dropped: u64,
    pub send_errors: u64,
    pub restamped: u64,
    pub read_again: u64,
    pub commits: u64,
    pub failed_commits: u64,
    pub lost_ranges: u64,
    pub rebalances: u64,
    /// Records handed to the producer that it has not reported on.
    pub in_flight: u64,
    /// Has every stream been given its partitions, were it none?
    pub joined: bool,
    pub lags: Lags,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_added_up() {
        let meters = Meters::new(2);
        let [one, other] = [0, 1].map(|index| meters.stream(index));
        one.copied.add(3);
        other.copied.add(4);
        one.sent.add(10);
        other.reported.add(4);
        one.lags().insert(("t".to_owned(), 0), 5);
        other.lags().insert(("t".to_owned(), 1), 6);
        one.joined(true);
        let snapshot = meters.snapshot();
        assert_eq!((snapshot.copied, snapshot.in_flight, snapshot.joined), (7, 6, false));
        assert_eq!(snapshot.lags.values().sum::<i64>(), 11);
        other.joined(true);
        assert!(meters.snapshot().joined);
    }
}
