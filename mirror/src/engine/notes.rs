//! What a stream's callbacks note, and the stream reads: all of it happens on the stream's own thread, but for a
//! commit's end.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use rdkafka::{
    Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};

use super::{
    EngineError, Settings, Shared,
    absent::{self, Missed, Unsent},
    client::{self, lock},
    custody::Custody,
    data_loss::Loss,
    error::Batch,
    exactly_once,
    furthest::Furthest,
    headers,
    once::Goal,
    stamps::Stamps,
    terms::Terms,
    troubles::Troubles,
};
use crate::{
    meters::StreamMeters,
    progress::{Place, Progress, Slot, Token},
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
    /// Shared by all streams.
    terms: Arc<Terms>,
    pub(super) goal: OnceLock<Arc<Goal>>,
    /// All that is wanted is read by whoever reads it, and nothing that this stream has read is on its way.
    pub(super) is_done: AtomicBool,
    /// A record is read and not yet handed to the producer, which is full.
    pub(super) holding: AtomicBool,
    /// For so long that reading is paused.
    pub(super) paused: AtomicBool,
    /// A commit was refused because the group has gone on without us.
    pub(super) expelled: AtomicBool,
    /// Positions that the group did not take, since it had gone on without us.
    left_over: Mutex<Vec<(Place, Note)>>,
    /// Found by the guard, and not yet dealt with.
    losses: Mutex<Vec<Loss>>,
    has_losses: AtomicBool,
    /// Topics that the destination had when the mirror started.
    pub(super) established: OnceLock<Arc<BTreeSet<String>>>,
    unsent: Mutex<Vec<Unsent>>,
    /// With `--exactly-once`: what waits for a topic.
    pub(super) missed: Missed,
    /// No batch of several records is larger.
    largest_batch: u64,
    /// The destination may refuse a record that is larger.
    refused_above: u64,
    abort_on_send_failure: bool,
    stamps: Stamps,
    /// Are records sent in transactions?
    exactly_once: bool,
    failed: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

/// Why the stream ends.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: EngineError,
    /// It follows from another, whose report is on its way.
    pub(super) is_consequence: bool,
}

impl Notes {
    pub(super) fn new(
        settings: &Settings,
        meters: Arc<StreamMeters>,
        shared: &Shared,
        (largest_batch, refused_above): (u64, u64),
    ) -> Arc<Self> {
        let (abort_on_send_failure, exactly_once) =
            (settings.abort_on_send_failure, settings.exactly_once);
        let new = Self { abort_on_send_failure, exactly_once, ..Self::default() };
        let new = Self { largest_batch, refused_above, ..new };
        let (furthest, custody) = (Arc::clone(&shared.furthest), Arc::clone(&shared.custody));
        let terms = Arc::clone(&shared.terms);
        Arc::new(Self { meters, furthest, custody, terms, ..new })
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

    /// Keeps the positions that the group does not take, before the partitions are forgotten.
    pub(super) fn leave_commits_over(&self) {
        self.progress().commit_failed();
        let places = self.take_commits();
        if !places.is_empty() {
            *lock(&self.left_over) = places;
        }
    }

    /// The positions that the group did not take.
    pub(super) fn left_over(&self) -> Vec<(Place, Note)> {
        lock(&self.left_over).clone()
    }

    /// They are read again from where the group is.
    pub(super) fn forget_left_over(&self) {
        lock(&self.left_over).clear();
    }

    /// What is noted of the log that lies before a position.
    pub(super) fn note_of(&self, place: &Place) -> Note {
        let last = self.progress().witness(&place.topic, place.partition);
        self.custody.note(place, last)
    }

    /// One that waits for the destination is found again and again, and is one loss.
    pub(super) fn add_loss(&self, loss: Loss) {
        let mut losses = lock(&self.losses);
        if !losses.iter().any(|other| other.repeats(&loss)) {
            losses.push(loss);
        }
        drop(losses);
        self.has_losses.store(true, Ordering::Release);
    }

    /// What was found of a partition that is read again from `place` on, by another assignment, holds if reading goes on at or before
    /// there. Otherwise it is found anew, with all that is lost.
    pub(super) fn keep_losses(&self, former: Slot, slot: Slot, place: &Place) {
        let mut losses = lock(&self.losses);
        let is_of_it = |loss: &&mut Loss| {
            loss.slot == Some(former) && loss.from.is_some_and(|from| from <= place.offset)
        };
        losses.iter_mut().filter(is_of_it).for_each(|loss| loss.slot = Some(slot));
    }

    pub(super) fn take_losses(&self) -> Vec<Loss> {
        if !self.has_losses.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *lock(&self.losses))
    }

