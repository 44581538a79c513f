//! The small mirror's data path: one thread, a consumer, a producer, and a defect between them.
//!
//! It shares nothing with the mirror that is judged by default, so neither can hide the other's
//! mistakes. With [`super::defect::Sound`] it keeps the same contract.

use super::{
    Options,
    client::{EngineError, Notes, list, lock, message, tell},
    creation,
    defect::{Begin, Creates, Defect, Policy, WhenFull, WhenGone, WhenRefused},
    filter::Filter,
    progress::Progress,
    record::{Origin, Outbox, Record, Step},
    returning::Returning,
    translation::Translator,
};
use crate::cluster::client::persist;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::RDKafkaErrorCode,
    producer::{BaseProducer, Producer},
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long it waits for a record.
const IDLE: Duration = Duration::from_millis(10);
/// How often it looks for new topics.
const LOOK: Duration = Duration::from_millis(500);
/// One question to a cluster.
const QUESTION: Duration = Duration::from_secs(5);
/// How long what is in flight may take at the end, or when partitions go to another.
const DRAIN: Duration = Duration::from_secs(10);

/// The mirror at work.
pub(super) struct Engine<'o> {
    options: &'o Options,
    defect: Box<dyn Defect>,
    policy: Policy,
    filter: Filter,
    consumer: BaseConsumer<Notes>,
    producer: BaseProducer<Notes>,
    progress: Progress,
    /// Records that are sent and not yet reported on.
    in_flight: HashMap<usize, Option<Origin>>,
    sent: usize,
    topics: Vec<String>,
    translator: Option<Translator>,
    returning: Option<Returning>,
    outbox: Outbox,
}

