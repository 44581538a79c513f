//! The small mirror's clients: what they report, and how records and positions are put to them.

use super::record::Record;
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, ProducerContext},
    types::RDKafkaRespErr,
};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Why it ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    #[error("{0}")]
    Filter(String),
    #[error("send a record of {topic}: {reason}")]
    Refused { topic: String, reason: String },
    #[error("go on: records are gone from the source before they were copied: {0}")]
    Gone(String),
}

/// What the producer reported of one record: its number, and where it lies or why it does not.
pub(super) type Report = (usize, Result<(i32, i64), (String, String)>);

/// Collects reports and rebalances, which come as callbacks on the mirror's own thread.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) reports: Mutex<Vec<Report>>,
    pub(super) rebalances: Mutex<VecDeque<(bool, TopicPartitionList)>>,
    pub(super) closing: AtomicBool,
}

impl ClientContext for Notes {}

impl ProducerContext for Notes {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let report = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, message)) => Err((message.topic().to_owned(), error.to_string())),
        };
        lock(&self.reports).push((number, report));
    }
}

impl ConsumerContext for Notes {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Relaxed) {
            // Nothing is left to be saved: let the consumer close.
            drop(consumer.unassign());
            return;
        }
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        lock(&self.rebalances).push_back((assigned, partitions.clone()));
    }
}

pub(super) fn message(record: &Record, number: usize) -> BaseRecord<'_, [u8], [u8], usize> {
    let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&record.topic, number);
    message.partition = record.partition;
    message.timestamp = record.timestamp;
    message.key = record.key.as_deref();
    message.payload = record.value.as_deref();
    if !record.headers.is_empty() {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        });
        message = message.headers(headers);
    }
    message
}

pub(super) fn list(positions: &[(String, i32, i64)]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in positions {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

/// Into the subject's log.
pub(super) fn tell(text: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{text}"));
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
