//! The subject's life within a scenario.

use super::{Testbed, TestbedError, blocking, sampler::Sampler};
use crate::{
    cluster::Backend,
    observe::{sentinel::Sentinel, tail::Tail},
    subject::{Ended, Running, process::STOP_LIMIT},
};
use judge::{
    history::{
        DestinationBounds, DestinationOffset, Ends, Event, EventKind, Positions, SourceBounds,
        SourceOffset, TopicIndex,
    },
    plan::SubjectOptions,
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// How often a canary is sent behind what is gone.
const CANARY: Duration = Duration::from_secs(1);
/// How long nothing new may come from a process that is gone before its last requests have arrived.
const IN_FLIGHT: Duration = Duration::from_millis(60);

/// How often a condition is looked at.
pub(super) const POLL: Duration = Duration::from_millis(20);

impl Testbed {
    pub(super) async fn start_subject(
        &mut self,
        options: SubjectOptions,
    ) -> Result<(), TestbedError> {
        self.options = options;
        if self.subject.is_some() {
            // It should have ended by itself and did not: the end of the run will show what it does.
            self.log("the subject still runs");
            return Ok(());
        }
        if self.incarnation == 0 {
            self.observe_from_here().await?;
        }
        self.ask_for_what_is_there();
        self.earlier_starts_are_over().await?;
        self.began_unseen |= self.history.ready.is_none() && self.has_begun().await?;
        let running = self.launch().await?;
        self.subject = Some(running);
        Ok(())
    }

    /// What an earlier start had on its way has arrived by now, so that what comes again later is
    /// not its doing.
    async fn earlier_starts_are_over(&mut self) -> Result<(), TestbedError> {
        let Some(sampler) = &self.sampler else { return Ok(()) };
        let started = Instant::now();
        let mut over = sampler.with(|progress, topics| progress.subject_starts(topics)).await?;
        while self.incarnation > 0 && started.elapsed() < self.limits.deadline {
            tokio::time::sleep(IN_FLIGHT).await;
            let ends = sampler.with(|progress, topics| progress.subject_starts(topics)).await?;
            if std::mem::replace(&mut over, ends) == over {
                break;
            }
        }
        // Whoever was frozen, or expelled without knowing it, is gone like the others. A fault may go on.
        let open = self.history.events.iter_mut().filter(|event| event.over.is_none());
        for event in open.filter(|event| event.kind != EventKind::ProduceFault) {
            event.over = Some(over.clone());
        }
        Ok(())
    }

    /// Whether the subject has copied or committed anything yet: where it began is settled then.
    async fn has_begun(&self) -> Result<bool, TestbedError> {
        let Some(sampler) = &self.sampler else { return Ok(false) };
        let committed = sampler.with(|progress, topics| progress.recent(topics)).await?;
        let bounds = &self.history.destination_bounds;
        let is_copy = |at, end| end > bounds.get(at).map_or(DestinationOffset(0), |of| of.baseline);
        let has_copied = self.destination_ends().await?.iter().any(|(at, end)| is_copy(at, *end));
        Ok(has_copied || committed.is_some_and(|committed| !committed.is_empty()))
    }

    /// Takes the baselines and begins to follow the destination: before the first start.
    async fn observe_from_here(&mut self) -> Result<(), TestbedError> {
        let interval = match self.pair.source.backend() {
            Backend::Embedded => Duration::from_millis(50),
            Backend::Containers => Duration::from_millis(200),
        };
        let sampler = Sampler::start(self.new_progress()?, self.watched(), interval);
        let mut ends = Ends::new();
        // Topics that are not selected are watched as well: what appears there is leaked.
        let all = self.watched_if(|_| true);
        for (at, (low, end)) in
            sampler.with(move |progress, _| progress.destination_bounds(&all)).await?
        {
            ends.insert(at, end);
            let bounds = DestinationBounds { low_baseline: low, baseline: end, low, end };
            self.history.destination_bounds.insert(at, bounds);
        }
        let tail = Tail::start(self.pair.destination.bootstrap(), ends)?;
        for (index, topic) in self.history.topics.iter().enumerate() {
            tail.follow(index as TopicIndex, &topic.destination);
        }
        (self.tail, self.sampler) = (Some(tail), Some(sampler));
        self.note_topics().await
    }

    /// Waits until a canary of each source partition has arrived: what is produced from now on is
    /// copied, wherever the subject begins. A subject that ends, or that never becomes ready, is
    /// not an error: the end of the run will show it.
    pub(super) async fn await_ready(&mut self) -> Result<(), TestbedError> {
        let started = Instant::now();
        let mut sent: Vec<(u64, (TopicIndex, u32))> = Vec::new();
        let mut ready: BTreeSet<(TopicIndex, u32)> = BTreeSet::new();
        let mut wanted: BTreeSet<(TopicIndex, u32)> = BTreeSet::new();
        for (index, topic) in self.history.topics.iter().enumerate() {
            if topic.selected && !topic.source_partitions.is_empty() {
                let index = index as TopicIndex;
                wanted.extend((0..self.source_partitions(index)).map(|number| (index, number)));
            }
        }
        let mut next_round = Instant::now();
        while ready.len() < wanted.len() && started.elapsed() < self.limits.ready {
            if self.note_exit().await? {
                return Ok(());
            }
            if Instant::now() >= next_round {
                let round: Vec<_> =
                    (self.next_sentinel..).zip(wanted.difference(&ready).copied()).collect();
                self.next_sentinel += round.len() as u64;
                let sentinels = round.iter().map(|(number, (index, partition))| {
                    (*index, Sentinel::new(*number, *partition, None))
                });
                self.produce_sentinels(sentinels.collect()).await?;
                sent.extend(round);
                next_round = Instant::now() + Duration::from_millis(250);
            }
            tokio::time::sleep(POLL).await;
            if let Some(tail) = &self.tail {
                let seen = tail.seen();
                ready.extend(
                    sent.iter().filter(|(number, _)| seen.sentinels.contains(number)).map(|s| s.1),
                );
            }
        }
        if ready.len() < wanted.len() {
            self.log("the subject never became ready");
        } else {
            self.log(&format!("ready after {} ms", started.elapsed().as_millis()));
        }
        self.note_readiness().await
    }

    /// What lies on the source now came before the subject was ready, or had so much time to be; of a topic that it is asked
    /// for only since a later start, by then.
    async fn note_readiness(&mut self) -> Result<(), TestbedError> {
        let Some(sampler) = self.sampler.as_ref().filter(|_| !self.began_unseen) else {
            return Ok(());
        };
        let ends = sampler.with(|progress, topics| progress.source_ends(topics)).await?;
        let asked_later = std::mem::take(&mut self.asked_later);
        match &mut self.history.ready {
            None => self.history.ready = Some(ends),
            Some(ready) => {
                ready.extend(ends.into_iter().filter(|(at, _)| asked_later.contains(&at.topic)));
            }
        }
        Ok(())
    }

    pub(super) async fn produce_sentinels(
        &self,
        sentinels: Vec<(TopicIndex, Sentinel)>,
    ) -> Result<(), TestbedError> {
        let topics = &self.history.topics;
        let named: Vec<_> = sentinels
            .into_iter()
            .map(|(index, sentinel)| (topics[usize::from(index)].source.clone(), sentinel))
            .collect();
        let producers = self.producers.clone();
        Ok(blocking(move || producers.produce_sentinels(&named)).await?)
    }

    /// Whether the subject, or an instance of it, has ended by itself.
    pub(super) async fn note_exit(&mut self) -> Result<bool, TestbedError> {
        let mut gone = None;
        if let Some(subject) = &mut self.subject
            && let Some(ended) = subject.ended().await
        {
            gone = Some((ended.status, subject.output_tail()));
            self.subject = None;
        }
        let mut others = std::mem::take(&mut self.others);
        for mut other in others.drain(..) {
            match other.ended().await {
                Some(ended) => gone = Some((ended.status, other.output_tail())),
                None => self.others.push(other),
            }
        }
        if let Some((status, tail)) = gone {
            self.log(&format!("the subject ended by itself: {status}\n{tail}"));
            self.exited.get_or_insert((status, tail));
            // What it had not committed may come again when it is started again.
            let began = self.subject_ends().await?;
            self.note_event(EventKind::Stop, began).await?;
        }
        Ok(self.exited.is_some())
    }

    pub(super) async fn stop_subject(&mut self) -> Result<(), TestbedError> {
        // Though one has ended by itself, another may go on, and nothing may be written while both sides are read.
        let mut graceful = !self.note_exit().await?;
        self.thaw_before_the_end().await?;
        let all = self.subject.take().into_iter().chain(std::mem::take(&mut self.others));
        let all: Vec<Running> = all.collect();
        if all.is_empty() {
            return Ok(());
        }
        let began = self.subject_ends().await?;
        for subject in all {
            graceful &= self.stop_gracefully(subject).await;
        }
        self.history.final_commit.graceful = graceful;
        self.note_event(EventKind::Stop, began).await
    }

    /// Whether an instance ended as its contract says after its stop signal.
    pub(super) async fn stop_gracefully(&mut self, subject: Running) -> bool {
        let is_at_work = || {
            let last = self.tail.as_ref().and_then(|tail| tail.seen().last);
            last.is_some_and(|last| last.elapsed() < STOP_LIMIT)
        };
        let (ended, output) = subject.stop(is_at_work).await;
        self.log(&format!(
            "stopped: {}{}",
            ended.status,
            if ended.forced { ", by force" } else { "" }
        ));
        let contract = self.contract();
        let graceful = !ended.forced
            && ended.code.is_some_and(|code| contract.graceful_exit_codes.contains(&code));
        if !graceful {
            self.exited.get_or_insert((stop_status(&ended), output));
        }
        graceful
    }

    pub(super) async fn kill_subject(&mut self) -> Result<(), TestbedError> {
        if self.note_exit().await? {
            return Ok(());
        }
        let Some(subject) = self.subject.take() else { return Ok(()) };
        let began = self.subject_ends().await?;
        for subject in [subject].into_iter().chain(std::mem::take(&mut self.others)) {
            let (ended, _) = subject.kill().await;
            self.log(&format!("killed: {}", ended.status));
        }
        self.note_event(EventKind::Kill, began).await
    }

    /// The destination's ends as the subject's end begins.
    async fn subject_ends(&self) -> Result<Ends, TestbedError> {
        if let Some(sampler) = &self.sampler {
            let told = sampler.with(|progress, _| {
                progress.subject_ends();
                Ok(())
            });
            told.await?;
        }
        self.destination_ends().await
    }

    pub(super) async fn destination_ends(&self) -> Result<Ends, TestbedError> {
        match &self.sampler {
            Some(sampler) => {
                Ok(sampler.with(|progress, topics| progress.destination_ends(topics)).await?)
            }
            None => Ok(Ends::new()),
        }
    }

    /// Writes an event down; the positions are read now that the process is gone.
    pub(super) async fn note_event(
        &mut self,
        kind: EventKind,
        destination_ends: Ends,
    ) -> Result<(), TestbedError> {
        let Some(sampler) = &self.sampler else { return Ok(()) };
        let ends = destination_ends.clone();
        let committed = sampler.with(move |progress, topics| {
            let committed = progress.sample(topics)?;
            progress.is_behind(&ends);
            Ok(committed)
        });
        let committed = committed.await?.unwrap_or_default();
        self.push_event(kind, destination_ends, committed).await
    }

    /// The same with positions that were read before.
    pub(super) async fn push_event(
        &mut self,
        kind: EventKind,
        destination_ends: Ends,
        committed: Positions,
    ) -> Result<(), TestbedError> {
        if let Some(sampler) = &self.sampler {
            let events = self.history.events.len();
            let told = sampler.with(move |progress, _| Ok(progress.news(events)));
            told.await?.write(&mut self.history.events);
            self.history.events.push(Event { kind, destination_ends, committed, over: None });
        }
        Ok(())
    }

    /// Waits for an end that the scenario expects. If it does not come, or says something else, the
    /// subject goes on as it is and the end of the run will show it.
    pub(super) async fn await_exit(&mut self, saying: &str) -> Result<(), TestbedError> {
        let started = Instant::now();
        let (mut behind, mut sent) = (BTreeSet::new(), None::<Instant>);
        while !self.note_exit().await? {
            if sent.is_none_or(|at| at.elapsed() > CANARY) {
                behind.extend(self.send_behind_gaps().await?);
                sent = Some(Instant::now());
            }
            let arrived = self.tail.as_ref().is_some_and(|tail| {
                behind.iter().any(|number| tail.seen().sentinels.contains(number))
            });
            let late = started.elapsed() > self.limits.ready;
            if arrived || (late && !self.outrun.is_empty()) {
                // It goes on as if nothing had been lost: what is missing will be named.
                self.log("the subject did not stop at what is gone");
                return Ok(());
            }
            if late {
                return Err(TestbedError::Deadline {
                    awaited: format!("the subject's end, saying {saying:?}"),
                    seconds: self.limits.ready.as_secs(),
                    seen: "it still runs".into(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        let text =
            std::fs::read_to_string(self.folder.join(format!("subject-{}.log", self.incarnation)))
                .unwrap_or_default();
        // An end that looks like success says nothing.
        let failed = self.exited.as_ref().is_some_and(|(status, _)| status != "exit status: 0");
        if failed && text.contains(saying) {
            self.exited = None;
            // It did not go over what is gone in silence.
            self.history.announced.extend(std::mem::take(&mut self.outrun));
        }
        Ok(())
    }

    pub(super) async fn await_records(
        &mut self,
        logical: &str,
        records: u64,
    ) -> Result<(), TestbedError> {
        let index = self.topic(logical)?;
        let started = Instant::now();
        loop {
            let seen = self
                .tail
                .as_ref()
                .map_or(0, |tail| tail.seen().records.get(&index).copied().unwrap_or_default());
            if seen >= records || self.note_exit().await? {
                return Ok(());
            }
            let last = self.tail.as_ref().and_then(|tail| tail.seen().last);
            let quiet =
                last.map_or(started.elapsed(), |last| last.elapsed().min(started.elapsed()));
            if quiet > self.limits.stall || started.elapsed() > self.limits.deadline {
                // Not an error: the end of the run will say what the subject did instead.
                self.log(&format!("only {seen} of {records} records of {logical} arrived"));
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Baselines of the source's partitions: their low watermarks when first seen.
    pub(super) fn source_bounds(&mut self, at: judge::history::TopicPartition, low: i64, cut: i64) {
        let baseline = self.trimmed.get(&at).copied().unwrap_or(SourceOffset(0));
        let (low, cut) = (SourceOffset(low), SourceOffset(cut));
        self.history.source_bounds.insert(at, SourceBounds { baseline, low, cut });
    }
}

fn stop_status(ended: &Ended) -> String {
    if ended.forced {
        "did not stop within 30 s of SIGTERM, nor of the last record that was copied, and was killed".into()
    } else {
        format!("{} after SIGTERM", ended.status)
    }
}
