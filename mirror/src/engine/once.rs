//! `--once`: has everything been read that was there at the start, and what was copied?
//!
//! A record at the end, or beyond it, says that a partition is read, and so does the client's position: a log may end in
//! markers of transactions, which are never seen as records. Both miss what is aborted before a transaction that is still
//! open: nothing of it is handed over, and neither is what compaction took. For that, librdkafka's statistics tell how far it has
//! been fetched. The end comes when all of it is acknowledged too, or committed with its transaction: until then what goes wrong
//! is mended as ever.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use rdkafka::{
    Message, Offset, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::BorrowedMessage,
    statistics::Partition,
};

use super::{
    EngineError, assignment,
    client::{self, Quiet},
    headers,
    lifeline::Connected,
    listing::Listed,
    reader::Key,
    stamps,
    stream::{self, Held, Stream},
};
use crate::{
    digest::Digest,
    progress::{
        Followed, Place,
        account::{self, Account, Copied, Landed, Sum, Waiting},
    },
    report::{self, Report},
    shutdown::Stop,
};

/// One question to the source.
const QUESTION: Duration = Duration::from_secs(5);

/// How often it is looked what is read, and how often the statistics are made.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// So many looks in a row say that all was fetched. A pause empties the queue, also one of librdkafka's own in a rebalance, and
/// what was in it is fetched again: until the thread of the partition's broker wakes up, a second later at most if it is connected
/// (`rd_kafka_broker_serve`, 2.12.1), the statistics show what was before.
const LOOKS: u32 = 30;

/// How far each partition is to be read, for all streams together.
#[derive(Debug)]
pub(super) struct Goal(Mutex<BTreeMap<Key, Target>>);

#[derive(Debug, Default)]
struct Target {
    end: i64,
    /// How often in a row it was seen to be fetched, and its queue to be empty.
    looks: u32,
    /// All before the end was handed over, or is known to be none.
    passed: bool,
    /// It is gone from the source.
    gone: bool,
    /// It is out of range behind what is wanted, and nothing of it is read any more.
    left_alone: bool,
    /// Another member of the group has committed its end.
    elsewhere: bool,
    copied: Arc<Mutex<Copied>>,
}

/// A partition that is not read to its end.
#[derive(Clone, Copy)]
pub(super) struct Unread {
    /// All before this offset is copied, or was when the mirror began.
    pub(super) copied: i64,
    /// The first offset that is not wanted.
    pub(super) end: i64,
}

impl Target {
    fn is_read(&self) -> bool {
        self.gone || self.elsewhere || self.passed
    }
}

impl Goal {
    /// To read every partition up to these offsets.
    pub(super) fn new(ends: &[Place]) -> Self {
        let target = |end: &Place| {
            let target = Target { end: end.offset, ..Target::default() };
            ((end.topic.clone(), end.partition), target)
        };
        Self(Mutex::new(ends.iter().map(target).collect()))
    }

    /// Takes one consumer's statistics into account, and returns what is read by them. They are handed over by the thread that
    /// handles its records, so a record that has left the queue has been handled.
    pub(super) fn look(&self, statistics: &Statistics, is_paused: bool) -> Vec<Place> {
        let is_paused = is_paused || !is_steady(statistics);
        let mut read = Vec::new();
        for (key, target) in self.targets().iter_mut() {
            let topic = statistics.topics.get(&key.0);
            let Some(seen) = topic.and_then(|topic| topic.partitions.get(&key.1)) else {
                continue;
            };
            if is_paused {
                target.looks = 0;
            } else if seen.fetch_state == "active" {
                let is_fetched = is_served(statistics, seen) && is_fetched(seen, target.end);
                target.looks = if is_fetched { target.looks + 1 } else { 0 };
                if target.looks >= LOOKS {
                    target.passed = true;
                    read.push(Place { topic: key.0.clone(), partition: key.1, offset: target.end });
                }
            }
        }
        read
    }

