//! Whole runs of our mirror over the random plans of `mirrorproof fuzz` on embedded clusters:
//! whatever the plan, the promises hold. `MIRRORPROOF_CASES` asks for more of them.

use harness::{
    cluster::{Backend, Pair, pool::Pool},
    run_dir::RunDir,
    subject::{Kind, Spec, properties::Properties},
    testbed::{Settings, Testbed, TestbedError},
};
use judge::{
    plan::{Action, Plan, Side, SubjectOptions, Workload},
    verdict::{Judgement, Verdict},
};
use mirrorproof::{
    fuzz::{Event, Extent, Fuzz, Space, Tally},
    run::limits,
    trial::{Outcome, Stage, Watcher, store},
    worker::Workers,
};
use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, TestCaseError},
};
use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

fn config() -> ProptestConfig {
    let cases = std::env::var("MIRRORPROOF_CASES").ok();
    ProptestConfig {
        cases: cases.map_or(5, |cases| cases.parse().expect("MIRRORPROOF_CASES: a number")),
        // A plan that fails may take a stall window to do so.
        max_shrink_time: 120_000,
        max_shrink_iters: 60,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

fn subject() -> Spec {
    Spec {
        kind: Kind::Mirror,
        executable: PathBuf::from(env!("CARGO_BIN_EXE_mirrorproof")),
        consumer: Properties::new(),
        producer: Properties::new(),
        contract: None,
    }
}

/// Plans in which these happen to the mirror, and nothing else.
fn plans(events: &[Event]) -> impl Strategy<Value = Vec<Action>> + use<> {
    let mut space = Space::of(Backend::Embedded, &subject());
    space.turns = if events.is_empty() { 0..=0 } else { 1..=2 };
    if !events.is_empty() {
        space.events = events.to_vec();
    }
    space.actions()
}

/// Performs one plan; what it leaves behind is kept if it failed.
fn check(actions: Vec<Action>) -> Result<(), TestCaseError> {
    let folder = TempDir::new().expect("a temporary folder");
    // Records are as random as the plan, and the same whenever it is repeated.
    let plan = Plan { version: Plan::VERSION, seed: 1, actions };
    let stage = Stage::new(Pool::embedded(), subject(), folder.path().to_owned());
    let trial = RUNTIME.block_on(stage.perform(folder.path(), 0, &plan));
    if trial.outcome.verdict() == Some(Verdict::Holds) {
        return Ok(());
    }
    store(folder.path(), &plan, &trial).expect("the plan is stored");
    Err(TestCaseError::fail(format!("{:#?}\nsee {}", trial.outcome, folder.keep().display())))
}

/// Has seen enough from the first on.
struct Content;

impl Watcher for Content {
    const LOOKS: bool = false;

    fn is_content(&self) -> bool {
        true
    }
}

#[test]
fn a_plan_that_was_watched_long_enough_ends_with_the_records_under_way_and_is_judged() {
    let topic = || "orders".to_owned();
    let created = |side| Action::CreateTopic { side, topic: topic(), partitions: 2 };
    let load = |records| {
        let workload = Workload { records, ..Workload::default() };
        Action::BeginLoad { topic: topic(), workload, records_per_second: 1_000 }
    };
    let actions = vec![
        created(Side::Source),
        created(Side::Destination),
        Action::StartSubject(SubjectOptions::default()),
        Action::AwaitReady,
        load(100),
        Action::AwaitLoad,
        load(1),
        Action::AwaitLoad,
        Action::Finish,
    ];
    let plan = Plan { version: Plan::VERSION, seed: 1, actions };
    let folder = TempDir::new().expect("a temporary folder");
    let stage = Stage::new(Pool::embedded(), subject(), folder.path().to_owned());
    let mut watcher = Content;
    let performed = stage.perform_watched(folder.path(), &plan, &mut watcher);
    let Outcome::Judged(judgement) = RUNTIME.block_on(performed).outcome else {
        panic!("it was not judged")
    };
    assert_eq!(judgement.verdict, Verdict::Holds, "{judgement:#?}");
    assert_eq!(judgement.judged.source_records, 100);
}

/// Performs actions on a pair of clusters that somebody else has used, too.
async fn apply(pair: Pair, actions: Vec<Action>) -> Result<Judgement, TestbedError> {
    let folder = TempDir::new().expect("a temporary folder");
    let run_dir = RunDir::create(folder.path()).expect("a folder for the run");
    let settings = Arc::new(Settings { subject: subject(), seed: 1, run_dir });
    let limits = limits(Backend::Embedded);
    let mut testbed = Testbed::new(settings, "plan", 1, String::new(), limits, pair);
    for action in actions {
        testbed.apply(action).await?;
    }
    let judgement = testbed.judge();
    testbed.close().await?;
    Ok(judgement)
}

#[test]
fn a_topic_that_is_taken_on_after_the_start_is_followed() {
    let (orders, late) = (|| "orders".to_owned(), || "late".to_owned());
    let created = |side| Action::CreateTopic { side, topic: orders(), partitions: 2 };
    let workload = Workload { records: 100, ..Workload::default() };
    let actions = vec![
        created(Side::Source),
        created(Side::Destination),
        Action::Select { pattern: "orders|late".into(), topics: vec![orders()] },
        Action::StartSubject(SubjectOptions::default()),
        Action::AwaitReady,
        Action::AdoptTopic { topic: late() },
        Action::Produce { topic: late(), workload: workload.clone() },
        Action::Produce { topic: orders(), workload },
        Action::Finish,
    ];
    let judgement = RUNTIME.block_on(async {
        let pair = Pair::embedded().expect("a pair");
        // As a command would have made it.
        pair.source.create_topic("late", 2).await.expect("a topic");
        pair.destination.create_topic("late", 3).await.expect("a topic");
        apply(pair, actions).await.expect("it can be done")
    });
    assert_eq!(judgement.verdict, Verdict::Holds, "{judgement:#?}");
    assert_eq!(judgement.judged.source_records, 200);
}

#[test]
fn what_was_there_before_the_start_is_not_changed_after_it() {
    let topic = || "orders".to_owned();
    let created = |side| Action::CreateTopic { side, topic: topic(), partitions: 2 };
    for late in [
        Action::TrimSource { topic: topic() },
        Action::Prefill { topic: topic(), records_per_partition: 1 },
    ] {
        let actions = vec![
            created(Side::Source),
            created(Side::Destination),
            Action::StartSubject(SubjectOptions::default()),
            late,
        ];
        let refused = RUNTIME.block_on(apply(Pair::embedded().expect("a pair"), actions));
        assert!(matches!(refused, Err(TestbedError::Plan(_))), "{refused:?}");
    }
}

#[test]
fn a_run_goes_on_when_mock_brokers_end_a_plan() {
    let folder = TempDir::new().expect("a temporary folder");
    // The first of all that begins ends as librdkafka's mock does; the others are what they always are.
    let script = r#"if mkdir "$1/ended" 2> /dev/null; then
            read -r order
            echo 'm: rdkafka_mock_cgrp.c:243: sync_set: Assertion `!member->resp'"'"' failed.' >&2
            kill -ABRT $$
        fi
        exec "$0" perform"#;
    let words = ["sh", "-c", script, env!("CARGO_BIN_EXE_mirrorproof")].map(OsString::from);
    let line = words.into_iter().chain([folder.path().into()]).collect();
    let mut stage = Stage::new(Pool::embedded(), subject(), folder.path().to_owned());
    stage.workers = Some(Workers::by(line));
    let fuzz = Fuzz {
        stage: Arc::new(stage),
        seed: 7,
        extent: Extent::Runs(5),
        calm: true,
        jobs: Some(2),
        shrink_time: Duration::ZERO,
        tries: Default::default(),
    };
    let (mut tally, mut failing) = (Tally::default(), Vec::new());
    RUNTIME.block_on(fuzz.run(&mut tally, &mut failing, |_| {}));
    assert_eq!((tally.plans, tally.holds), (5, 4), "{tally:?}");
    let reasons: Vec<_> = tally.inconclusive.keys().collect();
    assert!(
        matches!(&reasons[..], [one] if one.contains("rdkafka_mock_cgrp.c:243")),
        "{reasons:?}"
    );
    assert_eq!(failing.len(), 1);
    let stored =
        std::fs::read_to_string(failing[0].folder.join("plan.json")).expect("it is stored");
    let again: Plan = serde_json::from_str(&stored).expect("a plan");
    let trial = RUNTIME.block_on(fuzz.stage.perform(&folder.path().join("again"), 9, &again));
    assert_eq!(trial.outcome.verdict(), Some(Verdict::Holds), "{trial:#?}");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_undisturbed_mirror_keeps_every_promise(plan in plans(&[])) {
        check(plan)?;
    }

    #[test]
    fn a_mirror_that_is_stopped_keeps_every_promise(plan in plans(&[Event::Stop])) {
        check(plan)?;
    }

    #[test]
    fn a_mirror_that_is_killed_keeps_every_promise(plan in plans(&[Event::Kill])) {
        check(plan)?;
    }

    #[test]
    fn a_mirror_that_is_joined_keeps_every_promise(plan in plans(&[Event::Join])) {
        check(plan)?;
    }
}
