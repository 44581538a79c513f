//! One side as the progress is looked at: what its partitions are, and where they begin and end.

use super::progress::Watched;
use crate::cluster::{
    ClusterError,
    client::{self, Isolation, Offsets},
};
use judge::history::TopicPartition;
use rdkafka::{Offset, consumer::BaseConsumer};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// One side, and the partition counts of its topics as they were asked for last.
pub(super) struct Side {
    pub(super) reader: BaseConsumer,
    pub(super) address: String,
    pub(super) known: Option<(Instant, BTreeMap<String, u32>)>,
}

impl Side {
    pub(super) fn new(address: &str, group: &str) -> Result<Side, ClusterError> {
        let reader = client::reader(address, group, Isolation::ReadUncommitted)?;
        Ok(Side { reader, address: address.to_owned(), known: None })
    }

    /// Partition counts that are no older than `oldest`.
    pub(super) fn counts(
        &mut self,
        topics: &[Watched],
        name: impl Fn(&Watched) -> &String,
        oldest: Duration,
    ) -> Result<BTreeMap<String, u32>, ClusterError> {
        if let Some((at, counts)) = &self.known
            && at.elapsed() < oldest
            && topics.iter().all(|topic| counts.contains_key(name(topic)))
        {
            return Ok(counts.clone());
        }
        let (asked, names) = (Instant::now(), topics.iter().map(|topic| name(topic).as_str()));
        let counts = client::partition_counts(&self.reader, &self.address, names)?;
        self.known = Some((asked, counts.clone()));
        Ok(counts)
    }

    /// Where the partitions begin (`Beginning`) or end (`End`), with counts no older than `oldest`.
    pub(super) fn offsets(
        &mut self,
        topics: &[Watched],
        name: impl Fn(&Watched) -> &String,
        oldest: Duration,
        which: Offset,
    ) -> Result<Offsets, ClusterError> {
        let counts = self.counts(topics, name, oldest)?;
        client::list_offsets(&self.reader, &self.address, &counts, which)
    }
}

/// The same with the history's topics.
pub(super) fn by_index<Position>(
    topics: &[Watched],
    name: impl Fn(&Watched) -> &String,
    offsets: Offsets,
    position: impl Fn(i64) -> Position,
) -> BTreeMap<TopicPartition, Position> {
    let index = |wanted: &String| topics.iter().find(|topic| name(topic) == wanted);
    let known = offsets.into_iter().filter_map(|((topic, partition), offset)| {
        let topic = index(&topic)?.index;
        Some((TopicPartition { topic, partition }, position(offset)))
    });
    known.collect()
}
