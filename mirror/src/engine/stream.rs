//! One stream: a thread with a consumer and a producer of its own.
//!
//! Records go straight from one to the other, in the order read; nothing waits for an acknowledgement but the
//! commit. When the producer is full, the one record at hand is held and reading stops, so memory is bounded
//! and nothing is dropped. What is done between records is in `chores`, rebalances are in
//! `assignment` and `revoke`, lost records in `data_loss`.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedHeaders, BorrowedMessage},
    producer::Producer,
};

use super::{
    EngineError, Settings, Shared, Subscription, Totals,
    chores::Chores,
    client::{self, Destination, Source},
    exactly_once::Lanes,
    lifeline::Connected,
    limits,
    notes::Notes,
    once,
    writer::{Record, Writer},
};
use crate::{
    config::{self, Origin, Setting},
    meters::StreamMeters,
    progress::Token,
    shutdown::Stop,
    witness,
};

/// The producer's reports are read at least once in this many records.
const RECORDS_BETWEEN_CHORES: usize = 1000;
/// How long to wait for a record when there is none. Chores run this often at least.
const IDLE: Duration = Duration::from_millis(50);
/// How long a record that ended the producer may take to be reported.
const REPORT_OF_THE_CAUSE: Duration = Duration::from_secs(1);
/// How often reports are looked for when there is nothing else to do.
pub(super) const BETWEEN_REPORTS: Duration = Duration::from_millis(1);
/// How long a stream that ends waits for its last transactions.
pub(super) const LAST_TRANSACTION: Duration = Duration::from_secs(10);

/// A consumer and a producer, tied together.
pub(super) struct Stream<'a> {
    pub(super) settings: &'a Settings,
    pub(super) producer_settings: config::Settings,
    pub(super) index: usize,
    pub(super) consumer: Arc<BaseConsumer<Source>>,
    /// A commit on its way.
    pub(super) committing: RefCell<Option<JoinHandle<()>>>,
    /// With `--exactly-once` it writes nothing; the lanes do.
    pub(super) producer: RefCell<Writer>,
    /// With `--exactly-once`.
    pub(super) lanes: Option<Lanes>,
    /// What the consumer said while nobody could attend to it.
    pub(super) deferred: RefCell<VecDeque<KafkaError>>,
    pub(super) notes: Arc<Notes>,
}

/// A record on its way, with the token that its acknowledgement will bring back.
pub(super) struct Held<'c> {
    pub(super) message: BorrowedMessage<'c>,
    pub(super) token: Token,
    /// With `--once`: is nothing after it wanted?
    pub(super) is_last: bool,
    /// The destination may refuse it, and what is sent along with it.
    pub(super) is_to_be_alone: bool,
}

impl<'a> Stream<'a> {
    /// Makes the clients; nothing is read yet. `batch_size` is what the destination's topics take at most, if that
    /// is less than the settings say.
    pub(super) fn new(
        settings: &'a Settings,
        index: usize,
        meters: Arc<StreamMeters>,
        shared: &Shared,
        batch_size: Option<u64>,
    ) -> Result<Self, EngineError> {
        let mut producer_settings = settings.producers[index].clone();
        if let Some(bytes) = batch_size {
            let reason = "as the destination's topics allow";
            let bytes = bytes.to_string();
            producer_settings.set(Setting::new("batch.size", &bytes, Origin::Forced, reason));
        }
        let largest_batch = limits::largest_batch(&producer_settings);
        // Smaller batches than the topics ask for are the user's, and say nothing of what is refused.
        let refused_above = batch_size.unwrap_or(largest_batch.max(limits::LARGEST_BATCH));
        let notes = Notes::new(settings, meters, shared, (largest_batch, refused_above));
        let statistics = settings.statistics.map(|interval| interval.as_millis().to_string());
        // Where to begin is decided in `assignment`; anything else out of range is a loss to be reported.
        let mut more = vec![("auto.offset.reset", "error")];
        if let Some(interval) = &statistics {
            more.push(("statistics.interval.ms", interval));
        }
        let consumer = client::make(
            &settings.consumers[index],
            &more,
            &settings.consumer_file,
            Source::new(Arc::clone(&notes)),
        )?;
        let producer = make_producer(settings, &producer_settings, &notes)?;
        let consumer = Arc::new(consumer);
        let (committing, deferred) = (RefCell::default(), RefCell::default());
        Ok(Self {
            settings,
            producer_settings,
            index,
            consumer,
            committing,
            producer: RefCell::new(producer),
            lanes: None,
            deferred,
            notes,
        })
    }

