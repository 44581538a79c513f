//! What a subject declares about itself. Detection never reads it, apart from where the contract
//! defines the right place (partitioning) and the right scope (order); [`crate::verdict`] does.

mod settings;
mod values;

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

/// Which records of the source it takes for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Committed ones alone: what an aborted transaction wrote is never copied.
    ReadCommitted,
    /// All that were written: those of aborted transactions may be copied, too.
    ReadUncommitted,
}

/// What it promises about the offsets of consumer groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Offsets {
    /// Nothing: offsets of the two sides have nothing to do with each other.
    Independent,
    /// A copy has the offset of its record, so a group goes on at the number it committed.
    Preserved,
    /// It translates the positions of groups, so that a group that moves skips nothing.
    Translated {
        /// How many records of a topic that a group had read it may at most get again.
        max_rewind: u64,
    },
}

/// The whole declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Contract {
    /// Within what order is promised.
    #[serde(deserialize_with = "values::word")]
    pub order: OrderScope,
    /// Which destination partition a record belongs to.
    #[serde(deserialize_with = "values::word")]
    pub partitioning: Partitioning,
    /// What the destination's topic name begins with, before the source's name.
    #[serde(deserialize_with = "values::topic_prefix")]
    pub topic_prefix: String,
    /// What happens to repeats.
    #[serde(deserialize_with = "values::word")]
    pub delivery: Delivery,
    /// Whether a retried produce request cannot repeat or reorder.
    pub idempotent: bool,
    /// Whether a zombie can no longer write.
    pub fenced: bool,
    /// Where it begins.
    #[serde(deserialize_with = "values::word")]
    pub start: Start,
    /// Where it keeps its position.
    #[serde(deserialize_with = "values::word")]
    pub progress: Progress,
    /// Names of headers that it may add.
    #[serde(deserialize_with = "values::added_headers")]
    pub added_headers: Vec<String>,
    /// What happens to timestamps.
    #[serde(deserialize_with = "values::word")]
    pub timestamps: Timestamps,
    /// How long it takes at most from delivery to commit, in milliseconds.
    #[serde(deserialize_with = "values::commit_interval")]
    pub commit_interval_ms: u64,
    /// Exit codes of a graceful stop.
    #[serde(deserialize_with = "values::graceful_exit_codes")]
    pub graceful_exit_codes: Vec<i32>,
    /// How long after a topic has grown records may still be placed by the old number of
    /// partitions, in milliseconds.
    #[serde(deserialize_with = "values::metadata_age")]
    pub metadata_age_ms: u64,
    /// Which records of the source it takes for data.
    #[serde(deserialize_with = "values::word")]
    pub isolation: Isolation,
    /// What it promises about the offsets of consumer groups.
    #[serde(deserialize_with = "values::offsets")]
    pub offsets: Offsets,
    /// Names of topic settings that have the same value on both sides.
    #[serde(deserialize_with = "values::copied_configs")]
    pub copied_configs: Vec<String>,
}

impl Default for Contract {
    /// The contract of a program of which nothing is known: order by key, where Java producers put
    /// the key, same names, at least once, from the beginning, committed records alone, nothing
    /// added. It is given `metadata.max.age.ms=1000`, and as much again is for the refresh itself.
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
            metadata_age_ms: 2_000,
            isolation: Isolation::ReadCommitted,
            offsets: Offsets::Independent,
            copied_configs: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<Contract, &str>) {
        match (serde_json::from_str::<Contract>(json), expected) {
            (Ok(contract), Ok(expected)) => {
                assert_eq!(contract, expected);
                let written = serde_json::to_string(&contract).unwrap();
                assert_eq!(serde_json::from_str::<Contract>(&written).unwrap(), contract);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_contract_says_what_differs_from_the_default_and_nothing_unknown() {
        let default = Contract::default;
        check("{}", Ok(default()));
        check(
            r#"{"isolation": "read-uncommitted", "metadata-age-ms": 1000}"#,
            Ok(Contract {
                isolation: Isolation::ReadUncommitted,
                metadata_age_ms: 1_000,
                ..default()
            }),
        );
        check(
            r#"{"offsets": "preserved", "copied-configs": ["cleanup.policy"]}"#,
            Ok(Contract {
                offsets: Offsets::Preserved,
                copied_configs: vec!["cleanup.policy".into()],
                ..default()
            }),
        );
        check(
            r#"{"offsets": {"translated": {"max-rewind": 100}}}"#,
            Ok(Contract { offsets: Offsets::Translated { max_rewind: 100 }, ..default() }),
        );
        check(r#"{"ofsets": "preserved"}"#, Err("unknown field `ofsets`"));
        check(r#"{"isolation": "serializable"}"#, Err("\"serializable\", expected"));
        check(r#"{"offsets": {"translated": {}}}"#, Err("missing field `max-rewind`"));
        check(
            r#"{"offsets": {"translated": {"max-rewind": 1, "group": "g"}}}"#,
            Err("unknown field `group`"),
        );
    }
}
