//! Further instances of the subject, in the group of the first.

use super::{Testbed, TestbedError, subject::POLL};
use crate::observe::progress::Store;
use judge::{history::EventKind, plan::SubjectOptions};
use std::time::Instant;

impl Testbed {
    /// One more instance joins the group: those that are there may repeat what they had not
    /// committed when their partitions moved.
    pub(super) async fn add_instance(
        &mut self,
        options: SubjectOptions,
    ) -> Result<(), TestbedError> {
        self.options = options;
        let began = self.destination_ends().await?;
        self.note_event(EventKind::Rebalance, began).await?;
        let joined = self.rebalances_seen().await?;
        let running = self.launch().await?;
        self.others.push(running);
        self.await_join(joined).await
    }

    /// Waits until the group has moved because an instance joined. One that never joins is not an
    /// error: it has nothing to do.
    async fn await_join(&mut self, seen_before: Option<usize>) -> Result<(), TestbedError> {
        let started = Instant::now();
        while self.rebalances_seen().await? == seen_before && seen_before.is_some() {
            if self.note_exit().await {
                return Ok(());
            }
            if started.elapsed() > self.limits.ready {
                self.log("the instance never joined the group");
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// How often the subject's group has moved; `None` where that cannot be seen.
    async fn rebalances_seen(&self) -> Result<Option<usize>, TestbedError> {
        let Some(sampler) = &self.sampler else { return Ok(None) };
        if !matches!(self.store(), Store::Group(_)) {
            return Ok(None);
        }
        let seen = sampler.with(|progress, topics| {
            progress.sample(topics)?;
            Ok(progress.rebalanced.len())
        });
        Ok(Some(seen.await?))
    }

    pub(super) async fn remove_instance(&mut self) -> Result<(), TestbedError> {
        let Some(other) = self.others.pop() else {
            return Err(TestbedError::Plan("it removes an instance that was never added".into()));
        };
        let began = self.destination_ends().await?;
        self.stop_gracefully(other).await;
        self.note_event(EventKind::Rebalance, began).await
    }
}
