//! What a stream's callbacks note, and the stream reads: all of it happens on the stream's own thread, but for a
//! commit's end.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};

use super::{
    EngineError,
    absent::{self, Unsent},
    assignment::Furthest,
    client::{self, lock},
    once::Goal,
};
use crate::{
    meters::StreamMeters,
    progress::{Progress, Token},
};

/// What a stream's callbacks note and the stream reads.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) progress: Mutex<Progress>,
    pub(super) meters: Arc<StreamMeters>,
    /// Shared by all streams.
    pub(super) furthest: Arc<Furthest>,
    pub(super) goal: OnceLock<Arc<Goal>>,
    /// A record is read and not yet handed to the producer, which is full.
    pub(super) holding: AtomicBool,
    /// For so long that reading is paused.
    pub(super) paused: AtomicBool,
    /// A commit was refused because the group has gone on without us.
    pub(super) expelled: AtomicBool,
    /// Topics that the destination had when the mirror started.
    pub(super) established: OnceLock<Arc<BTreeSet<String>>>,
    unsent: Mutex<Vec<Unsent>>,
    /// No batch of several records is larger.
    largest_batch: u64,
    abort_on_send_failure: bool,
    failed: AtomicBool,
    failure: Mutex<Option<EngineError>>,
}

impl Notes {
    pub(super) fn new(
        abort_on_send_failure: bool,
        meters: Arc<StreamMeters>,
        furthest: Arc<Furthest>,
        largest_batch: u64,
    ) -> Arc<Self> {
        Arc::new(Self { abort_on_send_failure, meters, furthest, largest_batch, ..Self::default() })
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
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
        let is_missing = absent::is_missing(error);
        if is_missing && self.keep_unsent(token, message) {
            return;
        }
        use RDKafkaErrorCode::{
            Fatal, MessageBatchTooLarge, MessageSizeTooLarge, State, UnknownPartition,
        };
        let code = error.rdkafka_error_code();
        // The producer will send nothing more: that is no fault of this record.
        let is_over = matches!(code, Some(Fatal | State));
        let is_large = matches!(code, Some(MessageSizeTooLarge | MessageBatchTooLarge));
        let (reason, bytes, batch) = (client::reason(error), size(message), self.largest_batch);
        if is_missing && code != Some(UnknownPartition) {
            self.fail(EngineError::MissingTopic { topic: topic.to_owned() });
        } else if is_large && bytes <= batch {
            // Others in the batch may be to blame: dropping it could drop what the destination would take.
            self.fail(EngineError::BatchTooLarge { place, batch, reason });
        } else if is_large && self.abort_on_send_failure {
            self.fail(EngineError::RecordTooLarge { place, bytes, reason });
        } else if is_over || self.abort_on_send_failure {
            self.fail(EngineError::Send { place, reason });
        } else {
            let shown = super::error::show(&place);
            tracing::error!("dropped the record {shown}, about {bytes} bytes: {reason}");
            self.progress().acknowledged(token);
            self.meters.dropped.add(1);
        }
    }

    /// Whether the destination may find the record too large by itself, and nothing may be sent behind it yet. Where
    /// such a record is dropped, nothing has to wait for it.
    pub(super) fn may_be_refused(&self, message: &BorrowedMessage<'_>) -> bool {
        let bytes = message.key_len() + message.payload_len();
        // Most are so small that it is not worth to count exactly.
        self.abort_on_send_failure
            && bytes as u64 > self.largest_batch / 2
            && size(message) > self.largest_batch
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

/// How many bytes a batch of this record alone has at most (record batch, version 2).
fn size(message: &BorrowedMessage<'_>) -> u64 {
    /// A batch's own fields, and a record's with its variable-length numbers at their longest.
    const BATCH_AND_RECORD: usize = 61 + 36;
    /// Lengths of a header's name and value at their longest.
    const HEADER: usize = 10;
    let header = |header: rdkafka::message::Header<'_, &[u8]>| {
        HEADER + header.key.len() + header.value.map_or(0, <[u8]>::len)
    };
    let headers: usize = message.headers().map_or(0, |all| all.iter().map(header).sum());
    (BATCH_AND_RECORD + message.key_len() + message.payload_len() + headers) as u64
}
