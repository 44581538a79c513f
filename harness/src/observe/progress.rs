//! The subject's progress: which positions it has committed, and what the destination held then.

use super::rebalance::Rebalances;
use crate::cluster::{
    ClusterError, Pair,
    client::{self, Isolation},
};
use judge::history::{
    CommitSample, DestinationOffset, Ends, Event, EventKind, Positions, SourceOffset, TopicIndex,
    TopicPartition,
};
use rdkafka::consumer::BaseConsumer;
use std::time::Instant;

/// A topic to look at, under its names on both sides.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The history's index.
    pub index: TopicIndex,
    /// Name on the source.
    pub source: String,
    /// Name on the destination.
    pub destination: String,
}

/// Where committed positions are read.
#[derive(Clone, Debug)]
pub enum Store {
    /// In Kafka: the offsets of this consumer group.
    Group(String),
    /// In the source's ZooKeeper, as the old consumer keeps them.
    ZooKeeper {
        /// Connect string.
        connect: String,
        /// The old consumer's group.
        group: String,
    },
    /// Nowhere that is known.
    Unknown,
}

/// Reads committed positions and end offsets, and keeps what it saw.
pub struct Progress {
    store: Store,
    source: BaseConsumer,
    source_address: String,
    destination: BaseConsumer,
    destination_address: String,
    last: Option<CommitSample>,
    rebalances: Option<Rebalances>,
    /// Rebalances that were seen and not yet taken, bounded by the sample before each.
    pub rebalanced: Vec<Event>,
    /// When the committed positions changed last.
    pub changed: Option<Instant>,
    /// One sample for each change of the committed positions.
    pub samples: Vec<CommitSample>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Progress").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Progress {
    /// Prepares to read from a pair of clusters.
    pub fn new(store: Store, pair: &Pair) -> Result<Progress, ClusterError> {
        let (source, destination) = (pair.source.bootstrap(), pair.destination.bootstrap());
        let (group, rebalances) = match &store {
            Store::Group(group) => (group.as_str(), Some(Rebalances::of(&pair.source, group)?)),
            Store::ZooKeeper { .. } | Store::Unknown => ("mirrorproof-reader", None),
        };
        Ok(Progress {
            rebalances,
            rebalanced: Vec::new(),
            source: client::reader(source, group, Isolation::ReadUncommitted)?,
            destination: client::reader(
                destination,
                "mirrorproof-reader",
                Isolation::ReadUncommitted,
            )?,
            source_address: source.to_owned(),
            destination_address: destination.to_owned(),
            store,
            last: None,
            changed: None,
            samples: Vec::new(),
        })
    }

    /// Positions committed now; `None` where progress is unknown.
    pub fn committed(&self, topics: &[Watched]) -> Result<Option<Positions>, ClusterError> {
        let mut positions = Positions::new();
        for topic in topics {
            let count = client::partition_count(&self.source, &self.source_address, &topic.source)?;
            let found = match &self.store {
                Store::Unknown => return Ok(None),
                Store::Group(_) => {
                    client::committed(&self.source, &self.source_address, &topic.source, count)?
                }
                Store::ZooKeeper { connect, group } => {
                    super::zookeeper::committed(connect, group, &topic.source, count)?
                }
            };
            positions.extend(found.into_iter().map(|(partition, offset)| {
                (TopicPartition { topic: topic.index, partition }, SourceOffset(offset))
            }));
        }
        Ok(Some(positions))
    }

    /// End offsets of the source now.
    pub fn source_ends(&self, topics: &[Watched]) -> Result<Positions, ClusterError> {
        let mut ends = Positions::new();
        for topic in topics {
            let bounds = client::watermarks(&self.source, &self.source_address, &topic.source)?;
            ends.extend(bounds.into_iter().map(|(partition, (_, end))| {
                (TopicPartition { topic: topic.index, partition }, SourceOffset(end))
            }));
        }
        Ok(ends)
    }

    /// End offsets of the destination now.
    pub fn destination_ends(&self, topics: &[Watched]) -> Result<Ends, ClusterError> {
        let mut ends = Ends::new();
        for topic in topics {
            let bounds = client::watermarks(
                &self.destination,
                &self.destination_address,
                &topic.destination,
            )?;
            ends.extend(bounds.into_iter().map(|(partition, (_, end))| {
                (TopicPartition { topic: topic.index, partition }, DestinationOffset(end))
            }));
        }
        Ok(ends)
    }

    /// The subject is being started: that its group then forms is no rebalance.
    pub fn subject_starts(&mut self, topics: &[Watched]) -> Result<(), ClusterError> {
        let Some(rebalances) = &mut self.rebalances else { return Ok(()) };
        rebalances.subject_starts()?;
        // What lies on the destination by now is no work of a rebalance to come.
        let committed = self.committed(topics)?.unwrap_or_default();
        let destination_ends = self.destination_ends(topics)?;
        self.last = Some(CommitSample { committed, destination_ends });
        Ok(())
    }

    /// The subject is about to be stopped or killed: that its members leave is no rebalance.
    pub fn subject_ends(&mut self) {
        if let Some(rebalances) = &mut self.rebalances {
            rebalances.subject_ends();
        }
    }

    /// Takes a sample: the positions first, then the ends, so that what is committed must lie
    /// below them.
    pub fn sample(&mut self, topics: &[Watched]) -> Result<Option<Positions>, ClusterError> {
        if let Some(rebalances) = &mut self.rebalances
            && rebalances.seen()?
        {
            // It began after the last sample: whatever came later may be its work.
            let (committed, destination_ends) = self.last.clone().map_or_else(
                || (Positions::new(), Ends::new()),
                |last| (last.committed, last.destination_ends),
            );
            let kind = EventKind::Rebalance;
            self.rebalanced.push(Event { kind, destination_ends, committed });
        }
        let Some(committed) = self.committed(topics)? else { return Ok(None) };
        if self.last.as_ref().is_none_or(|last| last.committed != committed) {
            let destination_ends = self.destination_ends(topics)?;
            let sample = CommitSample { committed: committed.clone(), destination_ends };
            self.samples.push(sample.clone());
            self.last = Some(sample);
            self.changed = Some(Instant::now());
        }
        Ok(Some(committed))
    }
}
