//! `mirrorproof fuzz`: random plans, performed side by side and judged, until one fails; that one is
//! made smaller and stored.
//!
//! A plan is a function of the seed and its number. How many are performed at once, and in which
//! order they end, decides nothing about them.

mod draft;
mod generate;
mod shrink;
mod tally;

use crate::trial::{self, Outcome, Stage, Trial};
use futures::{FutureExt, StreamExt, future::FusedFuture, stream::FuturesUnordered};
use harness::cluster::Backend;
use judge::{
    plan::{Action, Plan},
    verdict::Verdict,
};
use std::{
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};

pub use draft::Event;
pub use generate::Space;
pub use tally::Tally;

/// How many plans, or for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many plans.
    Runs(u64),
    /// As many as begin in this time.
    For(Duration),
}

/// A run of random plans.
#[derive(Debug)]
pub struct Fuzz {
    /// Clusters, subject and folder.
    pub stage: Arc<Stage>,
    /// Seed of all plans.
    pub seed: u64,
    /// How many.
    pub extent: Extent,
    /// Whether nothing happens to the subject.
    pub calm: bool,
    /// How many at once; `None`: what the backend bears.
    pub jobs: Option<usize>,
    /// How long a failing plan is made smaller.
    pub shrink_time: Duration,
    /// How many tries to make one smaller there were.
    pub tries: AtomicUsize,
}

/// A plan that was performed and does not hold.
#[derive(Clone, Debug)]
pub struct Failing {
    /// Its number.
    pub number: u64,
    /// What was done.
    pub plan: Plan,
    /// What became of it.
    pub trial: Trial,
    /// Where it is stored.
    pub folder: PathBuf,
    /// Whether it could be.
    pub stored: Result<(), String>,
}

/// A smaller plan counts as one that holds when it held so often.
const TRIES: usize = 4;
/// Numbers of tries come after those of plans.
const FIRST_TRY: usize = 1_000_000_000;
/// Where the environment fails, more of the same shows nothing.
const BROKEN: usize = 3;

/// Plans that wait for a group to notice a death go beside the others, which they would hold up.
struct Lanes {
    quick: Semaphore,
    slow: Semaphore,
}

/// One plan that ended.
struct Done {
    number: u64,
    plan: Plan,
    trial: Trial,
    folder: PathBuf,
}

impl Fuzz {
    /// Which plans are drawn.
    pub fn space(&self) -> Space {
        let space = Space::of(self.stage.pool.backend(), &self.stage.subject);
        if self.calm { Space { turns: 0..=0, ..space } } else { space }
    }

