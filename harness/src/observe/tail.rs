//! Following the destination while the subject works: how much has arrived, and which sentinels.
//!
//! What is seen here only decides when a run is over. What is judged is read afresh at the end.

use super::{read::content_of, sentinel};
use crate::cluster::{
    ClusterError,
    client::{self, Isolation, is_passing, request_failed},
};
use judge::history::{Ends, TopicIndex, TopicPartition};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How often the follower looks for new topics and partitions.
const METADATA_INTERVAL: Duration = Duration::from_millis(250);

/// How long a broker may hold an empty answer: who follows asks all the time.
const WAIT: Duration = Duration::from_millis(40);

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// Records beyond the baseline, by topic.
    pub records: BTreeMap<TopicIndex, u64>,
    /// Numbers of the sentinels that arrived.
    pub sentinels: BTreeSet<u64>,
    /// Records and sentinels in all.
    pub total: u64,
    /// When the last one arrived.
    pub last: Option<Instant>,
    /// Why nothing can be seen, if so.
    pub failure: Option<String>,
}

/// A thread that follows the destination; it ends when this is dropped.
#[derive(Debug)]
pub struct Tail {
    seen: Arc<Mutex<Seen>>,
    topics: Arc<Mutex<Vec<(TopicIndex, String)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tail {
    /// Begins to follow, each partition from its baseline (0 where there is none).
    pub fn start(bootstrap: &str, baseline: Ends) -> Result<Tail, ClusterError> {
        let isolation = Isolation::ReadUncommitted;
        let reader = client::waiting_reader(bootstrap, "mirrorproof-reader", isolation, WAIT)?;
        let mut tail = Tail {
            seen: Arc::default(),
            topics: Arc::default(),
            stop: Arc::default(),
            thread: None,
        };
        let mut follower = Follower {
            reader,
            bootstrap: bootstrap.to_owned(),
            baseline,
            assigned: BTreeMap::new(),
            seen: Arc::clone(&tail.seen),
            topics: Arc::clone(&tail.topics),
        };
        let stop = Arc::clone(&tail.stop);
        tail.thread = Some(std::thread::spawn(move || {
            if let Err(error) = follower.run(&stop) {
                lock(&follower.seen).failure = Some(error.to_string());
            }
        }));
        Ok(tail)
    }

    /// Follows one more topic of the destination.
    pub fn follow(&self, index: TopicIndex, name: &str) {
        lock(&self.topics).push((index, name.to_owned()));
    }

    /// What has been seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It only fails if it panicked, and then there is nothing left to end.
            drop(thread.join());
        }
    }
}

struct Follower {
    reader: BaseConsumer,
    bootstrap: String,
    baseline: Ends,
    /// The history's index and the name of each followed topic, with its partitions.
    assigned: BTreeMap<String, (TopicIndex, u32)>,
    seen: Arc<Mutex<Seen>>,
    topics: Arc<Mutex<Vec<(TopicIndex, String)>>>,
}

impl Follower {
    fn run(&mut self, stop: &AtomicBool) -> Result<(), ClusterError> {
        let mut refreshed: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            if refreshed.is_none_or(|at| at.elapsed() >= METADATA_INTERVAL) {
                self.assign_new_partitions()?;
                refreshed = Some(Instant::now());
            }
            match self.reader.poll(Duration::from_millis(20)) {
                None | Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Ok(message)) => self.note(&message),
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => {
                    return Err(request_failed("follow the destination", &self.bootstrap)(error));
                }
            }
        }
        Ok(())
    }

    fn assign_new_partitions(&mut self) -> Result<(), ClusterError> {
        let wanted = lock(&self.topics).clone();
        let mut added = TopicPartitionList::new();
        let names = wanted.iter().map(|(_, name)| name.as_str());
        let Ok(counts) = client::partition_counts(&self.reader, &self.bootstrap, names) else {
            // The destination may be away for a while: that is a fault, not an end.
            return Ok(());
        };
        for (index, name) in wanted {
            let count = counts.get(&name).copied().unwrap_or(0);
            let known = self.assigned.get(&name).map_or(0, |(_, known)| *known);
            for partition in known..count {
                let at = TopicPartition { topic: index, partition };
                let from = self.baseline.get(&at).map_or(0, |offset| offset.0);
                added
                    .add_partition_offset(&name, partition as i32, Offset::Offset(from))
                    .map_err(request_failed("follow a partition", &self.bootstrap))?;
            }
            self.assigned.insert(name, (index, count.max(known)));
        }
        if added.count() == 0 {
            return Ok(());
        }
        self.reader
            .incremental_assign(&added)
            .map_err(request_failed("follow partitions", &self.bootstrap))
    }

    fn note(&self, message: &impl Message) {
        let Some((index, _)) = self.assigned.get(message.topic()) else { return };
        let content = content_of(message);
        let mut seen = lock(&self.seen);
        seen.total += 1;
        seen.last = Some(Instant::now());
        match sentinel::recognise(message.key(), message.payload(), &content) {
            Some(number) => seen.sentinels.extend(number),
            None => *seen.records.entry(*index).or_default() += 1,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicked thread left behind is still a count that was true.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::{
        ClientConfig,
        mocking::MockCluster,
        producer::{BaseProducer, BaseRecord, Producer},
        types::RDKafkaRespErr,
    };

    fn produce(bootstrap: &str, records: u32) {
        let mut config = ClientConfig::new();
        let producer: BaseProducer =
            config.set("bootstrap.servers", bootstrap).create().expect("a producer");
        for number in 0..records {
            let value = number.to_string();
            producer.send(BaseRecord::<(), str>::to("t").payload(&value)).expect("room");
        }
        producer.flush(Duration::from_secs(20)).expect("all is acknowledged");
    }

    fn await_records(tail: &Tail, records: u64) {
        let since = Instant::now();
        while tail.seen().total < records {
            assert!(since.elapsed() < Duration::from_secs(30), "{:?}", *tail.seen());
            assert_eq!(tail.seen().failure, None);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_topic_that_its_brokers_do_not_know_for_a_while_is_followed_all_the_same() {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        cluster.create_topic("t", 1, 1).expect("a topic");
        let bootstrap = cluster.bootstrap_servers();
        produce(&bootstrap, 10);
        let tail = Tail::start(&bootstrap, Ends::new()).expect("a tail");
        tail.follow(0, "t");
        await_records(&tail, 10);
        let know = |error| cluster.topic_error("t", error).expect("the mock takes it");
        know(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        // Long enough for the follower to have asked several times.
        std::thread::sleep(Duration::from_secs(2));
        know(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        produce(&bootstrap, 10);
        await_records(&tail, 20);
        assert_eq!(tail.seen().total, 20, "none is seen twice");
    }
}
