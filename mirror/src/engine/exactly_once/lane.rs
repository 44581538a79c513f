//! One source partition's way to the destination: a producer whose transactional id belongs to the partition.
//!
//! Whoever gets the partition next makes a producer of the same id, and the destination refuses the former one
//! from then on (KIP-98), whatever it still believes. So a zombie writes nothing that anybody reads.

use std::time::Duration;

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{Producer, PurgeConfig},
};

use super::{
    super::{
        EngineError, absent,
        client::{self, Destination},
        lifeline,
        stream::Stream,
        writer::{Record, Writer},
    },
    positions::{self, Origin},
    uncommitted::Uncommitted,
};
use crate::{
    meters::StreamMeters,
    progress::{Place, Token},
    witness::Note,
};

/// One try to become the only writer, or to end a transaction; both go on where they were when called again.
pub(super) const TRY: Duration = Duration::from_secs(1);
/// Pause before it is looked again whether something is told.
const AGAIN: Duration = Duration::from_millis(20);
/// So many events are served at once: an error may lie behind lines of the log.
const EVENTS: usize = 32;

/// One source partition's way to the destination.
pub(in super::super) struct Lane {
    topic: String,
    partition: i32,
    key: String,
    positions: String,
    producer: Writer,
    /// Is a transaction open?
    open: bool,
    /// The source offset after the last record sent.
    next: i64,
    /// The same, as of the last transaction that was committed.
    committed: Option<i64>,
    /// Why nothing of the open transaction can be committed any more.
    broken: Option<Broken>,
}

/// Why nothing of an open transaction can be committed any more.
struct Broken {
    reason: String,
    /// Another mirror has made itself the only writer of the partition, and copies what is aborted here.
    is_fenced: bool,
}

/// Is it done (or will it never be), or must it be tried again?
pub(super) enum Tried {
    Done,
    Again,
}

impl Tried {
    pub(super) fn done_if(done: bool) -> Self {
        if done { Self::Done } else { Self::Again }
    }
}

impl Lane {
    /// A producer for the partition, which may not write yet.
    pub(super) fn new(
        stream: &Stream<'_>,
        origin: &Origin,
        topic: &str,
        partition: i32,
    ) -> Result<Self, EngineError> {
        let id = origin.transactional_id(topic, partition);
        let producer = client::make(
            &stream.producer_settings,
            &[("transactional.id", &id)],
            &stream.settings.producer_file,
            Destination::in_transactions(stream.notes.clone()),
        )?;
        let (key, positions) = (origin.key(topic, partition), origin.topic());
        Ok(Self {
            topic: topic.to_owned(),
            partition,
            key,
            positions,
            producer: Writer::new(producer),
            open: false,
            next: 0,
            committed: None,
            broken: None,
        })
    }

    /// Makes this the only writer of its id: what another has open is aborted.
    pub(super) fn fence(&self) -> Result<Tried, EngineError> {
        match self.producer.init_transactions(TRY) {
            Ok(()) => Ok(Tried::Done),
            Err(error) if may_be_tried_again(&error) => {
                tracing::debug!("{}: {}", self.name(), client::reason(&error));
                Ok(Tried::Again)
            }
            Err(error) => Err(EngineError::NoTransactions {
                reason: format!("{}: {}", self.name(), client::reason(&error)),
            }),
        }
    }

    /// Where it begins.
    pub(super) fn begin_at(&mut self, offset: i64) {
        (self.next, self.committed) = (offset, Some(offset));
    }

    /// Begins there from now on, behind what is lost; that is stored before the first record is there.
    pub(super) fn jump_to(&mut self, offset: i64) {
        self.next = offset;
        self.begin();
    }

    fn begin(&mut self) {
        if !self.open {
            match self.producer.begin_transaction() {
                Ok(()) => self.open = true,
                Err(error) => self.breaks(&error),
            }
        }
    }

    /// Hands a record over; false if it is not sent. An error that is not of this record breaks the lane, and is no
    /// error here.
    pub(super) fn send(&mut self, offset: i64, record: Record<'_>) -> Result<bool, KafkaError> {
        self.begin();
        if self.broken.is_some() {
            return Ok(false);
        }
        match self.producer.send(record) {
            Ok(()) => {
                self.next = offset + 1;
                self.uncommitted(Uncommitted::sent);
                Ok(true)
            }
            Err(error) if is_of_the_transaction(error.rdkafka_error_code()) => {
                self.breaks(&error);
                Ok(false)
            }
            Err(error) => {
                if absent::is_missing(&error) {
                    // Nothing behind it may be committed. Whether it is waited for is decided by who gets the error.
                    self.breaks(&error);
                }
                Err(error)
            }
        }
    }

    /// Reads the reports that are there.
    pub(super) fn poll(&mut self) {
        self.producer.poll(Duration::ZERO);
        lifeline::hold(self.producer.client());
        if self.broken.is_none()
            && let Some((code, reason)) = self.producer.client().fatal_error()
        {
            let reason = format!("{reason} ({code:?})");
            self.broken = Some(Broken { reason, is_fenced: is_of_fencing(code) });
        }
    }

    /// Hears what the producer says of its connections while it may not write yet.
    pub(super) fn serve(&self) {
        (0..EVENTS).for_each(|_| self.producer.poll(Duration::ZERO));
        lifeline::hold(self.producer.client());
    }

    /// Is there something to commit?
    pub(super) fn is_open(&self) -> bool {
        self.open && self.broken.is_none()
    }

    /// Has it begun a transaction that is not committed?
    pub(super) fn has_transaction(&self) -> bool {
        self.open
    }

