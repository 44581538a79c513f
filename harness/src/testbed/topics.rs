//! Topics of a scenario: created, selected, filled beforehand.

use super::{Testbed, TestbedError, blocking, strays::is_stray, subject::POLL};
use crate::{
    cluster::{
        Cluster, ClusterError,
        client::{self, Isolation},
    },
    workload::{generate::Generated, pace::Pace, produce::Producers},
};
use judge::{
    history::{Growth, RecordId, Topic, TopicConfig, TopicIndex},
    plan::{Action, Side},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// A contract that allows older metadata is not waited for: both partition counts are accepted.
pub(super) const LONGEST_AGE: Duration = Duration::from_secs(20);

impl Testbed {
    pub(super) async fn create_topic(
        &mut self,
        side: Side,
        logical: &str,
        partitions: u32,
    ) -> Result<(), TestbedError> {
        let name = format!("{}{logical}", self.prefix);
        let destination = format!("{}{name}", self.contract().topic_prefix);
        let created = match side {
            Side::Source => &name,
            Side::Destination => &destination,
        };
        self.pair.side(side).create_topic(created, partitions).await?;
        let known = self.history.topics.iter().position(|topic| topic.source == name);
        let index = known.unwrap_or_else(|| {
            self.history.topics.push(Topic {
                destination,
                source: name,
                source_partitions: Vec::new(),
                destination_partitions: Vec::new(),
                // A subject that runs, or has a pattern of its own, was not asked for it.
                selected: self.incarnation == 0 && self.pattern.is_none(),
                compacted: false,
            });
            self.history.topics.len() - 1
        });
        counts(&mut self.history.topics[index], side).push(partitions);
        self.follow_topic(index);
        Ok(())
    }

    /// Sees from now on what arrives of a topic, if anybody looks yet: the start tells of those before it.
    pub(super) fn follow_topic(&self, index: usize) {
        if let Some(tail) = &self.tail {
            tail.follow(index as TopicIndex, &self.history.topics[index].destination);
        }
        self.watch_what_is_selected();
    }

    pub(super) fn select(&mut self, pattern: &str, topics: &[String]) -> Result<(), TestbedError> {
        for topic in topics {
            self.topic(topic)?;
        }
        let prefix = self.prefix.clone();
        for topic in &mut self.history.topics {
            let logical = topic.source.strip_prefix(&prefix).unwrap_or(&topic.source);
            topic.selected = topics.iter().any(|selected| selected == logical);
        }
        self.watch_what_is_selected();
        self.pattern = Some(if self.prefix.is_empty() {
            pattern.to_owned()
        } else {
            format!("{}({pattern})", self.prefix)
        });
        Ok(())
    }

    fn watch_what_is_selected(&self) {
        if let Some(sampler) = &self.sampler {
            sampler.watch(self.watched());
        }
    }

    /// Without a pattern a subject is asked for all topics that are there as it is started.
    pub(super) fn ask_for_what_is_there(&mut self) {
        if self.pattern.is_some() {
            return;
        }
        for (index, topic) in self.history.topics.iter_mut().enumerate() {
            if !topic.selected && !is_stray(topic) {
                topic.selected = true;
                self.asked_later.insert(index as TopicIndex);
            }
        }
        self.watch_what_is_selected();
    }

    /// What the subject is asked for: the scenario's pattern, or else topics by name.
    pub(super) fn whitelist(&self) -> String {
        self.pattern.clone().unwrap_or_else(|| {
            let topics = self.history.topics.iter().filter(|topic| topic.selected);
            topics.map(|topic| topic.source.as_str()).collect::<Vec<_>>().join("|")
        })
    }

    pub(super) fn topic(&self, logical: &str) -> Result<TopicIndex, TestbedError> {
        let name = format!("{}{logical}", self.prefix);
        let index = self.history.topics.iter().position(|topic| topic.source == name);
        index.map(|index| index as TopicIndex).ok_or_else(|| {
            TestbedError::Plan(format!("it uses the topic {logical} before it is created"))
        })
    }

    pub(super) fn source_partitions(&self, index: TopicIndex) -> u32 {
        self.history.topics[usize::from(index)].source_partitions.last().copied().unwrap_or(1)
    }

    /// Foreign records that lie on the destination before the subject is started: without an id of
    /// this run, so that no checker takes them for copies.
    pub(super) async fn prefill(
        &mut self,
        logical: &str,
        records: u32,
    ) -> Result<(), TestbedError> {
        if self.incarnation > 0 {
            return Err(TestbedError::Plan("it fills the destination after the start".into()));
        }
        let index = usize::from(self.topic(logical)?);
        let name = self.history.topics[index].destination.clone();
        let partitions = self.history.topics[index].destination_partitions.last().copied();
        let partitions = partitions.ok_or_else(|| {
            TestbedError::Plan(format!("{logical} does not exist on the destination"))
        })?;
        let foreign: Vec<Generated> = (0..partitions)
            .flat_map(|partition| (0..records).map(move |number| (partition, number)))
            .map(|(partition, number)| Generated {
                id: RecordId { run: 0, producer: 0, key: partition, sequence: number },
                key: Some(format!("earlier-{partition}-{number}").into()),
                value: Some("written before the mirror began".into()),
                headers: Vec::new(),
                timestamp: None,
                partition,
            })
            .collect();
        let bootstrap = self.pair.destination.bootstrap().to_owned();
        blocking(move || Producers::to(&bootstrap).produce(&name, &foreign, None, Pace::AtOnce))
            .await?;
        Ok(())
    }

    pub(super) async fn configure_topic(
        &mut self,
        side: Side,
        logical: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), TestbedError> {
        let index = self.topic(logical)?;
        let name = self.name_on(side, index);
        Ok(self.pair.side(side).configure_topic(&name, settings).await?)
    }

    /// The settings that the contract says are copied, as both sides have them.
    pub(super) async fn keep_settings(&mut self) -> Result<(), TestbedError> {
        let names = self.contract().copied_configs;
        self.history.configs.clear();
        for index in self.selected() {
            if names.is_empty() {
                break;
            }
            let source = self.settings_on(Side::Source, index).await?;
            let destination = self.settings_on(Side::Destination, index).await?;
            let (Some(source), Some(destination)) = (source, destination) else { continue };
            self.history.configs.extend(names.iter().map(|name| TopicConfig {
                topic: index,
                name: name.clone(),
                source: source.get(name).cloned(),
                destination: destination.get(name).cloned(),
            }));
        }
        Ok(())
    }

    /// What is set of a topic; nothing where it does not exist, and `None` where nobody can tell.
    async fn settings_on(
        &self,
        side: Side,
        index: TopicIndex,
    ) -> Result<Option<BTreeMap<String, String>>, TestbedError> {
        let (cluster, name) = (self.pair.side(side), self.name_on(side, index));
        let exists =
            self.known_on(side).contains(&name) || partitions_now(cluster, &name).await? > 0;
        if exists { Ok(cluster.topic_settings(&name).await?) } else { Ok(Some(BTreeMap::new())) }
    }

    /// Topics of a side that are certainly there: made by the testbed, or seen to hold records. Brokers that do not
    /// list them have just started.
    pub(super) fn known_on(&self, side: Side) -> BTreeSet<String> {
        let changes =
            |action: &Action| matches!(action, Action::Shell { side: on, .. } if *on == side);
        if self.actions.iter().any(changes) {
            // A command may have deleted some.
            return BTreeSet::new();
        }
        let seen = self.tail.as_ref().map(|tail| tail.seen().records.clone()).unwrap_or_default();
        let is_known = |index: TopicIndex, topic: &Topic| match side {
            Side::Source => !topic.source_partitions.is_empty(),
            Side::Destination => {
                !topic.destination_partitions.is_empty() || seen.contains_key(&index)
            }
        };
        let topics = (0..).zip(&self.history.topics);
        let known = topics.filter(|(index, topic)| is_known(*index, topic));
        known.map(|(_, topic)| topic.on(side).to_owned()).collect()
    }

    fn name_on(&self, side: Side, index: TopicIndex) -> String {
        let topic = &self.history.topics[usize::from(index)];
        match side {
            Side::Source => topic.source.clone(),
            Side::Destination => topic.destination.clone(),
        }
    }

    /// Gives a topic more partitions. On the destination: waits until the subject's producer must
    /// know of them and has written what it had placed before, and notes what lay there by then.
    pub(super) async fn grow_topic(
        &mut self,
        side: Side,
        logical: &str,
        partitions: u32,
    ) -> Result<(), TestbedError> {
        let index = self.topic(logical)?;
        let name = self.name_on(side, index);
        self.pair.side(side).grow_topic(&name, partitions).await?;
        self.forget_topics().await?;
        counts(&mut self.history.topics[usize::from(index)], side).push(partitions);
        let age = Duration::from_millis(self.contract().metadata_age_ms);
        if side == Side::Source || age > LONGEST_AGE {
            return Ok(());
        }
        tokio::time::sleep(age).await;
        if !self.has_written_what_it_read().await? {
            self.log("the subject is still at what it read before: both counts are accepted");
            return Ok(());
        }
        let settled = self.destination_ends().await?;
        self.history.grown.push(Growth { topic: index, partitions, settled });
        Ok(())
    }

    /// Our own producers look at a topic when they first meet it: those of old ones are of no more use.
    pub(super) async fn forget_topics(&self) -> Result<(), TestbedError> {
        let producers = self.producers.clone();
        blocking(move || {
            producers.close();
            Ok(())
        })
        .await
    }

    /// Waits until everything that lies on the source now is committed: no record of it waits in a
    /// queue of the subject any more. A subject at which nothing moves has no such queue either.
    /// False if the time runs out.
    pub(super) async fn has_written_what_it_read(&self) -> Result<bool, TestbedError> {
        let (true, Some(sampler)) = (self.subject.is_some(), &self.sampler) else {
            return Ok(true);
        };
        let ends = sampler.with(|progress, topics| progress.source_ends(topics)).await?;
        let commit_interval = Duration::from_millis(self.contract().commit_interval_ms);
        let (started, mut moved) = (Instant::now(), Instant::now());
        let mut last = None;
        while started.elapsed() < self.limits.deadline + commit_interval {
            let now = sampler.with(|progress, topics| {
                Ok((progress.glance(topics)?, progress.destination_ends(topics)?))
            });
            let now = now.await?;
            let committed = |at, end| now.0.as_ref().is_some_and(|now| now.get(at) >= Some(end));
            if ends.iter().all(|(at, end)| end.0 == 0 || committed(at, end)) {
                return Ok(true);
            }
            if last.as_ref() != Some(&now) {
                (last, moved) = (Some(now), Instant::now());
            } else if moved.elapsed() > self.limits.stall + commit_interval {
                return Ok(true);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(false)
    }

    /// How many records a topic of the destination held at the final read.
    pub fn records_on_destination(&self, logical: &str) -> usize {
        let Ok(index) = self.topic(logical) else { return 0 };
        self.history.destination.iter().filter(|record| record.at.topic == index).count()
    }

    /// How many partitions a topic of the destination had at the final read.
    pub fn destination_partitions(&self, logical: &str) -> u32 {
        let topic = self.topic(logical).ok().map(|index| &self.history.topics[usize::from(index)]);
        topic.and_then(|topic| topic.destination_partitions.last().copied()).unwrap_or(0)
    }

    /// How many pairs of source and destination partition keys can connect, by Java's hash on both
    /// sides: two counts meet in as many pairs as their least common multiple.
    pub fn reachable_pairs(&self) -> u64 {
        let counts =
            self.history.topics.iter().filter(|topic| topic.selected).filter_map(|topic| {
                Some((topic.source_partitions.last()?, topic.destination_partitions.last()?))
            });
        counts.map(|(source, destination)| least_common_multiple(*source, *destination)).sum()
    }
}

/// Which side a topic was created on is known by its partition counts.
fn counts(topic: &mut Topic, side: Side) -> &mut Vec<u32> {
    match side {
        Side::Source => &mut topic.source_partitions,
        Side::Destination => &mut topic.destination_partitions,
    }
}

/// How many partitions a cluster has of a topic as it is now; 0 if it does not exist.
pub(super) async fn partitions_now(cluster: &Cluster, name: &str) -> Result<u32, ClusterError> {
    let (bootstrap, name) = (cluster.bootstrap().to_owned(), name.to_owned());
    blocking(move || {
        let reader = client::reader(&bootstrap, "mirrorproof-reader", Isolation::ReadUncommitted)?;
        client::partition_count(&reader, &bootstrap, &name)
    })
    .await
}

fn least_common_multiple(left: u32, right: u32) -> u64 {
    let (mut a, mut b) = (left, right);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    u64::from(left) * u64::from(right) / u64::from(a.max(1))
}
