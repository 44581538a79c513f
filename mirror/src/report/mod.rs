//! The report of `--once`: what was copied, partition by partition. A plain value, printed as text or JSON.
//!
//! ```text
//!  engine -> Report -> text | JSON -> stdout
//! ```
//! The JSON's `schema_version` rises when a field changes its meaning or goes; new fields may come without. It
//! knows no client.

mod text;

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    digest::{self, Digest},
    progress::account::{Copied, Range, Sum},
};

const SCHEMA_VERSION: u32 = 1;

/// What a run with `--once` copied.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema_version: u32,
    /// Was everything copied and committed that was to be copied, and nothing dropped or lost?
    complete: bool,
    /// How digests are made, see `digest`.
    digest: &'static str,
    topics: Vec<Topic>,
    /// By topic and partition; also those that had nothing to copy.
    partitions: Vec<Partition>,
}

/// The sum of a topic's partitions, which can be compared where the numbers of partitions differ.
#[derive(Debug, Serialize)]
struct Topic {
    topic: String,
    source: Side,
    destination: Side,
}

/// One partition of the source.
#[derive(Debug, Serialize)]
pub(crate) struct Partition {
    topic: String,
    partition: i32,
    /// The source's end offset at the start: the first that was not to be copied.
    end_offset: i64,
    /// Source offsets of what was copied; null if nothing was.
    first_offset: Option<i64>,
    last_offset: Option<i64>,
    /// Another member of the group has read it to its end, so the rest is in that one's report.
    elsewhere: bool,
    /// What was read.
    source: Side,
    /// What was acknowledged.
    destination: Side,
    /// Records that were not acknowledged as they were read: librdkafka cannot write their timestamps.
    changed: u64,
    /// Records that the destination refused, with --abort.on.send.failure false.
    dropped: u64,
    /// Offsets gone from the source before they were copied, with --on-data-loss continue.
    lost: u64,
    /// Records that a rebalance made the mirror copy a second time; counted nowhere else.
    repeated: u64,
    destination_partitions: Vec<DestinationPartition>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Side {
    records: u64,
    /// Of keys, values, and names and values of headers.
    bytes: u64,
    digest: Digest,
}

#[derive(Debug, Serialize)]
struct DestinationPartition {
    partition: i32,
    records: u64,
    /// Destination offsets; null if the destination did not tell them.
    first_offset: Option<i64>,
    last_offset: Option<i64>,
}

impl From<Sum> for Side {
    fn from(Sum { records, bytes, digest }: Sum) -> Self {
        Self { records, bytes, digest }
    }
}

impl Side {
    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.digest += other.digest;
    }
}

impl Partition {
    pub(crate) fn new(
        topic: &str,
        partition: i32,
        end_offset: i64,
        elsewhere: bool,
        copied: &Copied,
    ) -> Self {
        let place = |(partition, range): (&i32, &Range)| DestinationPartition {
            partition: *partition,
            records: range.records,
            first_offset: range.first,
            last_offset: range.last,
        };
        Self {
            topic: topic.to_owned(),
            partition,
            end_offset,
            elsewhere,
            first_offset: copied.source.first,
            last_offset: copied.source.last,
            source: copied.read.into(),
            destination: copied.acknowledged.into(),
            changed: copied.changed,
            dropped: copied.dropped,
            lost: copied.lost,
            repeated: copied.repeated,
            destination_partitions: copied.destinations.iter().map(place).collect(),
        }
    }
}

impl Report {
    /// `partitions` are in order; `is_reached` if all of them were read to their ends.
    pub(crate) fn new(is_reached: bool, partitions: Vec<Partition>) -> Self {
        let lacks = |partition: &Partition| partition.dropped > 0 || partition.lost > 0;
        let complete = is_reached && !partitions.iter().any(lacks);
        let mut topics: Vec<Topic> = Vec::new();
        for partition in &partitions {
            if topics.last().is_none_or(|last| last.topic != partition.topic) {
                let (source, destination) = Default::default();
                topics.push(Topic { topic: partition.topic.clone(), source, destination });
            }
            if let Some(topic) = topics.last_mut() {
                topic.source.add(partition.source);
                topic.destination.add(partition.destination);
            }
        }
        Self { schema_version: SCHEMA_VERSION, complete, digest: digest::NAME, topics, partitions }
    }

    /// Writes it to stdout.
    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let text = if json { serde_json::to_string_pretty(self)? + "\n" } else { self.to_string() };
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}
