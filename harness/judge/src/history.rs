//! What happened in one scenario, as plain values: the only thing the checkers see.
//!
//! A history is written by the harness's `observe` and `workload` stages (or by a test) and read
//! by `correspondence` and `check`. It holds no client, no clock and no policy. Source and
//! destination offsets are distinct types without conversion: they are not interchangeable.

mod absence;
mod content;
mod event;
mod id;

pub(crate) use absence::Completeness;
pub use content::{Content, Header, HeaderRef, Headers, Payload, Timestamp};
pub use event::{Event, EventKind};
pub use id::RecordId;

use crate::plan::Side;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A position or record offset in a partition of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceOffset(pub i64);

/// A position or record offset in a partition of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DestinationOffset(pub i64);

/// Index into [`History::topics`].
pub type TopicIndex = u16;

/// A partition of a topic of the history, on the side that the context names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Which topic.
    pub topic: TopicIndex,
    /// Kafka's partition number.
    pub partition: u32,
}

/// A record as read back from the source: the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// Where it lies.
    pub at: TopicPartition,
    /// At which offset.
    pub offset: SourceOffset,
    /// What it carries.
    pub content: Content,
}

/// A record as read back from the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationRecord {
    /// Where it lies.
    pub at: TopicPartition,
    /// At which offset.
    pub offset: DestinationOffset,
    /// What it carries.
    pub content: Content,
}

/// A topic of the scenario and its counterpart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Name on the source.
    pub source: String,
    /// Name on the destination, by the contract's naming.
    pub destination: String,
    /// Partition counts of the source, first the original, then after each growth.
    pub source_partitions: Vec<u32>,
    /// Partition counts of the destination, first the original, then after each growth. Empty if
    /// the topic does not exist there.
    pub destination_partitions: Vec<u32>,
    /// Whether the subject was asked to mirror it. What appears of another topic is leaked.
    pub selected: bool,
    /// Whether the source is compacted: the truth is then each key's last record.
    pub compacted: bool,
}

impl Topic {
    /// Its name on a side.
    pub fn on(&self, side: Side) -> &str {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        }
    }
}

/// What the source's watermarks were for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBounds {
    /// Low watermark before the first record of the scenario.
    pub baseline: SourceOffset,
    /// Low watermark at the final read; above `baseline` records have expired.
    pub low: SourceOffset,
    /// End offset when the producers had finished. Completeness covers what lies below.
    pub cut: SourceOffset,
}

/// What the destination's watermarks were for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationBounds {
    /// Low watermark before the subject's first start.
    pub low_baseline: DestinationOffset,
    /// End offset before the subject's first start. Only what lies at or beyond it is a copy.
    pub baseline: DestinationOffset,
    /// Low watermark at the final read; above `low_baseline` records have expired.
    pub low: DestinationOffset,
    /// End offset at the final read.
    pub end: DestinationOffset,
}

impl DestinationBounds {
    /// Whether copies have expired, and not only what was there before the subject started.
    pub(crate) fn have_copies_expired(&self) -> bool {
        self.low > self.baseline
    }
}

/// What a producer was told about one record. Three-valued as in Jepsen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The broker acknowledged it.
    Acknowledged,
    /// It certainly did not reach a broker (a local error), or its transaction was aborted.
    Failed,
    /// Nobody knows: every delivery error that is not certainly local.
    Indeterminate,
}

/// One line of the producers' log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Which topic.
    pub topic: TopicIndex,
    /// Which record.
    pub id: RecordId,
    /// What became of it.
    pub outcome: Outcome,
}

/// Positions on the source, by partition. A partition without a committed offset is absent.
pub type Positions = BTreeMap<TopicPartition, SourceOffset>;

/// End offsets on the destination, by partition.
pub type Ends = BTreeMap<TopicPartition, DestinationOffset>;

/// Committed positions, and the destination's end offsets read *after* them: every source record
/// below a committed position must lie below those ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitSample {
    /// Positions that the subject had committed.
    pub committed: Positions,
    /// End offsets of the destination, read after the positions.
    pub destination_ends: Ends,
}

/// How the run came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completion {
    /// Every sentinel arrived and, where progress is known, nothing uncommitted was left.
    Completed,
    /// Neither a new record nor a new commit for the stall window, with faults healed and the
    /// harness's own canaries passing on both sides.
    Idle {
        /// Whether every sentinel had arrived.
        sentinels_arrived: bool,
        /// Source partitions with data records between the committed position and the cut.
        /// `None`: the subject's progress cannot be read.
        behind: Option<u32>,
        /// How long nothing moved, in seconds.
        seconds: u64,
    },
    /// The subject ended by itself.
    Exited {
        /// How it ended, such as `exit status: 1`.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// Still progressing when the time was over.
    Deadline {
        /// What was awaited and what was seen last.
        awaited: String,
    },
    /// The harness could not read or write the clusters itself, or was cut short.
    Unobservable {
        /// What failed.
        reason: String,
    },
}

/// Positions committed after a graceful stop, or at the end: used to name what stayed uncommitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalCommit {
    /// Committed positions; `None` if the subject's progress cannot be read.
    pub committed: Option<Positions>,
    /// Whether the subject ended gracefully (by its stop signal, with a documented exit code).
    pub graceful: bool,
}

