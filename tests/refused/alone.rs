//! A record that the destination refuses for what it is: it is refused alone, and nothing overtakes it.
//!
//! Mock brokers refuse nothing by themselves, so only real ones tell.

use crate::support::mirroring::{Ended, Running};
use harness::{
    cluster::{Pair, client::Isolation},
    observe::read::read_topic,
};
use judge::history::Content;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    collections::BTreeMap,
    fmt::Display,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(20);
const RECORDS: usize = 700;
const HOUR: i64 = 3_600_000;

/// What a topic refuses.
struct Case {
    topic: &'static str,
    settings: [(&'static str, &'static str); 1],
    /// What it says of a record that it does not take.
    reason: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        topic: "compacted",
        settings: [("cleanup.policy", "compact")],
        reason: "no record without a key",
    },
    Case {
        topic: "recent",
        settings: [("message.timestamp.before.max.ms", "3600000")],
        reason: "timestamp",
    },
];

/// A record of the source.
struct Sent {
    key: Option<String>,
    value: String,
    timestamp: i64,
    is_refused: bool,
}

/// In turn: the mirror ends at the first record that is refused, with all before it and nothing behind it, and then drops
/// those that are refused and no other.
pub(crate) fn it_is(runtime: &Runtime, pair: &Pair, folder: &Path) -> Result<(), String> {
    for case in CASES {
        for cluster in [&pair.source, &pair.destination] {
            runtime.block_on(cluster.create_topic(case.topic, 1)).map_err(failed)?;
        }
        let settings: BTreeMap<String, String> =
            case.settings.map(|(name, value)| (name.into(), value.into())).into();
        let configured = pair.destination.configure_topic(case.topic, &settings);
        runtime.block_on(configured).map_err(failed)?;
        let sent: Vec<Sent> = (0..RECORDS).map(|number| case.record(number)).collect();
        produce(pair, case.topic, &sent)?;
        case.stops(pair, &sent, &folder.join(case.topic).join("stops"))?;
        case.drops(pair, &sent, &folder.join(case.topic).join("drops"))?;
    }
    Ok(())
}

impl Case {
    /// The first is refused, before the producer has written anything to the partition, and some of the others.
    fn record(&self, number: usize) -> Sent {
        let is_refused = number.is_multiple_of(7);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let (has_key, age) = match self.topic {
            "compacted" => (!is_refused, 0),
            _ => (true, if is_refused { 2 * HOUR } else { 0 }),
        };
        // No key twice: compaction must not take anything away.
        let key = has_key.then(|| format!("key {number}"));
        Sent { key, value: format!("value {number}"), timestamp: now - age, is_refused }
    }

    /// Each record in a batch of its own, several batches on their way at once.
    fn stops(&self, pair: &Pair, sent: &[Sent], folder: &Path) -> Result<(), String> {
        let ended = self.mirror(pair, &[], "batch.num.messages=1\n", folder)?;
        let first = sent.iter().position(|record| record.is_refused).unwrap_or(sent.len());
        self.arrived(pair, &sent[..first].iter().collect::<Vec<_>>(), &ended)?;
        if ended.code == Some(1) && ended.output.to_lowercase().contains(self.reason) {
            return Ok(());
        }
        Err(format!("{} ended it with {:?}:\n{}", self.topic, ended.code, ended.output))
    }

    fn drops(&self, pair: &Pair, sent: &[Sent], folder: &Path) -> Result<(), String> {
        let ended = self.mirror(pair, &["--abort.on.send.failure", "false"], "", folder)?;
        let taken: Vec<&Sent> = sent.iter().filter(|record| !record.is_refused).collect();
        self.arrived(pair, &taken, &ended)?;
        let dropped = format!("{} dropped", sent.len() - taken.len());
        if ended.output.contains(&dropped) {
            return Ok(());
        }
        Err(format!("{dropped:?} is not said of {}:\n{}", self.topic, ended.output))
    }

    fn mirror(
        &self,
        pair: &Pair,
        more: &[&str],
        producer: &str,
        folder: &Path,
    ) -> Result<Ended, String> {
        let arguments = [&["--once", "--include", self.topic], more].concat();
        Running::between(pair, self.topic, folder, &arguments, producer)?.wait()
    }

    /// These records are on the destination, in this order, and no other.
    fn arrived(&self, pair: &Pair, wanted: &[&Sent], ended: &Ended) -> Result<(), String> {
        let address = pair.destination.bootstrap();
        let read = read_topic(address, self.topic, Isolation::ReadCommitted, PATIENCE);
        let read = read.map_err(failed)?.records;
        let mut both = read.iter().zip(wanted);
        let is_it = |((_, _, content), sent): (&(u32, i64, Content), &&Sent)| {
            content.value().head() == sent.value.as_bytes()
        };
        if read.len() == wanted.len() && both.all(is_it) {
            return Ok(());
        }
        Err(format!(
            "of {}, {} records were to arrive, and {} did, or in another order:\n{}",
            self.topic,
            wanted.len(),
            read.len(),
            ended.output
        ))
    }
}

fn produce(pair: &Pair, topic: &str, records: &[Sent]) -> Result<(), String> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", pair.source.bootstrap())
        .set("enable.idempotence", "true")
        .create()
        .map_err(failed)?;
    for Sent { key, value, timestamp, .. } in records {
        let record = BaseRecord::<str, str>::to(topic).payload(value).timestamp(*timestamp);
        let record = key.iter().fold(record, |record, key| record.key(key));
        producer.send(record).map_err(|(error, _)| failed(error))?;
    }
    producer.flush(PATIENCE).map_err(failed)
}

fn failed(error: impl Display) -> String {
    format!("failed to {error}")
}
