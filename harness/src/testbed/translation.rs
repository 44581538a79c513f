//! An application's positions, as the subject carries them over to the destination.

use super::{Testbed, TestbedError, blocking, subject::POLL};
use crate::cluster::client::{self, Isolation};
use judge::history::{
    DestinationOffset, Ends, Positions, SourceOffset, TopicIndex, TopicPartition, Translation,
};
use std::{collections::BTreeSet, time::Instant};

impl Testbed {
    /// Waits until the application's group has positions on the destination. A subject that never
    /// gives it any is not an error: the application would read everything again, and that is what
    /// will be found.
    pub(super) async fn await_translation(&mut self, logical: &str) -> Result<(), TestbedError> {
        let topic = self.topic(logical)?;
        let started = Instant::now();
        let mut translated = Ends::new();
        while translated.is_empty() && started.elapsed() < self.limits.stall {
            if self.note_exit().await? {
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
        self.keep_translation(topic, translated).await
    }

    /// The application may move at any time: what its group has in the end is judged as well.
    pub(super) async fn keep_last_translations(&mut self) -> Result<(), TestbedError> {
        let topics: BTreeSet<TopicIndex> =
            self.history.translations.iter().map(|translation| translation.topic).collect();
        for topic in topics {
            let name = &self.history.topics[usize::from(topic)].destination;
            let found = self.application_positions(self.pair.destination.bootstrap(), name).await?;
            let translated = found.into_iter().map(|(partition, offset)| {
                (TopicPartition { topic, partition }, DestinationOffset(offset))
            });
            let translated: Ends = translated.collect();
            let known =
                |known: &Translation| known.topic == topic && known.translated == translated;
            if !self.history.translations.iter().any(known) {
                self.keep_translation(topic, translated).await?;
            }
        }
        Ok(())
    }

    async fn keep_translation(
        &mut self,
        topic: TopicIndex,
        translated: Ends,
    ) -> Result<(), TestbedError> {
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
            client::committed(&reader, &bootstrap, &topic)
        })
        .await?;
        Ok(positions.into_iter().collect())
    }
}
