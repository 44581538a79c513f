//! Reading a topic to its end with a fresh consumer.

use super::sentinel;
use crate::cluster::{
    ClusterError,
    client::{self, Isolation, request_failed},
};
use judge::history::{Content, Header, Timestamp};
use rdkafka::{
    Message, Timestamp as ClientTimestamp,
    error::{KafkaError, RDKafkaErrorCode},
    message::Headers,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// What a topic held when it was read.
#[derive(Debug, Default)]
pub struct TopicRead {
    /// Records in order of partition and offset, sentinels left out.
    pub records: Vec<(u32, i64, Content)>,
    /// Low watermark and end offset of each partition, as taken before the read.
    pub bounds: BTreeMap<u32, (i64, i64)>,
}

/// A read that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The cluster refused.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It took too long.
    #[error(
        "read {topic} at {address} to its end within {} s: partitions {missing:?} were not done",
        limit.as_secs()
    )]
    Deadline {
        /// Which topic.
        topic: String,
        /// Where.
        address: String,
        /// Which partitions were not read to their end.
        missing: BTreeSet<u32>,
        /// The limit.
        limit: Duration,
    },
}

/// Reads all of `topic` that there is when the read begins. A partition is done when its end
/// offset is reached, or when the client reports its end: the last offset below the end may be a
/// control record, which no consumer ever sees.
pub fn read_topic(
    bootstrap: &str,
    topic: &str,
    isolation: Isolation,
    limit: Duration,
) -> Result<TopicRead, ReadError> {
    let reader = client::reader(bootstrap, "mirrorproof-reader", isolation)?;
    let bounds = client::watermarks(&reader, bootstrap, topic)?;
    let mut open: BTreeSet<u32> = bounds
        .iter()
        .filter(|(_, (low, end))| low < end)
        .map(|(partition, _)| *partition)
        .collect();
    client::assign(
        &reader,
        bootstrap,
        topic,
        open.iter().map(|partition| (*partition, bounds[partition].0)),
    )?;
    let started = Instant::now();
    let mut records = Vec::new();
    while !open.is_empty() {
        if started.elapsed() > limit {
            let address = bootstrap.to_owned();
            return Err(ReadError::Deadline { topic: topic.into(), address, missing: open, limit });
        }
        match reader.poll(Duration::from_millis(50)) {
            None => {}
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition() as u32, message.offset());
                let end = bounds[&partition].1;
                if offset + 1 >= end {
                    open.remove(&partition);
                }
                let content = content_of(&message);
                let ours = sentinel::recognise(message.key(), message.payload(), &content);
                if offset < end && ours.is_none() {
                    records.push((partition, offset, content));
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&(partition as u32));
            }
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => return Err(request_failed("read records", bootstrap)(error).into()),
        }
    }
    records.sort_by_key(|(partition, offset, _)| (*partition, *offset));
    Ok(TopicRead { records, bounds })
}

/// Whether it is one of the errors that the client reports and then mends by itself.
pub fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
        )
    )
}

/// What a record carries, as the history keeps it.
pub fn content_of(message: &impl Message) -> Content {
    let headers = message
        .headers()
        .map(|headers| {
            headers
                .iter()
                .map(|header| Header {
                    name: header.key.to_owned(),
                    value: header.value.map(<[u8]>::to_vec),
                })
                .collect()
        })
        .unwrap_or_default();
    let timestamp = match message.timestamp() {
        ClientTimestamp::NotAvailable => Timestamp::None,
        ClientTimestamp::CreateTime(ms) => Timestamp::Create(ms),
        ClientTimestamp::LogAppendTime(ms) => Timestamp::Append(ms),
    };
    Content::of(message.key(), message.payload(), headers, timestamp)
}
