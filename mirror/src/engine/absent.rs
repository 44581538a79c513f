//! A topic of the destination that was there, and of which it says now that it knows no such topic.
//!
//! A broker that has just started, or that lags behind, says so for a moment, and librdkafka then fails at once what
//! waits for the topic (`rd_kafka_topic_set_notexists`: its patience counts from when the topic was first known). So
//! those records are kept and sent again in their order, and nothing else is sent before them. A topic that
//! never was there is an error soon: nobody would create it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, OwnedMessage},
};

use super::{EngineError, client::lock, notes::Notes, stream::Stream, writer::Record};
use crate::{
    progress::{Place, Token},
    shutdown::Stop,
};

/// How long a topic that was there may be away.
pub(super) const TOPIC_RETURNS: Duration = Duration::from_secs(30);
/// Pause before it is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// A record that the producer gave back.
#[derive(Debug)]
pub(super) struct Unsent {
    token: Token,
    message: OwnedMessage,
}

/// With `--exactly-once` the source partitions whose records found no topic, and since when: they are read and sent
/// again, in one transaction after the other, until one is committed.
#[derive(Debug, Default)]
pub(super) struct Missed(Mutex<BTreeMap<(String, i32), Instant>>);

impl Missed {
    /// Whether a record of the partition was given back before, and none has been committed since.
    pub(super) fn is_waited_for(&self, place: &Place) -> bool {
        lock(&self.0).contains_key(&(place.topic.clone(), place.partition))
    }

    /// Notes that the topic is away; false if it has been for too long.
    pub(super) fn wait(&self, place: &Place, now: Instant) -> bool {
        let mut missed = lock(&self.0);
        let is_first = missed.keys().all(|(topic, _)| *topic != place.topic);
        let since = *missed.entry((place.topic.clone(), place.partition)).or_insert(now);
        drop(missed);
        if is_first {
            say_waiting(&place.topic);
        }
        now.duration_since(since) <= TOPIC_RETURNS
    }

    /// Its records are committed, or others have the partition.
    pub(super) fn forget(&self, topic: &str, partition: i32) {
        let mut missed = lock(&self.0);
        if !missed.is_empty() {
            missed.remove(&(topic.to_owned(), partition));
        }
    }
}

fn say_waiting(topic: &str) {
    tracing::warn!(
        "the destination has no topic {topic} now, which was there: waiting for it, {} s at most",
        TOPIC_RETURNS.as_secs()
    );
}

/// Whether the error says that there is no such topic, or no such partition of it.
pub(super) fn is_missing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    let code = error.rdkafka_error_code();
    matches!(code, Some(UnknownTopic | UnknownTopicOrPartition | UnknownPartition))
}

impl Notes {
    /// Keeps the record to send it again, if its topic was there before.
    pub(super) fn keep_unsent(&self, token: Token, message: &BorrowedMessage<'_>) -> bool {
        let was_there = self.was_there(message.topic());
        if was_there {
            self.unsent().push(Unsent { token, message: message.detach() });
        }
        was_there
    }

    /// Whether the destination had the topic, at the start or since.
    pub(super) fn was_there(&self, topic: &str) -> bool {
        self.established.get().is_some_and(|topics| topics.contains(topic))
            || self.progress().has_moved(topic)
    }
}

impl Stream<'_> {
    /// Sends again what the producer gave back, in the order of the source, and waits until it is acknowledged.
    pub(super) fn send_again(&self, stop: &Stop) -> Result<(), EngineError> {
        let Some(topic) =
            self.notes.unsent().first().map(|unsent| unsent.message.topic().to_owned())
        else {
            return Ok(());
        };
        say_waiting(&topic);
        let copied = || self.notes.meters.copied.get();
        let (mut before, mut missed) = (copied(), Instant::now());
        let mut waiting = VecDeque::new();
        while !stop.requested() {
            self.follow_rebalances(stop)?;
            self.stay_in_group()?;
            self.read_reports();
            self.failure()?;
            if copied() != before {
                (before, missed) = (copied(), Instant::now());
            }
            if self.is_all_kept(&mut waiting) {
                if waiting.is_empty() {
                    break;
                }
                if missed.elapsed() > TOPIC_RETURNS {
                    return Err(EngineError::MissingTopic { topic });
                }
                self.try_again(&mut waiting);
            }
            self.producer.borrow().poll(AGAIN);
        }
        self.notes.unsent().extend(waiting);
        self.resume_all()
    }

    /// One attempt, if it is time for one; what is not sent is kept.
    pub(super) fn try_again_what_is_kept(&self) {
        let mut waiting = VecDeque::new();
        if self.is_all_kept(&mut waiting) {
            self.try_again(&mut waiting);
            self.notes.unsent().extend(waiting);
        }
        self.producer.borrow().poll(AGAIN);
    }

    /// Whether nothing is on its way that could be given back too: then what is `waiting` is all, and has an order.
    fn is_all_kept(&self, waiting: &mut VecDeque<Unsent>) -> bool {
        let held = usize::from(self.notes.holding.load(Ordering::Relaxed));
        let kept = waiting.len() + self.notes.unsent().len();
        let is_all = self.notes.progress().in_flight() <= held + kept;
        if is_all {
            waiting.extend(self.notes.unsent().drain(..));
            self.sort(waiting);
        }
        is_all
    }

    /// In the order of the source; what another mirror copies by now is dropped.
    fn sort(&self, waiting: &mut VecDeque<Unsent>) {
        let progress = self.notes.progress();
        let mut placed: Vec<(Place, Unsent)> = waiting
            .drain(..)
            .filter_map(|unsent| Some((progress.place(unsent.token)?, unsent)))
            .collect();
        placed.sort_by(|(one, _), (other, _)| one.cmp(other));
        waiting.extend(placed.into_iter().map(|(_, unsent)| unsent));
    }

    /// Hands over as many as the producer takes.
    fn try_again(&self, waiting: &mut VecDeque<Unsent>) {
        while let Some(Unsent { token, message }) = waiting.front() {
            let progress = self.notes.progress();
            let (place, timestamp) = (progress.place(*token), progress.timestamp(*token));
            drop(progress);
            let Some(place) = place else {
                waiting.pop_front();
                continue;
            };
            let record = Record {
                topic: message.topic(),
                partition: self.settings.partitioning.of(place.partition),
                payload: message.payload(),
                key: message.key(),
                // Not the message's: a report does not say which timestamp was given.
                timestamp,
                headers: message.headers().cloned(),
                delivery_opaque: token.to_word(),
            };
            if self.producer.borrow().send(record).is_err() {
                return;
            }
            self.notes.meters.sent.add(1);
            waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_waits_for_its_topic_from_the_first_record_that_found_none() {
        let missed = Missed::default();
        let place = |partition| Place { topic: "t".to_owned(), partition, offset: 7 };
        let began = Instant::now();
        assert!(!missed.is_waited_for(&place(0)));
        assert!(missed.wait(&place(0), began) && missed.is_waited_for(&place(0)));
        assert!(missed.wait(&place(0), began + TOPIC_RETURNS));
        let late = began + TOPIC_RETURNS + AGAIN;
        assert!(missed.wait(&place(1), late), "another partition waits from now on");
        assert!(!missed.wait(&place(0), late));
        missed.forget("t", 0);
        assert!(!missed.is_waited_for(&place(0)) && missed.is_waited_for(&place(1)));
        assert!(missed.wait(&place(0), late), "a commit in between begins it anew");
    }
}
