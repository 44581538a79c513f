//! What a subject declares about itself. Detection never reads it, apart from where the contract
//! defines the right place (partitioning) and the right scope (order); [`crate::verdict`] does.

use serde::{Deserialize, Serialize};

/// Within what the order of records is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderScope {
    /// Per source partition and key.
    Key,
    /// Per source partition, null keys included.
    Partition,
}

/// Which destination partition a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partitioning {
    /// Java's murmur2 over the key; null keys anywhere.
    Murmur2,
    /// The source's partition number.
    Preserve,
    /// librdkafka's CRC32 over the key; null and empty keys anywhere.
    Crc32,
    /// Not promised.
    Any,
}

/// What happens to repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Repeats that a restart or a rebalance explains are part of the promise.
    AtLeastOnce,
    /// No repeat at all.
    ExactlyOnce,
}

/// Where a subject without a committed position begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the first record.
    Earliest,
    /// At the end: what lies before its first readiness may be absent.
    Latest,
}

/// Where the subject keeps its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// In its consumer group on the source, as the next position.
    Group,
    /// In the source's ZooKeeper, as the old consumer does.
    ZooKeeper,
    /// Unknown: sentinels alone decide when a run is over.
    Unknown,
}

/// What happens to timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timestamps {
    /// Kept.
    Kept,
    /// Set anew: not compared.
    Restamped,
}

/// The whole declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Contract {
    /// Within what order is promised.
    pub order: OrderScope,
    /// Which destination partition a record belongs to.
    pub partitioning: Partitioning,
    /// What the destination's topic name begins with, before the source's name.
    pub topic_prefix: String,
    /// What happens to repeats.
    pub delivery: Delivery,
    /// Whether a retried produce request cannot repeat or reorder.
    pub idempotent: bool,
    /// Whether a zombie can no longer write.
    pub fenced: bool,
    /// Where it begins.
    pub start: Start,
    /// Where it keeps its position.
    pub progress: Progress,
    /// Names of headers that it may add.
    pub added_headers: Vec<String>,
    /// What happens to timestamps.
    pub timestamps: Timestamps,
    /// How long it takes at most from delivery to commit, in milliseconds.
    pub commit_interval_ms: u64,
    /// Exit codes of a graceful stop.
    pub graceful_exit_codes: Vec<i32>,
}

impl Default for Contract {
    /// The contract of a program of which nothing is known: order by key, where Java producers put
    /// the key, same names, at least once, from the beginning, nothing added.
    fn default() -> Contract {
        Contract {
            order: OrderScope::Key,
            partitioning: Partitioning::Murmur2,
            topic_prefix: String::new(),
            delivery: Delivery::AtLeastOnce,
            idempotent: false,
            fenced: false,
            start: Start::Earliest,
            progress: Progress::Group,
            added_headers: Vec::new(),
            timestamps: Timestamps::Kept,
            commit_interval_ms: 5_000,
            graceful_exit_codes: vec![0],
        }
    }
}
