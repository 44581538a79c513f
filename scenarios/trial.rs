//! One plan performed on leased clusters and judged: what the self test, the random plans and
//! `replay` share. It knows no feature.

use crate::{run::limits, worker::Workers, world::Failure};
use harness::{
    cluster::{
        Backend,
        containers::{Capacity, Topology},
        pool::{Needs, Pool},
    },
    run_dir::RunDir,
    subject::{Kind, Spec, Usage},
    testbed::{Settings, Testbed},
};
use judge::{
    plan::{Action, Plan, Side},
    report::ScenarioOutcome,
    verdict::{Anomaly, Judgement, Verdict},
};
use serde::{Deserialize, Serialize};
use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Where plans of one subject are performed, each in a folder of its own.
#[derive(Debug)]
pub struct Stage {
    /// Where clusters come from.
    pub pool: Pool,
    /// Who is judged.
    pub subject: Spec,
    /// Where everything is written down.
    pub folder: PathBuf,
    /// Who performs plans, if it is not this process.
    pub workers: Option<Workers>,
}

impl Stage {
    /// Plans on mock brokers are performed by other processes: it happens that the brokers end theirs.
    pub fn new(pool: Pool, subject: Spec, folder: PathBuf) -> Stage {
        let is_embedded = pool.backend() == Backend::Embedded;
        let workers = is_embedded.then(|| Workers::of(&subject.executable));
        Stage { pool, subject, folder, workers }
    }

    /// Performs a plan. `number` is its own among all that share clusters.
    pub async fn perform(&self, folder: &Path, number: usize, plan: &Plan) -> Trial {
        let subject = self.subject.clone();
        match &self.workers {
            Some(workers) => workers.perform(subject, folder, number, plan).await,
            None => perform(&self.pool, subject, folder, number, plan, &mut ()).await,
        }
    }

    /// Performs a plan that has the clusters for itself, and shows it to somebody.
    pub async fn perform_watched(
        &self,
        folder: &Path,
        plan: &Plan,
        watcher: &mut impl Watcher,
    ) -> Trial {
        perform(&self.pool, self.subject.clone(), folder, 0, plan, watcher).await
    }
}

/// Looks on while a plan is performed.
pub trait Watcher: Send {
    /// Whether it wants to see anything: to ask what the subject uses takes a moment.
    const LOOKS: bool;
    /// An action begins.
    fn begins(&mut self, _: &Action) {}
    /// It is done; the subject was started so often, and uses this, if it runs.
    fn sees(&mut self, _: Option<(u32, Usage)>) {}
    /// Whether it has seen enough: the plan then goes on with its end, once the records under way are written.
    fn is_content(&self) -> bool {
        false
    }
}

/// Nobody.
impl Watcher for () {
    const LOOKS: bool = false;
}

/// Performs a plan on a pair of the pool, in a folder of its own. `number` is its own among all that
/// share clusters.
pub async fn perform(
    pool: &Pool,
    mut subject: Spec,
    folder: &Path,
    number: usize,
    plan: &Plan,
    watcher: &mut impl Watcher,
) -> Trial {
    let started = Instant::now();
    let run_dir = match RunDir::create(folder) {
        Ok(run_dir) => run_dir,
        Err(error) => {
            let outcome = Outcome::Failed(Failure::Broken(format!("failed to {error}")));
            return Trial { outcome, seconds: 0.0 };
        }
    };
    if let Kind::Bad { seed, .. } = &mut subject.kind {
        // The plan alone decides who the victim is, so that a replay has the same one.
        *seed = plan.seed;
    }
    let settings = Arc::new(Settings { subject, seed: plan.seed, run_dir });
    let limit = limit(plan, pool.backend());
    let judged = judged(pool, &settings, number, plan, watcher);
    let judged = tokio::time::timeout(limit, judged).await;
    let mut outcome = match judged {
        Ok(Ok(judgement)) => Outcome::Judged(Box::new(judgement)),
        Ok(Err(failure)) => Outcome::Failed(failure),
        Err(_) => {
            let reason = format!("the plan did not end within {} s", limit.as_secs());
            Outcome::Failed(Failure::Inconclusive(reason))
        }
    };
    // What is proven stays proven.
    let is_proven = outcome.verdict() == Some(Verdict::Violated);
    if let Some(failure) = settings.run_dir.failure().filter(|_| !is_proven) {
        outcome = Outcome::Failed(Failure::Broken(format!("failed to {failure}")));
    }
    Trial { outcome, seconds: started.elapsed().as_secs_f64() }
}

