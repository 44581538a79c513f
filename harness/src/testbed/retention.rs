//! Records that the source loses: before the subject could have seen them, or ahead of a subject
//! that was stopped.

use super::{Testbed, TestbedError, blocking};
use crate::{
    cluster::client::{self, Isolation},
    observe::{read::read_topic, sentinel::Sentinel},
};
use judge::history::{Gap, SourceOffset, SourceRecord, TopicPartition};
use std::collections::BTreeSet;

impl Testbed {
    /// Deletes what a topic of the source holds. The records are gone before the subject could have
    /// seen them, so they are no longer part of what was produced.
    pub(super) async fn trim_source(&mut self, logical: &str) -> Result<(), TestbedError> {
        if self.incarnation > 0 {
            // What it has copied by now would be of records that nobody ever produced.
            return Err(TestbedError::Plan("it trims the source after the start".into()));
        }
        let index = self.topic(logical)?;
        self.delete_records(logical).await?;
        self.history.produced.retain(|produced| produced.topic != index);
        self.history.written.remove(&index);
        Ok(())
    }

    /// Deletes what a topic of the source holds, and keeps it as part of the truth: the subject
    /// should have copied it, or say that it no longer can.
    pub(super) async fn outrun(&mut self, logical: &str) -> Result<(), TestbedError> {
        if self.subject.is_some() {
            return Err(TestbedError::Plan("retention outruns a subject that runs".into()));
        }
        let topic = self.topic(logical)?;
        let name = self.history.topics[usize::from(topic)].source.clone();
        let (bootstrap, limit) = (self.pair.source.bootstrap().to_owned(), self.limits.read);
        let read = blocking(move || read_topic(&bootstrap, &name, Isolation::ReadCommitted, limit))
            .await?;
        self.gone.extend(read.records.into_iter().map(|(partition, offset, content)| {
            let at = TopicPartition { topic, partition };
            SourceRecord { at, offset: SourceOffset(offset), content }
        }));
        let stopped_at = self.history.events.last().map(|event| event.committed.clone());
        let stopped_at = stopped_at.unwrap_or_default();
        self.delete_records(logical).await?;
        let gone = self.trimmed.iter().filter(|(at, _)| at.topic == topic);
        self.outrun.extend(gone.map(|(at, to)| {
            let from = stopped_at.get(at).copied().unwrap_or(SourceOffset(0));
            (*at, Gap { from, to: *to })
        }));
        Ok(())
    }

    /// Sets the positions of the subject's group behind what is gone. A subject that still runs did
    /// that by itself.
    pub(super) async fn skip_gap(&mut self, logical: &str) -> Result<(), TestbedError> {
        if self.subject.is_some() {
            return Ok(());
        }
        let topic = self.topic(logical)?;
        let name = self.history.topics[usize::from(topic)].source.clone();
        let behind = self.trimmed.iter().filter(|(at, _)| at.topic == topic);
        let behind: Vec<(u32, i64)> = behind.map(|(at, end)| (at.partition, end.0)).collect();
        let (bootstrap, group) = (self.pair.source.bootstrap().to_owned(), self.group());
        blocking(move || {
            let reader = client::reader(&bootstrap, &group, Isolation::ReadCommitted)?;
            let committed = client::committed(&reader, &bootstrap, &name)?;
            // A partition that was read further stays where it is.
            let gone = behind.into_iter().filter(|(partition, to)| {
                committed.get(partition).is_none_or(|position| position < to)
            });
            super::offsets::commit(&reader, &bootstrap, &name, gone)
        })
        .await?;
        Ok(())
    }

    /// Writes a canary behind each gap. One that arrives on the destination shows that the subject has
    /// gone over what retention took, without a word. Returns their numbers.
    pub(super) async fn send_behind_gaps(&mut self) -> Result<BTreeSet<u64>, TestbedError> {
        let sentinels: Vec<_> = (self.next_sentinel..)
            .zip(self.outrun.keys())
            .map(|(number, at)| (at.topic, Sentinel::new(number, at.partition, None)))
            .collect();
        self.next_sentinel += sentinels.len() as u64;
        let sent = sentinels.iter().map(|(_, sentinel)| sentinel.number).collect();
        self.produce_sentinels(sentinels).await?;
        Ok(sent)
    }

    async fn delete_records(&mut self, logical: &str) -> Result<(), TestbedError> {
        let topic = self.topic(logical)?;
        let name = &self.history.topics[usize::from(topic)].source;
        let ends = self.pair.source.delete_records(name).await?;
        self.trimmed.extend(
            ends.into_iter()
                .map(|(partition, end)| (TopicPartition { topic, partition }, SourceOffset(end))),
        );
        Ok(())
    }
}