    /// Is nothing wanted of this partition from there on?
    pub(super) fn is_end(&self, place: &Place) -> bool {
        self.end_of(place).is_some_and(|end| place.offset >= end)
    }

    /// Does what is wanted of this partition end just there?
    pub(super) fn ends_at(&self, place: &Place) -> bool {
        self.end_of(place) == Some(place.offset)
    }

    fn end_of(&self, place: &Place) -> Option<i64> {
        let targets = self.targets();
        targets.get(&(place.topic.clone(), place.partition)).map(|target| target.end)
    }

    /// What other members of the group have committed, up to the wanted ends.
    pub(super) fn read_elsewhere(&self, ends: impl Iterator<Item = Place>) {
        let mut targets = self.targets();
        for place in ends {
            if let Some(target) = targets.get_mut(&(place.topic.clone(), place.partition)) {
                tracing::info!(
                    "once: {} [{}] is read to its end by another member of the group",
                    place.topic,
                    place.partition
                );
                target.elsewhere = true;
            }
        }
    }

    /// A partition was given back: whoever gets it next may have to read some of it again.
    pub(super) fn reopen(&self, topic: &str, partition: i32) {
        if let Some(target) = self.targets().get_mut(&(topic.to_owned(), partition)) {
            target.looks = 0;
            target.passed = false;
        }
    }

    /// A partition is ours from this place on, whatever another has made of it; `None` if it is not wanted.
    pub(super) fn take(&self, from: &Place) -> Option<Account> {
        let mut targets = self.targets();
        let target = targets.get_mut(&(from.topic.clone(), from.partition))?;
        (target.elsewhere, target.left_alone) = (false, false);
        (target.passed, target.looks) = (false, 0);
        let mut copied = account::lock(&target.copied);
        copied.counted = copied.counted.max(from.offset.min(target.end));
        drop(copied);
        Some(Account::new(target.end, Arc::clone(&target.copied)))
    }

    /// All that is wanted of it was handed over.
    pub(super) fn pass(&self, topic: &str, partition: i32) {
        if let Some(target) = self.targets().get_mut(&(topic.to_owned(), partition)) {
            target.passed = true;
        }
    }

    /// What lies between is gone from the source, or it was made anew and begins at a lower offset.
    pub(super) fn jump(&self, from: i64, to: &Place) {
        let mut targets = self.targets();
        if let Some(target) = targets.get_mut(&(to.topic.clone(), to.partition)) {
            account::lock(&target.copied).jump(from, to.offset.min(target.end));
            // What was read to its end was another log.
            (target.passed, target.looks) = (false, 0);
        }
    }

    /// What is wanted of a partition that is not read to its end; `None` if it is, or nothing is wanted.
    pub(super) fn unread(&self, key: &Key) -> Option<Unread> {
        let targets = self.targets();
        let target = targets.get(key).filter(|target| !target.is_read())?;
        Some(Unread { copied: account::lock(&target.copied).counted, end: target.end })
    }

    /// What is not read to its end, and how far it is copied.
    pub(super) fn all_unread(&self) -> Vec<Place> {
        let targets = self.targets();
        let unread = targets.iter().filter(|(_, target)| !target.is_read());
        let place = |((topic, partition), target): (&Key, &Target)| {
            let offset = account::lock(&target.copied).counted;
            Place { topic: topic.clone(), partition: *partition, offset }
        };
        unread.map(place).collect()
    }

    /// The partition is gone, or what is left of what is wanted of it.
    pub(super) fn give_up(&self, next: &Place) {
        if let Some(target) = self.targets().get_mut(&(next.topic.clone(), next.partition)) {
            target.gone = true;
        }
    }

    /// Is nothing left to read?
    pub(super) fn is_reached(&self) -> bool {
        self.targets().values().all(Target::is_read)
    }

