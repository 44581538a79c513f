//! The clients of the harness itself, every option that it relies on written out.

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    bindings::rd_kafka_brokers_add,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CString,
    time::{Duration, Instant},
};

use super::{ClusterError, REQUEST_TIMEOUT};

/// Pause before a leader or a coordinator that has moved is looked for again.
const MOVES: Duration = Duration::from_millis(100);

/// Whether a reader sees records of open and aborted transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Only what is committed: the truth.
    ReadCommitted,
    /// Everything: only to name what leaked.
    ReadUncommitted,
}

/// A client that reads.
pub type Reader = BaseConsumer;

/// A consumer without a membership: it is assigned to partitions by hand and commits nothing.
/// `group` only lets it ask for that group's committed offsets.
pub fn reader(
    bootstrap: &str,
    group: &str,
    isolation: Isolation,
) -> Result<BaseConsumer, ClusterError> {
    waiting_reader(bootstrap, group, isolation, Duration::from_millis(10))
}

/// A reader that is content to see a record so much later, and asks less often.
pub fn waiting_reader(
    bootstrap: &str,
    group: &str,
    isolation: Isolation,
    wait: Duration,
) -> Result<BaseConsumer, ClusterError> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("client.id", "mirrorproof-reader")
        // Nobody at the broker wants to know how we are.
        .set("enable.metrics.push", "false")
        // A dropped consumer would block for its session timeout to commit.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that expired is an error to be seen, not a jump.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        // The mock holds an empty fetch for the whole wait and is not woken by new records.
        .set("fetch.wait.max.ms", wait.as_millis().to_string())
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

/// An offset for each partition of some topics, by topic name and partition.
pub type Offsets = BTreeMap<(String, u32), i64>;

/// Low watermark and end offset of each partition of a topic; empty if the topic does not exist.
/// The end offset is the last stable offset for a reader of committed records.
pub fn watermarks(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
) -> Result<BTreeMap<u32, (i64, i64)>, ClusterError> {
    let counts = partition_counts(reader, bootstrap, [topic])?;
    let lows = list_offsets(reader, bootstrap, &counts, Offset::Beginning)?;
    let ends = list_offsets(reader, bootstrap, &counts, Offset::End)?;
    let bounds = lows.into_iter().zip(ends.into_values());
    Ok(bounds.map(|(((_, partition), low), end)| (partition, (low, end))).collect())
}

/// How many partitions each of these topics has; those that do not exist are left out.
pub fn partition_counts<'t>(
    reader: &BaseConsumer,
    bootstrap: &str,
    topics: impl IntoIterator<Item = &'t str>,
) -> Result<BTreeMap<String, u32>, ClusterError> {
    // All topics are asked for: to ask for one by name may create it.
    let metadata = reader
        .fetch_metadata(None, REQUEST_TIMEOUT)
        .inspect_err(|_| remind(reader, bootstrap))
        .map_err(request_failed("read the metadata", bootstrap))?;
    let counts = topics.into_iter().filter_map(|topic| {
        let found = metadata.topics().iter().find(|found| found.name() == topic)?;
        let exists = found.error().is_none() && !found.partitions().is_empty();
        exists.then(|| (topic.to_owned(), found.partitions().len() as u32))
    });
    Ok(counts.collect())
}

/// The same, where some of them are known to exist: brokers that have just started list few topics, so they are asked
/// again, for [`REQUEST_TIMEOUT`] at most.
pub fn known_partition_counts<'t>(
    reader: &BaseConsumer,
    bootstrap: &str,
    topics: impl IntoIterator<Item = &'t str> + Clone,
    known: &BTreeSet<String>,
) -> Result<BTreeMap<String, u32>, ClusterError> {
    let started = Instant::now();
    loop {
        let counts = partition_counts(reader, bootstrap, topics.clone())?;
        let Some(topic) = known.iter().find(|topic| !counts.contains_key(*topic)) else {
            return Ok(counts);
        };
        if started.elapsed() > REQUEST_TIMEOUT {
            let (topic, address) = (topic.clone(), bootstrap.to_owned());
            return Err(ClusterError::Vanished { topic, address });
        }
        std::thread::sleep(MOVES);
    }
}

