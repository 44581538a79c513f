//! `--once`: has everything been read that was there at the start?
//!
//! Only librdkafka's statistics tell how far a partition has been fetched: a log may end in markers of
//! transactions, which are never seen as records. It does not know what is acknowledged; the graceful stop
//! that follows waits for that.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    Offset, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    statistics::Partition,
};

use super::{Settings, assignment, client::Quiet};
use crate::{progress::Place, shutdown::Stop};

/// One question to the source.
const QUESTION: Duration = Duration::from_secs(5);

/// How often the statistics are made, in milliseconds.
pub(super) const STATISTICS_INTERVAL_MS: &str = "100";
/// The fetch position moves on a moment before or after the records are queued for us, so one look is not enough.
const LOOKS: u32 = 2;

/// How far each partition is to be read, for all streams together.
#[derive(Debug)]
pub(super) struct Goal(Mutex<BTreeMap<(String, i32), Target>>);

#[derive(Debug)]
struct Target {
    end: i64,
    looks: u32,
}

impl Goal {
    /// To read every partition up to these offsets.
    pub(super) fn new(ends: &[Place]) -> Self {
        let target = |end: &Place| {
            ((end.topic.clone(), end.partition), Target { end: end.offset, looks: 0 })
        };
        Self(Mutex::new(ends.iter().map(target).collect()))
    }

    /// Takes one consumer's statistics into account. They are handed over by the thread that handles its
    /// records, so a record that has left the queue has been handled.
    pub(super) fn look(&self, statistics: &Statistics) {
        for ((topic, partition), target) in self.targets().iter_mut() {
            let topic = statistics.topics.get(topic);
            let Some(seen) = topic.and_then(|topic| topic.partitions.get(partition)) else {
                continue;
            };
            if seen.fetch_state == "active" {
                target.looks = if is_read(seen, target.end) { target.looks + 1 } else { 0 };
            }
        }
    }

    /// A partition was given back: whoever gets it next may have to read some of it again.
    pub(super) fn reopen(&self, topic: &str, partition: i32) {
        if let Some(target) = self.targets().get_mut(&(topic.to_owned(), partition)) {
            target.looks = 0;
        }
    }

    /// Is nothing left to read?
    pub(super) fn is_reached(&self) -> bool {
        self.targets().values().all(|target| target.looks >= LOOKS)
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<(String, i32), Target>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The goal of a run with `--once`: the end of each partition of the matching topics as it is now. `None` if
/// it is time to stop before the source has told it.
pub(super) fn goal(
    settings: &Settings,
    source: &BaseConsumer<Quiet>,
    topics: &[String],
    stop: &Stop,
) -> Option<Arc<Goal>> {
    let ends = assignment::insist("end offsets", stop, || {
        let metadata = source.fetch_metadata(None, QUESTION)?;
        let mut partitions = TopicPartitionList::new();
        for topic in metadata.topics() {
            let name = topic.name();
            if settings.filter.matches(name) && topics.iter().any(|known| known == name) {
                for partition in topic.partitions() {
                    partitions.add_partition_offset(name, partition.id(), Offset::End)?;
                }
            }
        }
        if partitions.count() == 0 {
            return Ok(Vec::new());
        }
        assignment::numbers(source.offsets_for_times(partitions, QUESTION)?)
    })?;
    for end in &ends {
        tracing::info!("once: {} [{}] up to offset {}", end.topic, end.partition, end.offset);
    }
    Some(Arc::new(Goal::new(&ends)))
}

fn is_read(partition: &Partition, end: i64) -> bool {
    partition.next_offset >= end && partition.fetchq_cnt == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(state: &str, next: i64, queued: i64) -> Statistics {
        let partition = Partition {
            fetch_state: state.to_owned(),
            next_offset: next,
            fetchq_cnt: queued,
            ..Partition::default()
        };
        let topic = rdkafka::statistics::Topic {
            partitions: [(0, partition)].into(),
            ..rdkafka::statistics::Topic::default()
        };
        Statistics { topics: [("t".to_owned(), topic)].into(), ..Statistics::default() }
    }

    #[test]
    fn a_partition_is_read_when_seen_so_twice_in_a_row() {
        let goal = Goal::new(&[Place { topic: "t".to_owned(), partition: 0, offset: 5 }]);
        let looks = [("active", 5, 0), ("active", 5, 1), ("active", 5, 0), ("none", 0, 0)];
        for (state, next, queued) in looks {
            goal.look(&statistics(state, next, queued));
            assert!(!goal.is_reached());
        }
        goal.look(&statistics("active", 6, 0));
        assert!(goal.is_reached());
        goal.reopen("t", 0);
        assert!(!goal.is_reached(), "another has to look at it first");
    }
}
