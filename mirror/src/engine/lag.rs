//! How far behind the source each partition is, from what librdkafka has seen while reading: nothing is asked.
//!
//! While the destination takes nothing, reading is paused and librdkafka sees nothing. Only then the source is
//! asked for the ends, or the lag would seem to stand still in just the outage that it is looked at for.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use rdkafka::{
    Offset, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    statistics,
};

use super::{assignment, client::Quiet, notes::Notes};
use crate::{meters::Lags, progress::Place};

/// One question to the source.
const QUESTION: Duration = Duration::from_secs(2);

impl Notes {
    /// Notes the lag of each partition that the stream reads, where the end of the log is known.
    pub(super) fn measure_lags(&self, statistics: &Statistics) {
        if self.paused.load(Ordering::Relaxed) {
            return;
        }
        let progress = self.progress();
        let (positions, next) = (progress.positions(), progress.next_positions());
        drop(progress);
        let mut lags = Lags::new();
        for (place, next) in positions.into_iter().zip(next) {
            let topic = statistics.topics.get(&place.topic);
            let seen = topic.and_then(|topic| topic.partitions.get(&place.partition));
            if let Some(lag) = seen.and_then(|seen| lag(seen, place.offset, next.offset)) {
                lags.insert((place.topic, place.partition), lag);
            }
        }
        *self.meters.lags() = lags;
    }

    /// The same while reading is paused; else nothing is asked.
    pub(super) fn measure_lags_if_paused(&self, source: &BaseConsumer<Quiet>) -> KafkaResult<()> {
        if !self.paused.load(Ordering::Relaxed) {
            return Ok(());
        }
        let positions = self.progress().positions();
        let mut partitions = TopicPartitionList::with_capacity(positions.len());
        for place in &positions {
            partitions.add_partition_offset(&place.topic, place.partition, Offset::End)?;
        }
        let ends = assignment::numbers(source.offsets_for_times(partitions, QUESTION)?)?;
        let ends: BTreeMap<(String, i32), i64> =
            ends.into_iter().map(|end| ((end.topic, end.partition), end.offset)).collect();
        let mut lags = self.meters.lags();
        for Place { topic, partition, offset } in positions {
            let key = (topic, partition);
            if let Some(end) = ends.get(&key) {
                lags.insert(key, (end - offset).max(0));
            }
        }
        Ok(())
    }
}

/// Offsets between the acknowledged `position` and the high watermark; `next` is the position to read next.
/// `None` if nothing was fetched yet.
fn lag(seen: &statistics::Partition, position: i64, next: i64) -> Option<i64> {
    if seen.hi_offset < 0 {
        return None;
    }
    // What lies behind the last record and is none (markers of transactions, holes) is passed by the fetcher.
    let all_is_copied = position == next && seen.fetchq_cnt == 0;
    let position = if all_is_copied { position.max(seen.next_offset) } else { position };
    Some((seen.hi_offset - position).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(high: i64, fetched: i64, queued: i64, (position, next): (i64, i64)) -> Option<i64> {
        let seen = statistics::Partition {
            hi_offset: high,
            next_offset: fetched,
            fetchq_cnt: queued,
            ..statistics::Partition::default()
        };
        lag(&seen, position, next)
    }

    #[test]
    fn is_what_is_not_acknowledged() {
        assert_eq!(check(10, 10, 0, (10, 10)), Some(0));
        assert_eq!(check(10, 10, 3, (4, 7)), Some(6));
        assert_eq!(check(10, 10, 0, (4, 10)), Some(6), "in flight");
        assert_eq!(check(10, 7, 3, (4, 4)), Some(6), "queued");
        assert_eq!(check(-1001, -1001, 0, (4, 4)), None);
        assert_eq!(check(10, 12, 0, (12, 12)), Some(0), "seen before the last records came");
    }

    #[test]
    fn a_marker_at_the_end_is_no_lag() {
        assert_eq!(check(10, 10, 0, (9, 9)), Some(0));
    }
}
