//! A random plan before it is written out: whatever the numbers in it, its actions make sense.

use super::generate::Space;
use judge::plan::{Action, Headers, Placement, Side, Sizes, SubjectOptions, Workload};

/// What happens to the subject, or to its topics, while it copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is asked to stop, and started again.
    Stop,
    /// It is killed, and started again.
    Kill,
    /// A second instance joins, and leaves again.
    Join,
    /// It is frozen for a while.
    Freeze,
    /// It is frozen for a while, and a second instance has its partitions meanwhile.
    Zombie,
    /// A topic of the destination gets more partitions.
    Grow,
    /// A topic of the source gets more partitions.
    GrowSource,
}

/// A whole plan.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) turns: Vec<Turn>,
    pub(super) topics: Vec<Topic>,
    /// What is written to a topic that nobody asked for, if there is one.
    pub(super) excluded: Option<usize>,
    /// Whether the first start is awaited.
    pub(super) ready: bool,
    pub(super) options: SubjectOptions,
    pub(super) looks: Looks,
}

/// A topic, and what is written to it around the first start.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) before: Option<usize>,
    pub(super) during: Option<usize>,
    /// Where neither is: a topic without a record is nothing to judge.
    pub(super) instead: usize,
    pub(super) prefill: Option<u32>,
    pub(super) source: u32,
    pub(super) destination: u32,
}

/// One event with what surrounds it.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) event: Event,
    pub(super) load: Option<Load>,
    /// The event waits until so much of its topic has arrived.
    pub(super) awaited_percent: Option<u8>,
    pub(super) meanwhile: Option<Load>,
    /// Whether the start that follows is awaited.
    pub(super) ready: bool,
}

/// Records for one topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Which topic, modulo how many there are.
    pub(super) topic: usize,
    /// Which workload.
    pub(super) look: usize,
}

/// The workloads of a plan.
#[derive(Clone, Debug)]
pub(super) struct Looks(pub(super) Vec<Workload>);

impl Looks {
    pub(super) const COUNT: usize = 4;
}

/// A mock broker keeps 5 MiB a partition: a topic gets no more records than lie far below it.
const RECORDS_OF_A_TOPIC: u32 = 4_000;

/// The actions so far, and what the next ones depend on.
struct Written<'a> {
    draft: &'a Draft,
    space: &'a Space,
    actions: Vec<Action>,
    /// Whether the subject copies what is produced now.
    counts: bool,
    /// Whether the subject has shown that it runs.
    ready: bool,
    /// Records of each topic: written, and sure to be visible on the destination.
    written: Vec<u32>,
    visible: Vec<u32>,
    /// Whether a topic has had its large records.
    large: Vec<bool>,
    /// Partitions on the source and on the destination.
    partitions: Vec<(u32, u32)>,
}

impl Draft {
    /// The plan in full.
    pub(super) fn actions(&self, space: &Space) -> Vec<Action> {
        let count = self.topics.len();
        let mut plan = Written {
            draft: self,
            space,
            actions: Vec::new(),
            counts: !space.from_latest,
            ready: false,
            written: vec![0; count],
            visible: vec![0; count],
            large: vec![false; count],
            partitions: Vec::new(),
        };
        plan.topics();
        plan.first_start();
        for turn in &self.turns {
            plan.turn(turn);
        }
        plan.something_to_judge();
        plan.actions.push(Action::Finish);
        plan.actions
    }
}

fn name(topic: usize) -> String {
    format!("topic-{topic}")
}

/// It only looks like one that is asked for.
const EXCLUDED: &str = "topic-0-old";