    /// What was copied; `ended` if nothing failed.
    pub(super) fn report(&self, ended: bool) -> Report {
        let of = |((topic, partition), target): (&(String, i32), &Target)| {
            let mut copied = account::lock(&target.copied).clone();
            if target.gone {
                copied.lost += (target.end - copied.counted).max(0) as u64;
            }
            // What we had copied to its end before it went to another is ours all the same.
            let elsewhere = target.elsewhere && copied.counted < target.end;
            report::Partition::new(topic, *partition, target.end, elsewhere, &copied)
        };
        Report::new(ended && self.is_reached(), self.targets().iter().map(of).collect())
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<(String, i32), Target>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The goal of a run with `--once`: the end of each partition of the matching topics as it is now. `None` if
/// it is time to stop before the source has told it.
pub(super) fn goal(
    source: &BaseConsumer<Quiet>,
    topics: Vec<String>,
    stop: &Stop,
) -> Result<Option<Arc<Goal>>, EngineError> {
    let listed = Listed::new(topics);
    let ends = assignment::insist("end offsets", source.client(), stop, || {
        source.poll(Duration::ZERO);
        if source.context().troubles().denial().is_some() {
            stop.request();
        }
        let mut partitions = listed.partitions(&source.fetch_metadata(None, QUESTION)?)?;
        if partitions.count() == 0 {
            return Ok(Vec::new());
        }
        partitions.set_all_offsets(Offset::End)?;
        assignment::numbers(source.offsets_for_times(partitions, QUESTION)?)
    })?;
    let Some(ends) = ends else { return Ok(None) };
    for end in &ends {
        tracing::info!("once: {} [{}] up to offset {}", end.topic, end.partition, end.offset);
    }
    Ok(Some(Arc::new(Goal::new(&ends))))
}

impl Stream<'_> {
    /// Notes the record as received, and in the account; `None` if it is not wanted.
    pub(super) fn receive_towards_goal<'c>(
        &self,
        message: BorrowedMessage<'c>,
    ) -> Option<Held<'c>> {
        let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
        let mut progress = self.notes.progress();
        let slot = progress.slot(topic, partition)?;
        // A partition that has come to be since the start has no account, and nothing of it is wanted.
        let Some(account) = progress.account(slot).filter(|account| offset < account.end()) else {
            drop(progress);
            self.has_sent_all(topic, partition);
            return None;
        };
        let is_last = offset + 1 >= account.end();
        let timestamp = message.timestamp().to_millis();
        let sum = sum(&message, timestamp);
        account.read(sum.unwrap_or_default(), timestamp);
        let token = progress.received_with(slot, offset, timestamp)?;
        progress.remember(token, stream::print(&message));
        drop(progress);
        if sum.is_none() {
            // Received and never sent, so no commit passes it.
            let place = Place { topic: topic.to_owned(), partition, offset };
            self.notes.fail(EngineError::HeaderName { place });
            return None;
        }
        let is_to_be_alone = self.notes.is_to_be_alone(&message);
        Some(Held { message, token, is_last, is_to_be_alone })
    }

    /// Passes the partitions of which the client's position lies at the wanted end, and finds out whether all is done. A start
    /// beyond the end says nothing: it may be of another log.
    pub(super) fn look_for_ends(&self) -> Result<(), EngineError> {
        let Some(goal) = self.notes.goal.get() else { return Ok(()) };
        // A record that waits for room is read, and not on its way.
        if !self.notes.holding.load(Ordering::Relaxed) {
            self.pass_markers();
            let followed = self.notes.progress().followed();
            for Followed { next, has_begun, .. } in &followed {
                if goal.ends_at(next) || (*has_begun && goal.is_end(next)) {
                    goal.pass(&next.topic, next.partition);
                }
            }
        }
        let nothing_is_left = || {
            let is_mended = !self.notes.has_unsent() && !self.notes.has_losses();
            goal.is_reached() && self.notes.progress().in_flight() == 0 && is_mended
        };
        if nothing_is_left() {
            self.complete(None)?;
        }
        let is_done = nothing_is_left() && !self.is_in_transaction();
        self.notes.is_done.store(is_done, Ordering::Relaxed);
        Ok(())
    }

    /// Everything wanted of this partition is on its way.
    pub(super) fn has_sent_all(&self, topic: &str, partition: i32) {
        if let Some(goal) = self.notes.goal.get() {
            goal.pass(topic, partition);
        }
        self.read_no_more(topic, partition);
    }

    /// Nothing is wanted of a partition that is out of range: it is no longer read. False if that is known.
    pub(super) fn leave_alone(&self, Place { topic, partition, .. }: &Place) -> bool {
        let is_news = self.notes.goal.get().is_some_and(|goal| {
            let mut targets = goal.targets();
            let target = targets.get_mut(&(topic.clone(), *partition));
            target.is_some_and(|target| !std::mem::replace(&mut target.left_alone, true))
        });
        if is_news {
            self.read_no_more(topic, *partition);
        }
        is_news
    }

    /// Producers may go on writing; what they write is not wanted.
    fn read_no_more(&self, topic: &str, partition: i32) {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(topic, partition);
        // Then it is read and passed over, which only takes time.
        if let Err(error) = self.consumer.pause(&list) {
            tracing::debug!("{topic} [{partition}] is not paused: {}", client::reason(&error));
        }
    }
}

