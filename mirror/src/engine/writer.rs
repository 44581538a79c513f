//! A producer that looks each topic up once.
//!
//! rdkafka's `send` names the topic of every record: the name is copied, and compared with that of each topic the producer
//! knows, while none of its other threads may look at them (`rd_kafka_topic_new0`, librdkafka 2.12.1). A handle of the topic
//! spares that: with 50 topics a fifth of the mirror's processor time, with one a few hundredths. Records with headers go the way of
//! rdkafka, which alone has access to theirs.

use std::{
    cell::RefCell,
    ffi::{CString, c_void},
    ops::Deref,
    ptr::{self, NonNull},
};

use rdkafka::{
    bindings::{
        RD_KAFKA_MSG_F_COPY, rd_kafka_last_error, rd_kafka_producev, rd_kafka_topic_destroy,
        rd_kafka_topic_new, rd_kafka_topic_t, rd_kafka_vtype_t as vtype,
    },
    error::{IsError, KafkaError},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{client::Destination, stamps};

/// A record that is handed to a producer, with the word that its report brings back.
pub(super) type Record<'r> = BaseRecord<'r, [u8], [u8], usize>;

/// A producer with handles of the topics that it writes to.
pub(super) struct Writer {
    /// The one written to last comes first. They go before their producer does.
    topics: RefCell<Vec<(String, Topic)>>,
    producer: BaseProducer<Destination>,
}

impl Writer {
    pub(super) fn new(producer: BaseProducer<Destination>) -> Self {
        Self { topics: RefCell::default(), producer }
    }

    /// Hands a record over: it is copied.
    pub(super) fn send(&self, mut record: Record<'_>) -> Result<(), KafkaError> {
        record.timestamp = stamps::written(record.timestamp);
        if record.headers.is_some() {
            return self.producer.send(record).map_err(|(error, _)| error);
        }
        let mut topics = self.topics.borrow_mut();
        match topics.iter().position(|(name, _)| name == record.topic) {
            // Records come in batches, each of one topic.
            Some(place) => topics.swap(0, place),
            None => {
                let topic = Topic::of(&self.producer, record.topic)?;
                topics.push((record.topic.to_owned(), topic));
                let last = topics.len() - 1;
                topics.swap(0, last);
            }
        }
        topics[0].1.send(&self.producer, &record)
    }
}

impl Deref for Writer {
    type Target = BaseProducer<Destination>;

    fn deref(&self) -> &Self::Target {
        &self.producer
    }
}

/// librdkafka's handle of a topic, of one producer.
struct Topic(NonNull<rd_kafka_topic_t>);

#[expect(unsafe_code, reason = "rdkafka 0.39 has no handles of a producer's topics")]
mod handle {
    use super::*;

    // SAFETY: librdkafka's handles may be used by any thread; its own locks guard what they point to.
    unsafe impl Send for Topic {}

    impl Topic {
        pub(super) fn of(
            producer: &BaseProducer<Destination>,
            name: &str,
        ) -> Result<Self, KafkaError> {
            let name = CString::new(name)?;
            // SAFETY: the producer lives, and the name is copied. Without settings the topic has the producer's own.
            let topic = unsafe {
                rd_kafka_topic_new(producer.client().native_ptr(), name.as_ptr(), ptr::null_mut())
            };
            NonNull::new(topic).map(Self).ok_or_else(|| {
                // SAFETY: it reads what the call above left for this thread.
                KafkaError::MessageProduction(unsafe { rd_kafka_last_error() }.into())
            })
        }

        /// `producer` must be the one that the handle is of.
        pub(super) fn send(
            &self,
            producer: &BaseProducer<Destination>,
            record: &Record<'_>,
        ) -> Result<(), KafkaError> {
            let (payload, payload_length) = raw(record.payload);
            let (key, key_length) = raw(record.key);
            // SAFETY: the producer and its topic live; each value has the type that its tag says, the last tag ends them; payload
            // and key are copied before the call returns.
            let code = unsafe {
                rd_kafka_producev(
                    producer.client().native_ptr(),
                    vtype::RD_KAFKA_VTYPE_RKT,
                    self.0.as_ptr(),
                    vtype::RD_KAFKA_VTYPE_PARTITION,
                    record.partition.unwrap_or(-1),
                    vtype::RD_KAFKA_VTYPE_MSGFLAGS,
                    RD_KAFKA_MSG_F_COPY,
                    vtype::RD_KAFKA_VTYPE_VALUE,
                    payload,
                    payload_length,
                    vtype::RD_KAFKA_VTYPE_KEY,
                    key,
                    key_length,
                    vtype::RD_KAFKA_VTYPE_OPAQUE,
                    record.delivery_opaque as *mut c_void,
                    vtype::RD_KAFKA_VTYPE_TIMESTAMP,
                    record.timestamp.unwrap_or(0),
                    vtype::RD_KAFKA_VTYPE_END,
                )
            };
            if code.is_error() {
                return Err(KafkaError::MessageProduction(code.into()));
            }
            Ok(())
        }
    }

    impl Drop for Topic {
        fn drop(&mut self) {
            // SAFETY: its producer lives, see `Writer`; nothing uses it afterwards.
            unsafe { rd_kafka_topic_destroy(self.0.as_ptr()) };
        }
    }

    /// Null, or where the bytes are; an empty slice is not null.
    fn raw(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
        bytes.map_or((ptr::null_mut(), 0), |bytes| {
            (bytes.as_ptr().cast_mut().cast::<c_void>(), bytes.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use rdkafka::{
        ClientConfig, Message, TopicPartitionList,
        consumer::{BaseConsumer, Consumer},
        message::{Header, OwnedHeaders},
        mocking::MockCluster,
    };

    use super::*;
    use crate::progress::Token;

    const DEADLINE: Duration = Duration::from_secs(20);

    #[test]
    fn the_beginning_of_1970_is_no_time_of_sending() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "g");
        let destination = Destination::new(Arc::default());
        let writer = Writer::new(config.create_with_context(destination).unwrap());
        let header = Header { key: "k", value: Some("v") };
        for (timestamp, headers) in [
            (Some(0), None),
            (Some(0), Some(OwnedHeaders::new().insert(header))),
            (Some(7), None),
            (None, None),
        ] {
            let (partition, delivery_opaque) = (Some(0), Token::NONE.to_word());
            let (topic, payload, key) = ("t", None, None);
            let record =
                Record { topic, partition, payload, key, timestamp, headers, delivery_opaque };
            writer.send(record).unwrap();
        }
        writer.flush(DEADLINE).unwrap();
        let reader: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("t", 0, rdkafka::Offset::Beginning).unwrap();
        reader.assign(&list).unwrap();
        let read = || {
            let message = reader.poll(DEADLINE).unwrap().unwrap();
            (message.timestamp().to_millis().unwrap(), message.headers().is_some())
        };
        assert_eq!([(); 3].map(|()| read()), [(1, false), (1, true), (7, false)]);
        assert!(read().0 > 1_500_000_000_000, "it has none");
    }
}
