//! What a stream's callbacks note, and the stream reads: all of it happens on the stream's own thread, but for a
//! commit's end.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{
    EngineError, Settings,
    assignment::Furthest,
    client::{self, Troubles, lock},
    custody::Custody,
    data_loss::Loss,
    exactly_once,
    once::Goal,
};
use crate::{
    meters::StreamMeters,
    progress::{Place, Progress, Token},
    witness::Note,
};

/// What a stream's callbacks note and the stream reads.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) progress: Mutex<Progress>,
    pub(super) meters: Arc<StreamMeters>,
    /// Shared by all streams.
    pub(super) furthest: Arc<Furthest>,
    /// Shared by all streams.
    pub(super) custody: Arc<Custody>,
    pub(super) goal: OnceLock<Arc<Goal>>,
    /// A record is read and not yet handed to the producer, which is full.
    pub(super) holding: AtomicBool,
    /// For so long that reading is paused.
    pub(super) paused: AtomicBool,
    /// A commit was refused because the group has gone on without us.
    pub(super) expelled: AtomicBool,
    /// Found by the guard, and not yet dealt with.
    losses: Mutex<Vec<Loss>>,
    has_losses: AtomicBool,
    abort_on_send_failure: bool,
    /// Are records sent in transactions?
    exactly_once: bool,
    failed: AtomicBool,
    failure: Mutex<Option<EngineError>>,
}

impl Notes {
    pub(super) fn new(
        settings: &Settings,
        meters: Arc<StreamMeters>,
        furthest: Arc<Furthest>,
        custody: Arc<Custody>,
    ) -> Arc<Self> {
        let (abort_on_send_failure, exactly_once) =
            (settings.abort_on_send_failure, settings.exactly_once);
        let new = Self { abort_on_send_failure, exactly_once, ..Self::default() };
        Arc::new(Self { meters, furthest, custody, ..new })
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// The positions that a commit may store, with what is noted of their logs.
    pub(super) fn take_commits(&self) -> Vec<(Place, Note)> {
        let mut progress = self.progress();
        let places = progress.take_commits();
        drop(progress);
        places.into_iter().map(|place| (place.clone(), self.note_of(&place))).collect()
    }

    /// What is noted of the log that lies before a position.
    pub(super) fn note_of(&self, place: &Place) -> Note {
        let last = self.progress().witness(&place.topic, place.partition);
        self.custody.note(place, last)
    }

    pub(super) fn add_loss(&self, loss: Loss) {
        lock(&self.losses).push(loss);
        self.has_losses.store(true, Ordering::Release);
    }

    pub(super) fn take_losses(&self) -> Vec<Loss> {
        if !self.has_losses.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *lock(&self.losses))
    }

    /// The record was not delivered, for good.
    pub(super) fn not_sent(&self, token: Token, topic: &str, error: &KafkaError) {
        let mut progress = self.progress();
        let Some(place) = progress.place(token) else {
            tracing::debug!(
                "a record of {topic} that another mirror copies by now failed: {error}"
            );
            return;
        };
        let code = error.rdkafka_error_code();
        if self.exactly_once && exactly_once::is_of_the_transaction(code) {
            tracing::debug!("a record of {topic} is sent again in another transaction: {error}");
            return;
        }
        let missing = matches!(
            code,
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition)
        );
        // The producer will send nothing more: that is no fault of this record.
        let is_over = matches!(code, Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::State));
        let reason = client::reason(error);
        let shown = super::error::show(&place);
        if missing {
            self.fail(EngineError::MissingTopic { topic: topic.to_owned() });
        } else if is_over || self.abort_on_send_failure {
            self.fail(EngineError::Send { place, reason });
        } else {
            tracing::error!("dropped the record {shown}: {reason}");
            progress.acknowledged(token);
            self.meters.dropped.add(1);
        }
    }

    /// A login that is refused is no outage: who cannot log in now cannot later.
    pub(super) fn denied(&self, troubles: &Troubles) {
        if let Some(denial) = troubles.denial() {
            self.fail(denial);
        }
    }

    fn fail(&self, error: EngineError) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    /// The first failure that ends the stream.
    pub(super) fn failure(&self) -> Result<(), EngineError> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        lock(&self.failure).take().map_or(Ok(()), Err)
    }
}
