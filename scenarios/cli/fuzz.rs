//! `mirrorproof fuzz`: performs random plans until one is violated, and makes that one small.

use super::{
    clusters::{backend, pool, run_folder},
    duration,
    interrupts::Interrupts,
    print, print_error,
    replay::evidence,
    subject,
};
use crate::{
    fuzz::{Extent, Failing, Fuzz, Tally},
    run::progress::Progress,
    trial::Stage,
};
use harness::{cluster::Backend, subject::Spec};
use judge::{report::exit::ExitCode, verdict::Verdict};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// What `fuzz` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Repeats the plans of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// How many plans are performed; the default is 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Performs plans for so long instead, such as 90s, 10m or 2h.
    #[arg(long = "for", value_name = "TIME", conflicts_with = "runs", value_parser = duration)]
    time: Option<Duration>,
    /// Which clusters: embedded (in this process) or containers (real Kafka, needs Docker).
    #[arg(long, default_value = "embedded", value_name = "KIND")]
    clusters: String,
    #[command(flatten)]
    subject: subject::SubjectArgs,
    /// Only plans in which nothing happens to the mirror: it is started once, copies, and is stopped.
    #[arg(long)]
    calm: bool,
    /// How many plans are performed at once.
    #[arg(long, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
    /// Where plans that fail go; the default is runs/TIME-SEED.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// For how long a plan that fails is made smaller.
    #[arg(long, default_value = "2m", value_name = "TIME", value_parser = duration)]
    shrink: Duration,
}

pub(super) async fn main(args: Args) -> ExitCode {
    let (backend, subject, seed, folder) = match prepare(&args) {
        Ok(prepared) => prepared,
        Err(text) => {
            print_error(&text);
            return ExitCode::Usage;
        }
    };
    print_error(&format!("seed {seed}, run folder {}", folder.display()));
    let progress = Progress::detect();
    let pool = match pool(backend, &progress).await {
        Ok(pool) => pool,
        Err(error) => {
            print_error(&format!("failed to {error}"));
            return ExitCode::Environment;
        }
    };
    let runs = args.runs.unwrap_or(100);
    let fuzz = Fuzz {
        stage: Arc::new(Stage::new(pool, subject, folder)),
        seed,
        extent: args.time.map_or(Extent::Runs(runs), Extent::For),
        jobs: args.jobs.map(usize::from),
        calm: args.calm,
        shrink_time: args.shrink,
        tries: Default::default(),
    };
    let mut interrupts = Interrupts::watch();
    let code = execute(&fuzz, &args, &progress, &mut interrupts).await;
    interrupts.while_closing(fuzz.stage.pool.close()).await;
    code
}

/// Everything that can be wrong before anything starts.
fn prepare(args: &Args) -> Result<(Backend, Spec, u64, PathBuf), String> {
    let backend = backend(&args.clusters)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let subject = args.subject.spec(backend, seed)?;
    let folder = run_folder(args.report.as_deref(), seed)?;
    Ok((backend, subject, seed, folder))
}

async fn execute(
    fuzz: &Fuzz,
    args: &Args,
    progress: &Progress,
    interrupts: &mut Interrupts,
) -> ExitCode {
    let (mut tally, mut failing) = (Tally::default(), Vec::new());
    let mut told = Told::new(progress, fuzz.extent);
    let run = fuzz.run(&mut tally, &mut failing, |tally| told.told(tally));
    let is_whole = interrupts.unless(run).await.is_some();
    progress.end();
    let verdicts = [Verdict::Violated, Verdict::Inconclusive];
    let with = |verdict: &Verdict| -> Vec<&Failing> {
        failing.iter().filter(|one| one.trial.outcome.verdict() == Some(*verdict)).collect()
    };
    let mut worst = verdicts.iter().map(with).find(|plans| !plans.is_empty()).unwrap_or_default();
    worst.sort_by_key(|one| one.plan.actions.len());
    let mut told_of = None;
    if let Some(&smallest) = worst.first() {
        let smaller = match is_whole {
            true => {
                let note = |text: &str| told.line(text);
                fuzz.shrink_one_of(&worst, interrupts.next_told(), note).await
            }
            false => None,
        };
        // Of a larger plan it may be larger still than one that is found small.
        let actions = smallest.plan.actions.len();
        let smaller =
            smaller.filter(|one| one.plan.actions.len() < actions || one.number == smallest.number);
        let number = smaller.as_ref().map_or(smallest.number, |one| one.number);
        let first = worst.iter().find(|one| one.number == number).unwrap_or(&smallest);
        told_of = Some(number);
        progress.end();
        print(&shown(fuzz, args, smaller.as_ref(), first));
        if let Err(text) = &smaller.as_ref().unwrap_or(first).stored {
            print_error(text);
        }
    }
    for other in failing.iter().filter(|other| told_of != Some(other.number)) {
        print_error(&format!("plan {} is in {}", other.number, other.folder.display()));
    }
    print(&tally.render());
    if is_whole {
        return tally.exit_code();
    }
    print_error("what was under way is not counted");
    tally.exit_code_if_cut_short()
}

/// The evidence against the smallest plan that failed, and how to see it again.
fn shown(fuzz: &Fuzz, args: &Args, smaller: Option<&Failing>, first: &Failing) -> String {
    let smallest = smaller.unwrap_or(first);
    let file = smallest.folder.join("plan.json");
    let file = file.display().to_string();
    let actions = first.plan.actions.len();
    let name = match smaller {
        Some(smaller) => {
            let left = smaller.plan.actions.len();
            format!("plan {}, made smaller from {actions} to {left} actions", first.number)
        }
        None => format!("plan {}, of {actions} actions", first.number),
    };
    let clusters = fuzz.stage.pool.backend().name();
    let repeat = format!(
        // A race does not show itself every time.
        "mirrorproof replay {} --times 10 --clusters {clusters}{}",
        subject::quoted(&file),
        args.subject.repeat()
    );
    let trials = [(name, smallest.trial.clone())];
    evidence(&fuzz.stage, &file, smallest.plan.seed, &repeat, &trials, trials.len())
}

/// Tells how it goes, neither too often nor too seldom.
struct Told<'a> {
    progress: &'a Progress,
    last: Instant,
    pause: Duration,
}

impl Told<'_> {
    fn new(progress: &Progress, extent: Extent) -> Told<'_> {
        if let Extent::Runs(runs) = extent {
            progress.begin(runs);
        }
        let seconds = if matches!(progress, Progress::Bar(_)) { 0 } else { 10 };
        Told { progress, last: Instant::now(), pause: Duration::from_secs(seconds) }
    }

    fn told(&mut self, tally: &Tally) {
        if let Progress::Bar(bar) = self.progress {
            bar.set_length(bar.length().unwrap_or(0).max(tally.plans));
            bar.set_position(tally.plans);
        }
        self.line(&tally.line());
    }

    fn line(&mut self, text: &str) {
        if self.last.elapsed() >= self.pause {
            self.progress.note(text);
            self.last = Instant::now();
        }
    }
}