/// Notes what the delivery report says: the bytes that were delivered, and where they went.
pub(super) fn landed(waiting: &mut Waiting, message: &BorrowedMessage<'_>) {
    let offset = Some(message.offset()).filter(|offset| *offset >= 0);
    let landed = Landed { partition: message.partition(), offset };
    // As it was written: without a timestamp the producer gave one, and the report says which.
    let timestamp = stamps::written(waiting.timestamp).or(message.timestamp().to_millis());
    // What could not be summed was not sent.
    waiting.landed(sum(message, timestamp).unwrap_or_default(), landed);
}

/// The bytes and the digest of one record; `None` if its headers cannot be read. `timestamp` is in milliseconds: a
/// delivery report has the destination's, where that sets its own.
fn sum(message: &BorrowedMessage<'_>, timestamp: Option<i64>) -> Option<Sum> {
    let headers = headers::read(message)?;
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
    let of_headers: u64 =
        headers.iter().map(|(name, value)| name.len() as u64 + length(*value)).sum();
    Some(Sum {
        records: 1,
        bytes: length(message.key()) + length(message.payload()) + of_headers,
        digest: Digest::of(message.key(), message.payload(), timestamp, headers.into_iter()),
    })
}

/// Whether the group leaves us alone. While it waits for our answer, librdkafka pauses what we read.
fn is_steady(statistics: &Statistics) -> bool {
    statistics.cgrp.as_ref().is_some_and(|group| group.join_state == "steady")
}

/// Whether the broker that the partition is fetched from is connected, so that its thread sees to the partition.
fn is_served(statistics: &Statistics, partition: &Partition) -> bool {
    let mut brokers = statistics.brokers.values();
    brokers.any(|broker| broker.nodeid == partition.broker && broker.state == "UP")
}