impl Written<'_> {
    fn topics(&mut self) {
        for (number, topic) in self.draft.topics.iter().enumerate() {
            // A partition number can only be kept where it exists.
            let least = if self.draft.options.preserve { topic.source } else { 1 };
            let destination = topic.destination.max(least);
            self.partitions.push((topic.source, destination));
            self.create(name(number), topic.source, destination);
            if let Some(records_per_partition) = topic.prefill {
                let topic = name(number);
                self.actions.push(Action::Prefill { topic, records_per_partition });
            }
        }
        if self.draft.excluded.is_some() {
            let topics: Vec<String> = (0..self.draft.topics.len()).map(name).collect();
            self.create(EXCLUDED.into(), 1, 1);
            self.actions.push(Action::Select { pattern: topics.join("|"), topics });
        }
    }

    fn create(&mut self, topic: String, source: u32, destination: u32) {
        let sides = [(Side::Source, source), (Side::Destination, destination)];
        self.actions.extend(sides.map(|(side, partitions)| Action::CreateTopic {
            side,
            topic: topic.clone(),
            partitions,
        }));
    }

    fn first_start(&mut self) {
        let draft = self.draft;
        for (number, topic) in draft.topics.iter().enumerate() {
            if let Some(look) = topic.before {
                self.produce(Load { topic: number, look });
            }
        }
        if let Some(look) = draft.excluded {
            let workload = Workload { transaction_records: None, ..self.look(look) };
            let workload = Workload { aborted_transactions: 0, sizes: Sizes::Small, ..workload };
            self.actions.push(Action::Produce { topic: EXCLUDED.into(), workload });
        }
        self.start(draft.ready || self.space.from_latest);
        self.counts = true;
        for (number, topic) in draft.topics.iter().enumerate() {
            let needed = topic.before.is_none() || self.space.from_latest;
            if let Some(look) = topic.during.or(needed.then_some(topic.instead)) {
                self.produce(Load { topic: number, look });
            }
        }
    }

    fn turn(&mut self, turn: &Turn) {
        if let Some(load) = turn.load {
            self.produce(load);
        }
        let topic = turn.load.map_or(0, |load| load.topic) % self.draft.topics.len();
        if let Some(percent) = turn.awaited_percent {
            let records = u64::from(self.visible[topic]) * u64::from(percent) / 100;
            if records > 0 {
                self.actions.push(Action::AwaitRecords { topic: name(topic), records });
            }
        }
        match turn.event {
            Event::Stop => {
                // No program can be asked to stop before it has begun to listen.
                self.await_ready();
                self.actions.push(Action::StopSubject);
                self.meanwhile(turn);
                self.start(turn.ready);
            }
            Event::Kill => {
                self.actions.push(Action::KillSubject);
                self.meanwhile(turn);
                self.start(turn.ready);
            }
            Event::Join => {
                self.await_ready();
                self.actions.push(Action::AddInstance(self.options()));
                self.meanwhile(turn);
                self.actions.push(Action::RemoveInstance);
            }
            Event::Freeze => self.freeze(turn),
            Event::Zombie => {
                self.await_ready();
                self.actions.push(Action::AddInstance(self.options()));
                self.freeze(turn);
                self.actions.push(Action::RemoveInstance);
            }
            Event::Grow | Event::GrowSource => {
                self.grow(turn.event, topic);
                self.meanwhile(turn);
            }
        }
    }

    fn freeze(&mut self, turn: &Turn) {
        self.actions.push(Action::FreezeSubject);
        self.meanwhile(turn);
        // Some are over before the group has noticed.
        let after_ms = if turn.ready { 300 } else { self.space.session_ms + 1_500 };
        self.actions.push(Action::ThawSubject { after_ms });
    }

    /// A topic whose every record may be aborted would be left in doubt.
    fn something_to_judge(&mut self) {
        for topic in 0..self.draft.topics.len() {
            if self.visible[topic] == 0 {
                let workload = Workload { records: 10, ..Workload::default() };
                self.actions.push(Action::Produce { topic: name(topic), workload });
            }
        }
    }

    fn meanwhile(&mut self, turn: &Turn) {
        if let Some(load) = turn.meanwhile {
            self.produce(load);
        }
    }

    fn options(&self) -> SubjectOptions {
        let mut options = self.draft.options.clone();
        let joins = |turn: &Turn| matches!(turn.event, Event::Join | Event::Zombie);
        if self.draft.turns.iter().any(joins) {
            // An instance is known to have joined by the group's move, and streams move it, too.
            options.streams = 1;
        }
        options
    }

    fn start(&mut self, ready: bool) {
        self.actions.push(Action::StartSubject(self.options()));
        self.ready = false;
        if ready {
            self.await_ready();
        }
    }

    fn await_ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            self.actions.push(Action::AwaitReady);
        }
    }

    fn grow(&mut self, event: Event, topic: usize) {
        let preserve = self.draft.options.preserve;
        let (source, destination) = &mut self.partitions[topic];
        let (side, partitions) = match event {
            // A number that is kept must exist on the other side.
            Event::GrowSource if !preserve || *source < *destination => {
                *source += 1;
                (Side::Source, *source)
            }
            _ => {
                *destination += 2;
                (Side::Destination, *destination)
            }
        };
        self.actions.push(Action::GrowTopic { side, topic: name(topic), partitions });
    }

    fn look(&self, look: usize) -> Workload {
        let mut workload = self.draft.looks.0[look].clone();
        // Records without an id are known by key and value. Where equal ones may change places
        // (repeated, or from several source partitions) they cannot be told apart.
        let repeats = self.draft.options.streams > 1 || !self.draft.turns.is_empty();
        let spread = workload.placement == Placement::RoundRobin || workload.null_keys > 0;
        if workload.headers == Headers::None && (repeats || spread) {
            workload.headers = Headers::Id;
        }
        workload
    }

    fn produce(&mut self, load: Load) {
        let topic = load.topic % self.draft.topics.len();
        let mut workload = self.look(load.look);
        workload.records = workload.records.min(RECORDS_OF_A_TOPIC - self.written[topic]);
        if workload.records == 0 {
            return;
        }
        // A mock has no room for large records that a kill or a rebalance makes come twice.
        let repeats = self.draft.options.streams > 1 || !self.draft.turns.is_empty();
        let twice = !self.space.real_brokers && repeats;
        if workload.sizes == Sizes::WithLarge && (twice || self.large[topic]) {
            workload.sizes = Sizes::Varied;
        }
        self.large[topic] |= workload.sizes == Sizes::WithLarge;
        self.written[topic] += workload.records;
        if self.counts && workload.transaction_records.is_none() {
            self.visible[topic] += workload.records;
        }
        self.actions.push(Action::Produce { topic: name(topic), workload });
    }
}
