//! The clients of the harness itself, every option that it relies on written out.

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use std::collections::BTreeMap;

use super::{ClusterError, REQUEST_TIMEOUT};

/// Whether a reader sees records of open and aborted transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Only what is committed: the truth.
    ReadCommitted,
    /// Everything: only to name what leaked.
    ReadUncommitted,
}

/// A consumer without a membership: it is assigned to partitions by hand and commits nothing.
/// `group` only lets it ask for that group's committed offsets.
pub fn reader(
    bootstrap: &str,
    group: &str,
    isolation: Isolation,
) -> Result<BaseConsumer, ClusterError> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("client.id", "mirrorproof-reader")
        // A dropped consumer would block for its session timeout to commit.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that expired is an error to be seen, not a jump.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        // The mock holds an empty fetch for the whole wait and is not woken by new records.
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.message.max.bytes", "2000000")
        .set(
            "isolation.level",
            match isolation {
                Isolation::ReadCommitted => "read_committed",
                Isolation::ReadUncommitted => "read_uncommitted",
            },
        )
        .create()
        .map_err(request_failed("create a consumer", bootstrap))
}

/// Low watermark and end offset of each partition of a topic; empty if the topic does not exist.
/// The end offset is the last stable offset for a reader of committed records.
pub fn watermarks(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
) -> Result<BTreeMap<u32, (i64, i64)>, ClusterError> {
    let mut bounds = BTreeMap::new();
    for partition in 0..partition_count(reader, bootstrap, topic)? {
        let (low, end) = reader
            .fetch_watermarks(topic, partition as i32, REQUEST_TIMEOUT)
            .map_err(request_failed("read the watermarks", bootstrap))?;
        bounds.insert(partition, (low, end));
    }
    Ok(bounds)
}

/// How many partitions a topic has; 0 if it does not exist.
pub fn partition_count(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
) -> Result<u32, ClusterError> {
    // All topics are asked for: to ask for one by name may create it.
    let metadata = reader
        .fetch_metadata(None, REQUEST_TIMEOUT)
        .map_err(request_failed("read the metadata", bootstrap))?;
    let topic = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(match topic {
        Some(found) if found.error().is_none() => found.partitions().len() as u32,
        _ => 0,
    })
}

/// Positions that the reader's group has committed, for partitions `0..partitions` of a topic.
pub fn committed(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
    partitions: u32,
) -> Result<BTreeMap<u32, i64>, ClusterError> {
    let mut wanted = TopicPartitionList::new();
    if partitions == 0 {
        return Ok(BTreeMap::new());
    }
    wanted.add_partition_range(topic, 0, partitions as i32 - 1);
    let found = reader
        .committed_offsets(wanted, REQUEST_TIMEOUT)
        .map_err(request_failed("read the committed offsets", bootstrap))?;
    Ok(found
        .elements()
        .iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition() as u32, offset)),
            _ => None,
        })
        .collect())
}

/// Assigns a reader to explicit offsets: a logical one (`Beginning`) costs half a second.
pub fn assign(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
    positions: impl IntoIterator<Item = (u32, i64)>,
) -> Result<(), ClusterError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in positions {
        list.add_partition_offset(topic, partition as i32, Offset::Offset(offset))
            .map_err(request_failed("assign a partition", bootstrap))?;
    }
    reader.assign(&list).map_err(request_failed("assign partitions", bootstrap))
}

/// Wraps a client's error with what was asked, and whom.
pub fn request_failed(
    operation: &'static str,
    bootstrap: &str,
) -> impl Fn(KafkaError) -> ClusterError + use<> {
    let address = bootstrap.to_owned();
    move |source| ClusterError::Request { operation, address: address.clone(), source }
}
