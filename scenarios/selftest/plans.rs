//! The dense scenarios of the self test: one for each force that makes defects show. They never
//! learn which defect they meet.

use harness::{cluster::Backend, subject::bad::Force};
use judge::plan::{
    Action, Headers, KeyStyle, Plan, Side, Sizes, Skew, SubjectOptions, TimestampStyle, Workload,
};

/// The scenario of a force.
pub(super) fn plan(force: Force, seed: u64) -> Plan {
    let actions = match force {
        Force::Load => load(),
        Force::Restart => again(Action::StopSubject),
        Force::Kill => again(Action::KillSubject),
        Force::Growth => growth(),
        Force::Aborts => aborts(),
        Force::Outrun => outrun(),
        Force::Failover => failover(),
        Force::Settings => settings(),
    };
    Plan { version: Plan::VERSION, seed, actions }
}

/// A force in two words.
pub(super) fn name(force: Force) -> &'static str {
    match force {
        Force::Load => "load",
        Force::Restart => "restart",
        Force::Kill => "kill",
        Force::Growth => "growth",
        Force::Aborts => "aborts",
        Force::Outrun => "outrun",
        Force::Failover => "failover",
        Force::Settings => "settings",
    }
}

/// Whether a backend has what the scenario takes.
pub(super) fn runs_on(force: Force, backend: Backend) -> bool {
    match force {
        Force::Load | Force::Restart | Force::Kill | Force::Failover => true,
        // The mock has no admin, no aborts and no retention.
        Force::Growth | Force::Aborts | Force::Outrun | Force::Settings => {
            backend == Backend::Containers
        }
    }
}

/// The mirror is stopped and started again ten times.
pub(super) fn restarted_ten_times(seed: u64) -> Plan {
    let mut actions = started(&SubjectOptions::default());
    for _ in 0..10 {
        actions.extend([produce(200), Action::StopSubject, start(), Action::AwaitReady]);
    }
    actions.push(Action::Finish);
    Plan { version: Plan::VERSION, seed, actions }
}

/// A second instance joins the group under load, and leaves it again.
pub(super) fn joined_and_left(seed: u64) -> Plan {
    let options = SubjectOptions::default();
    let mut actions = started(&options);
    actions.extend([
        produce(1_000),
        Action::AddInstance(options),
        produce(1_000),
        await_records(2_000),
        Action::RemoveInstance,
        produce(1_000),
        Action::Finish,
    ]);
    Plan { version: Plan::VERSION, seed, actions }
}

/// The mirror keeps partition numbers.
pub(super) fn partitions_kept(seed: u64) -> Plan {
    let options = SubjectOptions { preserve: true, ..SubjectOptions::default() };
    let mut actions = started(&options);
    actions.extend([produce(2_000), Action::Finish]);
    Plan { version: Plan::VERSION, seed, actions }
}

const ORDERS: &str = "orders";

fn create(topic: &str, source: u32, destination: u32) -> [Action; 2] {
    [(Side::Source, source), (Side::Destination, destination)]
        .map(|(side, partitions)| Action::CreateTopic { side, topic: topic.to_owned(), partitions })
}

fn produced(topic: &str, workload: Workload) -> Action {
    Action::Produce { topic: topic.to_owned(), workload }
}

fn produce(records: u32) -> Action {
    produced(ORDERS, everything(records))
}

fn await_records(records: u64) -> Action {
    Action::AwaitRecords { topic: ORDERS.to_owned(), records }
}

fn start() -> Action {
    Action::StartSubject(SubjectOptions::default())
}

/// Whatever a record can carry.
fn everything(records: u32) -> Workload {
    Workload {
        records,
        producers: 3,
        skew: Skew::Zipf(1.1),
        key_style: KeyStyle::Varied,
        null_keys: 10,
        empty_key: true,
        null_values: 10,
        empty_values: 10,
        sizes: Sizes::Varied,
        headers: Headers::Varied,
        timestamps: TimestampStyle::Varied,
        ..Workload::default()
    }
}