/// A consumer that was moved to the destination with its raw source offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeTrial {
    /// Which topic.
    pub topic: TopicIndex,
    /// Positions that the consumer's group had committed on the source.
    pub committed: Positions,
    /// Where it resumed on the destination, by partition: the raw number, or the position by its
    /// reset policy where there is none or it is out of range.
    pub resumed: Ends,
    /// The records that it then received from the destination.
    pub received: Vec<(TopicPartition, DestinationOffset)>,
}

/// New partitions of a topic of the destination, and from where on they must be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Which topic.
    pub topic: TopicIndex,
    /// How many partitions the destination has since.
    pub partitions: u32,
    /// End offsets of the destination when the contract's metadata age had passed since. What was
    /// written at or beyond them, by a subject that knows its cluster, lies by the new count. A
    /// partition that is absent was empty then.
    pub settled: Ends,
}

/// The offsets of an application's consumer group, as the subject translated them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Which topic.
    pub topic: TopicIndex,
    /// The application's group.
    pub group: String,
    /// Positions that the group had committed on the source.
    pub committed: Positions,
    /// Positions of the same group on the destination, as the subject wrote them. A partition
    /// without one is absent.
    pub translated: Ends,
}

/// A setting of a topic, as read on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// Which topic.
    pub topic: TopicIndex,
    /// The setting's name, such as `cleanup.policy`.
    pub name: String,
    /// Its value on the source; `None` if it is not set there.
    pub source: Option<String>,
    /// Its value on the destination; `None` if it is not set there.
    pub destination: Option<String>,
}

impl History {
    /// Topics of which the source may have forgotten records: compacted, or some have expired.
    pub(crate) fn forgetful_topics(&self) -> Vec<bool> {
        let mut forgetful: Vec<bool> = self.topics.iter().map(|topic| topic.compacted).collect();
        for (at, bounds) in &self.source_bounds {
            if bounds.low > bounds.baseline {
                forgetful[at.topic as usize] = true;
            }
        }
        forgetful
    }
}

/// Source records that nobody can read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The position that was committed: what lies below it had been read.
    pub from: SourceOffset,
    /// Where the log begins now.
    pub to: SourceOffset,
}

impl Gap {
    /// Whether an offset lies in it.
    pub fn holds(self, offset: SourceOffset) -> bool {
        self.from <= offset && offset < self.to
    }
}

/// Everything that was observed of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The run whose records are the scenario's own.
    pub run: u64,
    /// Topics, selected or not.
    pub topics: Vec<Topic>,
    /// What the source holds, read committed, in order of partition and offset, without sentinels.
    pub source: Vec<SourceRecord>,
    /// What the destination holds, in order of partition and offset, without sentinels; what lies
    /// below the baseline included.
    pub destination: Vec<DestinationRecord>,
    /// Watermarks of the source.
    pub source_bounds: BTreeMap<TopicPartition, SourceBounds>,
    /// Watermarks of the destination.
    pub destination_bounds: BTreeMap<TopicPartition, DestinationBounds>,
    /// The producers' log.
    pub produced: Vec<Produced>,
    /// How many records of each topic the producers wrote, those included of which nobody knows what became. A topic is
    /// absent if others wrote to it, or if a producer may have written a record twice.
    pub written: BTreeMap<TopicIndex, u64>,
    /// Source end offsets when the subject was first ready.
    pub ready: Option<Positions>,
    /// The subject's life, in order.
    pub events: Vec<Event>,
    /// Samples taken while the subject ran, in order.
    pub commits: Vec<CommitSample>,
    /// The committed positions at the end.
    pub final_commit: FinalCommit,
    /// How the run came to its end. `None`: no end was awaited, so completeness was not judged.
    pub completion: Option<Completion>,
    /// Trials of the offset promise.
    pub resumes: Vec<ResumeTrial>,
    /// The source's end offsets at the final read: control records and sentinels included. Empty:
    /// unknown.
    pub source_ends: Positions,
    /// Data records at or beyond the cut of their partition at the final read, without sentinels.
    /// No producer of the harness wrote them.
    pub after_cut: Vec<SourceRecord>,
    /// Data records that only a read_uncommitted reader of the source sees: aborted transactions.
    pub aborted: Vec<SourceRecord>,
    /// Growth of destination topics whose new partitions must have been known at some time.
    pub grown: Vec<Growth>,
    /// What was deleted before the subject could read it, where the subject said so and stopped. The
    /// truth still holds these records, as they were read before they were deleted.
    pub announced: BTreeMap<TopicPartition, Gap>,
    /// Translated offsets of application groups.
    pub translations: Vec<Translation>,
    /// Settings of topics on both sides.
    pub configs: Vec<TopicConfig>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_a_name_on_each_side() {
        let topic = Topic {
            source: "orders".into(),
            destination: "east.orders".into(),
            source_partitions: Vec::new(),
            destination_partitions: Vec::new(),
            selected: true,
            compacted: false,
        };
        let names = [Side::Source, Side::Destination].map(|side| topic.on(side));
        assert_eq!(names, ["orders", "east.orders"]);
    }
}