    /// Performs plans until there have been enough, one is violated, or the environment fails.
    /// `tally` counts them as they end, `failing` has what does not hold, and `note` is told: all of it counts,
    /// even if this is cut short.
    pub async fn run(
        &self,
        tally: &mut Tally,
        failing: &mut Vec<Failing>,
        mut note: impl FnMut(&Tally),
    ) {
        let started = Instant::now();
        let jobs = self.jobs.unwrap_or(match self.stage.pool.backend() {
            // Of two cores: fewer leave half of them idle, and more ask their brokers in vain.
            Backend::Embedded => 11,
            Backend::Containers => 3,
        });
        let slow = match self.stage.pool.backend() {
            Backend::Embedded => 3 * jobs,
            Backend::Containers => jobs,
        };
        let lanes = Arc::new(Lanes { quick: Semaphore::new(jobs), slow: Semaphore::new(slow) });
        let over = Arc::new(AtomicBool::new(false));
        let space = self.space();
        let mut running = JoinSet::new();
        let mut next = 0;
        loop {
            if matches!(self.extent, Extent::For(time) if started.elapsed() >= time) {
                over.store(true, Ordering::Relaxed);
            }
            let more = !over.load(Ordering::Relaxed) && self.extent != Extent::Runs(next);
            if more && running.len() < 2 * (jobs + slow) {
                let plan = space.plan(self.seed, next);
                running.spawn(perform(self.stage.clone(), lanes.clone(), over.clone(), next, plan));
                next += 1;
                continue;
            }
            let Some(ended) = running.join_next().await else { return };
            let done = match ended {
                Ok(Some(done)) => done,
                Ok(None) => continue,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            tally.seconds = started.elapsed().as_secs_f64();
            tally.add(disturbed(&done.plan), &done.trial.outcome);
            note(tally);
            let verdict = done.trial.outcome.verdict();
            if verdict == Some(Verdict::Holds) {
                // Thousands of logs of what went well are of no use.
                drop(std::fs::remove_dir_all(&done.folder));
                continue;
            }
            let broken = tally.broken.values().sum::<u64>() as usize;
            if verdict == Some(Verdict::Violated) || broken >= BROKEN {
                over.store(true, Ordering::Relaxed);
            }
            let Done { number, plan, trial, folder } = done;
            let stored = trial::store(&folder, &plan, &trial);
            failing.push(Failing { number, plan, trial, folder, stored });
        }
    }

    /// Makes the first of several failing plans smaller that can be: a race may show itself in no smaller one.
    /// `None`: nothing smaller failed. `stop`: whether it has to come to an end.
    pub async fn shrink_one_of(
        &self,
        failing: &[&Failing],
        stop: impl Future<Output = ()>,
        mut note: impl FnMut(&str),
    ) -> Option<Failing> {
        let (began, mut stop) = (Instant::now(), std::pin::pin!(stop.fuse()));
        for one in failing {
            let left = self.shrink_time.saturating_sub(began.elapsed());
            let smaller = self.shrink(one, left, stop.as_mut(), &mut note).await;
            if smaller.is_some() || left.is_zero() || stop.is_terminated() {
                return smaller;
            }
        }
        None
    }

    /// Makes a failing plan smaller while it fails in the same way, and stores what is left.
    async fn shrink(
        &self,
        failing: &Failing,
        time: Duration,
        mut stop: Pin<&mut impl FusedFuture<Output = ()>>,
        note: &mut impl FnMut(&str),
    ) -> Option<Failing> {
        let tree = self.space().tree(self.seed, failing.number);
        let mut attempt = 0;
        let folder = self.stage.folder.join(format!("plan-{}-shrunk", failing.number));
        let attempts = folder.with_extension("attempts");
        let mut stopped = false;
        let shrunk = shrink::shrink(tree, time, async |plan: &Plan| {
            if stopped {
                return None;
            }
            attempt += 1;
            note(&format!(
                "making it smaller: {attempt} plans tried, {} actions",
                plan.actions.len()
            ));
            let folder = attempts.join(attempt.to_string());
            let failed = tokio::select! {
                failed = self.fails_again(plan, &failing.trial.outcome, &folder) => failed,
                () = stop.as_mut() => {
                    stopped = true;
                    None
                }
            };
            if failed.is_none() {
                drop(std::fs::remove_dir_all(&folder));
            }
            failed
        })
        .await;
        let smaller = shrunk.smallest.map(|(plan, (trial, kept))| {
            // The logs of the try that failed are the evidence. A folder of an earlier run gives way.
            drop(std::fs::remove_dir_all(&folder));
            drop(std::fs::rename(&kept, &folder));
            let stored = trial::store(&folder, &plan, &trial);
            Failing { number: failing.number, plan, trial, folder, stored }
        });
        drop(std::fs::remove_dir_all(&attempts));
        smaller
    }

    /// The first of several tries that fails as `before` did, and where it wrote.
    async fn fails_again(
        &self,
        plan: &Plan,
        before: &Outcome,
        folder: &Path,
    ) -> Option<(Trial, PathBuf)> {
        let backend = self.stage.pool.backend();
        let at_once = match backend {
            Backend::Embedded => TRIES,
            Backend::Containers => 2,
        };
        let mut tries: FuturesUnordered<_> = (0..at_once)
            .map(|number| async move {
                let folder = folder.join(number.to_string());
                // Topics and groups of tries before lie on the same clusters.
                let number = FIRST_TRY + self.tries.fetch_add(1, Ordering::Relaxed);
                (self.stage.perform(&folder, number, plan).await, folder)
            })
            .collect();
        let mut found = None;
        while let Some((trial, folder)) = tries.next().await {
            if found.is_none() && trial.outcome.resembles(before) {
                found = Some((trial, folder));
            }
            // What others leave behind on real brokers they have to clear away.
            if found.is_some() && backend == Backend::Embedded {
                break;
            }
        }
        found
    }
}

/// Performs a plan in its lane; `None`: the run was over first.
async fn perform(
    stage: Arc<Stage>,
    lanes: Arc<Lanes>,
    over: Arc<AtomicBool>,
    number: u64,
    plan: Plan,
) -> Option<Done> {
    let lane = if waits(&plan) { &lanes.slow } else { &lanes.quick };
    let _turn = lane.acquire().await.ok()?;
    if over.load(Ordering::Relaxed) {
        return None;
    }
    let folder = stage.folder.join(format!("plan-{number}"));
    let trial = stage.perform(&folder, number as usize, &plan).await;
    Some(Done { number, plan, trial, folder })
}

/// Whether most of its time is spent waiting for a group that moves.
fn waits(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| match action {
        Action::KillSubject | Action::AddInstance(_) | Action::FreezeSubject => true,
        Action::StartSubject(options) => options.streams > 1,
        _ => false,
    })
}

/// Whether the subject is stopped or killed before the plan's end.
fn disturbed(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| matches!(action, Action::StopSubject | Action::KillSubject))
}