/// One topic with records that are older than the subject, which is running then.
fn started(options: &SubjectOptions) -> Vec<Action> {
    let mut actions: Vec<Action> = create(ORDERS, 3, 8).into();
    actions.extend([produce(500), Action::StartSubject(options.clone()), Action::AwaitReady]);
    actions
}

/// Records from before and while the subject runs, large ones among them, and a topic whose name
/// only looks like the one that is asked for.
fn load() -> Vec<Action> {
    let mut actions: Vec<Action> = create(ORDERS, 3, 8).into();
    actions.extend(create("documents", 1, 3));
    actions.extend(create("orders-old", 2, 2));
    actions.push(Action::Select {
        pattern: format!("{ORDERS}|documents"),
        topics: vec![ORDERS.into(), "documents".into()],
    });
    let large = Workload { records: 200, sizes: Sizes::WithLarge, ..Workload::default() };
    let excluded = || Workload { records: 100, keys: 10, ..Workload::default() };
    actions.extend([
        produce(500),
        produced("orders-old", excluded()),
        start(),
        Action::AwaitReady,
        produce(2_000),
        produced("documents", large),
        produced("orders-old", excluded()),
        Action::Finish,
    ]);
    actions
}

/// The subject ends under load, in this way, and is started again.
fn again(end: Action) -> Vec<Action> {
    let mut actions = started(&SubjectOptions::default());
    actions.extend([
        produce(3_000),
        await_records(1_500),
        end,
        produce(1_000),
        start(),
        Action::AwaitReady,
        produce(500),
        Action::Finish,
    ]);
    actions
}

fn growth() -> Vec<Action> {
    let mut actions = started(&SubjectOptions::default());
    actions.extend([
        produce(1_000),
        await_records(1_500),
        Action::GrowTopic { side: Side::Destination, topic: ORDERS.to_owned(), partitions: 12 },
        produce(2_000),
        Action::Finish,
    ]);
    actions
}

fn aborts() -> Vec<Action> {
    let mut actions = started(&SubjectOptions::default());
    let transactions =
        Workload { transaction_records: Some(20), aborted_transactions: 30, ..everything(2_000) };
    actions.extend([produced(ORDERS, transactions), produce(500), Action::Finish]);
    actions
}

fn outrun() -> Vec<Action> {
    let mut actions = started(&SubjectOptions::default());
    let topic = || ORDERS.to_owned();
    actions.extend([
        produce(1_000),
        Action::StopSubject,
        produce(1_000),
        Action::Outrun { topic: topic() },
        produce(500),
        start(),
        Action::AwaitExit { saying: "gone from the source".into() },
        Action::SkipGap { topic: topic() },
        start(),
        Action::AwaitReady,
        produce(500),
        Action::Finish,
    ]);
    actions
}

/// An application has read a part of a topic whose partition counts make raw offsets wrong in both
/// directions.
fn failover() -> Vec<Action> {
    let mut actions: Vec<Action> = create(ORDERS, 1, 3).into();
    let topic = || ORDERS.to_owned();
    actions.extend([
        start(),
        Action::AwaitReady,
        produce(2_000),
        await_records(2_000),
        Action::ConsumeOnSource { topic: topic(), percent: 20 },
        Action::AwaitTranslation { topic: topic() },
        Action::Finish,
    ]);
    actions
}

/// The subject finds no topic on the destination, and has to make one like the source's.
fn settings() -> Vec<Action> {
    let settings = [("max.message.bytes", "2000000"), ("retention.ms", "-1")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let (side, topic) = (Side::Source, || ORDERS.to_owned());
    vec![
        Action::CreateTopic { side, topic: topic(), partitions: 3 },
        Action::ConfigureTopic { side, topic: topic(), settings },
        start(),
        Action::AwaitReady,
        produce(2_000),
        Action::Finish,
    ]
}
