//! Features as cargo's own tests: one trial a scenario, named `feature::scenario`.
//!
//! All selected scenarios are one run of the library's own runner, which begins with the first
//! trial; each trial then looks its outcome up. So scenarios share clusters and run side by side as
//! they do for a user, and `cargo test NAME`, `--list`, `--exact` and `--skip` mean what they mean
//! everywhere.

use cucumber::gherkin::Feature;
use harness::{
    cluster::{Backend, ClusterError, containers::RunLabel, pool::Pool},
    run_dir::RunDir,
    subject::{Kind, Spec as Subject, properties::Properties},
    testbed::Settings,
};
use judge::{
    contract::Contract,
    plan::SubjectOptions,
    report::{PromiseReport, Report, ScenarioOutcome, ScenarioReport, terminal},
    verdict::Verdict,
};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use mirrorproof::{
    catalogue,
    run::{self, progress::Progress},
    selection::{Found, Selection, scenarios, short_name, skip_reason},
};
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, LazyLock},
};
use tempfile::TempDir;

/// What cargo asked for, and where the run writes.
pub(crate) struct Call {
    arguments: Arguments,
    /// How many scenarios at once, if the user said so.
    jobs: Option<usize>,
    folder: TempDir,
    pub(crate) seed: u64,
}

impl Call {
    /// Reads the command line. `MIRRORPROOF_SEED` repeats the random choices of an earlier call.
    pub(crate) fn new() -> Call {
        let mut arguments = Arguments::from_args();
        // Scenarios run side by side within the run; trials only tell what became of them.
        let jobs = arguments.test_threads.replace(1);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let given = std::env::var("MIRRORPROOF_SEED").ok();
        let seed = given
            .map_or_else(rand::random, |seed| seed.parse().expect("MIRRORPROOF_SEED: a number"));
        Call { arguments, jobs, folder, seed }
    }

    /// Settings of a run of our mirror that writes into `name` below the temporary folder.
    pub(crate) fn settings(&self, name: &str) -> Arc<Settings> {
        let subject = Subject {
            kind: Kind::Mirror,
            executable: PathBuf::from(env!("CARGO_BIN_EXE_mirrorproof")),
            consumer: Properties::new(),
            producer: Properties::new(),
            contract: None,
        };
        let run_dir = RunDir::create(&self.folder.path().join(name)).expect("a run folder");
        Arc::new(Settings { subject, seed: self.seed, run_dir })
    }

    /// A trial for each scenario of the embedded features.
    pub(crate) fn scenarios(&self, backend: Backend) -> Vec<Trial> {
        let mut features = catalogue::embedded().expect("the embedded features are right");
        let settings = self.settings(backend.name());
        let contract = settings.subject.contract(&SubjectOptions::default(), false);
        let named: Vec<Named> =
            scenarios(&features).iter().map(|found| Named::of(found, backend, &contract)).collect();
        for feature in &mut features {
            self.keep_selected(feature);
        }
        let spec = run::Spec {
            features,
            selection: Selection::default(),
            backend,
            concurrency: self.jobs,
            keep_going: true,
            repeat: format!("mirrorproof spec --clusters {}", backend.name()),
            settings,
        };
        let progress = if self.arguments.nocapture { Progress::Lines } else { Progress::Silent };
        let report: SharedReport = Arc::new(LazyLock::new(Box::new(move || {
            runtime().block_on(async {
                let failed = |error: ClusterError| format!("failed to {error}");
                let pool = pool(backend, spec.settings.seed).await.map_err(failed)?;
                run::run(spec, pool, progress).await.map_err(|error| error.to_string())
            })
        })));
        named.into_iter().map(|named| named.trial(report.clone())).collect()
    }

    fn keep_selected(&self, feature: &mut Feature) {
        let short = short_name(feature);
        let keeps = |name: &str| {
            let trial = Trial::test(test_name(&short, name), || Ok(()));
            !self.arguments.is_filtered_out(&trial)
        };
        feature.scenarios.retain(|scenario| keeps(&scenario.name));
        for rule in &mut feature.rules {
            rule.scenarios.retain(|scenario| keeps(&scenario.name));
        }
    }

    /// Runs the trials, and keeps the run folder only if one of them failed.
    pub(crate) fn finish(self, trials: Vec<Trial>) -> ExitCode {
        let conclusion = libtest_mimic::run(&self.arguments, trials);
        if conclusion.has_failed() {
            println!("logs and plans: {} (seed {})", self.folder.keep().display(), self.seed);
        }
        conclusion.exit_code()
    }
}

/// The runtime of the whole process: clients outlive the trial that made them.
pub(crate) fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));
    &RUNTIME
}

/// Clusters to lease.
pub(crate) async fn pool(backend: Backend, seed: u64) -> Result<Pool, ClusterError> {
    match backend {
        Backend::Embedded => Ok(Pool::embedded()),
        Backend::Containers => {
            let run = RunLabel::held(&format!("{:08x}", seed as u32))?;
            Pool::containers(run, Arc::new(|_| {})).await
        }
    }
}

/// The run of a backend; it begins when the first trial asks for it.
type SharedReport =
    Arc<LazyLock<Result<Report, String>, Box<dyn FnOnce() -> Result<Report, String> + Send>>>;

/// A scenario's name as a test, and its place in the report.
struct Named {
    name: String,
    file: String,
    line: usize,
    skipped: Option<String>,
}

impl Named {
    fn of(found: &Found<'_>, backend: Backend, contract: &Contract) -> Named {
        let file = found.feature.path.as_deref().expect("embedded features have paths");
        Named {
            name: test_name(&short_name(found.feature), &found.scenario.name),
            file: file.display().to_string(),
            line: found.scenario.position.line,
            skipped: skip_reason(&found.tags, backend, Kind::Mirror.name(), contract),
        }
    }

    fn trial(self, report: SharedReport) -> Trial {
        Trial::ignorable_test(self.name.clone(), move || match &self.skipped {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => self.outcome((**report).as_ref()?),
        })
    }

    /// What became of the scenario; anything but a promise kept is a failure, its own or another that it saw broken.
    fn outcome(&self, report: &Report) -> Result<Completion, Failed> {
        let alone = self.alone(report);
        let scenarios = alone.promises.iter().flat_map(|promise| &promise.scenarios);
        let Some(worst) = scenarios.max_by_key(|scenario| scenario.outcome.verdict()) else {
            return Err("the run did not come to this scenario".into());
        };
        match (&worst.outcome, worst.outcome.verdict()) {
            (ScenarioOutcome::Skipped { reason }, _) => Ok(Completion::ignored_with(reason)),
            (_, Some(Verdict::Holds)) => Ok(Completion::Completed),
            (_, Some(Verdict::Violated | Verdict::Inconclusive) | None) => {
                let options = terminal::Options { color: false, width: 100, verbose: false };
                Err(terminal::render(&alone, options).into())
            }
        }
    }

    /// The report of this scenario alone, for each promise that it says something of.
    fn alone(&self, report: &Report) -> Report {
        let is_this = |one: &&ScenarioReport| one.file == self.file && one.line == self.line;
        let promises = report.promises.iter().map(|promise| PromiseReport {
            scenarios: promise.scenarios.iter().filter(is_this).cloned().collect(),
            ..promise.clone()
        });
        Report { promises: promises.collect(), ..report.clone() }
    }
}

fn test_name(feature: &str, scenario: &str) -> String {
    format!("{feature}::{scenario}")
}
