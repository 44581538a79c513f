//! The end of a run: sentinels, the wait for the end, the stop, and the final read of both sides.

use super::{Testbed, TestbedError, blocking, strays::is_stray, subject::POLL};
use crate::{
    cluster::{
        Cluster,
        client::{self, Isolation},
    },
    observe::{
        completion::{Moment, Next, decide},
        read::{ReadError, TopicRead, read_topics},
        sentinel::Sentinel,
    },
    workload::produce::Producers,
};
use judge::{
    contract::Partitioning,
    history::{
        Completion, DestinationBounds, DestinationOffset, DestinationRecord, Positions,
        SourceOffset, SourceRecord, TopicIndex, TopicPartition,
    },
    plan::Side,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// The topic that carries the harness's own canaries, when nothing else moves.
const CANARY_TOPIC: &str = "mirrorproof-canary";

impl Testbed {
    pub(super) async fn finish(&mut self) -> Result<(), TestbedError> {
        self.thaw_before_the_end().await?;
        self.await_load().await?;
        let read_before = self.read_all(Side::Source, Isolation::ReadCommitted).await?;
        let selected = self.selected();
        let last_data = last_data_offsets(&read_before, &selected);
        let mut cuts = cuts(&read_before);
        let expected = self.send_sentinels().await?;
        let completion = self.await_end(&last_data, &expected).await?;
        self.log(&format!("the end of the run: {completion:?}"));
        self.stop_subject().await?;
        let completion = match (&self.exited, completion) {
            // It had done its work, and then it did not stop as it should.
            (Some((status, output)), Completion::Completed) => {
                Completion::Exited { status: status.clone(), output: output.clone() }
            }
            (_, completion) => completion,
        };
        let completion = match (self.await_stability().await, completion) {
            (false, Completion::Completed | Completion::Idle { .. }) => {
                let reason = "the destination still grew when it was to be read".into();
                Completion::Unobservable { reason }
            }
            (_, completion) => completion,
        };
        self.take_strays().await?;
        let source = self.read_all(Side::Source, Isolation::ReadCommitted).await?;
        let destination = self.read_all(Side::Destination, Isolation::ReadCommitted).await?;
        self.keep_aborted(&source).await?;
        self.keep_settings().await?;
        self.keep_last_translations().await?;
        // Nobody produces to a stray: all that lies there came after the producers had finished.
        let is_stray = |topic: &TopicIndex| is_stray(&self.history.topics[usize::from(*topic)]);
        let of_strays = source.iter().filter(|(topic, _)| is_stray(topic));
        cuts.extend(of_strays.flat_map(|(topic, read)| {
            let at = |partition: &u32| TopicPartition { topic: *topic, partition: *partition };
            read.bounds.keys().map(move |partition| (at(partition), 0))
        }));
        if self.others_write {
            self.history.written.clear();
        }
        self.keep_source(source, &cuts);
        self.keep_destination(destination);
        if let Some(sampler) = &self.sampler {
            let events = self.history.events.len();
            let (committed, samples, news) = sampler
                .with(move |progress, topics| {
                    let committed = progress.sample(topics)?;
                    let samples = std::mem::take(&mut progress.samples);
                    Ok((committed, samples, progress.news(events)))
                })
                .await?;
            self.history.commits.extend(samples);
            news.write(&mut self.history.events);
            self.history.final_commit.committed = committed;
        }
        self.history.completion = Some(completion);
        Ok(())
    }

    /// One sentinel for each pair of source and destination partition that a record can take.
    async fn send_sentinels(&mut self) -> Result<BTreeSet<u64>, TestbedError> {
        let partitioning = self.contract().partitioning;
        let counts = match &self.sampler {
            Some(sampler) => sampler.with(|progress, topics| progress.destination_counts(topics)),
            None => return Ok(BTreeSet::new()),
        };
        let counts = counts.await?;
        let (mut expected, mut sentinels) = (BTreeSet::new(), Vec::new());
        for index in self.selected() {
            let reach = match partitioning {
                Partitioning::Murmur2 => counts.get(&index).copied().unwrap_or(0),
                Partitioning::Preserve | Partitioning::Crc32 | Partitioning::Any => 0,
            };
            for partition in 0..self.source_partitions(index) {
                let targets: Vec<_> = match reach {
                    0 => vec![None],
                    count => (0..count).map(|target| Some((target, count))).collect(),
                };
                for target in targets {
                    expected.insert(self.next_sentinel);
                    let sentinel = Sentinel::new(self.next_sentinel, partition, target);
                    sentinels.push((index, sentinel));
                    self.next_sentinel += 1;
                }
            }
        }
        self.produce_sentinels(sentinels).await?;
        Ok(expected)
    }

    pub(super) fn selected(&self) -> Vec<TopicIndex> {
        let topics = self.history.topics.iter().enumerate();
        topics
            .filter(|(_, topic)| topic.selected && !topic.source_partitions.is_empty())
            .map(|(index, _)| index as TopicIndex)
            .collect()
    }

    /// Waits for the end of the run by the rule of `observe::completion`.
    async fn await_end(
        &mut self,
        last_data: &BTreeMap<TopicPartition, i64>,
        expected: &BTreeSet<u64>,
    ) -> Result<Completion, TestbedError> {
        if self.incarnation == 0 {
            return Err(TestbedError::Plan("it awaits the end of a subject never started".into()));
        }
        if self.subject.is_none() && self.others.is_empty() && self.exited.is_none() {
            let text = "it awaits the end of a subject that it has stopped, and not started again";
            return Err(TestbedError::Plan(text.into()));
        }
        let started = Instant::now();
        // A subject may be silent from one commit to the next.
        let commit_interval = Duration::from_millis(self.contract().commit_interval_ms);
        let mut limits = self.limits;
        limits.stall += commit_interval;
        limits.deadline += commit_interval;
        loop {
            self.note_exit().await?;
            let moment = self.look(started, last_data, expected).await?;
            match decide(&moment, &limits) {
                Next::Wait => tokio::time::sleep(POLL).await,
                Next::Over(completion) => return Ok(completion),
                Next::ProveIdle(idle) => {
                    return Ok(match self.canaries_pass().await {
                        Ok(()) => idle,
                        Err(error) => Completion::Unobservable {
                            reason: format!("the harness's own canary did not pass: {error}"),
                        },
                    });
                }
            }
        }
    }

    async fn look(
        &self,
        started: Instant,
        last_data: &BTreeMap<TopicPartition, i64>,
        expected: &BTreeSet<u64>,
    ) -> Result<Moment, TestbedError> {
        let (committed, committed_at) = match &self.sampler {
            Some(sampler) => {
                sampler
                    .with(|progress, topics| Ok((progress.recent(topics)?, progress.changed)))
                    .await?
            }
            None => (None, None),
        };
        let (missing, arrived_at, failure) = match &self.tail {
            Some(tail) => {
                let seen = tail.seen();
                let missing = expected.difference(&seen.sentinels).count();
                (missing, seen.last, seen.failure.clone())
            }
            None => (expected.len(), None, None),
        };
        let latest = [Some(started), committed_at, arrived_at].into_iter().flatten().max();
        Ok(Moment {
            exited: self.exited.clone(),
            missing_sentinels: missing,
            behind: committed.map(|committed| behind(&committed, last_data)),
            quiet: latest.unwrap_or(started).elapsed(),
            waited: started.elapsed(),
            failure,
        })
    }

    /// Whether the harness's own records pass on both sides.
    async fn canaries_pass(&self) -> Result<(), TestbedError> {
        for cluster in [&self.pair.source, &self.pair.destination] {
            canary_passes(cluster).await?;
        }
        Ok(())
    }

    /// Waits until nothing new has arrived for a while: a late repeat or a loop shows itself. False if it does not
    /// come to that.
    async fn await_stability(&self) -> bool {
        let started = Instant::now();
        while started.elapsed() < self.limits.deadline {
            let last = self.tail.as_ref().and_then(|tail| tail.seen().last);
            let quiet = last.map_or(started.elapsed(), |last| last.elapsed());
            if quiet.min(started.elapsed()) >= self.limits.stability {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        self.log("the destination still grows");
        false
    }

    /// What only a reader of uncommitted records sees: it names what leaked.
    async fn keep_aborted(
        &mut self,
        committed: &[(TopicIndex, TopicRead)],
    ) -> Result<(), TestbedError> {
        if !self.aborted {
            return Ok(());
        }
        let all = self.read_all(Side::Source, Isolation::ReadUncommitted).await?;
        let place =
            |topic, partition, offset| (TopicPartition { topic, partition }, SourceOffset(offset));
        let seen: BTreeSet<_> = committed
            .iter()
            .flat_map(|(topic, read)| read.records.iter().map(move |r| place(*topic, r.0, r.1)))
            .collect();
        self.history.aborted.clear();
        for (topic, read) in all {
            self.history.aborted.extend(read.records.into_iter().filter_map(
                |(partition, offset, content)| {
                    let (at, offset) = place(topic, partition, offset);
                    (!seen.contains(&(at, offset))).then_some(SourceRecord { at, offset, content })
                },
            ));
        }
        Ok(())
    }

    /// Reads all topics of a side. Its reader is kept for the next time: to make and to connect one is what takes most
    /// of the time.
    async fn read_all(
        &mut self,
        side: Side,
        isolation: Isolation,
    ) -> Result<Vec<(TopicIndex, TopicRead)>, TestbedError> {
        let names: Vec<_> =
            self.history.topics.iter().map(|topic| topic.on(side).to_owned()).collect();
        let (bootstrap, limit) = (self.pair.side(side).bootstrap().to_owned(), self.limits.read);
        let known = self.known_on(side);
        let kept = self.readers.remove(&(side, isolation));
        let (reads, reader) = blocking(move || {
            let make = || client::reader(&bootstrap, "mirrorproof-reader", isolation);
            let reader = kept.map_or_else(make, Ok)?;
            let reads = read_topics(&reader, &bootstrap, &names, &known, limit)?;
            Ok::<_, ReadError>((reads, reader))
        })
        .await?;
        self.readers.insert((side, isolation), reader);
        Ok((0..).zip(reads).collect())
    }

    fn keep_source(
        &mut self,
        read: Vec<(TopicIndex, TopicRead)>,
        cuts: &BTreeMap<TopicPartition, i64>,
    ) {
        let mut records = self.gone.clone();
        for (topic, read) in read {
            for (partition, (low, end)) in &read.bounds {
                let at = TopicPartition { topic, partition: *partition };
                self.source_bounds(at, *low, cuts.get(&at).copied().unwrap_or(*end));
                self.history.source_ends.insert(at, SourceOffset(*end));
            }
            records.extend(read.records.into_iter().map(|(partition, offset, content)| {
                let at = TopicPartition { topic, partition };
                SourceRecord { at, offset: SourceOffset(offset), content }
            }));
        }
        records.sort_by_key(|record| (record.at, record.offset));
        // What nobody produced before an earlier end has not become the producers' by the next.
        let after_cut = std::mem::take(&mut self.history.after_cut);
        let known: BTreeSet<_> =
            after_cut.iter().map(|record| (record.at, record.offset)).collect();
        let below = |record: &SourceRecord| {
            cuts.get(&record.at).is_none_or(|cut| record.offset.0 < *cut)
                && !known.contains(&(record.at, record.offset))
        };
        (self.history.source, self.history.after_cut) = records.into_iter().partition(below);
    }

    fn keep_destination(&mut self, read: Vec<(TopicIndex, TopicRead)>) {
        // At a second end all of it is read anew.
        self.history.destination.clear();
        for (topic, read) in read {
            let counts = &mut self.history.topics[usize::from(topic)].destination_partitions;
            if counts.last().copied().unwrap_or(0) != read.bounds.len() as u32 {
                // Created, or grown, by somebody else: the subject or the broker.
                counts.push(read.bounds.len() as u32);
            }
            for (partition, (low, end)) in &read.bounds {
                let zero = DestinationOffset(0);
                let at = TopicPartition { topic, partition: *partition };
                let bounds =
                    self.history.destination_bounds.entry(at).or_insert(DestinationBounds {
                        low_baseline: zero,
                        baseline: zero,
                        low: zero,
                        end: zero,
                    });
                bounds.low = DestinationOffset(*low);
                bounds.end = DestinationOffset(*end);
            }
            self.history.destination.extend(read.records.into_iter().map(
                |(partition, offset, content)| DestinationRecord {
                    at: TopicPartition { topic, partition },
                    offset: DestinationOffset(offset),
                    content,
                },
            ));
        }
    }
}

/// The offset of the last data record of each source partition that the subject should copy.
fn last_data_offsets(
    read: &[(TopicIndex, TopicRead)],
    selected: &[TopicIndex],
) -> BTreeMap<TopicPartition, i64> {
    let read = read.iter().filter(|(topic, _)| selected.contains(topic));
    let records = read.flat_map(|(topic, read)| {
        read.records.iter().map(|(partition, offset, _)| (*topic, *partition, *offset))
    });
    let mut last = BTreeMap::new();
    for (topic, partition, offset) in records {
        last.insert(TopicPartition { topic, partition }, offset);
    }
    last
}

/// The end offset of each source partition: what completeness covers.
fn cuts(read: &[(TopicIndex, TopicRead)]) -> BTreeMap<TopicPartition, i64> {
    read.iter()
        .flat_map(|(topic, read)| {
            read.bounds.iter().map(|(partition, (_, end))| {
                (TopicPartition { topic: *topic, partition: *partition }, *end)
            })
        })
        .collect()
}

/// In how many partitions a data record lies at or beyond the committed position.
fn behind(committed: &Positions, last_data: &BTreeMap<TopicPartition, i64>) -> u32 {
    let open = last_data
        .iter()
        .filter(|(at, last)| committed.get(at).is_none_or(|position| position.0 <= **last));
    open.count() as u32
}

/// Writes a record to the cluster and sees its partition grow.
async fn canary_passes(cluster: &Cluster) -> Result<(), TestbedError> {
    // It may exist already: then the produce below says whether it can be used.
    drop(cluster.create_topic(CANARY_TOPIC, 1).await);
    let bootstrap = cluster.bootstrap().to_owned();
    blocking(move || {
        let reader = client::reader(&bootstrap, "mirrorproof-reader", Isolation::ReadUncommitted)?;
        let end = |bounds: BTreeMap<u32, (i64, i64)>| bounds.get(&0).map_or(0, |(_, end)| *end);
        let before = end(client::watermarks(&reader, &bootstrap, CANARY_TOPIC)?);
        let canary = (CANARY_TOPIC, Sentinel::new(0, 0, None));
        Producers::to(&bootstrap).produce_sentinels(&[canary])?;
        let started = Instant::now();
        while end(client::watermarks(&reader, &bootstrap, CANARY_TOPIC)?) <= before {
            if started.elapsed() > Duration::from_secs(10) {
                return Err(TestbedError::Deadline {
                    awaited: format!("a canary at {bootstrap}"),
                    seconds: 10,
                    seen: "an acknowledged record that did not move the end offset".into(),
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    })
    .await
}
