//! An application's positions, as the subject carries them over to the destination.

use super::{Testbed, TestbedError, blocking, subject::POLL};
use crate::cluster::client::{self, Isolation};
use judge::history::{
    DestinationOffset, Ends, Positions, SourceOffset, TopicPartition, Translation,
};
use std::time::Instant;

impl Testbed {
    /// Waits until the application's group has positions on the destination. A subject that never
    /// gives it any is not an error: the application would read everything again, and that is what
    /// will be found.
    pub(super) async fn await_translation(&mut self, logical: &str) -> Result<(), TestbedError> {
        let topic = self.topic(logical)?;
        let started = Instant::now();
        let mut translated = Ends::new();
        while translated.is_empty() && started.elapsed() < self.limits.stall {
            if self.note_exit().await {
                break;
            }
            let names = &self.history.topics[usize::from(topic)];
            let found =
                self.application_positions(self.pair.destination.bootstrap(), &names.destination);
            translated.extend(found.await?.into_iter().map(|(partition, offset)| {
                (TopicPartition { topic, partition }, DestinationOffset(offset))
            }));
            tokio::time::sleep(POLL).await;
        }
        let name = &self.history.topics[usize::from(topic)].source;
        let committed = self.application_positions(self.pair.source.bootstrap(), name).await?;
        let committed: Positions = committed
            .into_iter()
            .map(|(partition, offset)| (TopicPartition { topic, partition }, SourceOffset(offset)))
            .collect();
        let group = self.application.clone();
        self.history.translations.push(Translation { topic, group, committed, translated });
        Ok(())
    }

    async fn application_positions(
        &self,
        bootstrap: &str,
        topic: &str,
    ) -> Result<Vec<(u32, i64)>, TestbedError> {
        let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
        let group = self.application.clone();
        let positions = blocking(move || {
            let reader = client::reader(&bootstrap, &group, Isolation::ReadCommitted)?;
            let count = client::partition_count(&reader, &bootstrap, &topic)?;
            client::committed(&reader, &bootstrap, &topic, count)
        })
        .await?;
        Ok(positions.into_iter().collect())
    }
}