    /// Whether something was found that is still to be dealt with.
    pub(super) fn has_losses(&self) -> bool {
        self.has_losses.load(Ordering::Acquire)
    }

    /// Whether the producer gave something back that is to be sent again.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent().is_empty()
    }

    /// What the producer gave back, to be sent again.
    pub(super) fn unsent(&self) -> MutexGuard<'_, Vec<Unsent>> {
        lock(&self.unsent)
    }

    /// The producer gave the record back: it is kept, dropped, or ends the stream.
    pub(super) fn not_sent(&self, token: Token, message: &BorrowedMessage<'_>, error: &KafkaError) {
        let topic = message.topic();
        let Some(place) = self.progress().place(token) else {
            tracing::debug!(
                "a record of {topic} that another mirror copies by now failed: {error}"
            );
            return;
        };
        self.meters.send_errors.add(1);
        let is_missing = absent::is_missing(error);
        if self.exactly_once {
            // What is not of this record alone is sent again, in another transaction.
            let is_away =
                is_missing && (self.missed.is_waited_for(&place) || self.was_there(topic));
            if is_away && !self.missed.wait(&place, Instant::now()) {
                return self.fail(EngineError::MissingTopic { topic: topic.to_owned() });
            }
            if is_away || exactly_once::is_of_the_transaction(error.rdkafka_error_code()) {
                tracing::debug!("a record of {topic} is to be sent again: {error}");
                return;
            }
        } else if is_missing && self.keep_unsent(token, message) {
            return;
        }
        use RDKafkaErrorCode::{
            Fatal, InvalidDifferentRecord, MessageBatchTooLarge, MessageSizeTooLarge,
            PurgeInflight, PurgeQueue, State, UnknownPartition,
        };
        let code = error.rdkafka_error_code();
        // The producer will send nothing more: that is no fault of this record.
        let is_over = matches!(code, Some(Fatal | State | PurgeQueue | PurgeInflight));
        let is_large = matches!(code, Some(MessageSizeTooLarge | MessageBatchTooLarge));
        let (reason, batch) = (client::reason(error), self.largest_batch);
        let bytes = size(message).unwrap_or_else(|| without_headers(message));
        if is_missing && code != Some(UnknownPartition) {
            self.fail(EngineError::MissingTopic { topic: topic.to_owned() });
        } else if is_large && bytes <= batch {
            // Others in the batch may be to blame: dropping it could drop what the destination would take.
            self.fail(EngineError::BatchTooLarge { place, batch, reason });
        } else if is_large && self.abort_on_send_failure {
            self.fail(EngineError::RecordTooLarge { place, bytes, reason });
        } else if is_over {
            self.note_failure(EngineError::Produce { reason }, true);
        } else if self.abort_on_send_failure {
            // One whose batch was refused for another's sake is not the one to name.
            let is_consequence = code == Some(InvalidDifferentRecord);
            let batch = match self.exactly_once {
                true => Batch::Transaction,
                false if self.is_to_be_alone(message) => Batch::Alone,
                false => Batch::Shared,
            };
            let refusal = Box::new(error.clone());
            self.note_failure(EngineError::Send { place, refusal, batch }, is_consequence);
        } else {
            let shown = super::error::show(&place);
            tracing::error!("dropped the record {shown}, about {bytes} bytes: {reason}");
            self.progress().acknowledged(token);
            self.meters.dropped.add(1);
        }
    }

    /// A batch of the source cannot be read. That ends the stream the first time: librdkafka goes on behind such a batch, at
    /// a place that is wrong (`rd_kafka_msgset_reader_v2` skips to where it should skip by, 2.12.1), and what comes next
    /// would hide the gap. It is not known of which partition it is.
    pub(super) fn damaged(&self, error: &KafkaError) {
        let next = self.progress().next_positions();
        self.fail(EngineError::Damaged { reason: client::reason(error), next });
    }

    /// A login that is refused is no outage: who cannot log in now cannot later.
    pub(super) fn denied(&self, troubles: &Troubles) {
        if let Some(denial) = troubles.denial() {
            self.fail(denial);
        }
    }

    /// Whether the destination may find the record too large by itself, and nothing may be sent behind it yet. Where
    /// such a record is dropped, nothing has to wait for it.
    pub(super) fn may_be_refused(&self, message: &BorrowedMessage<'_>) -> bool {
        // Most are so small that it is not worth to count exactly.
        self.abort_on_send_failure
            && without_headers(message) > self.refused_above / 2
            && size(message).is_none_or(|bytes| bytes > self.refused_above)
    }

    /// Whether the destination may refuse the record for what it is, so that it must be alone. A transaction is aborted
    /// as a whole, whatever else is in it.
    pub(super) fn is_to_be_alone(&self, message: &BorrowedMessage<'_>) -> bool {
        !self.exactly_once && !self.terms.are_lenient() && {
            let timestamp = message.timestamp().to_millis();
            self.terms.may_refuse(message.topic(), message.key().is_some(), timestamp)
        }
    }

    /// The producer has the record.
    pub(super) fn was_sent(&self, message: &BorrowedMessage<'_>) {
        self.meters.sent.add(1);
        let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
        let place = || Place { topic: topic.to_owned(), partition, offset };
        self.stamps.note(message.timestamp().to_millis(), place, &self.meters.restamped);
    }

    /// The destination has taken the record.
    pub(super) fn was_taken(&self, message: &BorrowedMessage<'_>) {
        if !self.terms.are_lenient() {
            let timestamp = message.timestamp().to_millis();
            self.terms.have_taken(message.topic(), message.key().is_some(), timestamp);
        }
    }

    pub(super) fn fail(&self, error: EngineError) {
        self.note_failure(error, false);
    }

    /// The first one counts, but for what only follows from another.
    fn note_failure(&self, error: EngineError, is_consequence: bool) {
        let mut known = lock(&self.failure);
        if known.as_ref().is_none_or(|known| known.is_consequence && !is_consequence) {
            *known = Some(Failure { error, is_consequence });
        }
        drop(known);
        self.failed.store(true, Ordering::Release);
    }

    /// Whether a failure is noted; false if it only follows from one that is still to be told.
    pub(super) fn knows_why_it_failed(&self) -> bool {
        lock(&self.failure).as_ref().is_some_and(|known| !known.is_consequence)
    }

    /// What is noted of a failure, at once.
    pub(super) fn take_failure(&self) -> Option<Failure> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.failure).take()
    }

    /// The failure that ends the stream.
    pub(super) fn failure(&self) -> Result<(), EngineError> {
        self.take_failure().map_or(Ok(()), |failure| Err(failure.error))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// How many bytes a batch of this record alone has at most (record batch, version 2); `None` if its headers cannot be
/// read.
fn size(message: &BorrowedMessage<'_>) -> Option<u64> {
    /// Lengths of a header's name and value at their longest.
    const HEADER: usize = 10;
    let header =
        |(name, value): &headers::Header<'_>| HEADER + name.len() + value.map_or(0, <[u8]>::len);
    let of_headers: usize = headers::read(message)?.iter().map(header).sum();
    Some(without_headers(message) + of_headers as u64)
}

fn without_headers(message: &BorrowedMessage<'_>) -> u64 {
    /// A batch's own fields, and a record's with its variable-length numbers at their longest.
    const BATCH_AND_RECORD: usize = 61 + 36;
    (BATCH_AND_RECORD + message.key_len() + message.payload_len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::custody::Break;

    #[test]
    fn a_loss_that_waits_goes_with_a_partition_that_is_read_again_before_it() {
        let place = |offset| Place { topic: "t".to_owned(), partition: 0, offset };
        let mut progress = Progress::default();
        let former = progress.assign("t", 0, 0, None);
        let slot = progress.assign("t", 0, 0, None);
        let other_log = || Loss::of_another_log(place(10), Some(former), Break { from: 5, at: 4 });
        let deleted = || Loss::out_of_range(place(10), former, 15, 20).expect("it is lost");
        for (loss, read_again, kept) in
            [(other_log(), 8, slot), (other_log(), 4, former), (deleted(), 8, former)]
        {
            let notes = Notes::default();
            notes.add_loss(loss);
            notes.keep_losses(former, slot, &place(read_again));
            assert_eq!(notes.take_losses()[0].slot, Some(kept), "from {read_again}");
        }
    }
}
