//! The offset promise, shown with a real consumer: an application reads on the source, and goes on
//! at the destination with the same numbers.

use super::{Testbed, TestbedError, blocking};
use crate::{
    cluster::{
        ClusterError, REQUEST_TIMEOUT,
        client::{self, Isolation, request_failed},
    },
    observe::{read::content_of, sentinel},
};
use judge::history::{
    DestinationOffset, Ends, Positions, ResumeTrial, SourceOffset, TopicIndex, TopicPartition,
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

impl Testbed {
    /// The application reads `percent` of each source partition and commits there.
    pub(super) async fn consume_on_source(
        &mut self,
        logical: &str,
        percent: u8,
    ) -> Result<(), TestbedError> {
        let index = self.topic(logical)?;
        let topic = self.history.topics[usize::from(index)].source.clone();
        let (bootstrap, group) =
            (self.pair.source.bootstrap().to_owned(), self.application.clone());
        blocking(move || {
            let reader = client::reader(&bootstrap, &group, Isolation::ReadCommitted)?;
            let bounds = client::watermarks(&reader, &bootstrap, &topic)?;
            let positions = bounds.iter().map(|(partition, (low, end))| {
                (*partition, low + (end - low) * i64::from(percent) / 100)
            });
            commit(&reader, &bootstrap, &topic, positions)
        })
        .await?;
        Ok(())
    }

    /// The application's group is given its raw source positions on the destination, and a real
    /// consumer of the group reads from there to the end.
    pub(super) async fn resume_on_destination(
        &mut self,
        logical: &str,
    ) -> Result<(), TestbedError> {
        if self.finished().is_none() {
            return Err(TestbedError::Plan("it resumes before the end of the run".into()));
        }
        let index = self.topic(logical)?;
        let names = &self.history.topics[usize::from(index)];
        let move_to = Move {
            index,
            source: self.pair.source.bootstrap().to_owned(),
            destination: self.pair.destination.bootstrap().to_owned(),
            source_topic: names.source.clone(),
            destination_topic: names.destination.clone(),
            group: self.application.clone(),
            limit: self.limits.read,
        };
        let trial = blocking(move || move_to.perform()).await?;
        self.history.resumes.push(trial);
        Ok(())
    }
}

struct Move {
    index: TopicIndex,
    source: String,
    destination: String,
    source_topic: String,
    destination_topic: String,
    group: String,
    limit: Duration,
}

impl Move {
    fn perform(&self) -> Result<ResumeTrial, TestbedError> {
        let at = |partition| TopicPartition { topic: self.index, partition };
        let source = client::reader(&self.source, &self.group, Isolation::ReadCommitted)?;
        let committed = client::committed(&source, &self.source, &self.source_topic)?;
        let reader = client::reader(&self.destination, &self.group, Isolation::ReadCommitted)?;
        let bounds = client::watermarks(&reader, &self.destination, &self.destination_topic)?;
        let raw = committed.iter().filter(|(partition, _)| bounds.contains_key(partition));
        let raw: BTreeMap<u32, i64> =
            raw.map(|(partition, offset)| (*partition, *offset)).collect();
        let pairs = raw.iter().map(|(partition, offset)| (*partition, *offset));
        commit(&reader, &self.destination, &self.destination_topic, pairs)?;
        let resumed: Ends = bounds
            .iter()
            .map(|(partition, (low, end))| {
                // Out of range, or without a position: the consumer's reset policy, earliest.
                let raw = raw.get(partition).filter(|offset| (low..=end).contains(offset));
                (at(*partition), DestinationOffset(*raw.unwrap_or(low)))
            })
            .collect();
        let received = self.receive(&bounds)?;
        let committed: Positions = committed
            .into_iter()
            .map(|(partition, offset)| (at(partition), SourceOffset(offset)))
            .collect();
        Ok(ResumeTrial { topic: self.index, committed, resumed, received })
    }

    /// What a member of the group receives until it has seen the end of every partition.
    fn receive(
        &self,
        bounds: &BTreeMap<u32, (i64, i64)>,
    ) -> Result<Vec<(TopicPartition, DestinationOffset)>, TestbedError> {
        let failed = |operation| request_failed(operation, &self.destination);
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.destination)
            .set("group.id", &self.group)
            .set("client.id", "application")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("session.timeout.ms", "6000")
            .set("fetch.wait.max.ms", "10")
            .create()
            .map_err(failed("create the application's consumer"))?;
        consumer.subscribe(&[&self.destination_topic]).map_err(failed("subscribe"))?;
        let mut open: BTreeSet<u32> = bounds.keys().copied().collect();
        let mut received = Vec::new();
        let started = Instant::now();
        while !open.is_empty() {
            if started.elapsed() > self.limit {
                return Err(TestbedError::Deadline {
                    awaited: format!("the application's consumer at the end of {open:?}"),
                    seconds: self.limit.as_secs(),
                    seen: format!("{} records", received.len()),
                });
            }
            match consumer.poll(Duration::from_millis(50)) {
                None => {}
                Some(Ok(message)) => {
                    let partition = message.partition() as u32;
                    let content = content_of(&message);
                    if sentinel::recognise(message.key(), message.payload(), &content).is_none() {
                        let at = TopicPartition { topic: self.index, partition };
                        received.push((at, DestinationOffset(message.offset())));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&(partition as u32));
                }
                Some(Err(error)) if client::is_passing(&error) => {}
                Some(Err(error)) => return Err(failed("resume on the destination")(error).into()),
            }
        }
        received.sort_unstable();
        Ok(received)
    }
}

/// Commits positions for the reader's group, which has no members.
pub(super) fn commit(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
    positions: impl Iterator<Item = (u32, i64)>,
) -> Result<(), ClusterError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in positions {
        list.add_partition_offset(topic, partition as i32, Offset::Offset(offset))
            .map_err(request_failed("name a position", bootstrap))?;
    }
    // The group must be known before its offsets can be written.
    client::persist(|| reader.committed_offsets(list.clone(), REQUEST_TIMEOUT))
        .map_err(request_failed("find the group", bootstrap))?;
    client::persist(|| reader.commit(&list, CommitMode::Sync))
        .map_err(request_failed("commit positions", bootstrap))
}
