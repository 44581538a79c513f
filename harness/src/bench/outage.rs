//! A broker that is away in the middle of a copy, and how long a mirror takes to be as fast again as it was.

use super::race::Watched;
use crate::{
    bench::{BenchError, race::MEMORY},
    cluster::containers::Pair,
    subject::Running,
};
use judge::plan::Side;
use serde::Serialize;
use std::time::{Duration, Instant};

/// The broker of a side is killed once a third is copied, and comes back after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Whose broker.
    pub side: Side,
    /// From its end to its next start.
    pub time: Duration,
}

/// How a mirror came out of an outage. Times count from the moment when the broker answers again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// Records per second that had arrived before.
    pub rate_before: f64,
    /// Until the next record was there, in seconds.
    pub next_record_seconds: f64,
    /// Until a second began in which [`FULL`] of the rate before arrived, in seconds. `None`: the copy was over before.
    pub full_rate_seconds: Option<f64>,
    /// How many records were copied again.
    pub repeated: u64,
}

/// The part of the rate before that counts as all of it: rates of two seconds differ.
pub const FULL: f64 = 0.9;
/// The time over which a rate is measured.
const SPAN: Duration = Duration::from_secs(1);

/// When records were seen on the destination, and how many there were: a look each.
pub(super) type Looks = Vec<(Instant, u64)>;

impl Outage {
    /// Whether it is time for it.
    pub(super) fn is_due(self, copied: u64, records: u64) -> bool {
        copied >= records / 3
    }

    /// Kills the broker, waits, starts it, and returns when it answers again. What the mirror takes of memory
    /// meanwhile is seen.
    pub(super) async fn happen(
        self,
        pair: &Pair,
        running: &mut Running,
        watched: &mut Watched,
    ) -> Result<Instant, BenchError> {
        const BROKER: u8 = 1;
        let cluster = match self.side {
            Side::Source => &pair.source,
            Side::Destination => &pair.destination,
        };
        cluster.kill_broker(BROKER).await?;
        let began = Instant::now();
        while began.elapsed() < self.time {
            tokio::time::sleep(MEMORY).await;
            watched.sees(running.usage().await?);
        }
        cluster.start_broker(BROKER).await?;
        Ok(Instant::now())
    }
}

impl Recovery {
    /// What the looks before an outage and after it say. `None`: nothing came before, or nothing after it.
    pub(super) fn of(
        before: &[(Instant, u64)],
        back: Instant,
        after: &[(Instant, u64)],
        repeated: u64,
    ) -> Option<Recovery> {
        let ((first, held_first), (last, held)) = (*before.first()?, *before.last()?);
        let rate_before = (held - held_first) as f64 / (last - first).as_secs_f64();
        let since = |at: Instant| at.saturating_duration_since(back).as_secs_f64();
        // What had been read before may have arrived meanwhile.
        let (_, held_then) = *after.first()?;
        let next = after.iter().position(|(_, count)| *count > held_then)?;
        let after = &after[next..];
        // The first look at or beyond a span's end, for each look that begins one.
        let mut ends = after.iter();
        let mut end = ends.next();
        let full = after.iter().find(|(begin, count)| {
            while let Some((at, _)) = end
                && *at < *begin + SPAN
            {
                end = ends.next();
            }
            end.is_some_and(|(at, later)| {
                (later - count) as f64 >= FULL * rate_before * (*at - *begin).as_secs_f64()
            })
        });
        Some(Recovery {
            rate_before,
            next_record_seconds: since(after[0].0),
            full_rate_seconds: full.map(|(at, _)| since(*at)),
            repeated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 100 ms from `from` on, at so many records a second each.
    fn looks(from: Instant, held: u64, rates: &[u64]) -> Looks {
        let mut looks = vec![(from, held)];
        for rate in rates {
            let (at, held) = looks[looks.len() - 1];
            looks.push((at + Duration::from_millis(100), held + rate / 10));
        }
        looks
    }

    #[test]
    fn it_is_back_where_a_whole_second_is_as_fast_as_before() {
        let before = looks(Instant::now(), 100, &[1_000; 20]);
        let (last, held) = before[before.len() - 1];
        let back = last + Duration::from_secs(30);
        let check = |rates: &[u64], next: f64, full: Option<f64>| {
            let found = Recovery::of(&before, back, &looks(back, held, rates), 7).unwrap();
            assert!((found.rate_before - 1_000.0).abs() < 1.0, "{found:?}");
            assert!((found.next_record_seconds - next).abs() < 0.01, "{found:?}");
            let rounded = found.full_rate_seconds.map(|seconds| (seconds * 10.0).round() / 10.0);
            assert_eq!(rounded, full, "{found:?}");
        };
        check(&[1_000; 11], 0.1, Some(0.1));
        check(&[&[0; 15][..], &[1_000; 20]].concat(), 1.6, Some(1.6));
        check(&[&[500; 15][..], &[1_000; 20]].concat(), 0.1, Some(1.3));
        check(&[800; 30], 0.1, None);
        check(&[1_000; 10], 0.1, None);
    }

    #[test]
    fn a_mirror_that_does_not_go_on_has_not_come_out_of_it() {
        let before = looks(Instant::now(), 0, &[1_000; 20]);
        let (last, held) = before[before.len() - 1];
        assert_eq!(Recovery::of(&before, last, &looks(last, held, &[0; 30]), 0), None);
        assert_eq!(Recovery::of(&[], last, &before, 0), None);
    }
}
