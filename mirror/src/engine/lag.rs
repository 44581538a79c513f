//! How far behind the source each partition is, from what librdkafka has seen while reading: nothing is asked.

use rdkafka::{Statistics, statistics};

use super::client::Notes;
use crate::meters::Lags;

impl Notes {
    /// Notes the lag of each partition that the stream reads, where the end of the log is known.
    pub(super) fn measure_lags(&self, statistics: &Statistics) {
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