/// Tells a reader that has had no answer where its brokers are: librdkafka may have forgotten them all when one that has
/// just started named none, and would not ask again (its issue 5301, open; 2.12.1 and later).
#[expect(unsafe_code, reason = "rdkafka 0.39 gives no other access to rd_kafka_brokers_add")]
fn remind(reader: &BaseConsumer, bootstrap: &str) {
    let Ok(servers) = CString::new(bootstrap) else { return };
    // SAFETY: the handle lives as long as `reader`, the string is copied, and the function takes the client's own lock.
    unsafe { rd_kafka_brokers_add(reader.client().native_ptr(), servers.as_ptr()) };
}

/// How many partitions a topic has; 0 if it does not exist.
pub fn partition_count(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
) -> Result<u32, ClusterError> {
    let counts = partition_counts(reader, bootstrap, [topic])?;
    Ok(counts.get(topic).copied().unwrap_or(0))
}

/// The names of all topics.
pub fn topic_names(
    reader: &BaseConsumer,
    bootstrap: &str,
) -> Result<BTreeSet<String>, ClusterError> {
    let metadata = reader
        .fetch_metadata(None, REQUEST_TIMEOUT)
        .map_err(request_failed("list the topics", bootstrap))?;
    let there = metadata.topics().iter().filter(|topic| topic.error().is_none());
    Ok(there.map(|topic| topic.name().to_owned()).collect())
}

/// Where the partitions of these topics begin (`Beginning`) or end (`End`), asked for all at once.
pub fn list_offsets(
    reader: &BaseConsumer,
    bootstrap: &str,
    counts: &BTreeMap<String, u32>,
    which: Offset,
) -> Result<Offsets, ClusterError> {
    persist(|| try_list_offsets(reader, counts, which))
        .map_err(request_failed("read the watermarks", bootstrap))
}

/// Asks again as long as the answer may be another one soon, for [`REQUEST_TIMEOUT`] at most: librdkafka does it for
/// few calls. It looks for a group's coordinator again when it is told `NotCoordinator`, but gives that answer to
/// whoever asked (`rd_kafka_committed`).
pub fn persist<T>(mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let started = Instant::now();
    loop {
        match ask() {
            Err(error) if may_pass(&error) && started.elapsed() < REQUEST_TIMEOUT => {
                std::thread::sleep(MOVES);
            }
            answer => return answer,
        }
    }
}

/// Whether a leader or a coordinator that is not yet, or no longer, one answers so; or a broker that has not
/// yet heard of a topic that another one has told of: of three, each learns of it in its own time.
fn may_pass(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        CoordinatorLoadInProgress, CoordinatorNotAvailable, KafkaStorageError, NotCoordinator,
        OffsetNotAvailable, ReplicaNotAvailable, UnstableOffsetCommit, WaitingForCoordinator,
    };
    is_passing(error)
        || matches!(
            error.rdkafka_error_code(),
            Some(
                OffsetNotAvailable
                    | ReplicaNotAvailable
                    | KafkaStorageError
                    | CoordinatorLoadInProgress
                    | CoordinatorNotAvailable
                    | NotCoordinator
                    | WaitingForCoordinator
                    | UnstableOffsetCommit
            )
        )
}

fn try_list_offsets(
    reader: &BaseConsumer,
    counts: &BTreeMap<String, u32>,
    which: Offset,
) -> Result<Offsets, KafkaError> {
    let mut wanted = TopicPartitionList::new();
    for (topic, count) in counts {
        for partition in 0..*count {
            wanted.add_partition_offset(topic, partition as i32, which)?;
        }
    }
    if wanted.count() == 0 {
        return Ok(Offsets::new());
    }
    // The logical offsets are the timestamps -2 and -1, which ask for a log's start and end.
    let found = reader.offsets_for_times(wanted, REQUEST_TIMEOUT)?;
    let elements = found.elements();
    let offsets = elements.iter().map(|element| {
        element.error()?;
        let place = (element.topic().to_owned(), element.partition() as u32);
        match element.offset() {
            Offset::Offset(offset) => Ok((place, offset)),
            _ => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
        }
    });
    offsets.collect()
}

/// Positions that the reader's group has committed, in partitions of these topics.
pub fn all_committed(
    reader: &BaseConsumer,
    bootstrap: &str,
    counts: &BTreeMap<String, u32>,
) -> Result<Offsets, ClusterError> {
    let mut wanted = TopicPartitionList::new();
    for (topic, count) in counts.iter().filter(|(_, count)| **count > 0) {
        wanted.add_partition_range(topic, 0, *count as i32 - 1);
    }
    if wanted.count() == 0 {
        return Ok(Offsets::new());
    }
    let ask = || {
        let found = reader.committed_offsets(wanted.clone(), REQUEST_TIMEOUT)?;
        // A partition of which the coordinator does not tell the offset is not one without an offset.
        found.elements().iter().try_for_each(|element| element.error())?;
        Ok(found)
    };
    let found = persist(ask).map_err(request_failed("read the committed offsets", bootstrap))?;
    let elements = found.elements();
    let positions = elements.iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => {
            Some(((element.topic().to_owned(), element.partition() as u32), offset))
        }
        _ => None,
    });
    Ok(positions.collect())
}