/// What was fetched is believed only when a fetch was answered: before, the next offset is where it begins. One beyond the log is of
/// another one.
fn is_fetched(partition: &Partition, end: i64) -> bool {
    (end..=partition.hi_offset).contains(&partition.next_offset) && partition.fetchq_cnt == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::statistics::{Broker, ConsumerGroup};

    /// A group's state, and of partition 0 its fetch state, high watermark, next offset and how much is queued.
    fn statistics(group: &str, (state, high, next, queued): (&str, i64, i64, i64)) -> Statistics {
        let partition = Partition {
            fetch_state: state.to_owned(),
            next_offset: next,
            hi_offset: high,
            fetchq_cnt: queued,
            broker: 1,
            ..Partition::default()
        };
        let broker = Broker { nodeid: 1, state: "UP".to_owned(), ..Broker::default() };
        let topic = rdkafka::statistics::Topic {
            partitions: [(0, partition)].into(),
            ..rdkafka::statistics::Topic::default()
        };
        let group = ConsumerGroup { join_state: group.to_owned(), ..ConsumerGroup::default() };
        Statistics {
            topics: [("t".to_owned(), topic)].into(),
            cgrp: Some(group),
            brokers: [("b:1/1".to_owned(), broker)].into(),
            ..Statistics::default()
        }
    }

    const FETCHED: (&str, i64, i64, i64) = ("active", 6, 6, 0);

    fn up_to_5() -> Goal {
        Goal::new(&[Place { topic: "t".to_owned(), partition: 0, offset: 5 }])
    }

    #[test]
    fn a_partition_is_fetched_when_seen_so_for_longer_than_what_was_before_can_be_seen() {
        let goal = up_to_5();
        let look = |group, seen, is_paused| {
            let read = goal.look(&statistics(group, seen), is_paused);
            assert_eq!(!read.is_empty(), goal.is_reached());
            goal.is_reached()
        };
        let almost = || (1..LOOKS).for_each(|_| assert!(!look("steady", FETCHED, false)));
        let not_fetched = [("active", -1001, 5, 0), ("active", 6, 4, 0), ("active", 6, 6, 1)];
        for seen in not_fetched {
            almost();
            assert!(!look("steady", seen, false), "{seen:?}");
        }
        almost();
        assert!(!look("wait-assign-call", FETCHED, false), "librdkafka has paused it");
        almost();
        assert!(!look("steady", FETCHED, true), "we have paused it");
        almost();
        let mut away = statistics("steady", FETCHED);
        away.brokers.values_mut().for_each(|broker| broker.state = "CONNECT".to_owned());
        assert!(goal.look(&away, false).is_empty(), "nobody sees to it");
        almost();
        assert!(!look("steady", ("none", 5, 0, 0), false));
        assert!(look("steady", FETCHED, false));
        goal.reopen("t", 0);
        assert!(!goal.is_reached(), "another has to look at it first");
        almost();
        goal.jump(5, &Place { topic: "t".to_owned(), partition: 0, offset: 0 });
        assert!(!look("steady", FETCHED, false), "it was another log");
    }

    #[test]
    fn a_partition_that_was_handed_over_is_read_until_it_is_given_back() {
        let goal = up_to_5();
        for _ in 0..2 {
            goal.pass("t", 0);
            assert!(goal.is_reached());
            goal.reopen("t", 0);
            assert!(!goal.is_reached());
        }
    }

    #[test]
    fn what_another_member_has_committed_to_its_end_is_done_and_said_to_be_theirs() {
        let place = |partition, offset| Place { topic: "t".to_owned(), partition, offset };
        let goal = Goal::new(&[place(0, 5), place(1, 5)]);
        goal.pass("t", 0);
        assert!(
            !goal.is_end(&place(1, 4)) && goal.is_end(&place(1, 5)) && !goal.is_end(&place(2, 9))
        );
        assert_eq!(goal.all_unread().len(), 1);
        goal.read_elsewhere([place(1, 5), place(2, 9)].into_iter());
        assert!(goal.is_reached());
        assert!(goal.take(&place(1, 3)).is_some() && !goal.is_reached(), "it is ours to read now");
        assert_eq!(
            goal.unread(&("t".to_owned(), 1)).map(|one| (one.copied, one.end)),
            Some((3, 5))
        );
        assert!(goal.take(&place(0, 0)).is_some(), "it is ours once more");
        goal.pass("t", 1);
        assert!(!goal.is_reached(), "what was handed over before counts for nothing");
        goal.pass("t", 0);
        goal.reopen("t", 1);
        goal.read_elsewhere([place(1, 5)].into_iter());
        let report = serde_json::to_value(goal.report(true)).unwrap();
        assert_eq!(report["partitions"][0]["elsewhere"], false);
        assert_eq!(report["partitions"][1]["elsewhere"], true);
    }
}
