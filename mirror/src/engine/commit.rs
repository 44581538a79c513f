//! Commits: those that a stream does not wait for, and those that it does.
//!
//! rdkafka tells nobody how an asynchronous commit ended (rust-rdkafka issue 856, in 0.39), and a failed one has
//! to be asked for again. So the former are synchronous ones on a thread of their own. There is one at most, and
//! it has ended before the next commit begins, so that an older position never overwrites a newer one.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

use rdkafka::{
    consumer::{CommitMode, Consumer},
    error::KafkaError,
};

use super::{EngineError, client, exactly_once::Lanes, notes::Notes, stream::Stream};
use crate::{progress::Place, witness::Note};

impl Stream<'_> {
    /// What is done from time to time.
    pub(super) fn commit_in_turn(&self) -> Result<(), EngineError> {
        self.pass_markers();
        self.complete(None)?;
        self.commit_soon();
        Ok(())
    }

    /// Passes what was read and is no record: markers of transactions, and what was aborted before them. A source that has deleted
    /// all else begins behind them. librdkafka moves a partition's position over a marker as we poll, after the records before it
    /// (`rd_kafka_op_handle_std`, 2.12.1), which are received by then. It is to be called right after an assignment, too:
    /// later it would not be known whether a position is of that one or of the one before.
    pub(super) fn pass_markers(&self) {
        let positions = match self.consumer.position() {
            Ok(positions) => positions,
            Err(error) => {
                tracing::debug!("no positions are told: {}", client::reason(&error));
                return;
            }
        };
        let mut progress = self.notes.progress();
        for element in positions.elements() {
            let Some(slot) = progress.slot(element.topic(), element.partition()) else { continue };
            if self.settings.once && progress.account(slot).is_none() {
                // Nothing of it is wanted, and no record of it is received.
                continue;
            }
            let position = element.offset().to_raw().filter(|offset| *offset >= 0);
            let passed = progress.handed_over(slot, position);
            if let (Some(lanes), Some(passed)) = (&self.lanes, passed) {
                // The next transaction stores it, if need be without a record.
                lanes.follow(slot, slot, passed);
            }
        }
    }

    /// Commits what is acknowledged, and does not wait; nothing happens if the last one is still on its way.
    pub(super) fn commit_soon(&self) {
        if self.committing.borrow().as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        if self.is_in_transaction() {
            return;
        }
        self.end_commit();
        let places = self.notes.take_commits();
        if places.is_empty() {
            return;
        }
        let (consumer, notes) = (Arc::clone(&self.consumer), Arc::clone(&self.notes));
        let commit = move || {
            let commit = |list| consumer.commit(&list, CommitMode::Sync);
            let result = client::noted_list(&places).and_then(commit);
            if let Err(error) = notes.committed(&places, result) {
                tracing::warn!("a commit failed and is tried again: {}", client::reason(&error));
            }
        };
        match thread::Builder::new().name("commit".to_owned()).spawn(commit) {
            Ok(thread) => *self.committing.borrow_mut() = Some(thread),
            Err(error) => {
                tracing::warn!("a commit is tried again: no thread for it: {error}");
                self.notes.progress().commit_failed();
            }
        }
    }

    /// Commits what is acknowledged, and waits for the answer.
    pub(super) fn commit_now(&self) -> Result<(), KafkaError> {
        self.end_commit();
        if self.is_in_transaction() {
            return Ok(());
        }
        let places = self.notes.take_commits();
        if places.is_empty() {
            return Ok(());
        }
        let commit = |list| self.consumer.commit(&list, CommitMode::Sync);
        let result = client::noted_list(&places).and_then(commit);
        self.notes.committed(&places, result)
    }

    /// What is acknowledged within a transaction does not count before that is committed.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.lanes.as_ref().is_some_and(Lanes::has_transaction)
    }

    /// Waits for a commit that is on its way.
    pub(super) fn end_commit(&self) {
        if let Some(thread) = self.committing.borrow_mut().take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Notes {
    /// Notes how a commit ended; one that failed is to be asked for again.
    fn committed(
        &self,
        places: &[(Place, Note)],
        result: Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        match &result {
            Ok(()) => {
                self.custody.keep_committed(places);
                self.meters.commits.add(1);
            }
            Err(error) => {
                self.meters.failed_commits.add(1);
                self.progress().commit_failed();
                if client::is_expulsion(error) {
                    self.expelled.store(true, Ordering::Relaxed);
                }
            }
        }
        result
    }
}