    /// Writes in transactions.
    pub(super) fn write_in(&mut self, lanes: Lanes) {
        self.lanes = Some(lanes);
    }

    /// Tells which topics the destination had at the start, and what is to be read if that has an end.
    pub(super) fn begin(
        &self,
        established: &Arc<BTreeSet<String>>,
        goal: Option<&Arc<once::Goal>>,
    ) {
        // Set once, before the stream runs.
        let _ = self.notes.established.set(Arc::clone(established));
        if let Some(goal) = goal {
            let _ = self.notes.goal.set(Arc::clone(goal));
        }
    }

    /// Copies until a stop is requested, then finishes.
    pub(super) fn run(
        &self,
        subscription: &Subscription,
        stop: &Stop,
    ) -> Result<Totals, EngineError> {
        let copied = self.copy(subscription, stop).and_then(|()| self.finish(stop));
        if copied.is_err() {
            // It lies behind what failed, and would be there before it.
            self.forget_unsent();
            // What was acknowledged is worth a commit even now; the failure is what gets reported.
            if let Err(error) = self.complete(Some(LAST_TRANSACTION)) {
                tracing::warn!("the last transactions are aborted: {error}");
            }
            if let Err(error) = self.commit_now() {
                tracing::warn!("the last commit failed: {}", client::reason(&error));
            }
        }
        copied.map(|is_committed| Totals {
            copied: self.notes.meters.copied.get(),
            dropped: self.notes.meters.dropped.get(),
            is_uncommitted: !is_committed,
        })
    }

    /// Ends the stream, and gives back its consumer, and whatever writes.
    pub(super) fn into_clients(self) -> (Arc<BaseConsumer<Source>>, impl Send + use<>) {
        (self.consumer, (self.producer.into_inner(), self.lanes))
    }

