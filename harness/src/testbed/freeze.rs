//! A subject that stands still while the world goes on: a long pause of its machine, as a virtual machine that
//! is moved or a collector of garbage makes it. When it goes on it believes that nothing has happened.

use super::{Testbed, TestbedError, subject::POLL};
use judge::history::{Event, EventKind};
use std::time::{Duration, Instant};

impl Testbed {
    /// Freezes the instance that was started first.
    pub(super) async fn freeze_subject(&mut self) -> Result<(), TestbedError> {
        if self.note_exit().await? {
            return Ok(());
        }
        let began = self.destination_ends().await?;
        if let Some(subject) = &self.subject {
            subject.freeze().await?;
            self.frozen = Some(Instant::now());
        }
        self.note_event(EventKind::Freeze, began).await
    }

    /// Lets it go on once it has been frozen for so long.
    pub(super) async fn thaw_subject(&mut self, after: Duration) -> Result<(), TestbedError> {
        let Some(frozen) = self.frozen.take() else {
            if self.exited.is_some() {
                // It had ended by itself: the end of the run will show it.
                return Ok(());
            }
            return Err(TestbedError::Plan("it thaws a subject that was not frozen".into()));
        };
        while frozen.elapsed() < after {
            tokio::time::sleep(POLL).await;
        }
        // What its group does once it is back explains repeats, too.
        let unseen = self.unseen_rebalance().await?;
        if let Some(subject) = &self.subject {
            subject.thaw().await?;
        }
        // Soon it learns what has happened, and then the freeze is over.
        self.may_end(|event| event.kind == EventKind::Freeze).await?;
        self.history.events.extend(unseen);
        Ok(())
    }

    /// The last event of this kind is over a while after now.
    pub(super) async fn may_end(&self, is_it: impl Fn(&Event) -> bool) -> Result<(), TestbedError> {
        let event = self.history.events.iter().rposition(is_it);
        if let (Some(sampler), Some(number)) = (&self.sampler, event) {
            let kind = self.history.events[number].kind;
            let told = sampler.with(move |progress, _| {
                progress.may_end(number, kind);
                Ok(())
            });
            told.await?;
        }
        Ok(())
    }

    /// A frozen process hears no signal that asks it to stop.
    pub(super) async fn thaw_before_the_end(&mut self) -> Result<(), TestbedError> {
        if self.frozen.is_some() { self.thaw_subject(Duration::ZERO).await } else { Ok(()) }
    }
}