    /// How many records wait for their acknowledgement.
    pub(super) fn in_flight(&self) -> i32 {
        self.producer.in_flight_count()
    }

    /// Writes the position into the open transaction.
    pub(super) fn send_position(&mut self, note: &Note) -> Tried {
        let value = positions::value(self.next, note);
        let position = Record {
            topic: self.positions.as_str(),
            partition: Some(0),
            payload: Some(value.as_bytes()),
            key: Some(self.key.as_bytes()),
            timestamp: None,
            headers: None,
            delivery_opaque: Token::NONE.to_word(),
        };
        match self.producer.send(position) {
            Ok(()) => Tried::Done,
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => Tried::Again,
            Err(error) => {
                self.breaks(&error);
                Tried::Done
            }
        }
    }

    /// Commits the transaction: its records and its position are there for readers, or none of them.
    pub(super) fn commit(&mut self) -> Tried {
        match self.producer.commit_transaction(TRY) {
            Ok(()) => {
                (self.open, self.committed) = (false, Some(self.next));
                self.producer.context().notes.missed.forget(&self.topic, self.partition);
            }
            Err(error) if may_be_tried_again(&error) => return Tried::Again,
            Err(error) => self.breaks(&error),
        }
        Tried::Done
    }

    /// What is on its way is nobody's business any more.
    pub(super) fn give_up_reports(&self) {
        self.uncommitted(|uncommitted| uncommitted.give_up(self.meters()));
    }

    /// Drops what is on its way, and hears so of each record: none stays in flight for those who look.
    pub(super) fn forget_unsent(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        for _ in 0..EVENTS {
            if self.in_flight() == 0 {
                break;
            }
            self.producer.poll(AGAIN);
        }
    }

    /// Counts what its committed transactions carried.
    pub(super) fn count(&self) {
        self.uncommitted(|uncommitted| uncommitted.committed(self.meters()));
    }

    /// Why it is broken, if it is.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_ref().map(|broken| broken.reason.as_str())
    }

    /// Its topic and partition.
    pub(super) fn partition(&self) -> (String, i32) {
        (self.topic.clone(), self.partition)
    }

    /// Its partition, at the offset to go on at.
    pub(super) fn place(&self) -> Place {
        Place { topic: self.topic.clone(), partition: self.partition, offset: self.next }
    }

    /// Its partition, behind the last transaction that was committed; `None` if nothing is known to be.
    pub(super) fn committed(&self) -> Option<Place> {
        self.committed.map(|offset| Place { offset, ..self.place() })
    }

    /// That the open transaction was not committed.
    pub(super) fn aborted(&self) -> EngineError {
        let (topic, partition) = self.partition();
        let reason = self.broken().unwrap_or_default().to_owned();
        EngineError::Aborted { topic, partition, reason }
    }

    /// Whether another mirror has made itself the only writer of its partition, and copies what is aborted here.
    pub(super) fn is_fenced(&self) -> bool {
        self.broken.as_ref().is_some_and(|broken| broken.is_fenced)
    }

    /// The destination was silent for too long.
    pub(super) fn give_up(&mut self) {
        if !self.open {
            return;
        }
        let reason = "the destination does not acknowledge it".to_owned();
        self.broken.get_or_insert(Broken { reason, is_fenced: false });
    }

    /// The key of its position.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    fn uncommitted(&self, of: impl FnOnce(&Uncommitted)) {
        if let Some(uncommitted) = &self.producer.context().uncommitted {
            of(uncommitted);
        }
    }

    fn meters(&self) -> &StreamMeters {
        &self.producer.context().notes.meters
    }

    fn name(&self) -> String {
        format!("{} [{}]", self.topic, self.partition)
    }

    fn breaks(&mut self, error: &KafkaError) {
        let is_fenced = error.rdkafka_error_code().is_some_and(is_of_fencing);
        self.broken.get_or_insert_with(|| Broken { reason: client::reason(error), is_fenced });
    }
}

/// Does it say that another producer has the transactional id by now? A coordinator that is just about to fence one answers
/// its commit with an unknown error (`TransactionMetadata.prepareTransitionTo` in 3.9 throws what nobody catches; seen).
fn is_of_fencing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced, Unknown};
    matches!(code, Fenced | InvalidProducerEpoch | ProducerFenced | Unknown)
}

/// A call that went on for too long, or that librdkafka says may be repeated.
pub(super) fn may_be_tried_again(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => {
            error.is_retriable() && !error.txn_requires_abort() && !error.is_fatal()
        }
        // rdkafka flushes before it commits.
        KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut) => true,
        _ => false,
    }
}

/// Does this error end the transaction, rather than say something of one record? Everything is then read and
/// sent again, so that it must not be taken for a record that cannot be sent.
pub(in super::super) fn is_of_the_transaction(code: Option<RDKafkaErrorCode>) -> bool {
    use RDKafkaErrorCode::{
        ClusterAuthorizationFailed, InvalidRecord, InvalidTimestamp, InvalidTopic,
        MessageBatchTooLarge, MessageSizeTooLarge, PolicyViolation, QueueFull,
        TopicAuthorizationFailed, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
    };
    !matches!(
        code,
        Some(
            QueueFull
                | MessageSizeTooLarge
                | MessageBatchTooLarge
                | InvalidRecord
                | InvalidTimestamp
                | PolicyViolation
                | InvalidTopic
                | UnknownTopic
                | UnknownPartition
                | UnknownTopicOrPartition
                | TopicAuthorizationFailed
                | ClusterAuthorizationFailed
        )
    )
}
