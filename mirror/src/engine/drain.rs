//! The end of what is in flight: before partitions go to others, before a jump, and when all is over.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use rdkafka::producer::{Producer, PurgeConfig};

use super::{
    EngineError, client,
    stream::{BETWEEN_REPORTS, Stream, make_producer},
};
use crate::shutdown::Stop;

/// A destination that acknowledges nothing for so long does not keep the mirror from stopping.
const LAST_ACKNOWLEDGEMENT: Duration = Duration::from_secs(30);
/// How long what others copy by now may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// How often it is committed while waiting for what is in flight. A refused commit is also the only word that the
/// group did not wait: librdkafka keeps an expulsion to itself while a rebalance is unanswered (2.12).
const WHILE_DRAINING: Duration = Duration::from_millis(500);
/// How long a graceful stop tries to commit.
const LAST_COMMIT: Duration = Duration::from_secs(10);
/// Pause before a commit is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// How waiting for what is in flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drained {
    /// All is acknowledged.
    All,
    /// The destination acknowledged nothing any more.
    Silent,
    /// The group has given the partitions to others.
    Expelled,
}

impl Drained {
    /// How long the destination has for what is left to do: none, if it was silent for that long already.
    pub(super) fn patience(self, patience: Duration) -> Duration {
        if self == Self::Silent { Duration::ZERO } else { patience }
    }
}

impl Stream<'_> {
    /// Waits until all in flight is acknowledged, and commits meanwhile: others who get the partitions begin
    /// where that got to. It ends early if the destination goes silent for `patience`, or if the group says
    /// that it did not wait for us.
    pub(super) fn drain(&self, patience: Duration) -> Result<Drained, EngineError> {
        let reported = || self.notes.meters.reported.get();
        let (mut before, mut last, mut committed) = (reported(), Instant::now(), Instant::now());
        self.notes.expelled.store(false, Ordering::Relaxed);
        // A record that found no room in the producer is not on its way.
        let held = usize::from(self.notes.holding.load(Ordering::Relaxed));
        let in_flight = || self.notes.progress().in_flight();
        let mut least = in_flight();
        while in_flight() > held {
            self.read_reports();
            self.failure()?;
            self.give_up_broken();
            let (is_reported, is_given_back) = (reported() != before, self.notes.has_unsent());
            before = reported();
            // What is given back again and again is reported, too.
            let now = in_flight();
            let is_less = now < least;
            least = least.min(now);
            if is_less || (is_reported && !is_given_back) {
                last = Instant::now();
            } else if last.elapsed() > patience {
                return Ok(Drained::Silent);
            } else {
                if is_given_back {
                    self.try_again_what_is_kept();
                }
                // A poll with a timeout would spin through its last millisecond.
                thread::sleep(BETWEEN_REPORTS);
            }
            if committed.elapsed() > WHILE_DRAINING {
                committed = Instant::now();
                self.commit_soon();
            }
            if self.notes.expelled.load(Ordering::Relaxed) {
                // One may have begun since that was said. It would be sent as if of the next generation.
                self.end_commit();
                return Ok(Drained::Expelled);
            }
        }
        if self.lanes.is_none() {
            // A lane would need a transaction for it, and a destination that is away would keep us from ending.
            self.pass_markers();
        }
        Ok(Drained::All)
    }

    /// Drops what has not been sent: it lies behind what failed, or others copy it by now, and a late copy could end
    /// as a key's last one.
    pub(super) fn forget_unsent(&self) {
        let producer = self.producer.borrow();
        if producer.in_flight_count() > 0 {
            producer.purge(PurgeConfig::default().queue());
        }
    }

    /// The same, to go on with another producer: to this one what is dropped can be a gap, at which it gives up.
    pub(super) fn begin_with_another_producer(&self) -> Result<(), EngineError> {
        if self.producer.borrow().in_flight_count() == 0 {
            return Ok(());
        }
        self.forget_unsent();
        let new = make_producer(self.settings, &self.producer_settings, &self.notes)?;
        let old = self.producer.replace(new);
        // What is on its way arrives before anything new is sent, unless a broker holds it unread for longer.
        let since = Instant::now();
        while old.in_flight_count() > 0 && since.elapsed() < ON_ITS_WAY {
            old.poll(BETWEEN_REPORTS);
        }
        old.purge(PurgeConfig::default().queue().inflight());
        while old.in_flight_count() > 0 && since.elapsed() < 2 * ON_ITS_WAY {
            old.poll(BETWEEN_REPORTS);
        }
        // Its end takes a moment, and nobody needs to wait for it.
        thread::spawn(move || drop(old));
        Ok(())
    }

    /// The graceful end: everything read is delivered and committed. False if the group does not take the last commit.
    pub(super) fn finish(&self, stop: &Stop) -> Result<bool, EngineError> {
        let drained = self.drain(LAST_ACKNOWLEDGEMENT)?;
        self.complete(Some(drained.patience(LAST_ACKNOWLEDGEMENT)))?;
        self.notes.progress().commit_failed();
        let deadline = Instant::now() + LAST_COMMIT;
        let mut is_expelled = !self.notes.left_over().is_empty();
        while let Err(error) = self.commit_now() {
            let reason = client::reason(&error);
            if client::is_expulsion(&error) {
                tracing::warn!("the group has gone on without us: {reason}");
                is_expelled = true;
                break;
            }
            if Instant::now() > deadline {
                return Err(EngineError::Uncommitted { reason });
            }
            thread::sleep(AGAIN);
        }
        if let Some(aborted) = self.aborted() {
            return Err(aborted);
        }
        match drained {
            Drained::All | Drained::Expelled => {
                // Lanes keep their positions on the destination.
                if !is_expelled || self.lanes.is_some() {
                    self.forget_unsent();
                    return Ok(true);
                }
                self.commit_as_a_member_again(stop)
            }
            Drained::Silent => {
                let records = self.notes.progress().in_flight();
                Err(EngineError::Unfinished { records, waited: LAST_ACKNOWLEDGEMENT })
            }
        }
    }
}
