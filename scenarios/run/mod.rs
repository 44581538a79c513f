//! A run: every selected scenario on its clusters with its subject, judged and reported.
//!
//! Cucumber executes the steps; what they found is collected here, scenario by scenario, and the
//! report is written anew after each, so that a crash loses nothing.

mod collector;
mod outcome;
pub mod progress;

use crate::{
    catalogue::CatalogueError,
    selection::{Found, Selection, UnknownName, scenarios, skip_reason},
    world::{Failure, World},
};
use collector::Collector;
use cucumber::{
    Cucumber, Parser, World as _, cli,
    event::ScenarioFinished,
    gherkin::{Feature, Scenario},
    parser, runner, writer,
};
use harness::{
    cluster::{
        Backend, ClusterError,
        pool::{Needs, Pool},
    },
    observe::completion::Limits,
    run_dir::RunDirError,
    testbed::{Settings, Testbed},
};
use judge::report::Report;
use progress::Progress;
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// What a run is made of.
#[derive(Debug)]
pub struct Spec {
    /// The features, with their outlines expanded.
    pub features: Vec<Feature>,
    /// Which of their scenarios.
    pub selection: Selection,
    /// On which clusters.
    pub backend: Backend,
    /// How many scenarios at once; `None`: what the backend bears.
    pub concurrency: Option<usize>,
    /// Whether to go on after the first violation.
    pub keep_going: bool,
    /// What the user typed to select subject and clusters, for the command that repeats a scenario.
    pub repeat: String,
    /// Subject, seed and run folder.
    pub settings: Arc<Settings>,
}

