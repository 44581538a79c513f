//! Why a run cannot start or go on; each message says what, where, and the way out.

use std::{path::PathBuf, time::Duration};

use super::Totals;
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
        "reach the {side} at {servers} within {} s: {reason}; check bootstrap.servers, security.protocol and the network",
        waited.as_secs()
    )]
    NoAnswer { side: &'static str, servers: String, waited: Duration, reason: String },

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
        "send the record {}: {reason}; it is not committed, so the next start tries it again \
         (--abort.on.send.failure false would drop it)",
        show(place)
    )]
    Send { place: Place, reason: String },

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

    #[error("read the source: {reason}")]
    Consume { reason: String },

    #[error("write to the destination: {reason}")]
    Produce { reason: String },

    #[error(
        "stop cleanly: the destination did not acknowledge {records} records within {} s; they are not committed and \
         will be copied at the next start, some perhaps again", waited.as_secs()
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
        super::exactly_once::positions::PREFIX
    )]
    NoTransactions { reason: String },

    #[error(
        "read how far each partition is copied exactly once: the topic {topic} of the destination, which holds it: \
         {reason}"
    )]
    Positions { topic: String, reason: String },

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

/// `topic [partition] at offset`.
pub(super) fn show(place: &Place) -> String {
    format!("{} [{}] at offset {}", place.topic, place.partition, place.offset)
}
