//! Whole runs of our mirror over random topics, partition counts and workloads on embedded
//! clusters: whatever the plan, the promises hold. `MIRRORPROOF_CASES` asks for more of them.

mod support {
    pub(crate) mod plans;
}

use harness::{
    cluster::pool::Pool,
    run_dir::RunDir,
    subject::{Kind, Spec, properties::Properties},
    testbed::Settings,
};
use judge::plan::Action;
use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, TestCaseError},
};
use std::{
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use support::plans::{Life, perform, plans};
use tempfile::TempDir;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
/// The properties run side by side, so the folders of plans are numbered for all of them.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

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

/// Performs one plan; what it leaves behind is kept if it failed.
fn check(actions: Vec<Action>) -> Result<(), TestCaseError> {
    let folder = TempDir::new().expect("a temporary folder");
    let subject = Spec {
        kind: Kind::Mirror,
        executable: PathBuf::from(env!("CARGO_BIN_EXE_mirrorproof")),
        consumer: Properties::new(),
        producer: Properties::new(),
    };
    let run_dir = RunDir::create(folder.path()).expect("a run folder");
    // Records are as random as the plan, and the same whenever it is repeated.
    let settings = Arc::new(Settings { subject, seed: 1, run_dir });
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let done = RUNTIME.block_on(perform(actions, &Pool::embedded(), settings, number));
    done.map_err(|reason| {
        drop(folder.keep());
        TestCaseError::fail(reason)
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_undisturbed_mirror_keeps_every_promise(plan in plans(&[Life::Undisturbed])) {
        check(plan)?;
    }

    #[test]
    fn a_mirror_that_is_stopped_keeps_every_promise(plan in plans(&[Life::Stopped])) {
        check(plan)?;
    }

    #[test]
    fn a_mirror_that_is_killed_keeps_every_promise(plan in plans(&[Life::Killed])) {
        check(plan)?;
    }
}
