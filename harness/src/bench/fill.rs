//! The records that all subjects copy, and writing records as fast as a client can.

use super::{digest::Digest, topics};
use crate::cluster::{ClusterError, client::request_failed};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How many keys there are.
const KEYS: u32 = 10_000;
/// So many values are made; their beginnings differ from record to record.
const VALUES: usize = 4_096;
/// How long nothing may be acknowledged.
const SILENCE: Duration = Duration::from_secs(60);

/// How many records, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many, in all topics together.
    pub records: u64,
    /// Of each value, in bytes.
    pub size: usize,
}

/// The records of a load, one after the other.
pub(super) struct Records {
    values: Vec<Vec<u8>>,
    rng: ChaCha8Rng,
    load: Load,
    written: u64,
}

/// One of them.
pub(super) struct Record<'r> {
    /// How many came before it.
    pub(super) number: u64,
    pub(super) key: [u8; 9],
    pub(super) value: &'r [u8],
}

impl Records {
    /// Text of hexadecimal digits, which a codec makes half as long.
    pub(super) fn new(load: Load, seed: u64) -> Records {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut digit = || b"0123456789abcdef"[rng.random_range(0..16)];
        let values = (0..VALUES).map(|_| (0..load.size).map(|_| digit()).collect()).collect();
        Records { values, rng, load, written: 0 }
    }

    pub(super) fn next(&mut self) -> Option<Record<'_>> {
        if self.written == self.load.records {
            return None;
        }
        let number = self.written;
        self.written += 1;
        let mut key = *b"key-00000";
        let text = format!("{:05}", self.rng.random_range(0..KEYS));
        key[4..].copy_from_slice(text.as_bytes());
        let index = self.rng.next_u64() as usize % VALUES;
        let value = &mut self.values[index];
        // No two records are alike.
        let mark = number.to_be_bytes();
        let length = mark.len().min(value.len());
        value[..length].copy_from_slice(&mark[mark.len() - length..]);
        Some(Record { number, key, value })
    }
}

/// Counts what is acknowledged.
#[derive(Default)]
struct Acknowledged {
    records: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, _: usize) {
        let counter = if result.is_ok() { &self.records } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes a load to topics, to each in turn, and waits until all of it is acknowledged. `settings` are the
/// client's; `first` is called when all is ready, and the records are added to `digest`.
pub(super) fn fill(
    bootstrap: &str,
    topics: &[String],
    load: Load,
    settings: &ClientConfig,
    mut digest: Option<&mut Digest>,
    first: impl FnOnce(),
) -> Result<(), ClusterError> {
    let failed = || request_failed("produce the records to copy", bootstrap);
    let mut config = settings.clone();
    config.set("bootstrap.servers", bootstrap);
    let producer: BaseProducer<Acknowledged> =
        config.create_with_context(Acknowledged::default()).map_err(failed())?;
    let mut records = Records::new(load, 1);
    // The client knows the topics before the clock starts.
    for topic in topics {
        producer.client().fetch_metadata(Some(topic), SILENCE).map_err(failed())?;
    }
    first();
    // Timestamps are part of what must be kept: one for each record, a millisecond apart.
    let mut timestamp = 1_700_000_000_000;
    while let Some(record) = records.next() {
        timestamp += 1;
        let topic = topics::of_record(topics, record.number);
        if let Some(digest) = &mut digest {
            digest.add(topic, Some(&record.key), Some(record.value), Some(timestamp));
        }
        let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, 0)
            .key(&record.key[..])
            .payload(record.value)
            .timestamp(timestamp);
        while let Err((error, back)) = producer.send(message) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || producer.context().failed.load(Ordering::Relaxed) > 0 {
                return Err(failed()(error));
            }
            producer.poll(Duration::from_millis(5));
            message = back;
        }
        if timestamp % 1_000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    let told = || {
        let Acknowledged { records, failed } = &**producer.context();
        (records.load(Ordering::Relaxed), failed.load(Ordering::Relaxed))
    };
    let (mut before, mut last) = (told(), Instant::now());
    while told().0 < load.records {
        producer.poll(Duration::from_millis(20));
        if told() != before {
            (before, last) = (told(), Instant::now());
        }
        if told().1 > 0 || last.elapsed() > SILENCE {
            let lost = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
            return Err(failed()(lost));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_records_are_alike() {
        let load = Load { records: 20_000, size: 100 };
        let mut records = Records::new(load, 1);
        let mut seen = HashSet::new();
        while let Some(record) = records.next() {
            assert_eq!(record.value.len(), 100);
            assert!(seen.insert((record.key, record.value.to_vec())));
        }
        assert_eq!(seen.len(), 20_000);
    }
}
