//! What a stream does now and then between its records: reports, failures, rebalances, topics, commits.

use std::time::{Duration, Instant};

use rdkafka::{consumer::Consumer, error::KafkaError, producer::Producer};

use super::{
    EngineError, Subscription,
    exactly_once::Lanes,
    lifeline, once,
    stream::{Stream, consume},
};
use crate::shutdown::Stop;

/// After how long it is told that the destination acknowledges nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// So many polls in a row without a report say that there is none.
const OTHER_EVENTS: u32 = 32;

/// What the chores remember between two rounds.
pub(super) struct Chores<'s> {
    subscription: &'s Subscription,
    seen: u64,
    committed: Instant,
    /// When it was looked last how things stand.
    looked: Instant,
    /// How many reports there were when there was one last, when that was, and how many records were copied by then.
    reported: u64,
    heard: Instant,
    copied: u64,
    is_silent: bool,
}

impl<'s> Chores<'s> {
    pub(super) fn new(subscription: &'s Subscription) -> Self {
        let now = Instant::now();
        let (seen, reported, copied, is_silent) = Default::default();
        Self {
            subscription,
            seen,
            committed: now,
            looked: now,
            reported,
            heard: now,
            copied,
            is_silent,
        }
    }
}

impl Stream<'_> {
    pub(super) fn follow_rebalances(&self, stop: &Stop) -> Result<(), EngineError> {
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            self.rebalance(rebalance, stop)?;
        }
        Ok(())
    }

    /// What is to be done now and then: reports, failures, rebalances, topics, commits.
    pub(super) fn do_chores(
        &self,
        chores: &mut Chores<'_>,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        self.read_reports();
        self.failure()?;
        self.send_again(stop)?;
        self.settle_losses()?;
        let read_again = self.notes.progress().take_read_again();
        // Of all rounds: the meters outlive this stream.
        self.notes.meters.read_again.add(read_again);
        while let Some(error) = self.next_deferred() {
            self.on_consumer_error(&error, stop)?;
        }
        self.follow_rebalances(stop)?;
        self.mend_lanes()?;
        if let Some(topics) = chores.subscription.news(&mut chores.seen) {
            if topics.is_empty() {
                self.consumer.unsubscribe();
            } else {
                let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                self.consumer.subscribe(&topics).map_err(consume)?;
            }
        }
        if chores.committed.elapsed() >= self.settings.commit_interval {
            self.commit_in_turn()?;
            chores.committed = Instant::now();
        }
        if chores.looked.elapsed() >= once::INTERVAL {
            self.look_for_ends()?;
            self.tell_of_silence(chores);
            chores.looked = Instant::now();
        }
        Ok(())
    }

    /// Says that the destination acknowledges nothing, and that it does again: an outage that breaks no connection is not told of by
    /// librdkafka for a minute.
    fn tell_of_silence(&self, chores: &mut Chores<'_>) {
        let meters = &self.notes.meters;
        let (index, reported, copied) = (self.index, meters.reported.get(), meters.copied.get());
        let records = self.notes.progress().in_flight();
        if copied != chores.copied || records == 0 {
            // Without a copy others may have its partitions by now.
            if chores.is_silent && copied != chores.copied {
                let seconds = chores.heard.elapsed().as_secs();
                tracing::info!(
                    "stream {index}: the destination acknowledges again, after {seconds} s"
                );
            }
            (chores.reported, chores.heard, chores.is_silent) = (reported, Instant::now(), false);
            chores.copied = copied;
        } else if reported != chores.reported && !chores.is_silent {
            (chores.reported, chores.heard) = (reported, Instant::now());
        } else if !chores.is_silent && chores.heard.elapsed() >= SILENCE {
            chores.is_silent = true;
            tracing::warn!(
                "stream {index}: the destination has acknowledged nothing for {} s, and {records} records wait for it",
                SILENCE.as_secs()
            );
        }
    }

    fn next_deferred(&self) -> Option<KafkaError> {
        self.deferred.borrow_mut().pop_front()
    }

    /// Reads every report that is there; a poll of the producer reads one batch of them.
    /// A line of librdkafka's log is an event of its own, and an error may lie behind many of them.
    pub(super) fn read_reports(&self) {
        let mut in_vain = 0;
        while in_vain < OTHER_EVENTS {
            let before = self.notes.meters.reported.get();
            self.producer.borrow().poll(Duration::ZERO);
            self.lanes.iter().for_each(Lanes::poll);
            in_vain = if self.notes.meters.reported.get() == before { in_vain + 1 } else { 0 };
        }
        lifeline::hold(self.producer.borrow().client());
        lifeline::hold(self.consumer.client());
    }
}
