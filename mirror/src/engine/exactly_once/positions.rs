//! The topic on the destination that keeps how far each source partition is copied.
//!
//! A position is written in the transaction that carries the records before it, so both are there or neither is.
//! The topic is compacted: the last position of a partition stays, the others go in time.

use std::time::{Duration, Instant};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication,
    },
    error::{KafkaError, RDKafkaErrorCode},
};
use serde::{Deserialize, Serialize};

use super::super::{
    EngineError, Settings,
    client::{self, Quiet},
};
use crate::{config, topics::POSITIONS, witness::Note};

/// All positions are read at each assignment, so the log is kept short: compaction leaves only the segment in use.
const SEGMENT_BYTES: &str = "16777216";
/// As many replicas as Kafka's own internal topics have, where there are brokers for them.
const REPLICAS: usize = 3;
/// One question to the destination.
const QUESTION: Duration = Duration::from_secs(10);
/// Pause before another look at a topic that is being made.
const LOOK: Duration = Duration::from_millis(20);

/// Whose positions they are: two mirrors of one name may come from two clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The mirror's consumer group.
    pub(crate) group: String,
    /// The source's cluster id.
    pub(crate) cluster: String,
}

impl Origin {
    /// The topic that keeps its positions: one for each group, since readers of committed records see no further
    /// than the transaction that another mirror left open when it died.
    pub(super) fn topic(&self) -> String {
        /// Kafka's topics have 249 characters at most.
        const GROUP: usize = 200;
        // Should two groups come out alike, their keys are still apart.
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let group: String = self.group.chars().take(GROUP).map(allowed).collect();
        format!("{POSITIONS}.{group}")
    }

    /// The transactional id of the only producer that may write what this partition holds.
    pub(super) fn transactional_id(&self, topic: &str, partition: i32) -> String {
        format!("mirror/{}/{}/{topic}/{partition}", self.cluster, self.group)
    }

    /// The partition whose position has this key, if it is one of this mirror's.
    pub(super) fn partition_of(&self, key: &[u8]) -> Option<(String, i32)> {
        let Place { topic, partition } = serde_json::from_slice(key).ok()?;
        (self.key(&topic, partition).as_bytes() == key).then_some((topic, partition))
    }

    /// The key of a partition's position.
    pub(super) fn key(&self, topic: &str, partition: i32) -> String {
        let key = Key { group: &self.group, cluster: &self.cluster, topic, partition };
        serde_json::to_string(&key).expect("a struct of strings and numbers is JSON")
    }
}

#[derive(Serialize)]
struct Key<'k> {
    group: &'k str,
    cluster: &'k str,
    topic: &'k str,
    partition: i32,
}

/// What of a key tells the partition.
#[derive(Deserialize)]
struct Place {
    topic: String,
    partition: i32,
}

/// The value of a position.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    /// 1.
    version: u32,
    /// The source offset to go on at.
    offset: i64,
    /// What is noted of the source's log, as in the metadata of a commit.
    #[serde(default)]
    note: String,
}

/// Where a partition goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The source offset.
    pub(crate) offset: i64,
    /// What is noted of the log that lies before it.
    pub(crate) note: Note,
}

/// The value that says to go on at this source offset.
pub(super) fn value(offset: i64, note: &Note) -> String {
    let position = Position { version: 1, offset, note: note.to_string() };
    serde_json::to_string(&position).expect("numbers and a string are JSON")
}

/// What a position's value says.
pub(super) fn stored(value: &[u8]) -> Result<Stored, String> {
    match serde_json::from_slice(value) {
        Ok(Position { version: 1, offset, note }) => {
            Ok(Stored { offset, note: Note::parse(&note) })
        }
        Ok(Position { version, .. }) => {
            Err(format!("a newer mirror wrote it (version {version}); use that one"))
        }
        Err(error) => Err(format!("it is no position of ours: {error}")),
    }
}

/// Makes the topic, or sees that the one that is there keeps positions for ever.
pub(super) fn prepare(settings: &Settings, origin: &Origin) -> Result<(), EngineError> {
    let name = origin.topic();
    let refused = |reason: &str| refused(&name, reason);
    let not_told = |error: &KafkaError| match error.rdkafka_error_code() {
        // Which says nothing of what the cluster can.
        Some(code) if client::is_outage(code) => {
            let topic = name.clone();
            let reason = format!("the destination did not answer ({code}); start again");
            EngineError::Positions { topic, reason }
        }
        _ => refused(&client::reason(error)),
    };
    let producer = &settings.producers[0];
    let quiet = Quiet::new("destination");
    let admin: AdminClient<Quiet> =
        client::make(&connection(producer), &[], &settings.producer_file, quiet)?;
    let brokers = admin
        .inner()
        .fetch_metadata(None, QUESTION)
        .map_err(|error| not_told(&error))?
        .brokers()
        .len();
    let replicas = TopicReplication::Fixed(brokers.clamp(1, REPLICAS) as i32);
    let topic = NewTopic::new(&name, 1, replicas)
        .set("cleanup.policy", "compact")
        .set("segment.bytes", SEGMENT_BYTES);
    let options = AdminOptions::new().request_timeout(Some(QUESTION));
    let made = client::block_on(admin.create_topics([&topic], &options));
    match made.map(|mut topics| topics.pop()) {
        Ok(Some(Ok(_))) => {
            tracing::info!("made the topic {name} on the destination: it keeps the positions");
            Ok(())
        }
        // Whoever may not create topics may use one that is there.
        Ok(Some(Err((_, code)))) => check(&admin, &options, &name, code),
        Ok(None) => Err(refused("the destination did not say whether it made the topic")),
        Err(error) => Err(not_told(&error)),
    }
}