/// Positions that the reader's group has committed in a topic, as many partitions as it has now.
pub fn committed(
    reader: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
) -> Result<BTreeMap<u32, i64>, ClusterError> {
    let counts = partition_counts(reader, bootstrap, [topic])?;
    let positions = all_committed(reader, bootstrap, &counts)?;
    Ok(positions.into_iter().map(|((_, partition), offset)| (partition, offset)).collect())
}

/// Whether it is one of the errors that pass: the client reports them and tries again. A broker that has
/// just started knows few topics.
pub fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                // The leader is the same broker, and was elected anew since its epoch was asked for (KIP-320).
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}

/// Assigns a reader to explicit offsets: a logical one (`Beginning`) costs half a second.
pub fn assign<'t>(
    reader: &BaseConsumer,
    bootstrap: &str,
    positions: impl IntoIterator<Item = (&'t str, u32, i64)>,
) -> Result<(), ClusterError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in positions {
        list.add_partition_offset(topic, partition as i32, Offset::Offset(offset))
            .map_err(request_failed("assign a partition", bootstrap))?;
    }
    reader.assign(&list).map_err(request_failed("assign partitions", bootstrap))
}

/// Runs calls of a blocking client without holding up what else is under way.
pub(crate) async fn blocking<T: Send + 'static, E: Send + 'static>(
    call: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Wraps a client's error with what was asked, and whom.
pub fn request_failed(
    operation: &'static str,
    bootstrap: &str,
) -> impl Fn(KafkaError) -> ClusterError + use<> {
    let address = bootstrap.to_owned();
    move |source| ClusterError::Request { operation, address: address.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::{
        mocking::MockCluster,
        types::{RDKafkaApiKey, RDKafkaRespErr},
    };

    #[test]
    fn a_broker_that_does_not_know_a_topic_yet_is_asked_again() {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        cluster.create_topic("new", 2, 1).expect("a topic");
        let bootstrap = cluster.bootstrap_servers();
        let told = BTreeMap::from([("new".to_owned(), 2)]);
        cluster
            .topic_error("new", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            .expect("the mock takes it");
        let asked = std::thread::spawn(move || {
            let reader = reader(&bootstrap, "g", Isolation::ReadUncommitted)?;
            list_offsets(&reader, &bootstrap, &told, Offset::End)
        });
        std::thread::sleep(Duration::from_millis(500));
        assert!(!asked.is_finished(), "it gave up, or was not asked");
        cluster
            .topic_error("new", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .expect("the mock takes it");
        let ends = asked.join().expect("no panic").expect("the ends");
        assert_eq!(ends.len(), 2);
    }

    /// librdkafka sends the epoch that it knows, and the same again each time that it is refused.
    #[test]
    fn a_leader_that_was_elected_anew_is_asked_again() {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        cluster.create_topic("led", 1, 1).expect("a topic");
        let bootstrap = cluster.bootstrap_servers();
        let told = BTreeMap::from([("led".to_owned(), 1)]);
        let reader = reader(&bootstrap, "g", Isolation::ReadUncommitted).expect("a reader");
        let ends = || list_offsets(&reader, &bootstrap, &told, Offset::End).expect("the ends");
        let before = ends();
        cluster.partition_leader("led", 0, Some(1)).expect("the mock takes it");
        assert_eq!(ends(), before);
    }

    #[test]
    fn a_coordinator_that_has_moved_is_looked_for_again() {
        let cluster = MockCluster::new(3).expect("a mock cluster");
        cluster.create_topic("new", 2, 1).expect("a topic");
        let bootstrap = cluster.bootstrap_servers();
        let asker = reader(&bootstrap, "group", Isolation::ReadCommitted).expect("a reader");
        let told = BTreeMap::from([("new".to_owned(), 2)]);
        let moved = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
        cluster.request_errors(RDKafkaApiKey::OffsetFetch, &[moved; 3]);
        let positions = all_committed(&asker, &bootstrap, &told).expect("the third is the one");
        assert!(positions.is_empty(), "{positions:?}");
    }
}
