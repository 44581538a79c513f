//! Why a run cannot start or go on; each message says what, where, and the way out.

use std::{path::PathBuf, time::Duration};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Totals, client};
use crate::{progress::Place, route::TooFewPartitions};

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("use {}: {reason}", file.display())]
    Property { file: PathBuf, reason: String },

    #[error(
        "mirror a cluster to itself: both bootstrap.servers lead to the cluster {cluster}; every record would be \
         copied again for ever, so change one of the two"
    )]
    SameCluster { cluster: String },

    #[error(
        "reach the {side} at {servers} within {} s: {reason}; {}",
        waited.as_secs(), hindrance.way_out()
    )]
    NoAnswer {
        side: &'static str,
        servers: String,
        waited: Duration,
        reason: String,
        hindrance: Hindrance,
    },

    #[error(
        "log in to the {side}: {reason}; check sasl.mechanism, the user's name and the password in the properties of \
         the {}, and that its brokers know the user",
        if *side == "source" { "consumer" } else { "producer" }
    )]
    Denied { side: &'static str, reason: String },

    #[error(
        "reach the brokers of the {side} within {} s: {reason}; its bootstrap servers answered, but clients must \
         reach the addresses that its brokers advertise (advertised.listeners)",
        waited.as_secs()
    )]
    Unreachable { side: &'static str, waited: Duration, reason: String },

    #[error(
        "copy {topic}: the destination has no such topic and does not create it; create it there (with as many \
         partitions as you want), or set auto.create.topics.enable=true on its brokers. Nothing of it was committed"
    )]
    MissingTopic { topic: String },

    #[error(transparent)]
    TooFewPartitions(#[from] TooFewPartitions),

    #[error(
        "send the record {}: the destination does not take it: {}; {}. It is not committed, so the next start \
         tries it again{}",
        show(place), client::reason(refusal), hint(refusal, place),
        match batch {
            Batch::Transaction => "",
            Batch::Alone => "; --abort.on.send.failure false would drop it",
            Batch::Shared => "; --abort.on.send.failure false would drop it, and what is refused along with it",
        }
    )]
    Send { place: Place, refusal: Box<KafkaError>, batch: Batch },

    #[error(
        "send the record {}: with about {bytes} bytes it is larger than the destination takes ({reason}); raise \
         max.message.bytes of {} there to more than that (and max.request.size and buffer.memory, if your producer.properties set them), or \
         drop it with --abort.on.send.failure false. It is not committed, so the next start tries it again",
        show(place), place.topic
    )]
    RecordTooLarge { place: Place, bytes: u64, reason: String },

    #[error(
        "send a batch with the record {}: the destination refuses it as too large ({reason}), though no record in it is \
         larger than batch.size={batch}. If max.message.bytes of {} was lowered while the mirror ran, start it again: it \
         asks for it then; if the destination does not tell it, set batch.size in producer.properties to at most \
         that. Nothing of the batch is committed or dropped",
        show(place), place.topic
    )]
    BatchTooLarge { place: Place, batch: u64, reason: String },

    #[error(
        "continue reading: records are gone from the source before they were copied: {lost}; --on-data-loss continue \
         accepts that and goes on with what is left"
    )]
    DataLoss { lost: String },

    #[error(
        "begin reading {topic} [{partition}]: the group has no committed offset there and auto.offset.reset=none; \
         set it to earliest or latest"
    )]
    NoPosition { topic: String, partition: i32 },

    #[error(
        "sum up the record {}: a header of it has a name that is not UTF-8, of which --once can make no digest; copy it \
         without --once, which hands it on as it is. It is not committed, so the next start reads it again",
        show(place)
    )]
    HeaderName { place: Place },

    #[error(
        "read on: a batch of records on the source is damaged, its checksum or its compression is wrong ({reason}). It \
         lies at or behind {}. Look at the segment of the partition's log, on each of its replicas \
         (kafka-dump-log.sh --deep-iteration --files SEGMENT); check.crcs=false in consumer.properties copies a batch \
         with a wrong checksum as it is. It is not committed, so the next start reads it again",
        show_some(next)
    )]
    Damaged { reason: String, next: Vec<Place> },

    #[error("read the source: {reason}")]
    Consume { reason: String },

    #[error(
        "join the group: the source's brokers do not take this session.timeout.ms ({reason}); set it in \
         consumer.properties to a value between their group.min.session.timeout.ms (6000 unless they set it) and \
         group.max.session.timeout.ms (1800000)"
    )]
    SessionTimeout { reason: String },

    #[error("write to the destination: {reason}")]
    Produce { reason: String },

    #[error(
        "stop cleanly: the destination has acknowledged nothing for {} s, and {records} records wait for it, or for one \
         before them; none of these is committed, so the next start copies them, and those that had arrived are then \
         there twice. Check that its brokers and the network are up", waited.as_secs()
    )]
    Unfinished { records: usize, waited: Duration },

    #[error(
        "copy all that was there at the start: it was stopped before ({totals}); the next start goes on there"
    )]
    CutShort { totals: Totals },

    #[error(
        "stop cleanly: the source did not take the last commit ({reason}); some records will be copied again"
    )]
    Uncommitted { reason: String },

    #[error(
        "copy exactly once: {reason}; it needs transactions on the destination (Kafka 0.11 or later, and ACLs to write \
         with transactional ids that begin with mirror/ and to create, describe and write the topic {}.<group>); \
         without --exactly-once a restart may repeat records",
        crate::topics::POSITIONS
    )]
    NoTransactions { reason: String },

    #[error(
        "read how far each partition is copied exactly once: the topic {topic} of the destination, which holds it: \
         {reason}"
    )]
    Positions { topic: String, reason: String },

    #[error(
        "read how far each partition is copied exactly once: the destination has no topic {topic} any more, which held \
         it (missed for {} s). If somebody deleted it, start the mirror again: it makes the topic anew and goes on where \
         the group has committed on the source; what was copied since that commit is then there twice",
        waited.as_secs()
    )]
    PositionsGone { topic: String, waited: Duration },

    #[error(
        "stop cleanly: the last transaction of {topic} [{partition}] was aborted ({reason}); readers of committed \
         records see nothing of it, and the next start copies it"
    )]
    Aborted { topic: String, partition: i32, reason: String },

    #[error("go on: a stream panicked, which is a bug of the mirror; see the log above")]
    Panicked,
}

