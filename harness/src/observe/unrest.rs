//! Events of which nobody sees the end, and when they are over: rebalances, and freezes that were thawed.
//!
//! A member that was expelled may go on working until it learns of it, and it learns of it when it talks
//! to its group again. So such an event is over once the group has been stable for longer than any
//! session lasts. Pure: what was seen, and when, is handed in.

use judge::history::{Ends, Event, EventKind};
use std::time::{Duration, Instant};

/// How long a member may take to learn that it was expelled: longer than any session timeout that the
/// harness sets.
const EXPELLED: Duration = Duration::from_secs(8);

/// How long after a fault a producer may send a request again: Java's `request.timeout.ms`.
const RETRIED: Duration = Duration::from_secs(30);

/// What is not over yet, and what has not been written into the history.
#[derive(Debug, Default)]
pub struct Unrest {
    /// Events that were seen, and when.
    seen: Vec<(Event, Instant)>,
    /// Events of the history by number, and since when they may end.
    written: Vec<(usize, Instant)>,
    /// The same of faults, whose end has nothing to do with the group.
    faults: Vec<(usize, Instant)>,
    /// Events of the history that have ended since.
    over: Vec<(usize, Ends)>,
    /// When a cluster could not be seen last.
    blind: Option<Instant>,
}

/// What the history does not know yet.
#[derive(Debug, Default)]
pub struct News {
    seen: Vec<Event>,
    over: Vec<(usize, Ends)>,
}

impl Unrest {
    /// An event was seen.
    pub(super) fn add(&mut self, event: Event, now: Instant) {
        self.seen.push((event, now));
    }

    /// An event of the history, by number, may be over from now on.
    pub(super) fn may_end(&mut self, number: usize, kind: EventKind, now: Instant) {
        let list =
            if kind == EventKind::ProduceFault { &mut self.faults } else { &mut self.written };
        list.push((number, now));
    }

    /// Whether a fault has not ended that may.
    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Ends the faults that are long enough ago; the destination ends there.
    pub(super) fn end_faults(&mut self, ends: &Ends, now: Instant) {
        let is_over = |(_, began): &mut (usize, Instant)| now.duration_since(*began) > RETRIED;
        let over = self.faults.extract_if(.., is_over);
        self.over.extend(over.map(|(number, _)| (number, ends.clone())));
    }

    /// A cluster cannot be seen. What waits for it may still go on.
    pub(super) fn blind(&mut self, now: Instant) {
        self.blind = Some(now);
    }

    /// The destination ends there, and the group is stable since then, if it is.
    pub(super) fn look(&mut self, stable_since: Option<Instant>, ends: &Ends, now: Instant) {
        let Some(stable_since) = stable_since else { return };
        let since = self.blind.map_or(stable_since, |blind| blind.max(stable_since));
        let is_over = |began: Instant| now.duration_since(began.max(since)) > EXPELLED;
        let open = self.seen.iter_mut().filter(|(event, _)| event.over.is_none());
        for (event, _) in open.filter(|(_, began)| is_over(*began)) {
            event.over = Some(ends.clone());
        }
        let ended = self.written.extract_if(.., |(_, began)| is_over(*began));
        self.over.extend(ended.map(|(number, _)| (number, ends.clone())));
    }

    /// Changes what has been seen and is not in the history.
    pub(super) fn for_each(&mut self, change: impl FnMut(&mut Event)) {
        self.seen.iter_mut().map(|(event, _)| event).for_each(change);
    }

    /// What a history of so many events does not know yet. It must then be told.
    pub(super) fn news(&mut self, events: usize) -> News {
        let seen = std::mem::take(&mut self.seen);
        let open = seen.iter().zip(events..).filter(|((event, _), _)| event.over.is_none());
        self.written.extend(open.map(|((_, began), number)| (number, *began)));
        let seen = seen.into_iter().map(|(event, _)| event).collect();
        News { seen, over: std::mem::take(&mut self.over) }
    }
}

