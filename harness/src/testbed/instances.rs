//! Further instances of the subject, in the same group: they join and leave while it works.

use super::{Testbed, TestbedError, subject::POLL};
use judge::{
    history::{Event, EventKind},
    plan::SubjectOptions,
};
use std::time::Instant;

impl Testbed {
    /// One more instance joins the group, and this waits until the group has shared the partitions
    /// anew. Those that were there may repeat what they had not committed when theirs moved.
    pub(super) async fn add_instance(
        &mut self,
        options: SubjectOptions,
    ) -> Result<(), TestbedError> {
        self.options = options;
        // A group that was never seen stable could not be seen to change.
        self.await_group("the subject's group", 0).await?;
        let before = self.generations().await?.0;
        let unseen = self.unseen_rebalance().await?;
        let running = self.launch().await?;
        self.others.push(running);
        self.history.events.extend(unseen);
        self.await_group("the second instance in the group", before + 1).await
    }

    /// Waits until the group is stable and has rebalanced so often, where that can be seen.
    async fn await_group(&mut self, awaited: &str, rebalances: u32) -> Result<(), TestbedError> {
        let started = Instant::now();
        while self.sees_rebalances().await? {
            let (count, stable) = self.generations().await?;
            if (count >= rebalances && stable) || self.note_exit().await? {
                break;
            }
            if started.elapsed() > self.limits.ready {
                return Err(TestbedError::Deadline {
                    awaited: awaited.into(),
                    seconds: self.limits.ready.as_secs(),
                    seen: format!("{count} of {rebalances} rebalances, stable: {stable}"),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Asks the instance that was added last to stop.
    pub(super) async fn remove_instance(&mut self) -> Result<(), TestbedError> {
        if self.note_exit().await? {
            return Ok(());
        }
        let Some(other) = self.others.pop() else {
            return Err(TestbedError::Plan("it removes an instance that was never added".into()));
        };
        // It may leave its group long before its process ends.
        let unseen = self.unseen_rebalance().await?;
        self.stop_gracefully(other).await;
        self.history.events.extend(unseen);
        Ok(())
    }

    /// A rebalance that is about to be caused is an event also where none can be seen: whatever comes from now on
    /// may be its work. None where it will be seen.
    pub(super) async fn unseen_rebalance(&self) -> Result<Option<Event>, TestbedError> {
        let Some(sampler) = &self.sampler else { return Ok(None) };
        let event = sampler.with(|progress, topics| {
            if progress.sees_rebalances() {
                return Ok(None);
            }
            let committed = progress.sample(topics)?.unwrap_or_default();
            let destination_ends = progress.destination_ends(topics)?;
            let kind = EventKind::Rebalance;
            Ok(Some(Event { kind, destination_ends, committed, over: None }))
        });
        Ok(event.await?)
    }

    async fn sees_rebalances(&self) -> Result<bool, TestbedError> {
        match &self.sampler {
            Some(sampler) => Ok(sampler.with(|progress, _| Ok(progress.sees_rebalances())).await?),
            None => Ok(false),
        }
    }

    async fn generations(&self) -> Result<(u32, bool), TestbedError> {
        match &self.sampler {
            Some(sampler) => Ok(sampler.with(|progress, _| Ok(progress.generations())).await?),
            None => Ok((0, true)),
        }
    }
}