impl<'o> Engine<'o> {
    pub(super) fn new(
        options: &'o Options,
        defect: Box<dyn Defect>,
    ) -> Result<Engine<'o>, EngineError> {
        let policy = defect.policy();
        let mut consumer = ClientConfig::new();
        consumer.extend(options.consumer.clone());
        consumer
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.queue.backoff.ms", "5");
        defect.consumer(&mut consumer);
        let mut producer = ClientConfig::new();
        producer.extend(options.producer.clone());
        producer
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5");
        defect.producer(&mut producer);
        let translator = options.sync_group.as_deref();
        Ok(Engine {
            filter: Filter::parse(&options.topics).map_err(EngineError::Filter)?,
            consumer: consumer.create_with_context(Notes::default())?,
            producer: producer.create_with_context(Notes::default())?,
            progress: Progress::default(),
            in_flight: HashMap::new(),
            sent: 0,
            topics: Vec::new(),
            translator: translator
                .map(|group| Translator::new(options, group, policy.translation))
                .transpose()?,
            returning: None,
            outbox: Outbox::default(),
            options,
            defect,
            policy,
        })
    }

    /// Copies until `stop` is set.
    pub(super) fn run(mut self, stop: &Arc<AtomicBool>) -> Result<(), EngineError> {
        let mut looked: Option<Instant> = None;
        let mut committed = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                self.look_for_topics()?;
                looked = Some(Instant::now());
            }
            self.read_one()?;
            self.defect.tick(&mut self.outbox);
            if !self.perform(stop)? {
                return Ok(());
            }
            self.take_reports()?;
            self.follow_rebalances()?;
            if committed.elapsed() >= self.options.commit_interval {
                self.commit();
                if let Some(translator) = &mut self.translator {
                    translator.sync(&self.topics)?;
                }
                committed = Instant::now();
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Result<(), EngineError> {
        self.drain(DRAIN)?;
        self.commit();
        Ok(())
    }

    /// Reads one record, if there is one.
    fn read_one(&mut self) -> Result<(), EngineError> {
        match self.consumer.poll(IDLE) {
            None => {}
            Some(Ok(message)) => {
                let mut record = Record::of(&message);
                if let Some(origin) = &record.origin {
                    self.progress.read(origin);
                    record.partition = self.options.preserve.then_some(origin.partition);
                }
                self.defect.copy(record, &mut self.outbox);
            }
            Some(Err(error)) => {
                use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
                if matches!(error.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange)) {
                    self.on_gone()?;
                }
                // Anything else is an outage, which the client mends.
            }
        }
        Ok(())
    }

    /// Does what was decided; false: the mirror ends as if all were well.
    fn perform(&mut self, stop: &AtomicBool) -> Result<bool, EngineError> {
        for step in std::mem::take(&mut self.outbox.0) {
            match step {
                Step::Send(record) => self.send(record)?,
                Step::Forget(origin) => self.progress.copied(&origin),
                Step::End => {
                    self.drain(DRAIN)?;
                    self.commit();
                    return Ok(false);
                }
                Step::Hang => {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(IDLE);
                    }
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn send(&mut self, record: Record) -> Result<(), EngineError> {
        let number = self.sent;
        self.sent += 1;
        loop {
            match self.producer.send(message(&record, number)) {
                Ok(()) => {
                    self.in_flight.insert(number, record.origin);
                    return Ok(());
                }
                Err((error, _))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                        && self.policy.when_full == WhenFull::Wait =>
                {
                    self.producer.poll(Duration::from_millis(5));
                    self.take_reports()?;
                }
                Err((error, _)) => {
                    let dropped = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !dropped && self.policy.when_refused == WhenRefused::Stop {
                        let reason = error.to_string();
                        return Err(EngineError::Refused { topic: record.topic, reason });
                    }
                    record.origin.iter().for_each(|origin| self.progress.copied(origin));
                    return Ok(());
                }
            }
        }
    }

    fn take_reports(&mut self) -> Result<(), EngineError> {
        self.producer.poll(Duration::ZERO);
        for (number, report) in std::mem::take(&mut *lock(&self.producer.context().reports)) {
            let origin = self.in_flight.remove(&number).flatten();
            match report {
                Err((topic, reason)) if self.policy.when_refused == WhenRefused::Stop => {
                    return Err(EngineError::Refused { topic, reason });
                }
                Ok((partition, offset)) => {
                    if let (Some(origin), Some(translator)) = (&origin, &mut self.translator) {
                        translator.copied(origin, partition, offset);
                    }
                }
                Err(_) => {}
            }
            origin.iter().for_each(|origin| self.progress.copied(origin));
        }
        Ok(())
    }

    /// Waits until nothing is in flight; what a defect holds back stays where it is.
    fn drain(&mut self, limit: Duration) -> Result<(), EngineError> {
        let started = Instant::now();
        while !self.in_flight.is_empty() && started.elapsed() < limit {
            self.producer.poll(Duration::from_millis(1));
            self.take_reports()?;
        }
        Ok(())
    }

    fn commit(&mut self) {
        let positions = self.progress.take(self.policy.commits);
        if positions.is_empty() {
            return;
        }
        let done = list(&positions).and_then(|list| self.consumer.commit(&list, CommitMode::Sync));
        if let Err(error) = done {
            tell(&format!("a commit failed and is tried again: {error}"));
            self.progress.not_committed();
        }
    }

    fn look_for_topics(&mut self) -> Result<(), EngineError> {
        let Ok(metadata) = self.consumer.fetch_metadata(None, QUESTION) else { return Ok(()) };
        let names = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let mut wanted: Vec<String> = names
            .map(|topic| topic.name().to_owned())
            .filter(|name| !name.starts_with("__") && self.defect.wants(&self.filter, name))
            .collect();
        wanted.sort();
        if wanted != self.topics && !wanted.is_empty() {
            for topic in wanted.iter().filter(|topic| !self.topics.contains(topic)) {
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                let partitions = found.map_or(1, |found| found.partitions().len() as i32);
                creation::create(self.options, topic, partitions, self.policy.creates)?;
                if let Some(other) = self.defect.also_to(topic) {
                    // A mock creates topics by itself when it is asked for them, and takes no orders.
                    let found = self.producer.client().fetch_metadata(Some(&other), QUESTION)?;
                    if found.topics().iter().all(|topic| topic.error().is_some()) {
                        creation::create(self.options, &other, partitions, Creates::Bare)?;
                    }
                }
                let metadata = self.producer.client().fetch_metadata(Some(topic), QUESTION)?;
                let partitions = metadata.topics().first().map_or(0, |one| one.partitions().len());
                self.defect.learn(topic, partitions as u32);
            }
            let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
            self.consumer.subscribe(&names)?;
            self.topics = wanted;
        }
        if self.policy.loops && self.returning.is_none() && !self.topics.is_empty() {
            self.returning = Some(Returning::start(self.options, &self.topics)?);
        }
        Ok(())
    }

    fn follow_rebalances(&mut self) -> Result<(), EngineError> {
        loop {
            let next = lock(&self.consumer.context().rebalances).pop_front();
            match next {
                None => return Ok(()),
                Some((true, partitions)) => self.assign(&partitions)?,
                Some((false, partitions)) => {
                    if !self.consumer.assignment_lost() {
                        self.drain(DRAIN)?;
                        self.commit();
                    }
                    for partition in partitions.elements() {
                        self.progress.revoke(partition.topic(), partition.partition());
                    }
                    self.consumer.unassign()?;
                }
            }
        }
    }

    fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), EngineError> {
        let committed = persist(|| self.consumer.committed_offsets(partitions.clone(), QUESTION))?;
        let mut starts = TopicPartitionList::new();
        for element in committed.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let from = match element.offset() {
                Offset::Offset(offset) => self.defect.begins_at(offset),
                _ => {
                    let (low, end) = self.consumer.fetch_watermarks(topic, partition, QUESTION)?;
                    match self.policy.begin {
                        Begin::Earliest => low,
                        Begin::Latest => end,
                    }
                }
            };
            self.progress.assign(topic, partition, from);
            starts.add_partition_offset(topic, partition, Offset::Offset(from))?;
        }
        self.consumer.assign(&starts)?;
        Ok(())
    }

    /// The source no longer holds what is next.
    fn on_gone(&mut self) -> Result<(), EngineError> {
        let mut starts = TopicPartitionList::new();
        for (topic, partition, next) in self.progress.next() {
            let (low, end) = self.consumer.fetch_watermarks(&topic, partition, QUESTION)?;
            let mut from = next;
            if !(low..=end).contains(&next) {
                if self.policy.when_gone == WhenGone::Stop {
                    return Err(EngineError::Gone(format!("{topic} [{partition}] from {next}")));
                }
                from = low;
                self.progress.assign(&topic, partition, low);
            }
            starts.add_partition_offset(&topic, partition, Offset::Offset(from))?;
        }
        self.consumer.assign(&starts)?;
        Ok(())
    }
}

impl Drop for Engine<'_> {
    fn drop(&mut self) {
        // However it ends: a consumer that waits for its partitions to be given back never closes.
        self.consumer.context().closing.store(true, Ordering::Relaxed);
    }
}