/// How long a plan may take. Every wait inside has a limit of its own: this one is for what nobody thought of.
pub(crate) fn limit(plan: &Plan, backend: Backend) -> Duration {
    let limit = match backend {
        Backend::Embedded => Duration::from_secs(5 * 60),
        Backend::Containers => Duration::from_secs(20 * 60),
    };
    limit + least(plan)
}

/// What a plan that has a folder to itself is called there.
const NAME: &str = "plan";

/// Writes a plan and what became of it into a folder: `plan.json`, and `judgement.json` beside it.
pub fn store(folder: &Path, plan: &Plan, trial: &Trial) -> Result<(), String> {
    let outcome = trial.outcome.reported();
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("failed to make {}: {error}", folder.display()))?;
    let files = [
        ("plan.json", serde_json::to_string_pretty(plan)),
        ("judgement.json", serde_json::to_string_pretty(&outcome)),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        text.map_err(std::io::Error::from)
            .and_then(|text| std::fs::write(&file, text))
            .map_err(|error| format!("failed to write {}: {error}", file.display()))?;
    }
    Ok(())
}

/// What became of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was performed to its end and judged.
    Judged(Box<Judgement>),
    /// It was not.
    Failed(Failure),
}

impl Outcome {
    /// The verdict; `None` where the environment failed.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Outcome::Judged(judgement) => Some(judgement.verdict),
            Outcome::Failed(Failure::Inconclusive(_)) => Some(Verdict::Inconclusive),
            Outcome::Failed(Failure::Broken(_) | Failure::NotRun) => None,
        }
    }

    /// Why it could not be told, if so.
    pub fn reason(&self) -> String {
        match self {
            Outcome::Judged(judgement) => judgement.doubts.join("; "),
            Outcome::Failed(Failure::Inconclusive(reason) | Failure::Broken(reason)) => {
                reason.clone()
            }
            Outcome::Failed(Failure::NotRun) => "it was not run".into(),
        }
    }

    /// Whether this is the same failure as another: an anomaly that both have, or both in doubt.
    pub fn resembles(&self, other: &Outcome) -> bool {
        match (self.verdict(), other.verdict()) {
            (Some(Verdict::Violated), Some(Verdict::Violated)) => {
                self.anomalies().any(|anomaly| other.anomalies().any(|one| one == anomaly))
            }
            (mine, theirs) => mine == theirs,
        }
    }

    fn anomalies(&self) -> impl Iterator<Item = Anomaly> {
        let findings = match self {
            Outcome::Judged(judgement) => judgement.violations.0.as_slice(),
            Outcome::Failed(_) => &[],
        };
        findings.iter().map(|finding| finding.anomaly)
    }

    /// As reports have it.
    pub fn reported(&self) -> ScenarioOutcome {
        match self.clone() {
            Outcome::Judged(judgement) => {
                ScenarioOutcome::Judged { judgement: *judgement, failed_step: None }
            }
            Outcome::Failed(Failure::Inconclusive(reason)) => {
                ScenarioOutcome::Inconclusive { reason }
            }
            Outcome::Failed(Failure::Broken(reason)) => ScenarioOutcome::Broken { reason },
            Outcome::Failed(Failure::NotRun) => {
                ScenarioOutcome::Skipped { reason: "it was not run".into() }
            }
        }
    }
}

/// A plan that was performed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: f64,
}

