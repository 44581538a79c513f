//! One contender, once: started on an empty destination, watched until it has copied everything, and its
//! copy compared with the source.

use super::{
    Bench, BenchError, Contender, Ground, Measured, Who,
    digest::{self, Digest},
    limit::{Limit, Took},
    outage::{Looks, Recovery},
    topics, tuning,
};
use crate::{
    cluster::{
        ClusterError,
        client::{self, Isolation, blocking},
        containers::{Pair, Reach, ToolSpec, Usage},
    },
    subject::{Kind, Launch, PROGRAM_IN_CONTAINER, Running, Spec, properties::Properties},
};
use judge::plan::SubjectOptions;
use rdkafka::Offset;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// How often the destination is looked at: the error of a run's time.
const LOOK: Duration = Duration::from_millis(20);
/// How often memory is looked at, and whether the contender still runs.
pub(super) const MEMORY: Duration = Duration::from_millis(200);
/// Without a new record for so long, a copy that may hold repeats is over.
const STILL: Duration = Duration::from_secs(5);
/// Without a new record for so long, a contender has stopped.
const SILENCE: Duration = Duration::from_secs(90);

impl Bench {
    /// Lets a contender run once, on destination topics of its own.
    pub(super) async fn race(
        &self,
        ground: &Ground,
        contender: &Contender,
        number: u32,
    ) -> Result<Measured, BenchError> {
        let destination = &ground.clusters.destination;
        let names = topics::names(self.topics);
        // That of the run before may not be gone yet.
        let partitions = self.destination_partitions;
        topics::with_each(&names, |topic| destination.recreate_topic(topic, partitions)).await?;
        let folder = self.folder.join(format!("{number}-{}", contender.name()));
        std::fs::create_dir_all(&folder)
            .map_err(|source| BenchError::Folder { path: folder.clone(), source })?;
        let measured = match &contender.who {
            Who::Limit(limit) => self.limit(ground, *limit, &folder).await,
            Who::Subject(kind) => self.subject(ground, contender, kind, number, &folder).await,
        };
        // What went wrong in the run says more than what its broken clusters refuse afterwards.
        let measured = measured?;
        topics::with_each(&names, |topic| destination.delete_topic(topic)).await?;
        Ok(measured)
    }

    async fn limit(
        &self,
        ground: &Ground,
        limit: Limit,
        folder: &Path,
    ) -> Result<Measured, BenchError> {
        let pair = &ground.containers;
        let bootstrap = match limit {
            Limit::ConsumeOnly => pair.source.bootstrap_internal(),
            Limit::ProduceOnly => pair.destination.bootstrap_internal(),
        };
        let log = folder.join("output.log");
        let before = broker_cpu(pair).await?;
        let mut command: Vec<String> = vec![PROGRAM_IN_CONTAINER.into(), "bench-limit".into()];
        command.extend([limit.name().into(), bootstrap, self.topics.to_string()]);
        command.extend([self.load.records.to_string(), self.load.size.to_string()]);
        command.push(self.compression.clone());
        let mut tool = pair
            .start_tool(ToolSpec {
                name: limit.name().into(),
                command,
                environment: BTreeMap::new(),
                files: BTreeMap::new(),
                mounts: [(self.executable.clone(), PROGRAM_IN_CONTAINER.to_owned())].into(),
                reach: Reach::Both,
                log: log.clone(),
            })
            .await?;
        let code = tool.wait().await?;
        let brokers = broker_cpu(pair).await?.saturating_sub(before);
        tool.remove().await?;
        let output = std::fs::read_to_string(&log).unwrap_or_default();
        let took = output.lines().find_map(|line| serde_json::from_str::<Took>(line).ok());
        let Some(took) = took.filter(|_| code == 0) else {
            return Err(BenchError::Limit { name: limit.name(), code, log });
        };
        Ok(Measured {
            copied: self.load.records,
            timed: self.load.records,
            seconds: took.seconds,
            cpu_seconds: took.cpu_seconds,
            broker_cpu_seconds: brokers.as_secs_f64(),
            memory: took.memory,
            first_record_seconds: None,
            recovery: None,
            trouble: None,
        })
    }