impl News {
    /// Writes it into the events of the history. What has ended in another way stays as it is.
    pub fn write(self, events: &mut Vec<Event>) {
        for (number, ends) in self.over {
            events[number].over.get_or_insert(ends);
        }
        events.extend(self.seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::history::{DestinationOffset, Positions, TopicPartition};

    const AT: TopicPartition = TopicPartition { topic: 0, partition: 0 };

    fn ends(end: i64) -> Ends {
        [(AT, DestinationOffset(end))].into()
    }

    fn event(kind: EventKind) -> Event {
        Event { kind, destination_ends: ends(0), committed: Positions::new(), over: None }
    }

    /// What happens in the second after the start that stands before it.
    enum Step {
        Rebalances,
        Freezes,
        Thaws,
        /// A stop is noted, and with it what was seen before.
        Stops,
        /// The group is stable since then, and the destination ends there.
        Looks(Option<u64>, i64),
        Blind,
    }
    use Step::*;

    /// Where the destination ended when each event of the history was over.
    #[track_caller]
    fn check(steps: &[(u64, Step)], expected: &[Option<i64>]) {
        let start = Instant::now();
        let second = |number: u64| start + Duration::from_secs(number);
        let (mut unrest, mut history, mut frozen) = (Unrest::default(), Vec::new(), 0);
        for (now, step) in steps {
            let now = second(*now);
            match step {
                Rebalances => unrest.add(event(EventKind::Rebalance), now),
                Freezes | Stops => {
                    unrest.news(history.len()).write(&mut history);
                    frozen = history.len();
                    history.push(event(EventKind::Freeze));
                }
                Thaws => unrest.may_end(frozen, EventKind::Freeze, now),
                Blind => unrest.blind(now),
                Looks(since, end) => unrest.look(since.map(second), &ends(*end), now),
            }
        }
        unrest.news(history.len()).write(&mut history);
        let over = |event: &Event| event.over.as_ref().map(|ends| ends[&AT].0);
        assert_eq!(history.iter().map(over).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_rebalance_is_over_once_the_group_has_been_stable_for_a_while() {
        check(&[(0, Rebalances), (8, Looks(Some(0), 5))], &[None]);
        check(&[(0, Rebalances), (9, Looks(Some(0), 5)), (10, Looks(Some(0), 6))], &[Some(5)]);
        check(&[(0, Rebalances), (9, Looks(None, 5))], &[None]);
        // It took long to become stable: who was left out may not know it yet.
        check(&[(0, Rebalances), (9, Looks(Some(8), 5))], &[None]);
        check(&[(0, Rebalances), (17, Looks(Some(8), 5))], &[Some(5)]);
    }

    #[test]
    fn a_rebalance_ends_though_the_history_has_it_already() {
        let stopped = [(0, Rebalances), (1, Stops), (9, Looks(Some(0), 5))];
        check(&stopped, &[Some(5), None]);
        let [one, two, ..] = stopped;
        check(&[one, two, (2, Rebalances), (9, Looks(Some(0), 5))], &[Some(5), None, None]);
    }

    #[test]
    fn a_freeze_is_over_a_while_after_its_thaw() {
        check(&[(0, Freezes), (20, Looks(Some(0), 5))], &[None]);
        check(&[(0, Freezes), (7, Thaws), (15, Looks(Some(0), 5))], &[None]);
        check(&[(0, Freezes), (7, Thaws), (16, Looks(Some(0), 5))], &[Some(5)]);
        check(&[(0, Freezes), (7, Thaws), (16, Looks(Some(9), 5))], &[None]);
    }

    #[test]
    fn what_waited_for_a_cluster_that_was_down_may_still_go_on() {
        check(&[(0, Rebalances), (7, Blind), (9, Looks(Some(0), 5))], &[None]);
        check(&[(0, Rebalances), (7, Blind), (16, Looks(Some(0), 5))], &[Some(5)]);
    }

    /// Whether the group is stable, or seen at all, says nothing of a fault.
    #[test]
    fn a_fault_is_over_once_no_request_is_sent_again() {
        let start = Instant::now();
        let mut unrest = Unrest::default();
        let mut history = vec![event(EventKind::ProduceFault), event(EventKind::ProduceFault)];
        unrest.may_end(0, EventKind::ProduceFault, start);
        unrest.may_end(1, EventKind::ProduceFault, start + Duration::from_secs(10));
        unrest.end_faults(&ends(5), start + Duration::from_secs(30));
        unrest.end_faults(&ends(6), start + Duration::from_secs(31));
        unrest.news(2).write(&mut history);
        assert_eq!([&history[0].over, &history[1].over], [&Some(ends(6)), &None]);
        assert!(unrest.has_faults());
    }

    #[test]
    fn what_has_ended_in_another_way_stays_as_it_is() {
        let mut history = vec![Event { over: Some(ends(3)), ..event(EventKind::Freeze) }];
        let mut unrest = Unrest::default();
        let start = Instant::now();
        unrest.may_end(0, EventKind::Freeze, start);
        unrest.look(Some(start), &ends(5), start + Duration::from_secs(9));
        unrest.news(1).write(&mut history);
        assert_eq!(history[0].over, Some(ends(3)));
    }
}
