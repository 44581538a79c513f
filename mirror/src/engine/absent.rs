//! A topic of the destination that was there, and of which it says now that it knows no such topic.
//!
//! A broker that has just started, or that lags behind, says so for a moment, and librdkafka then fails at once what
//! waits for the topic (`rd_kafka_topic_set_notexists`: its patience counts from when the topic was first known). So
//! those records are kept and sent again in their order, and nothing else is sent before them. A topic that
//! never was there is an error soon: nobody would create it.

use std::{
    collections::VecDeque,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rdkafka::{
    Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, OwnedMessage},
    producer::BaseRecord,
};

use super::{EngineError, notes::Notes, stream::Stream};
use crate::{
    progress::{Place, Token},
    route::Partitioning,
    shutdown::Stop,
};

/// How long a topic that was there may be away.
const TOPIC_RETURNS: Duration = Duration::from_secs(30);
/// Pause before it is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// A record that the producer gave back.
#[derive(Debug)]
pub(super) struct Unsent {
    token: Token,
    message: OwnedMessage,
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
        tracing::warn!(
            "the destination has no topic {topic} now, which was there: waiting for it, {} s at most",
            TOPIC_RETURNS.as_secs()
        );
        let copied = || self.notes.meters.copied.get();
        let (mut before, mut missed) = (copied(), Instant::now());
        let mut waiting = VecDeque::new();
        while !stop.requested() {
            self.follow_rebalances(stop)?;
            self.stay_in_group()?;
            self.read_reports();
            self.notes.failure()?;
            if copied() != before {
                (before, missed) = (copied(), Instant::now());
            }
            let held = usize::from(self.notes.holding.load(Ordering::Relaxed));
            let kept = waiting.len() + self.notes.unsent().len();
            if self.notes.progress().in_flight() <= held + kept {
                // Nothing is on its way that could be given back too, so what is kept is all, and has an order.
                waiting.extend(self.notes.unsent().drain(..));
                self.sort(&mut waiting);
                if waiting.is_empty() {
                    break;
                }
                if missed.elapsed() > TOPIC_RETURNS {
                    return Err(EngineError::MissingTopic { topic });
                }
                self.try_again(&mut waiting);
            }
            self.producer.poll(AGAIN);
        }
        self.notes.unsent().extend(waiting);
        self.resume_all()
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
            let record = BaseRecord {
                topic: message.topic(),
                partition: match self.settings.partitioning {
                    Partitioning::Key => None,
                    Partitioning::Preserve => Some(place.partition),
                },
                payload: message.payload(),
                key: message.key(),
                // Not the message's: a report does not say which timestamp was given.
                timestamp,
                headers: message.headers().cloned(),
                delivery_opaque: token.to_word(),
            };
            if self.producer.send(record).is_err() {
                return;
            }
            self.notes.meters.sent.add(1);
            waiting.pop_front();
        }
    }
}
