//! The way back of a loop: what lies on the destination is written to the source, for ever.

use super::{
    Options,
    client::{EngineError, tell},
};
use crate::cluster::client::persist;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// One record in so many goes round, and waits before it does: a loop need not fill a disk to be one.
const ONE_IN: u64 = 50;
const PAUSE: Duration = Duration::from_millis(50);
const QUESTION: Duration = Duration::from_secs(5);

/// A thread that brings records back; it ends when this is dropped.
pub(super) struct Returning {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Returning {
    /// What comes to the destination from now on goes back. The mirror copies nothing before this returns: what
    /// it had copied by then would never loop.
    pub(super) fn start(options: &Options, topics: &[String]) -> Result<Returning, EngineError> {
        let servers = |properties: &super::Properties| {
            properties.get("bootstrap.servers").cloned().unwrap_or_default()
        };
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers(&options.producer))
            .set("group.id", "the-way-back")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10")
            .create()?;
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", servers(&options.consumer)).create()?;
        consumer.assign(&ends(&consumer, topics)?)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            if let Err(error) = bring_back(&consumer, &producer, &stopped) {
                tell(&format!("the way back ended: {error}"));
            }
        });
        Ok(Returning { stop, thread: Some(thread) })
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The harness's own records stay away: no checker sees them.
fn goes_back(key: Option<&[u8]>) -> bool {
    !key.is_some_and(|key| key.starts_with(crate::observe::sentinel::MARK.as_bytes()))
}

/// Where the topics end now.
fn ends(consumer: &BaseConsumer, topics: &[String]) -> Result<TopicPartitionList, EngineError> {
    let mut all = TopicPartitionList::new();
    let metadata = persist(|| consumer.fetch_metadata(None, QUESTION))?;
    for topic in metadata.topics().iter().filter(|topic| topics.iter().any(|t| t == topic.name())) {
        for partition in topic.partitions() {
            let (name, number) = (topic.name(), partition.id());
            let (_, end) = persist(|| consumer.fetch_watermarks(name, number, QUESTION))?;
            all.add_partition_offset(name, number, Offset::Offset(end))?;
        }
    }
    Ok(all)
}

fn bring_back(
    consumer: &BaseConsumer,
    producer: &BaseProducer,
    stop: &AtomicBool,
) -> Result<(), EngineError> {
    while !stop.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(10)) else { continue };
        // The same records each time, or the loop would die out.
        let value = message.payload().unwrap_or_default();
        if !xxhash_rust::xxh3::xxh3_64(value).is_multiple_of(ONE_IN) || !goes_back(message.key()) {
            continue;
        }
        std::thread::sleep(PAUSE);
        let mut record = BaseRecord::<[u8], [u8]>::to(message.topic());
        (record.key, record.payload) = (message.key(), message.payload());
        record.timestamp = message.timestamp().to_millis();
        if let Some(headers) = message.headers() {
            record = record.headers(rdkafka::message::BorrowedHeaders::detach(headers));
        }
        producer.send(record).map_err(|(error, _)| error)?;
        producer.flush(QUESTION)?;
    }
    Ok(())
}