impl EngineError {
    /// Must the user change something before a start can succeed?
    pub(crate) fn is_configuration(&self) -> bool {
        matches!(self, Self::Property { .. } | Self::SameCluster { .. } | Self::TooFewPartitions(_))
    }
}

/// What may keep a cluster from answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// The broker's certificate is of another host.
    Name,
    /// Nobody whom we trust has signed it.
    Authority,
    /// The broker asks who we are.
    Client,
    Other,
}

impl Hindrance {
    /// By what librdkafka and OpenSSL said.
    pub(super) fn of(reason: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        if says(&["certificate verify failed", "verify broker certificate"]) {
            Self::Authority
        } else if says(&["alert certificate required", "alert bad certificate", "alert unknown ca"])
        {
            Self::Client
        } else {
            Self::Other
        }
    }

    fn way_out(self) -> &'static str {
        match self {
            Self::Name => {
                "the broker's certificate does not name the host that it was reached by: write a name that is in it \
                 into bootstrap.servers (and into advertised.listeners of the broker), or set \
                 ssl.endpoint.identification.algorithm to nothing"
            }
            Self::Authority => {
                "the broker's certificate is not signed by a trusted authority: set ssl.truststore.location (PEM, or \
                 ssl.ca.location) to the certificate of the authority that signed it"
            }
            Self::Client => {
                "the broker wants a certificate of the client: set ssl.keystore.location (PKCS12 or PEM) to one that \
                 an authority in the broker's truststore has signed"
            }
            Self::Other => "check bootstrap.servers, security.protocol and the network",
        }
    }
}