/// A topic that was there, or that could not be made: is it one that keeps positions?
fn check(
    admin: &AdminClient<Quiet>,
    options: &AdminOptions,
    name: &str,
    code: RDKafkaErrorCode,
) -> Result<(), EngineError> {
    let refused = |reason: &str| refused(name, reason);
    let since = Instant::now();
    let described = loop {
        let topic = [ResourceSpecifier::Topic(name)];
        let asked = client::block_on(admin.describe_configs(&topic, options));
        let described = asked.ok().and_then(|mut answers| answers.pop()).and_then(Result::ok);
        // Another mirror may be making it: not every broker knows it at once.
        let is_making = code == RDKafkaErrorCode::TopicAlreadyExists && since.elapsed() < QUESTION;
        if described.is_some() || !is_making {
            break described;
        }
        std::thread::sleep(LOOK);
    };
    match described.as_ref().and_then(|config| config.get("cleanup.policy")) {
        Some(ConfigEntry { value: Some(policy), .. }) if policy == "compact" => Ok(()),
        Some(ConfigEntry { value, .. }) => Err(refused(&format!(
            "its cleanup.policy is {}, so positions would expire; set it to compact",
            value.as_deref().unwrap_or("unknown")
        ))),
        None if code == RDKafkaErrorCode::TopicAlreadyExists => Err(refused(
            "it is there, but its cleanup.policy may not be read: allow the mirror to describe its configuration",
        )),
        None => Err(refused(&format!("it was not made: {code}"))),
    }
}

fn refused(topic: &str, reason: &str) -> EngineError {
    EngineError::NoTransactions { reason: format!("the topic {topic} cannot be used: {reason}") }
}

/// What a consumer or admin client needs of a producer's settings to reach the same cluster.
pub(super) fn connection(producer: &config::Settings) -> config::Settings {
    const PREFIXES: [&str; 9] = [
        "bootstrap.",
        "security.",
        "ssl.",
        "sasl.",
        "socket.",
        "broker.",
        "enable.ssl.",
        "client.",
        "debug",
    ];
    let mut settings = config::Settings::default();
    let of_connection = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    producer
        .effective()
        .filter(|setting| of_connection(&setting.name))
        .for_each(|setting| settings.set(setting.clone()));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_found_again_under_its_key() {
        let origin = Origin { group: "g".to_owned(), cluster: "c".to_owned() };
        assert_eq!(
            origin.key("t\"", 3),
            r#"{"group":"g","cluster":"c","topic":"t\"","partition":3}"#
        );
        let found = origin.partition_of(origin.key("t\"", 3).as_bytes());
        assert_eq!(found, Some(("t\"".to_owned(), 3)));
        let other = Origin { cluster: "d".to_owned(), ..origin.clone() };
        assert_eq!(origin.partition_of(other.key("t", 3).as_bytes()), None);
        assert_eq!(origin.partition_of(b"no key of ours"), None);
        assert_eq!(origin.transactional_id("t", 3), "mirror/c/g/t/3");
        assert_eq!(origin.topic(), "__mirror_positions.g");
        let note = Note::parse("witness/1 16=2a");
        let value = value(17, &note);
        assert_eq!(stored(value.as_bytes()), Ok(Stored { offset: 17, note }));
        let bare = stored(br#"{"version":1,"offset":17}"#);
        assert_eq!(bare, Ok(Stored { offset: 17, note: Note::default() }));
    }

    #[test]
    fn any_group_has_a_topic() {
        let topic = |group: String| Origin { group, cluster: "c".to_owned() }.topic();
        assert_eq!(topic("a b/ü".to_owned()), "__mirror_positions.a_b__");
        assert!(topic("x".repeat(300)).len() <= 249);
    }

    #[test]
    fn what_is_no_position_of_ours_is_not_taken_for_one() {
        assert!(stored(br#"{"version":2,"offset":17}"#).unwrap_err().contains("newer mirror"));
        assert!(stored(b"17").unwrap_err().contains("no position of ours"));
        assert!(stored(b"").is_err());
    }
}
