//! Reads single records of the source again, outside the group, to compare them with what was read before.
//!
//! It looks at positions of its own, commits nothing and never joins the group. What it is not told in time is
//! unknown, which accuses nobody.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    types::RDKafkaRespErr,
};

use super::{
    EngineError, Settings,
    client::{self, Quiet},
};
use crate::witness::{self, Witness};

/// One question to the source. A stop waits for no more than that.
const QUESTION: Duration = Duration::from_secs(2);
/// How long records may take to come.
const RECORDS: Duration = Duration::from_secs(3);
/// How often it is looked whether it is time to end.
const LOOK: Duration = Duration::from_millis(20);
/// One record of each partition is wanted, and brokers send at least one batch; librdkafka wants the sum to be
/// at least `message.max.bytes`.
const BYTES_OF_A_PARTITION: &str = "16384";
const BYTES: u64 = 1_000_000;

/// The topic's name and the partition.
pub(super) type Key = (String, i32);

/// Records of a partition that were read before.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) key: Key,
    pub(super) witnesses: Vec<Witness>,
}

/// What the source holds where a record was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// That record.
    Same,
    /// Another one.
    Other,
    /// None any more: retention or compaction took it.
    Gone,
    /// None: the log ends before.
    Beyond,
    /// It did not say.
    Unknown,
}

/// What the source says of a partition.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The log's first offset and its end, if both are known.
    pub(super) bounds: Option<(i64, i64)>,
    /// One for each record asked for.
    pub(super) seen: Vec<Seen>,
}

impl Answer {
    /// Whether all that was asked for is told.
    pub(super) fn is_whole(&self) -> bool {
        self.bounds.is_some() && !self.seen.contains(&Seen::Unknown)
    }
}

/// A client of the source for such questions.
pub(super) struct Reader(BaseConsumer<Quiet>);

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Reader")
    }
}

impl Reader {
    pub(super) fn new(settings: &Settings) -> Result<Self, EngineError> {
        let mut consumer = settings.consumers[0].clone();
        for name in [
            "group.instance.id",
            "client.id",
            "group.protocol",
            "group.remote.assignor",
            // It may be too little for what is asked for here.
            "receive.message.max.bytes",
        ] {
            consumer.take(name);
        }
        let number = |name| consumer.get(name).and_then(|value| value.parse().ok());
        let bytes = BYTES.max(number("message.max.bytes").unwrap_or_default()).to_string();
        let id = format!("{}-witness", consumer.get("group.id").unwrap_or_default());
        let more = [
            ("client.id", id.as_str()),
            // A record that is gone is answered by the next one, whatever else there is.
            ("auto.offset.reset", "earliest"),
            // A record of an aborted transaction has an offset, too.
            ("isolation.level", "read_uncommitted"),
            ("enable.auto.commit", "false"),
            ("queued.min.messages", "1"),
            ("fetch.message.max.bytes", BYTES_OF_A_PARTITION),
            ("fetch.max.bytes", &bytes),
        ];
        client::make(&consumer, &more, &settings.consumer_file, Quiet::new("source")).map(Self)
    }

    /// How many partitions each topic has. One that has a passing trouble counts as having all.
    pub(super) fn partitions(&self) -> KafkaResult<BTreeMap<String, i32>> {
        let metadata = self.0.fetch_metadata(None, QUESTION)?;
        let topics = metadata.topics().iter().filter_map(|topic| {
            let count = match topic.error() {
                None => topic.partitions().len() as i32,
                Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return None,
                Some(_) => i32::MAX,
            };
            Some((topic.name().to_owned(), count))
        });
        Ok(topics.collect())
    }

    /// What the source holds now where these records were read; one answer for each.
    pub(super) fn look(
        &self,
        asked: &[Asked],
        is_over: &dyn Fn() -> bool,
    ) -> KafkaResult<Vec<Answer>> {
        let lows = self.offsets(asked, Offset::Beginning)?;
        let highs = self.offsets(asked, Offset::End)?;
        let answer = |asked: &Asked| {
            let bounds = lows.get(&asked.key).zip(highs.get(&asked.key));
            let bounds = bounds.map(|(low, high)| (*low, *high));
            let seen = asked.witnesses.iter().map(|witness| match bounds {
                Some((low, _)) if witness.offset < low => Seen::Gone,
                Some((_, high)) if witness.offset >= high => Seen::Beyond,
                _ => Seen::Unknown,
            });
            Answer { bounds, seen: seen.collect() }
        };
        let mut answers: Vec<Answer> = asked.iter().map(answer).collect();
        let most = asked.iter().map(|asked| asked.witnesses.len()).max().unwrap_or_default();
        for nth in 0..most {
            self.read(asked, nth, &mut answers, is_over)?;
        }
        Ok(answers)
    }

    /// Reads the nth record of each partition, where it must be there.
    fn read(
        &self,
        asked: &[Asked],
        nth: usize,
        answers: &mut [Answer],
        is_over: &dyn Fn() -> bool,
    ) -> KafkaResult<()> {
        let mut waiting = BTreeMap::new();
        let mut list = TopicPartitionList::new();
        for (index, (asked, answer)) in asked.iter().zip(&*answers).enumerate() {
            let Some(witness) = asked.witnesses.get(nth) else { continue };
            if answer.bounds.is_some() && answer.seen[nth] == Seen::Unknown {
                let (topic, partition) = &asked.key;
                list.add_partition_offset(topic, *partition, Offset::Offset(witness.offset))?;
                waiting.insert(asked.key.clone(), (index, *witness));
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        self.0.assign(&list)?;
        let deadline = Instant::now() + RECORDS;
        while !waiting.is_empty() && Instant::now() < deadline && !is_over() {
            // An error is an outage, and what did not come is unknown.
            let Some(Ok(message)) = self.0.poll(LOOK) else { continue };
            let key = (message.topic().to_owned(), message.partition());
            if let Some((index, witness)) = waiting.remove(&key) {
                let print = || {
                    let timestamp = message.timestamp().to_millis();
                    witness::print(message.key(), message.payload(), timestamp)
                };
                answers[index].seen[nth] = match message.offset() {
                    offset if offset != witness.offset => Seen::Gone,
                    _ if print() == witness.print => Seen::Same,
                    _ => Seen::Other,
                };
            }
        }
        self.0.unassign()
    }

    /// The first offsets or the ends of the logs that tell them.
    fn offsets(&self, asked: &[Asked], which: Offset) -> KafkaResult<BTreeMap<Key, i64>> {
        let mut list = TopicPartitionList::with_capacity(asked.len());
        for Asked { key: (topic, partition), .. } in asked {
            list.add_partition_offset(topic, *partition, which)?;
        }
        // The timestamps -2 and -1 ask for a log's start and end, for all partitions at once.
        let told = client::told(&self.0.offsets_for_times(list, QUESTION)?);
        let told = told.into_iter().map(|place| ((place.topic, place.partition), place.offset));
        Ok(told.collect())
    }
}