/// What to look at, by why a record was refused.
fn hint(refusal: &KafkaError, place: &Place) -> String {
    use RDKafkaErrorCode::{
        ClusterAuthorizationFailed, InvalidDifferentRecord, InvalidRecord, InvalidTimestamp,
        MessageTimedOut, TopicAuthorizationFailed, TransactionalIdAuthorizationFailed,
    };
    let Place { topic, .. } = place;
    match refusal.rdkafka_error_code() {
        // Brokers say it of all records of a batch once several of them are refused, whatever for.
        Some(InvalidRecord | InvalidDifferentRecord) => format!(
            "a compacted topic takes no record without a key, and each topic only timestamps within its limits: check \
             cleanup.policy, message.timestamp.before.max.ms and message.timestamp.after.max.ms of {topic} there"
        ),
        Some(InvalidTimestamp) => format!(
            "check message.timestamp.before.max.ms and message.timestamp.after.max.ms of {topic} there"
        ),
        Some(
            TopicAuthorizationFailed
            | ClusterAuthorizationFailed
            | TransactionalIdAuthorizationFailed,
        ) => format!("allow the user of producer.properties to write to {topic}"),
        Some(MessageTimedOut) => {
            "message.timeout.ms has passed, or retries is used up; without them in \
             producer.properties the mirror waits for the destination"
                .to_owned()
        }
        _ => format!("check the settings of {topic} there, and its brokers' log"),
    }
}

/// `topic [partition] at offset`.
pub(super) fn show(place: &Place) -> String {
    format!("{} [{}] at offset {}", place.topic, place.partition, place.offset)
}

/// The first of them; one of them it is.
fn show_some(places: &[Place]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = places.iter().take(SHOWN).map(show).collect();
    let more = match places.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(", or one of {more} more partitions"),
    };
    let one_of = if places.len() > 1 { "one of " } else { "" };
    format!("{one_of}{}{more}", shown.join(", "))
}

/// What a record that is refused was sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// In a transaction, which is aborted as a whole.
    Transaction,
    Alone,
    Shared,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: RDKafkaErrorCode, batch: Batch) -> String {
        let place = Place { topic: "t".to_owned(), partition: 1, offset: 7 };
        let refusal = Box::new(KafkaError::MessageProduction(code));
        EngineError::Send { place, refusal, batch }.to_string()
    }

    #[test]
    fn a_refused_record_is_named_with_what_to_look_at() {
        use RDKafkaErrorCode::{
            InvalidRecord, InvalidTimestamp, MessageTimedOut, PolicyViolation,
            TopicAuthorizationFailed,
        };
        for (code, words) in [
            (InvalidRecord, "no record without a key"),
            (InvalidTimestamp, "message.timestamp.before.max.ms"),
            (TopicAuthorizationFailed, "allow the user of producer.properties to write to t"),
            (InvalidRecord, "message.timestamp.before.max.ms"),
            (MessageTimedOut, "message.timeout.ms has passed, or retries is used up"),
            (PolicyViolation, "check the settings of t there"),
        ] {
            let message = refused(code, Batch::Alone);
            assert!(message.contains("t [1] at offset 7"), "{message}");
            assert!(message.contains(words), "no {words:?} in {message}");
        }
        let alone = refused(InvalidRecord, Batch::Alone);
        assert!(alone.ends_with("--abort.on.send.failure false would drop it"), "{alone}");
        assert!(refused(InvalidRecord, Batch::Shared).contains("refused along with it"));
        let in_transactions = refused(InvalidRecord, Batch::Transaction);
        assert!(!in_transactions.contains("--abort"), "it would be refused: {in_transactions}");
    }

    #[test]
    fn eight_places_are_named_at_most() {
        let place = |partition| Place { topic: "t".to_owned(), partition, offset: 7 };
        let named = |count| {
            let next = (0..count).map(place).collect();
            EngineError::Damaged { reason: String::new(), next }.to_string()
        };
        assert!(named(1).contains("at or behind t [0] at offset 7. Look"), "{}", named(1));
        let most = "at or behind one of t [0] at offset 7, t [1] at offset 7";
        assert!(named(8).contains(most) && !named(8).contains("more"), "{}", named(8));
        let more = "t [7] at offset 7, or one of 2 more partitions. Look";
        assert!(named(10).contains(more), "{}", named(10));
    }
}