    async fn subject(
        &self,
        ground: &Ground,
        contender: &Contender,
        kind: &Kind,
        number: u32,
        folder: &Path,
    ) -> Result<Measured, BenchError> {
        let pair = &ground.containers;
        let spec = Spec {
            kind: kind.clone(),
            executable: self.executable.clone(),
            consumer: Properties::new(),
            producer: Properties::new(),
            contract: None,
        };
        let options = SubjectOptions {
            // Its own default, of a mirror that nobody has configured.
            commit_interval_ms: None,
            streams: tuning::streams(kind, contender.tuned),
            as_in_the_article: true,
            ..SubjectOptions::default()
        };
        let group = format!("bench-{number}");
        let mut consumer = tuning::consumer(kind, contender.tuned);
        consumer.insert("bootstrap.servers".into(), pair.source.bootstrap_internal());
        consumer.insert("group.id".into(), group.clone());
        let mut producer = tuning::producer(kind, contender.tuned);
        producer.insert("bootstrap.servers".into(), pair.destination.bootstrap_internal());
        producer.insert("compression.type".into(), self.compression.clone());
        let brokers_before = broker_cpu(pair).await?;
        let started = Instant::now();
        let launch = Launch {
            folder,
            incarnation: 1,
            topics: topics::pattern(self.topics),
            options: &options,
            consumer,
            producer,
            application: None,
            pair: Some(pair.as_ref()),
            environment: tuning::environment(kind),
        };
        let (mut running, _) = Running::start(&spec, launch).await?;
        let mut watched = Watched::new(started, topics::names(self.topics));
        let bootstrap = pair.destination.bootstrap();
        self.watch(&mut watched, pair, &mut running).await?;
        let brokers = broker_cpu(pair).await?.saturating_sub(brokers_before);
        let (ended, output) = running.stop(|| false).await;
        let read = {
            let (bootstrap, topics) = (bootstrap.clone(), topics::names(self.topics));
            let repeats = self.outage.is_some();
            blocking(move || digest::read(&bootstrap, &topics, repeats)).await?
        };
        ground.clusters.source.delete_group(&group).await?;
        let trouble = watched.trouble.take().map(|trouble| format!("{trouble}\n{output}"));
        let trouble = trouble.or_else(|| differs(&ground.filled, &read.digest));
        tracing::debug!(status = ended.status, "{} has ended", contender.name());
        Ok(watched.measured(&read, brokers, trouble))
    }
}

/// Processor time of all brokers so far.
async fn broker_cpu(pair: &Pair) -> Result<Duration, BenchError> {
    Ok(pair.source.broker_cpu().await? + pair.destination.broker_cpu().await?)
}

/// What is wrong with a copy, if anything: a figure of a copy that is not one counts for nothing.
fn differs(source: &Digest, copy: &Digest) -> Option<String> {
    if source == copy {
        return None;
    }
    Some(format!(
        "the copy is not the original: {} records and {} bytes of {} and {}{}",
        copy.records,
        copy.bytes,
        source.records,
        source.bytes,
        if copy.records == source.records { ", with other contents" } else { "" }
    ))
}

/// What was seen of a subject.
pub(super) struct Watched {
    started: Instant,
    topics: Arc<Vec<String>>,
    /// When the first records were seen, how many they were, and what had been used by then.
    first: Option<(Instant, u64, Usage)>,
    done: Option<(Instant, Usage)>,
    looks: Looks,
    /// When a broker was back, and how many looks there had been by then.
    back: Option<(Instant, usize)>,
    memory: u64,
    trouble: Option<String>,
}