async fn judged<W: Watcher>(
    pool: &Pool,
    settings: &Arc<Settings>,
    number: usize,
    plan: &Plan,
    watcher: &mut W,
) -> Result<Judgement, Failure> {
    let lease = pool
        .lease(&needs(plan))
        .await
        .map_err(|error| Failure::Broken(format!("failed to {error}")))?;
    let prefix = lease.prefix(number);
    let limits = limits(pool.backend());
    let mut testbed = Testbed::new(settings.clone(), NAME, plan.seed, prefix, limits, lease.pair());
    let mut performed = Ok(());
    let mut left = plan.actions.as_slice();
    while let [action, rest @ ..] = left {
        watcher.begins(action);
        performed = testbed.apply(action.clone()).await;
        if W::LOOKS {
            watcher.sees(testbed.usage().await);
        }
        if performed.is_err() {
            break;
        }
        let is_cut = *action == Action::AwaitLoad && watcher.is_content();
        left = if is_cut { at_finish(rest) } else { rest };
    }
    let finished = testbed.history().completion.is_some();
    let judgement = std::panic::catch_unwind(AssertUnwindSafe(|| testbed.judge()));
    if let Err(error) = testbed.close().await {
        // What was found is worth more than a topic that is left behind.
        settings.run_dir.log(NAME, &format!("while closing: {error}"));
    }
    if let (true, Ok(judgement)) = (finished, &judgement)
        && judgement.verdict == Verdict::Violated
    {
        // What was proven before something failed stays proven.
        return Ok(judgement.clone());
    }
    performed?;
    if !finished {
        return Err(Failure::Inconclusive("the plan never waits for the end of the run".into()));
    }
    judgement.map_err(|_| Failure::Inconclusive("the judge crashed".into()))
}

fn at_finish(actions: &[Action]) -> &[Action] {
    let finish = actions.iter().position(|action| *action == Action::Finish);
    &actions[finish.unwrap_or(actions.len())..]
}

/// Which clusters a plan takes.
fn needs(plan: &Plan) -> Needs {
    let any = |found: fn(&Action) -> bool| plan.actions.iter().any(found);
    let disturbs = any(kills_brokers);
    // Commands and the article's files know topics by their plain names.
    let named = any(|action| matches!(action, Action::Shell { .. } | Action::AdoptTopic { .. }));
    Needs { topology: topology(plan), exclusive: disturbs || named, disturbs }
}

fn kills_brokers(action: &Action) -> bool {
    matches!(action, Action::KillBroker { .. } | Action::KillCluster { .. })
}

/// How long a plan takes at least, by what it waits for.
fn least(plan: &Plan) -> Duration {
    let of = |action: &Action| match action {
        Action::Wait { seconds } => Duration::from_secs((*seconds).into()),
        Action::ThawSubject { after_ms } => Duration::from_millis(*after_ms),
        Action::BeginLoad { workload, records_per_second, .. } => {
            Duration::from_secs(1) * workload.records / (*records_per_second).max(1)
        }
        _ => Duration::ZERO,
    };
    plan.actions.iter().map(of).sum()
}

fn topology(plan: &Plan) -> Topology {
    let created = |side, name: &str| {
        plan.actions.iter().any(|action| {
            matches!(action, Action::CreateTopic { side: on, topic, .. } if *on == side && topic == name)
        })
    };
    let in_article = |action: &Action| matches!(action, Action::StartSubject(options) if options.as_in_the_article);
    if plan.actions.iter().any(in_article) {
        return Topology::walkthrough();
    }
    let mut topics = plan.actions.iter().filter_map(|action| match action {
        Action::CreateTopic { side: Side::Source, topic, .. } => Some(topic),
        _ => None,
    });
    let auto_create_topics = topics.any(|topic| !created(Side::Destination, topic));
    // Whichever broker dies, others have to go on.
    let nodes = if plan.actions.iter().any(kills_brokers) { 3 } else { 1 };
    let records: u64 = plan.actions.iter().map(written).sum();
    let capacity = if records > MANY { Capacity::Measurements } else { Capacity::Scenarios };
    let (zookeepers, brokers) = (nodes, nodes);
    Topology { zookeepers, brokers, auto_create_topics, capacity, ..Topology::default() }
}

/// More records than this do not fit the brokers of scenarios, which hold a copy of each.
const MANY: u64 = 500_000;

fn written(action: &Action) -> u64 {
    match action {
        Action::Produce { workload, .. } | Action::BeginLoad { workload, .. } => {
            workload.records.into()
        }
        _ => 0,
    }
}
