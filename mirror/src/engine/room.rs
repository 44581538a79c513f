//! Waiting while the destination takes nothing: reading is paused, and the group is told that we are there.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rdkafka::consumer::Consumer;

use super::{
    EngineError,
    chores::Chores,
    lifeline,
    stream::{Held, Stream, consume},
};
use crate::shutdown::Stop;

/// How long to wait for room in the producer before trying again.
const FULL: Duration = Duration::from_millis(10);
/// Waiting longer than this for room, the consumer is paused and polled, or the group would expel it.
pub(super) const STAY_IN_GROUP: Duration = Duration::from_secs(5);

impl Stream<'_> {
    /// Holds the record until the producer takes it, and until nothing else is in flight if it is to be alone. Reading is
    /// paused meanwhile, but the group must not think that we are gone, so rebalances are served; one may take the record
    /// from us.
    pub(super) fn wait_for_room<'c>(
        &self,
        held: Held<'c>,
        chores: &mut Chores<'_>,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        let since = Instant::now();
        let mut paused = false;
        let mut held = Some(held);
        self.notes.holding.store(true, Ordering::Relaxed);
        while let Some(record) = held.take() {
            if stop.requested() {
                // Never sent, so nothing will acknowledge it: it is left to the next start.
                self.notes.progress().take_back(record.token);
                break;
            }
            self.producer.borrow().poll(FULL);
            self.do_chores(chores, stop)?;
            if self.notes.progress().place(record.token).is_none() {
                // Others have its partition by now.
                break;
            }
            held = self.offer(record);
            if held.is_some() && since.elapsed() > STAY_IN_GROUP {
                if !paused {
                    tracing::warn!("stream {}: the destination takes nothing, waiting", self.index);
                }
                paused = true;
                self.stay_in_group()?;
            }
        }
        self.notes.holding.store(false, Ordering::Relaxed);
        if paused {
            self.resume_all()?;
        }
        Ok(())
    }

    /// Sends nothing until all that was sent is reported on: what lies behind a record that is refused must not
    /// overtake it, and librdkafka would send it at once.
    pub(super) fn wait_for_reports(
        &self,
        chores: &mut Chores<'_>,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        let since = Instant::now();
        let mut paused = false;
        while !stop.requested() && self.notes.progress().in_flight() > 0 {
            self.producer.borrow().poll(FULL);
            self.do_chores(chores, stop)?;
            if since.elapsed() > STAY_IN_GROUP {
                paused = true;
                self.stay_in_group()?;
            }
        }
        if paused { self.resume_all() } else { Ok(()) }
    }

    /// Pauses reading, and polls, or the group would expel us. What the consumer says is attended to later.
    pub(super) fn stay_in_group(&self) -> Result<(), EngineError> {
        self.notes.paused.store(true, Ordering::Relaxed);
        let assigned = self.consumer.assignment().map_err(consume)?;
        if assigned.count() > 0 {
            self.consumer.pause(&assigned).map_err(consume)?;
        }
        self.serve();
        lifeline::hold(self.consumer.client());
        Ok(())
    }

    /// Attends to one event of the consumer, whose reading is paused.
    pub(super) fn serve(&self) {
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
            self.deferred.borrow_mut().push_back(error);
        }
    }

    /// Reads again.
    pub(super) fn resume_all(&self) -> Result<(), EngineError> {
        self.notes.paused.store(false, Ordering::Relaxed);
        let assigned = self.consumer.assignment().map_err(consume)?;
        self.consumer.resume(&assigned).map_err(consume)
    }
}
