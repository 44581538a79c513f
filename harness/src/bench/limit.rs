//! What the clusters and the client library allow at most: reading alone, and writing alone, with the
//! client settings of our mirror.
//!
//! Each runs as a program of its own, in a container as the mirrors do, and measures itself: a
//! container that has ended tells nothing any more.

use super::{
    fill::{Load, fill},
    topics,
};
use crate::cluster::{ClusterError, client::request_failed};
use nix::sys::resource::{UsageWho, getrusage};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// One of the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Reads every record and drops it.
    ConsumeOnly,
    /// Writes as many records of the same size.
    ProduceOnly,
}

/// What it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// From the first record that is read or handed over to the last that is read or acknowledged,
    /// in seconds.
    pub seconds: f64,
    /// Processor time in that time, in seconds.
    pub cpu_seconds: f64,
    /// The most memory that it held, in bytes.
    pub memory: u64,
}

/// How long nothing may arrive.
const SILENCE: Duration = Duration::from_secs(60);

impl Limit {
    /// Both.
    pub const ALL: [Limit; 2] = [Limit::ConsumeOnly, Limit::ProduceOnly];

    /// Its name in tables, and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Limit::ConsumeOnly => "consume-only",
            Limit::ProduceOnly => "produce-only",
        }
    }

    /// Does it, and waits until it is done.
    pub fn perform(
        self,
        bootstrap: &str,
        topics: u32,
        load: Load,
        compression: &str,
    ) -> Result<Took, ClusterError> {
        let topics = topics::names(topics);
        let (mut started, mut cpu) = (Instant::now(), cpu_seconds());
        let first = || (started, cpu) = (Instant::now(), cpu_seconds());
        match self {
            Limit::ConsumeOnly => consume(bootstrap, &topics, load.records, first)?,
            Limit::ProduceOnly => {
                fill(bootstrap, &topics, load, &producer(compression), None, first)?
            }
        }
        let memory = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        Ok(Took {
            seconds: started.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds() - cpu,
            // Linux tells kibibytes.
            memory: memory.unsigned_abs() * 1_024,
        })
    }
}

/// Processor time of this process so far.
fn cpu_seconds() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return 0.0 };
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1_000_000.0;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

fn consume(
    bootstrap: &str,
    topics: &[String],
    records: u64,
    mut first: impl FnMut(),
) -> Result<(), ClusterError> {
    let failed = || request_failed("consume", bootstrap);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "mirrorproof-bench")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.max.messages.kbytes", "16384")
        .set("queued.min.messages", "10000")
        .set("fetch.max.bytes", "2097152")
        .set("fetch.wait.max.ms", "100")
        .create()
        .map_err(failed())?;
    let mut all = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), SILENCE).map_err(failed())?;
        for partition in metadata.topics().iter().flat_map(|found| found.partitions()) {
            all.add_partition_offset(topic, partition.id(), Offset::Offset(0)).map_err(failed())?;
        }
    }
    consumer.assign(&all).map_err(failed())?;
    let (mut seen, mut last) = (0, Instant::now());
    while seen < records {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(_)) => {
                if seen == 0 {
                    first();
                }
                seen += 1;
            }
            // What passes is tried again by the client.
            Some(Err(_)) | None if last.elapsed() < SILENCE => continue,
            Some(Err(error)) => return Err(failed()(error)),
            None => return Err(failed()(rdkafka::error::KafkaError::NoMessageReceived)),
        }
        if seen % 1_000 == 0 {
            last = Instant::now();
        }
    }
    Ok(())
}

/// The settings of our mirror's producer, as it announces them.
pub(super) fn producer(compression: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("compression.type", compression);
    for (name, value) in [
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("max.in.flight.requests.per.connection", "5"),
        ("partitioner", "murmur2_random"),
        ("linger.ms", "10"),
        ("batch.num.messages", "100000"),
        ("message.max.bytes", "104857600"),
        ("queue.buffering.max.kbytes", "131072"),
    ] {
        config.set(name, value);
    }
    config
}
