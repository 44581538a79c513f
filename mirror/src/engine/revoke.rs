//! A stream's partitions go.
//!
//! Others who get them begin where we have committed, so what is in flight is waited for; but a group waits for no
//! destination.

use std::time::Duration;

use rdkafka::{TopicPartitionList, consumer::Consumer};

use super::{
    EngineError,
    assignment::show,
    client,
    drain::Drained,
    stream::{Stream, consume},
};
use crate::progress::{Place, Progress};

/// How long the group may wait for what is in flight when partitions are taken away.
const BEFORE_REVOKE: Duration = Duration::from_secs(10);

impl Stream<'_> {
    /// Gives partitions back, once what is in flight of them is acknowledged and committed, or cannot be.
    pub(super) fn revoke(&self, partitions: &TopicPartitionList) -> Result<(), EngineError> {
        // One that waits for a coordinator would be sent later, as if of the next generation.
        self.end_commit();
        let mut is_expelled = self.consumer.assignment_lost();
        if !is_expelled {
            let drained = self.drain(BEFORE_REVOKE)?;
            is_expelled = drained == Drained::Expelled;
            if drained == Drained::Silent {
                let index = self.index;
                tracing::warn!("stream {index}: what is in flight will be copied again by another");
            }
            if !is_expelled {
                self.complete(Some(drained.patience(BEFORE_REVOKE)))?;
            }
            if !is_expelled && let Err(error) = self.commit_now() {
                tracing::warn!("the commit before a rebalance failed: {}", client::reason(&error));
                is_expelled = client::is_expulsion(&error);
            }
        }
        if is_expelled {
            tracing::warn!(
                "stream {} was expelled from the group: whoever has its partitions next reads again what is not committed",
                self.index
            );
            self.notes.leave_commits_over();
        }
        let mut progress = self.notes.progress();
        progress.next_positions().into_iter().for_each(|next| self.notes.furthest.note(next));
        let in_flight = progress.in_flight();
        for partition in partitions.elements() {
            progress.revoke(partition.topic(), partition.partition());
            self.notes.missed.forget(partition.topic(), partition.partition());
            let key = (partition.topic().to_owned(), partition.partition());
            self.notes.meters.lags().remove(&key);
            self.notes.custody.forget(&key);
            if let Some(goal) = self.notes.goal.get() {
                goal.reopen(partition.topic(), partition.partition());
            }
        }
        let is_cut_off = progress.in_flight() < in_flight;
        let again = if is_cut_off { self.read_again(&mut progress) } else { Vec::new() };
        let nothing_is_left = progress.in_flight() == 0;
        if let Some(lanes) = &self.lanes {
            lanes.close(|slot| progress.is_current(slot));
        }
        drop(progress);
        if nothing_is_left {
            self.begin_with_another_producer()?;
        }
        let all_are_taken = is_expelled || !self.is_cooperative();
        client::unassign(&self.consumer, partitions).map_err(consume)?;
        if !again.is_empty() {
            tracing::info!("stream {} reads again {}", self.index, show(&again));
            self.begin_again(&again, &again)?;
        }
        if all_are_taken {
            self.notes.meters.joined(false);
        }
        if partitions.count() > 0 {
            tracing::info!("stream {} gave back {} partitions", self.index, partitions.count());
        }
        Ok(())
    }

    /// What is not sent of partitions that others have by now lies in one queue with what we keep, and that can only be dropped
    /// as a whole. So what we keep, which an eager group does not leave us, is read again. Lanes have a queue each.
    fn read_again(&self, progress: &mut Progress) -> Vec<Place> {
        if self.lanes.is_some() {
            return Vec::new();
        }
        let again = progress.unfinished();
        for place in &again {
            let former = progress.slot(&place.topic, place.partition);
            let slot = self.follow(progress, place, None);
            if let Some(former) = former {
                self.notes.keep_losses(former, slot, place);
            }
        }
        again
    }
}