    fn copy(&self, subscription: &Subscription, stop: &Stop) -> Result<(), EngineError> {
        let mut chores = Chores::new(subscription);
        let mut since_chores = 0;
        while !stop.requested() {
            let next = if since_chores < RECORDS_BETWEEN_CHORES {
                self.consumer.poll(Duration::ZERO)
            } else {
                None
            };
            let next = match next {
                None => {
                    since_chores = 0;
                    self.do_chores(&mut chores, stop)?;
                    self.consumer.poll(IDLE)
                }
                next => next,
            };
            match next {
                Some(Ok(message)) => {
                    since_chores += 1;
                    if let Some(held) = self.receive(message) {
                        let may_be_refused =
                            held.is_to_be_alone || self.notes.may_be_refused(&held.message);
                        if let Some(held) = self.offer(held) {
                            self.wait_for_room(held, &mut chores, stop)?;
                        }
                        if self.notes.has_unsent() {
                            // Nothing may be sent before it.
                            self.do_chores(&mut chores, stop)?;
                        }
                        if may_be_refused {
                            self.wait_for_reports(&mut chores, stop)?;
                        }
                    } else {
                        self.failure()?;
                    }
                }
                Some(Err(error)) => self.on_consumer_error(&error, stop)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Notes the record as received. A record of a partition that is no longer ours is nobody's business.
    pub(super) fn receive<'c>(&self, message: BorrowedMessage<'c>) -> Option<Held<'c>> {
        if self.settings.once {
            return self.receive_towards_goal(message);
        }
        let mut progress = self.notes.progress();
        let slot = progress.slot(message.topic(), message.partition())?;
        let timestamp = message.timestamp().to_millis();
        let token = progress.received_with(slot, message.offset(), timestamp)?;
        progress.remember(token, print(&message));
        drop(progress);
        let is_to_be_alone = self.notes.is_to_be_alone(&message);
        Some(Held { message, token, is_last: false, is_to_be_alone })
    }

    /// Hands the record to the producer as soon as it may go; gives it back if it is to wait.
    pub(super) fn offer<'c>(&self, held: Held<'c>) -> Option<Held<'c>> {
        let must_wait =
            held.is_to_be_alone && self.notes.progress().others_in_flight(held.token) > 0;
        if must_wait { Some(held) } else { self.send(held) }
    }

    /// Hands the record to the producer, which copies it; gives it back if there is no room.
    pub(super) fn send<'c>(&self, held: Held<'c>) -> Option<Held<'c>> {
        let message = &held.message;
        let record = Record {
            topic: message.topic(),
            partition: self.settings.partitioning.of(message.partition()),
            payload: message.payload(),
            key: message.key(),
            timestamp: message.timestamp().to_millis(),
            headers: message.headers().map(BorrowedHeaders::detach),
            delivery_opaque: held.token.to_word(),
        };
        let sent = match &self.lanes {
            None => self.producer.borrow().send(record).map(|()| true),
            Some(lanes) => lanes.send(held.token, message.offset(), record),
        };
        match sent {
            Ok(true) => self.notes.was_sent(message),
            Ok(false) => {}
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => return Some(held),
            Err(error) => self.notes.not_sent(held.token, &held.message, &error),
        }
        if held.is_last {
            self.has_sent_all(held.message.topic(), held.message.partition());
        }
        None
    }

    /// The failure that ends the stream. A producer that has given up says so before the report of the record
    /// that it was for; that record is what is to be named.
    pub(super) fn failure(&self) -> Result<(), EngineError> {
        let fatal = self.producer.borrow().client().fatal_error();
        if fatal.is_none() && !self.notes.has_failed() {
            return Ok(());
        }
        let since = Instant::now();
        while !self.notes.knows_why_it_failed() && since.elapsed() < REPORT_OF_THE_CAUSE {
            self.producer.borrow().poll(BETWEEN_REPORTS);
        }
        match (self.notes.take_failure(), fatal) {
            (Some(failure), None) => Err(failure.error),
            (Some(failure), _) if !failure.is_consequence => Err(failure.error),
            (_, Some((code, reason))) => {
                Err(EngineError::Produce { reason: format!("{reason} ({code:?})") })
            }
            (None, None) => Ok(()),
        }
    }

    pub(super) fn on_consumer_error(
        &self,
        error: &KafkaError,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        use RDKafkaErrorCode::{AutoOffsetReset, LogTruncation, OffsetOutOfRange};
        // A damaged batch and a refused login are noted with the words that tell them from an outage.
        self.failure()?;
        match error {
            KafkaError::MessageConsumptionFatal(_) => Err(consume(error.clone())),
            _ => match error.rdkafka_error_code() {
                Some(AutoOffsetReset | OffsetOutOfRange | LogTruncation) => self.on_data_loss(stop),
                _ if client::is_refusal(error) => Err(consume(error.clone())),
                // Everything else is an outage, and librdkafka tries again.
                _ => {
                    self.consumer.context().troubles().outage(client::reason(error));
                    Ok(())
                }
            },
        }
    }
}

/// A producer whose reports are noted there.
pub(super) fn make_producer(
    settings: &Settings,
    producer_settings: &config::Settings,
    notes: &Arc<Notes>,
) -> Result<Writer, EngineError> {
    let destination = Destination::new(Arc::clone(notes));
    client::make(producer_settings, &[], &settings.producer_file, destination).map(Writer::new)
}

/// By what the record is recognised.
pub(super) fn print(message: &BorrowedMessage<'_>) -> u64 {
    witness::print(message.key(), message.payload(), message.timestamp().to_millis())
}

pub(super) fn consume(error: KafkaError) -> EngineError {
    let reason = client::reason(&error);
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::InvalidSessionTimeout) => EngineError::SessionTimeout { reason },
        _ => EngineError::Consume { reason },
    }
}
