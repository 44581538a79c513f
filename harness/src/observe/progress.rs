//! The subject's progress: which positions it has committed, and what the destination held then.

use super::{
    rebalance::Rebalances,
    side::{Side, by_index},
    unrest::{News, Unrest},
};
use crate::cluster::{
    ClusterError, Pair,
    client::{self, Offsets},
};
use judge::{
    history::{
        CommitSample, DestinationOffset, Ends, Event, EventKind, Positions, SourceOffset,
        TopicIndex, TopicPartition,
    },
    plan,
};
use rdkafka::Offset;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How old the number of partitions may be that a glance at the progress takes for true, and the ends of
/// the destination while no position moves.
const KNOWN: Duration = Duration::from_millis(250);

/// How old a look may be for those who only wait: somebody else looks all the time.
const RECENT: Duration = Duration::from_millis(500);

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
    source: Side,
    destination: Side,
    last: Option<CommitSample>,
    /// The last sample that was complete when rebalances were asked for last: one that is seen next began behind it.
    before_rebalance: Option<CommitSample>,
    /// What was there when the subject was started, until its group was seen.
    started: Option<CommitSample>,
    /// When `last` was taken, and when its ends were asked for.
    looked: Option<Instant>,
    ends_read: Option<Instant>,
    /// Where each partition of the destination ended when it was seen last.
    known_ends: Ends,
    rebalances: Option<Rebalances>,
    /// Rebalances that were seen, bounded by the sample before each, and what else has to end.
    unrest: Unrest,
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
            unrest: Unrest::default(),
            source: Side::new(source, group)?,
            destination: Side::new(destination, "mirrorproof-reader")?,
            store,
            last: None,
            before_rebalance: None,
            started: None,
            looked: None,
            ends_read: None,
            known_ends: Ends::new(),
            changed: None,
            samples: Vec::new(),
        })
    }

    /// Positions committed now; `None` where progress is unknown.
    fn committed(
        &mut self,
        topics: &[Watched],
        oldest: Duration,
    ) -> Result<Option<Positions>, ClusterError> {
        if let Store::Unknown = self.store {
            return Ok(None);
        }
        let counts = self.source.counts(topics, |topic| &topic.source, oldest)?;
        let found = match &self.store {
            Store::Unknown | Store::Group(_) => {
                client::all_committed(&self.source.reader, &self.source.address, &counts)?
            }
            Store::ZooKeeper { connect, group } => {
                let mut found = Offsets::new();
                for (topic, count) in counts {
                    let positions = super::zookeeper::committed(connect, group, &topic, count)?;
                    let place = |partition| (topic.clone(), partition);
                    found.extend(positions.into_iter().map(|(number, at)| (place(number), at)));
                }
                found
            }
        };
        Ok(Some(by_index(topics, |topic| &topic.source, found, SourceOffset)))
    }

    /// End offsets of the source now.
    pub fn source_ends(&mut self, topics: &[Watched]) -> Result<Positions, ClusterError> {
        let ends =
            self.source.offsets(topics, |topic| &topic.source, Duration::ZERO, Offset::End)?;
        Ok(by_index(topics, |topic| &topic.source, ends, SourceOffset))
    }

    /// End offsets of the destination now.
    pub fn destination_ends(&mut self, topics: &[Watched]) -> Result<Ends, ClusterError> {
        self.ends(topics, Duration::ZERO)
    }

    /// Low watermark and end offset of each partition of topics of the destination.
    pub fn destination_bounds(
        &mut self,
        topics: &[Watched],
    ) -> Result<BTreeMap<TopicPartition, (DestinationOffset, DestinationOffset)>, ClusterError>
    {
        let lows = self.destination.offsets(
            topics,
            |topic| &topic.destination,
            Duration::ZERO,
            Offset::Beginning,
        )?;
        let lows = by_index(topics, |topic| &topic.destination, lows, DestinationOffset);
        let ends = self.destination_ends(topics)?;
        Ok(lows.into_iter().filter_map(|(at, low)| Some((at, (low, *ends.get(&at)?)))).collect())
    }

    /// The names of all topics of a side.
    pub fn topic_names(&self, side: plan::Side) -> Result<BTreeSet<String>, ClusterError> {
        let side = match side {
            plan::Side::Source => &self.source,
            plan::Side::Destination => &self.destination,
        };
        client::topic_names(&side.reader, &side.address)
    }

    /// How many partitions these topics have on the destination now; those that do not exist are left out.
    pub fn destination_counts(
        &mut self,
        topics: &[Watched],
    ) -> Result<BTreeMap<TopicIndex, u32>, ClusterError> {
        let counts = self.destination.counts(topics, |topic| &topic.destination, Duration::ZERO)?;
        let count = |topic: &Watched| Some((topic.index, *counts.get(&topic.destination)?));
        Ok(topics.iter().filter_map(count).collect())
    }

    fn ends(&mut self, topics: &[Watched], oldest: Duration) -> Result<Ends, ClusterError> {
        let ends =
            self.destination.offsets(topics, |topic| &topic.destination, oldest, Offset::End)?;
        let ends = by_index(topics, |topic| &topic.destination, ends, DestinationOffset);
        // A topic that brokers do not list for a moment, as they have just come back, ends where it did.
        self.known_ends.extend(ends);
        Ok(self.known_ends.clone())
    }

    /// The subject is being started: that its group then forms is no rebalance. Returns the ends of
    /// the destination by now, before which everything is the work of earlier starts.
    pub fn subject_starts(&mut self, topics: &[Watched]) -> Result<Ends, ClusterError> {
        if let Some(rebalances) = &mut self.rebalances {
            rebalances.subject_starts()?;
        }
        let committed = self.committed(topics, Duration::ZERO)?.unwrap_or_default();
        let destination_ends = self.destination_ends(topics)?;
        let sample = CommitSample { committed, destination_ends: destination_ends.clone() };
        let samples = [&mut self.last, &mut self.before_rebalance, &mut self.started];
        samples.into_iter().for_each(|known| *known = Some(sample.clone()));
        Ok(destination_ends)
    }

    /// The subject is about to be stopped or killed: that its members leave is no rebalance.
    pub fn subject_ends(&mut self) {
        let rebalanced = self.rebalances.as_mut().map_or(0, Rebalances::subject_ends);
        self.note_rebalances(rebalanced);
    }

    /// Whether rebalances are seen at all.
    pub fn sees_rebalances(&self) -> bool {
        self.rebalances.is_some()
    }

    /// How many rebalances were seen in all, and whether the group is stable now.
    pub fn generations(&self) -> (u32, bool) {
        self.rebalances.as_ref().map_or((0, true), |seen| (seen.count(), seen.is_stable()))
    }

    /// Takes a sample: the positions first, then the ends, so that what is committed must lie
    /// below them.
    pub fn sample(&mut self, topics: &[Watched]) -> Result<Option<Positions>, ClusterError> {
        self.look(topics, Duration::ZERO)
    }

    /// The same for those who look often: a partition of the source that has just been added may not
    /// be seen yet.
    pub fn glance(&mut self, topics: &[Watched]) -> Result<Option<Positions>, ClusterError> {
        self.look(topics, KNOWN)
    }

    fn look(
        &mut self,
        topics: &[Watched],
        oldest: Duration,
    ) -> Result<Option<Positions>, ClusterError> {
        let positions = self.try_look(topics, oldest);
        if positions.is_err() {
            self.unrest.blind(Instant::now());
        }
        positions
    }

    fn try_look(
        &mut self,
        topics: &[Watched],
        oldest: Duration,
    ) -> Result<Option<Positions>, ClusterError> {
        let rebalanced = match &mut self.rebalances {
            Some(rebalances) => rebalances.seen()?,
            None => 0,
        };
        self.note_rebalances(rebalanced);
        if self.unrest.has_faults() {
            let ends = self.ends(topics, oldest)?;
            self.unrest.end_faults(&ends, Instant::now());
        }
        let Some(committed) = self.committed(topics, oldest)? else { return Ok(None) };
        let now = Instant::now();
        let moved = self.last.as_ref().is_none_or(|last| last.committed != committed);
        let missed = self.rebalances.as_mut().is_some_and(Rebalances::may_have_missed_one);
        let oldest = if missed { Duration::ZERO } else { oldest };
        let recent = self.ends_read.is_some_and(|read| read.elapsed() < oldest);
        let destination_ends = match &self.last {
            Some(last) if !moved && recent => last.destination_ends.clone(),
            _ => {
                // Positions that have moved may cover records in partitions that have just been added.
                let ends = self.ends(topics, if moved { Duration::ZERO } else { oldest })?;
                self.ends_read = Some(now);
                ends
            }
        };
        if missed
            && let Some(started) = self.started.take()
            && started.destination_ends != destination_ends
        {
            // A generation that nobody saw has copied something.
            self.note_rebalance(started);
        }
        let stable_since = self.rebalances.as_ref().and_then(Rebalances::stable_since);
        self.unrest.look(stable_since, &destination_ends, now);
        let sample = CommitSample { committed: committed.clone(), destination_ends };
        if moved {
            self.samples.push(sample.clone());
            self.changed = Some(Instant::now());
        }
        (self.last, self.looked) = (Some(sample), Some(now));
        Ok(Some(committed))
    }

    /// So many rebalances were seen since they were asked for last. What came behind the sample of that time may be
    /// their work, and each explains a repeat of its own. The last sample is too late: one may have begun while it
    /// was taken.
    fn note_rebalances(&mut self, count: u32) {
        for _ in 0..count {
            self.note_rebalance(self.before_rebalance.clone().unwrap_or_default());
        }
        self.before_rebalance.clone_from(&self.last);
    }

    /// A rebalance of which the beginning lies behind this sample.
    fn note_rebalance(&mut self, before: CommitSample) {
        let CommitSample { committed, destination_ends } = before;
        let kind = EventKind::Rebalance;
        let event = Event { kind, destination_ends, committed, over: None };
        self.unrest.add(event, Instant::now());
    }

    /// The positions as they were seen last, if that is not long ago; else they are looked at.
    pub fn recent(&mut self, topics: &[Watched]) -> Result<Option<Positions>, ClusterError> {
        match (&self.last, self.looked) {
            (Some(last), Some(looked)) if looked.elapsed() < RECENT => {
                Ok(Some(last.committed.clone()))
            }
            _ => self.glance(topics),
        }
    }

    /// A topic of the source was made anew: positions that were seen before are not of its log.
    pub fn forget(&mut self, topic: TopicIndex) {
        let forget = |positions: &mut Positions| positions.retain(|at, _| at.topic != topic);
        let known = [&mut self.last, &mut self.before_rebalance, &mut self.started];
        let samples = self.samples.iter_mut().chain(known.into_iter().flatten());
        samples.for_each(|sample| forget(&mut sample.committed));
        self.unrest.for_each(|event| forget(&mut event.committed));
        self.source.known = None;
    }

    /// What a history of so many events does not know yet: rebalances that were seen, and what is over.
    pub fn news(&mut self, events: usize) -> News {
        self.unrest.news(events)
    }

    /// The sample just taken lies behind these ends, which were read before it: so does a rebalance that is seen later.
    pub fn is_behind(&mut self, ends: &Ends) {
        if let Some(sample) = &mut self.before_rebalance {
            sample.destination_ends.clone_from(ends);
        }
    }

    /// This event of the history is over a while after now: the subject goes on after a freeze, or the destination
    /// is back.
    pub fn may_end(&mut self, event: usize, kind: EventKind) {
        self.unrest.may_end(event, kind, Instant::now());
    }

    /// The positions as they were seen last.
    pub fn last_committed(&self) -> Positions {
        self.last.as_ref().map(|last| last.committed.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{observe::sentinel::Sentinel, workload::produce::Producers};
    use rdkafka::{
        ClientConfig,
        consumer::{BaseConsumer, Consumer},
    };

    /// A rebalance may begin while a sample is taken, and what it repeats then lies in that sample already.
    #[tokio::test]
    async fn a_rebalance_began_behind_the_last_sample_that_was_complete_before() {
        let pair = Pair::embedded().expect("a pair");
        for side in [&pair.source, &pair.destination] {
            side.create_topic("t", 1).await.expect("a topic");
        }
        let topics = [Watched { index: 0, source: "t".into(), destination: "t".into() }];
        let mut progress = Progress::new(Store::Group("g".into()), &pair).expect("clients");
        progress.subject_starts(&topics).expect("a look");
        // A mock tells of requests, whatever their group.
        let join = |group: &str| {
            let member: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", pair.source.bootstrap())
                .set("group.id", group)
                .create()
                .expect("a consumer");
            member.subscribe(&["t"]).expect("a subscription");
            let since = Instant::now();
            while member.assignment().expect("an answer").count() == 0 {
                assert!(since.elapsed() < Duration::from_secs(20), "no member");
                drop(member.poll(Duration::from_millis(10)));
            }
        };
        join("g");
        progress.sample(&topics).expect("a look");
        let copy = ("t", Sentinel::new(0, 0, None));
        let producers = Producers::to(pair.destination.bootstrap());
        producers.produce_sentinels(&[copy]).expect("an acknowledgement");
        progress.sample(&topics).expect("a look");
        join("h");
        progress.sample(&topics).expect("a look");
        let mut events = Vec::new();
        progress.news(0).write(&mut events);
        let [rebalance] = &events[..] else { panic!("one rebalance: {events:?}") };
        let ends: Vec<i64> = rebalance.destination_ends.values().map(|end| end.0).collect();
        assert_eq!(ends, [0]);
    }
}