/// A run that could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The features.
    #[error("{0}")]
    Catalogue(#[from] CatalogueError),
    /// The selection.
    #[error("{0}")]
    Selection(#[from] UnknownName),
    /// The run folder.
    #[error("failed to {0}")]
    RunDir(#[from] RunDirError),
    /// The run's clusters could not be removed.
    #[error("failed to {0}")]
    Close(#[from] ClusterError),
}

/// A run that has not begun, works, or is over.
#[derive(Clone)]
pub struct Run(Arc<Shared>);

/// What scenarios of one run share while it works.
struct Shared {
    spec: Spec,
    pool: Pool,
    collector: Collector,
    progress: Progress,
    /// Why there are no clusters to be had: what failed once is not tried for each scenario again.
    no_clusters: OnceLock<String>,
}

/// Runs the selected scenarios, removes their clusters, and reports.
pub async fn run(spec: Spec, pool: Pool, progress: Progress) -> Result<Report, RunError> {
    let run = Run::new(spec, pool, progress)?;
    run.execute().await;
    run.close().await?;
    Ok(run.report())
}

impl Run {
    /// Prepares a run.
    pub fn new(spec: Spec, pool: Pool, progress: Progress) -> Result<Run, RunError> {
        spec.selection.check(&spec.features)?;
        let found = scenarios(&spec.features);
        let selected: Vec<Found<'_>> =
            found.into_iter().filter(|found| spec.selection.takes(found)).collect();
        let collector = Collector::new(&spec, &selected);
        let no_clusters = OnceLock::new();
        Ok(Run(Arc::new(Shared { spec, pool, collector, progress, no_clusters })))
    }

    /// Runs the scenarios. Dropping this ends them, and their subjects, at once.
    pub async fn execute(&self) {
        let Spec { features, backend, concurrency, .. } = &self.0.spec;
        self.0.progress.begin(self.0.collector.open());
        let (before, after, filter) = (self.0.clone(), self.0.clone(), self.0.clone());
        let runner = runner::Basic::default()
            .steps(World::collection())
            .max_concurrent_scenarios(concurrency.unwrap_or(match backend {
                Backend::Embedded => 10,
                Backend::Containers => 3,
            }))
            .before(move |feature, _, scenario, world| {
                let shared = before.clone();
                Box::pin(async move { shared.begin(feature, scenario, world).await })
            })
            .after(move |feature, _, scenario, finished, world| {
                let shared = after.clone();
                Box::pin(async move { shared.end(feature, scenario, finished, world).await })
            });
        let parser = Features(features.clone());
        Cucumber::<World, _, (), _, _, cli::Empty>::custom(parser, runner, Silent)
            // Ours is the command line; cucumber must not read it.
            .with_cli(cli::Opts::<_, _, _, cli::Empty>::default())
            .filter_run((), move |feature, _, scenario| filter.collector.is_open(feature, scenario))
            .await;
    }

    /// Removes the run's clusters.
    pub async fn close(&self) -> Result<(), ClusterError> {
        let closed = self.0.pool.close().await;
        self.0.progress.end();
        closed
    }

    /// What has been found, with the report files written.
    pub fn report(&self) -> Report {
        self.0.collector.finish(&self.0.spec)
    }
}

impl Shared {
    /// Gives a scenario its clusters.
    async fn begin(&self, feature: &Feature, scenario: &Scenario, world: &mut World) {
        let Some(start) = self.collector.start(self.spec.settings.seed, feature, scenario) else {
            return;
        };
        if self.collector.stopped() && !self.spec.keep_going {
            world.failure = Some(Failure::NotRun);
            return;
        }
        if let Some(reason) = self.no_clusters.get() {
            world.failure = Some(Failure::Broken(reason.clone()));
            return;
        }
        self.progress.started(&scenario.name);
        match self.pool.lease(&Needs::of(&start.tags)).await {
            Ok(lease) => {
                world.testbed = Some(Testbed::new(
                    self.spec.settings.clone(),
                    &start.name,
                    start.seed,
                    lease.prefix(start.number),
                    limits(self.spec.backend),
                    lease.pair(),
                ));
                world.lease = Some(lease);
            }
            Err(error) => {
                let reason = self.no_clusters.get_or_init(|| format!("failed to {error}"));
                world.failure = Some(Failure::Broken(reason.clone()));
            }
        }
    }

    /// Judges a scenario and gives its clusters back.
    async fn end(
        &self,
        feature: &Feature,
        scenario: &Scenario,
        finished: &ScenarioFinished,
        world: Option<&mut World>,
    ) {
        let Some(world) = world else { return };
        let outcome = outcome::of(&self.spec.features, feature, scenario, finished, world);
        let logs = world.testbed.as_ref().map(Testbed::logs).unwrap_or_default();
        if let Some(testbed) = world.testbed.take()
            && let Err(error) = testbed.close().await
        {
            self.spec.settings.run_dir.log(&scenario.name, &format!("while closing: {error}"));
        }
        drop(world.lease.take());
        let reports = self.collector.record(&self.spec, feature, scenario, outcome, logs);
        self.progress.finished(&reports);
    }
}

/// How long to wait for what, on a backend.
pub fn limits(backend: Backend) -> Limits {
    match backend {
        Backend::Embedded => Limits {
            ready: Duration::from_secs(15),
            stall: Duration::from_secs(8),
            deadline: Duration::from_secs(60),
            stability: Duration::from_millis(150),
            read: Duration::from_secs(30),
        },
        Backend::Containers => Limits {
            ready: Duration::from_secs(60),
            stall: Duration::from_secs(20),
            deadline: Duration::from_secs(180),
            stability: Duration::from_millis(500),
            read: Duration::from_secs(60),
        },
    }
}

/// Hands parsed features to cucumber.
struct Features(Vec<Feature>);

impl Parser<()> for Features {
    type Cli = cli::Empty;
    type Output = futures::stream::Iter<std::vec::IntoIter<parser::Result<Feature>>>;

    fn parse(self, (): (), _: cli::Empty) -> Self::Output {
        futures::stream::iter(self.0.into_iter().map(Ok).collect::<Vec<_>>())
    }
}

/// Cucumber's own output is not shown: the report is ours.
struct Silent;

impl<W: 'static> cucumber::Writer<W> for Silent {
    type Cli = cli::Empty;

    async fn handle_event(
        &mut self,
        _: parser::Result<cucumber::Event<cucumber::event::Cucumber<W>>>,
        _: &cli::Empty,
    ) {
    }
}

impl writer::Normalized for Silent {}

/// How long a scenario took.
fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
