//! What a scenario does, as data: the same whether a feature, a generator or a file wrote it.
//!
//! A plan knows topics, records and the subject's life. It does not know clients or addresses.

mod workload;

use serde::{Deserialize, Serialize};
pub use workload::{Headers, KeyStyle, Placement, Sizes, Skew, TimestampStyle, Workload};

/// One of the two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Where records are produced.
    Source,
    /// Where the subject copies them to.
    Destination,
}

impl std::fmt::Display for Side {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Side::Source => "source",
            Side::Destination => "destination",
        })
    }
}

/// A whole scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this format: [`Plan::VERSION`].
    pub version: u32,
    /// Seed of every random choice.
    pub seed: u64,
    /// What is done, in order.
    pub actions: Vec<Action>,
}

impl Plan {
    /// The version that this program reads and writes.
    pub const VERSION: u32 = 1;
}

/// One thing that is done to the testbed. Topics have logical names; the testbed makes them unique
/// to the scenario where clusters are shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Action {
    /// Creates a topic on one side.
    CreateTopic {
        /// Where.
        side: Side,
        /// Logical name.
        topic: String,
        /// How many partitions.
        partitions: u32,
    },
    /// Gives a topic settings, such as `max.message.bytes`.
    ConfigureTopic {
        /// Where.
        side: Side,
        /// Logical name.
        topic: String,
        /// Names and values.
        settings: std::collections::BTreeMap<String, String>,
    },
    /// Says which topics the subject is asked to mirror. Without it: every topic of the scenario.
    Select {
        /// As MirrorMaker's `--whitelist` takes it.
        pattern: String,
        /// The topics that it selects, and no other.
        topics: Vec<String>,
    },
    /// Takes on a topic that a command created, under its plain name on both sides.
    AdoptTopic {
        /// Its name.
        topic: String,
    },
    /// Runs a command line in a container of a side, with the addresses in its environment.
    Shell {
        /// Where.
        side: Side,
        /// For `sh -c`.
        command: String,
        /// What is typed into it.
        input: String,
    },
    /// Writes records to the source.
    Produce {
        /// Logical name of the topic.
        topic: String,
        /// Which records.
        workload: Workload,
    },
    /// Begins to write records to the source at an even pace, while the plan goes on.
    BeginLoad {
        /// Logical name of the topic.
        topic: String,
        /// Which records.
        workload: Workload,
        /// The pace, of all producers together.
        records_per_second: u32,
    },
    /// Waits until everything is written that was begun.
    AwaitLoad,
    /// Writes foreign records to the destination before the subject's first start.
    Prefill {
        /// Logical name of the topic.
        topic: String,
        /// How many records in each partition.
        records_per_partition: u32,
    },
    /// Starts the subject.
    StartSubject(SubjectOptions),
    /// Waits until the subject copies what is produced from now on.
    AwaitReady,
    /// Asks the subject to stop, and waits until it is gone.
    StopSubject,
    /// Kills the subject.
    KillSubject,
    /// Freezes the subject by SIGSTOP: it holds its connections, and its group takes it for gone in time.
    FreezeSubject,
    /// Lets a frozen subject go on.
    ThawSubject {
        /// How long it has been frozen by then, at least, in milliseconds.
        after_ms: u64,
    },
    /// Starts one more instance of the subject, in the same group.
    AddInstance(SubjectOptions),
    /// Asks the instance that was added last to stop, and waits until it is gone.
    RemoveInstance,
    /// What an operator does once the subject has stopped at a gap: sets its group's positions
    /// behind what is gone.
    SkipGap {
        /// Logical name of the topic.
        topic: String,
    },
    /// Gives a topic more partitions, and waits until the subject must know of them.
    GrowTopic {
        /// Where.
        side: Side,
        /// Logical name.
        topic: String,
        /// How many it has then.
        partitions: u32,
    },
    /// Deletes all that a topic of the source holds, read or not: retention that is ahead of a
    /// stopped subject. What is deleted stays part of the truth.
    Outrun {
        /// Logical name of the topic.
        topic: String,
    },
    /// Deletes a topic of the source, creates it anew, and waits until the subject must know of it. The truth begins with what the new one
    /// holds: of the old one the subject has copied what it could.
    RecreateTopic {
        /// Logical name of the topic.
        topic: String,
        /// How many partitions it has then.
        partitions: u32,
    },
    /// Kills a broker; its log stays.
    KillBroker {
        /// Whose.
        side: Side,
        /// Its number, from 1.
        broker: u8,
    },
    /// Starts a killed broker again and waits until it answers.
    StartBroker {
        /// Whose.
        side: Side,
        /// Its number, from 1.
        broker: u8,
    },
    /// Kills all brokers of a side at once; their logs stay.
    KillCluster {
        /// Whose.
        side: Side,
    },
    /// Starts all killed brokers of a side again and waits until they answer.
    StartCluster {
        /// Whose.
        side: Side,
    },
    /// Lets time pass: for so long an outage lasts.
    Wait {
        /// How long.
        seconds: u32,
    },
    /// Waits until the subject has ended by itself with an error that says something, as it should
    /// when it cannot do its work.
    AwaitExit {
        /// What its output must contain.
        saying: String,
    },
    /// Waits until at least so many records of the topic lie on the destination.
    AwaitRecords {
        /// Logical name of the topic.
        topic: String,
        /// How many.
        records: u64,
    },
    /// Deletes all that the source's topic holds so far: the truth begins behind it.
    TrimSource {
        /// Logical name of the topic.
        topic: String,
    },
    /// An application's consumer reads a part of each source partition and commits its position.
    ConsumeOnSource {
        /// Logical name of the topic.
        topic: String,
        /// How much of each partition it reads, in percent.
        percent: u8,
    },
    /// Waits until the subject has carried the application's positions over to the destination.
    AwaitTranslation {
        /// Logical name of the topic.
        topic: String,
    },
    /// Waits for the end of the run, stops the subject and reads both sides.
    Finish,
    /// The application's consumer moves to the destination with the positions that it committed on
    /// the source, and reads to the end.
    ResumeOnDestination {
        /// Logical name of the topic.
        topic: String,
    },
}

