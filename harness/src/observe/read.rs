//! Reading topics to their ends, which are asked for anew each time.

use super::sentinel;
use crate::cluster::{
    ClusterError,
    client::{self, Isolation, request_failed},
};
use judge::history::{Content, Header, Timestamp};
use rdkafka::{
    Message, Offset, Timestamp as ClientTimestamp, consumer::BaseConsumer, error::KafkaError,
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
    /// Nothing came any more.
    #[error(
        "read {topic} at {address} to its end: nothing came for {} s, and partitions {missing:?} were \
         not done",
        limit.as_secs()
    )]
    Stalled {
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

/// Reads all of a `topic` that exists, as much as there is when the read begins.
pub fn read_topic(
    bootstrap: &str,
    topic: &str,
    isolation: Isolation,
    limit: Duration,
) -> Result<TopicRead, ReadError> {
    let reader = client::reader(bootstrap, "mirrorproof-reader", isolation)?;
    let known = BTreeSet::from([topic.to_owned()]);
    let mut read = read_topics(&reader, bootstrap, &[topic.to_owned()], &known, limit)?;
    Ok(read.pop().unwrap_or_default())
}

/// Reads all of some topics that there is when the read begins, one result for each; a topic that does not exist holds
/// nothing, and those in `known` do exist. The reader follows nothing after it.
pub fn read_topics(
    reader: &BaseConsumer,
    bootstrap: &str,
    topics: &[String],
    known: &BTreeSet<String>,
    limit: Duration,
) -> Result<Vec<TopicRead>, ReadError> {
    let names = topics.iter().map(String::as_str);
    let counts = client::known_partition_counts(reader, bootstrap, names, known)?;
    let lows = client::list_offsets(reader, bootstrap, &counts, Offset::Beginning)?;
    let ends = client::list_offsets(reader, bootstrap, &counts, Offset::End)?;
    let mut reads = Vec::new();
    for topic in topics {
        let mut read = TopicRead::default();
        for partition in 0..counts.get(topic).copied().unwrap_or(0) {
            let place = (topic.clone(), partition);
            if let (Some(low), Some(end)) = (lows.get(&place), ends.get(&place)) {
                read.bounds.insert(partition, (*low, *end));
            }
        }
        if read.bounds.values().any(|(low, end)| low < end) {
            // The end of a partition is reported without its topic, so they are read in turn. What is reported of an
            // assignment that is gone never arrives (`rd_kafka_op_version_outdated`, 2.12.1).
            let missing = follow(reader, bootstrap, topic, &mut read, limit)?;
            if !missing.is_empty() {
                let (topic, address) = (topic.clone(), bootstrap.to_owned());
                return Err(ReadError::Stalled { topic, address, missing, limit });
            }
        }
        reads.push(read);
    }
    client::assign(reader, bootstrap, [])?;
    Ok(reads)
}

/// Reads a topic up to its bounds. A partition is done when its end offset is reached, or when the
/// client reports its end: the last offset below the end may be a control record, which no consumer
/// ever sees. Returns the partitions that were not done when nothing had come for `limit`: how long all
/// of it takes depends on how much there is, and the mock hands out one batch a fetch.
fn follow(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
    read: &mut TopicRead,
    limit: Duration,
) -> Result<BTreeSet<u32>, ClusterError> {
    let mut last = Instant::now();
    let bounds = &read.bounds;
    let filled = bounds.iter().filter(|(_, (low, end))| low < end);
    let mut open: BTreeSet<u32> = filled.map(|(partition, _)| *partition).collect();
    let places = open.iter().map(|partition| (topic, *partition, bounds[partition].0));
    client::assign(reader, bootstrap, places)?;
    while !open.is_empty() && last.elapsed() < limit {
        match reader.poll(Duration::from_millis(50)) {
            None => {}
            Some(Ok(message)) => {
                last = Instant::now();
                let (partition, offset) = (message.partition() as u32, message.offset());
                let end = bounds[&partition].1;
                if offset + 1 >= end {
                    open.remove(&partition);
                }
                let content = content_of(&message);
                let ours = sentinel::recognise(message.key(), message.payload(), &content);
                if offset < end && ours.is_none() {
                    read.records.push((partition, offset, content));
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&(partition as u32));
            }
            Some(Err(error)) if client::is_passing(&error) => {}
            Some(Err(error)) => return Err(request_failed("read records", bootstrap)(error)),
        }
    }
    read.records.sort_by_key(|(partition, offset, _)| (*partition, *offset));
    Ok(open)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::{mocking::MockCluster, types::RDKafkaRespErr};

    /// A broker that has just started: what it does not list yet is not lost.
    #[test]
    fn a_topic_that_exists_and_is_not_listed_is_asked_for_again() {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        cluster.create_topic("orders", 3, 1).expect("a topic");
        let bootstrap = cluster.bootstrap_servers();
        let list = |error| cluster.topic_error("orders", error).expect("the mock takes it");
        list(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        let read = std::thread::spawn(move || {
            let reader = client::reader(&bootstrap, "g", Isolation::ReadCommitted)?;
            let topics = ["orders", "elsewhere"].map(str::to_owned);
            let known = BTreeSet::from(["orders".to_owned()]);
            read_topics(&reader, &bootstrap, &topics, &known, Duration::from_secs(10))
        });
        std::thread::sleep(Duration::from_secs(1));
        list(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        let reads = read.join().expect("no panic").expect("it is read");
        let partitions: Vec<usize> = reads.iter().map(|read| read.bounds.len()).collect();
        assert_eq!(partitions, [3, 0], "what is not known to exist need not be there");
    }
}
