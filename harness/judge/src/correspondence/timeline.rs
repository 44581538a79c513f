//! When a record of the destination was written, as far as anybody could see.
//!
//! Nobody stamps copies with a clock that could be trusted. What is known are the end offsets that
//! the harness read at certain *marks* (an event of the subject's life, a commit sample): a record
//! below them was there at the mark, a record at or beyond them came later. Between two marks the
//! order within one partition is known, and no order between partitions.

use crate::history::{DestinationOffset, Ends, History, TopicPartition};
use std::collections::BTreeMap;

/// At what a mark was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Index into [`History::commits`].
    Commit(usize),
    /// Index into [`History::events`].
    Event(usize),
}

/// All marks of a history in order, and how the destination's partitions had grown at each.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) marks: Vec<Mark>,
    /// For each partition the end offset at each mark; never decreasing.
    ends: BTreeMap<TopicPartition, Vec<i64>>,
}

impl Timeline {
    pub(crate) fn of(history: &History) -> Timeline {
        let events = history.events.iter().map(|event| &event.destination_ends);
        let commits = history.commits.iter().map(|sample| &sample.destination_ends);
        let marks = merge(&events.collect::<Vec<_>>(), &commits.collect::<Vec<_>>());
        let ends_at = |mark: &Mark| match *mark {
            Mark::Commit(index) => &history.commits[index].destination_ends,
            Mark::Event(index) => &history.events[index].destination_ends,
        };
        let mut ends = BTreeMap::<TopicPartition, Vec<i64>>::new();
        for (position, mark) in marks.iter().enumerate() {
            for (at, end) in ends_at(mark) {
                let list = ends.entry(*at).or_default();
                // A partition that a mark does not mention had not grown since.
                list.resize(position, list.last().copied().unwrap_or(0));
                list.push(end.0.max(list.last().copied().unwrap_or(0)));
            }
        }
        for list in ends.values_mut() {
            list.resize(marks.len(), list.last().copied().unwrap_or(0));
        }
        Timeline { marks, ends }
    }

    /// How many marks had been set when the record was written.
    pub(crate) fn rank(&self, at: TopicPartition, offset: DestinationOffset) -> u32 {
        self.ends.get(&at).map_or(self.marks.len(), |ends| ends.partition_point(|e| *e <= offset.0))
            as u32
    }
}

/// Merges two lists that are each in order. They share no clock, but the destination only grows:
/// the smaller of two heads came first, and between equals the order decides nothing.
fn merge(events: &[&Ends], commits: &[&Ends]) -> Vec<Mark> {
    let size = |ends: &Ends| ends.values().map(|end| i128::from(end.0)).sum::<i128>();
    let mut marks = Vec::with_capacity(events.len() + commits.len());
    let (mut event, mut commit) = (0, 0);
    while event < events.len() || commit < commits.len() {
        let event_next = match (events.get(event), commits.get(commit)) {
            (Some(event), Some(commit)) => size(event) < size(commit),
            (head, _) => head.is_some(),
        };
        if event_next {
            marks.push(Mark::Event(event));
            event += 1;
        } else {
            marks.push(Mark::Commit(commit));
            commit += 1;
        }
    }
    marks
}