/// How a subject is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectOptions {
    /// `--offset.commit.interval.ms`; `None` leaves the subject's own default.
    pub commit_interval_ms: Option<u64>,
    /// `--num.streams`.
    pub streams: u32,
    /// Whether the partition number is kept.
    pub preserve: bool,
    /// Exactly as the article says: its files, its arguments, in a container on the destination's
    /// side.
    #[serde(default)]
    pub as_in_the_article: bool,
    /// Whether its producer sends small batches, one after the other: what is acknowledged then
    /// comes out of the order of the source where many records go to one partition.
    #[serde(default)]
    pub small_batches: bool,
    /// `--exactly-once`, which is our mirror's own.
    #[serde(default)]
    pub exactly_once: bool,
    /// `--on-data-loss continue`: it goes on when the source has lost records.
    #[serde(default)]
    pub accepts_loss: bool,
    /// `auto.offset.reset=latest`: it begins at the end of what is there at its first start.
    #[serde(default)]
    pub begins_at_end: bool,
}

impl Default for SubjectOptions {
    /// Commits often, so that a scenario is over soon; scenarios that are about the commit interval
    /// set their own.
    fn default() -> SubjectOptions {
        SubjectOptions {
            commit_interval_ms: Some(200),
            streams: 1,
            preserve: false,
            as_in_the_article: false,
            small_batches: false,
            exactly_once: false,
            accepts_loss: false,
            begins_at_end: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_named_as_in_files() {
        for side in [Side::Source, Side::Destination] {
            assert_eq!(serde_json::to_value(side).unwrap(), side.to_string());
        }
    }
}