impl Bench {
    /// Watches until the destination holds all records, or nothing comes any more.
    async fn watch(
        &self,
        watched: &mut Watched,
        pair: &Pair,
        running: &mut Running,
    ) -> Result<(), BenchError> {
        let (records, bootstrap) = (self.load.records, pair.destination.bootstrap());
        let reader = || client::reader(&bootstrap, "mirrorproof-bench", Isolation::ReadUncommitted);
        let mut reader_now = Arc::new(reader()?);
        let (mut held, mut moved, mut looked) = (0, Instant::now(), Instant::now());
        let mut counts = BTreeMap::new();
        loop {
            let look = {
                let (reader, bootstrap) = (reader_now.clone(), bootstrap.clone());
                let topics = watched.topics.clone();
                move || {
                    if counts.is_empty() {
                        let topics = topics.iter().map(String::as_str);
                        counts = client::partition_counts(&reader, &bootstrap, topics)?;
                    }
                    let ends = client::list_offsets(&reader, &bootstrap, &counts, Offset::End)?;
                    let held = ends.values().map(|end| *end as u64).sum::<u64>();
                    Ok::<_, ClusterError>((held, counts))
                }
            };
            let now;
            (now, counts) = blocking(look).await?;
            let at = Instant::now();
            if now > 0 && watched.first.is_none() {
                watched.first = Some((at, now, running.usage().await?));
            }
            if now > 0 {
                watched.looks.push((at, now));
            }
            // Of a copy with repeats nobody knows from outside when it holds everything.
            let is_still = watched.back.is_none() || (now == held && moved.elapsed() > STILL);
            if now >= records && is_still {
                let usage = running.usage().await?;
                watched.sees(usage);
                watched.done = Some((at, usage));
                return Ok(());
            }
            if now > held {
                (held, moved) = (now, at);
            }
            if let Some(outage) = self.outage
                && watched.back.is_none()
                && outage.is_due(now, records)
            {
                let back = outage.happen(pair, running, watched).await?;
                watched.back = Some((back, watched.looks.len()));
                // One that saw the broker go would wait before it asks again.
                (reader_now, moved) = (Arc::new(reader()?), back);
            }
            if looked.elapsed() > MEMORY {
                looked = Instant::now();
                // MirrorMaker 2 gives the destination as many partitions as the source has.
                counts.clear();
                if let Some(ended) = running.ended().await {
                    watched.trouble = Some(format!("it ended by itself ({})", ended.status));
                    return Ok(());
                }
                watched.sees(running.usage().await?);
            }
            if moved.elapsed() > SILENCE {
                let text =
                    format!("nothing arrived for {} s, {held} of {records}", SILENCE.as_secs());
                watched.trouble = Some(text);
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Watched {
    fn new(started: Instant, topics: Vec<String>) -> Watched {
        Watched {
            started,
            topics: Arc::new(topics),
            first: None,
            done: None,
            looks: Looks::new(),
            back: None,
            memory: 0,
            trouble: None,
        }
    }

    /// What the subject takes right now.
    pub(super) fn sees(&mut self, usage: Usage) {
        self.memory = self.memory.max(usage.memory);
    }

    fn measured(self, read: &digest::Read, brokers: Duration, trouble: Option<String>) -> Measured {
        let copied = read.digest.records;
        let (timed, seconds, cpu_seconds) = match (self.first, self.done) {
            (Some((first, held, before)), Some((done, after))) => {
                let cpu = after.cpu.saturating_sub(before.cpu);
                (copied.saturating_sub(held), (done - first).as_secs_f64(), cpu.as_secs_f64())
            }
            _ => (0, 0.0, 0.0),
        };
        let short = "everything was copied within one look: take more records".to_owned();
        let trouble = trouble.or_else(|| (timed == 0).then_some(short));
        let recovery = self.back.and_then(|(back, looks)| {
            let (before, after) = self.looks.split_at(looks);
            Recovery::of(before, back, after, read.repeated)
        });
        Measured {
            copied,
            timed,
            seconds,
            cpu_seconds,
            broker_cpu_seconds: brokers.as_secs_f64(),
            memory: self.memory,
            first_record_seconds: self.first.map(|(at, ..)| (at - self.started).as_secs_f64()),
            recovery,
            trouble,
        }
    }
}
