//! A topic of the source is deleted and made anew: from then on its offsets name other records.

use super::{Testbed, TestbedError, topics::LONGEST_AGE};
use judge::history::{DestinationBounds, Positions};
use std::time::Duration;

impl Testbed {
    /// Deletes a topic of the source, once what it holds has been copied, and creates it anew. What was
    /// copied lies below the destination's new baseline: it is neither judged nor taken for a copy of a
    /// new record, and positions of the old log are forgotten. Waits until a subject that runs must know of it: one
    /// that reads on from its old position has copied in another order by then.
    pub(super) async fn recreate_topic(
        &mut self,
        logical: &str,
        partitions: u32,
    ) -> Result<(), TestbedError> {
        let index = self.topic(logical)?;
        if !self.has_written_what_it_read().await? {
            self.log("the subject is still at what it read before: that is not judged");
        }
        let name = self.history.topics[usize::from(index)].source.clone();
        self.pair.source.recreate_topic(&name, partitions).await?;
        self.forget_topics().await?;
        self.history.topics[usize::from(index)].source_partitions = vec![partitions];
        self.history.produced.retain(|produced| produced.topic != index);
        self.history.written.remove(&index);
        self.gone.retain(|record| record.at.topic != index);
        self.outrun.retain(|at, _| at.topic != index);
        let forget = |positions: &mut Positions| positions.retain(|at, _| at.topic != index);
        forget(&mut self.trimmed);
        self.history.ready.iter_mut().for_each(forget);
        self.history.commits.iter_mut().for_each(|sample| forget(&mut sample.committed));
        self.history.events.iter_mut().for_each(|event| forget(&mut event.committed));
        if self.subject.is_some() {
            let age = Duration::from_millis(self.contract().metadata_age_ms);
            tokio::time::sleep(age.min(LONGEST_AGE)).await;
        }
        let Some(sampler) = &self.sampler else { return Ok(()) };
        let bounds = sampler.with(move |progress, topics| {
            progress.forget(index);
            progress.destination_bounds(topics)
        });
        for (at, (low, end)) in bounds.await?.into_iter().filter(|(at, _)| at.topic == index) {
            let bounds = DestinationBounds { low_baseline: low, baseline: end, low, end };
            self.history.destination_bounds.insert(at, bounds);
        }
        Ok(())
    }
}
