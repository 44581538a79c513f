//! The line of progress: what happened since the last one, and what is left.

use std::{
    collections::BTreeMap,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::meters::{Lags, Meters, Snapshot};

/// A line names so many topics; those with the largest lag.
const TOPICS: usize = 10;

/// Writes lines until it is dropped.
#[derive(Debug)]
pub(crate) struct Lines {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Begins to write one each `interval`.
    pub(crate) fn start(meters: Meters, interval: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (mut before, mut last) = (meters.snapshot(), Instant::now());
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let now = meters.snapshot();
                Line::new(&before, &now, last.elapsed()).log();
                (before, last) = (now, Instant::now());
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

#[derive(Debug, PartialEq)]
struct Line {
    records_per_second: u64,
    /// Of keys and values, in millions of bytes.
    megabytes_per_second: f64,
    lag: String,
    in_flight: u64,
    read_again: u64,
}

impl Line {
    fn new(before: &Snapshot, now: &Snapshot, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64().max(0.001);
        let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
        Self {
            records_per_second: rate(before.copied, now.copied).round() as u64,
            megabytes_per_second: (rate(before.bytes, now.bytes) / 1e4).round() / 1e2,
            lag: by_topic(&now.lags),
            in_flight: now.in_flight,
            read_again: now.read_again,
        }
    }

    fn log(&self) {
        let Self { records_per_second, megabytes_per_second, lag, in_flight, read_again } = self;
        tracing::info!(
            records_per_second,
            megabytes_per_second,
            lag,
            in_flight,
            read_again,
            "progress"
        );
    }
}

/// `topic 5, other 0`: records behind the end of the source, the largest first.
fn by_topic(lags: &Lags) -> String {
    let mut topics: BTreeMap<&str, i64> = BTreeMap::new();
    for ((topic, _), lag) in lags {
        *topics.entry(topic).or_default() += lag;
    }
    if topics.is_empty() {
        return "unknown".to_owned();
    }
    let mut topics: Vec<(&str, i64)> = topics.into_iter().collect();
    topics.sort_by_key(|(_, lag)| std::cmp::Reverse(*lag));
    let shown = topics.iter().take(TOPICS).map(|(topic, lag)| format!("{topic} {lag}"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if topics.len() > TOPICS {
        let rest: i64 = topics[TOPICS..].iter().map(|(_, lag)| lag).sum();
        text += &format!(", {} more topics {rest}", topics.len() - TOPICS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_since_the_last_line() {
        let before = Snapshot { copied: 1000, bytes: 5_000_000, ..Snapshot::default() };
        let now = Snapshot {
            copied: 3000,
            bytes: 8_000_000,
            in_flight: 7,
            read_again: 2,
            lags: [(("a".to_owned(), 0), 3), (("a".to_owned(), 1), 4), (("b".to_owned(), 0), 9)]
                .into(),
            ..Snapshot::default()
        };
        let line = Line::new(&before, &now, Duration::from_secs(2));
        let expected = Line {
            records_per_second: 1000,
            megabytes_per_second: 1.5,
            lag: "b 9, a 7".to_owned(),
            in_flight: 7,
            read_again: 2,
        };
        assert_eq!(line, expected);
    }

    #[test]
    fn many_topics_are_summed_up() {
        let lags = |count: i64| (0..count).map(|i| ((format!("t{i:02}"), 0), i)).collect::<Lags>();
        assert_eq!(by_topic(&lags(0)), "unknown");
        assert!(by_topic(&lags(10)).ends_with("t01 1, t00 0"));
        assert!(by_topic(&lags(13)).ends_with("t03 3, 3 more topics 3"));
    }
}
