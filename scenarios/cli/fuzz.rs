//! `mirrorproof fuzz`: performs random plans until one is violated, and makes that one small.

use super::{
    clusters::{backend, default_folder, pool},
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

/// `90s`, `10m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("a time is a whole number and s, m or h, such as 10m".into()),
    };
    let number: u64 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| "a time begins with a whole number, such as 10m".to_owned())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "it is too long".into())
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
        stage: Arc::new(Stage { pool, subject, folder }),
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
    let folder = args.report.clone().unwrap_or_else(|| default_folder(seed));
    let folder = std::fs::create_dir_all(&folder)
        .and_then(|()| folder.canonicalize())
        .map_err(|error| format!("failed to use the folder {}: {error}", folder.display()))?;
    Ok((backend, subject, seed, folder))
}

async fn execute(
    fuzz: &Fuzz,
    args: &Args,
    progress: &Progress,
    interrupts: &mut Interrupts,
) -> ExitCode {
    let mut tally = Tally::default();
    let mut told = Told::new(progress, fuzz.extent);
    let failing = interrupts.unless(fuzz.run(&mut tally, |tally| told.told(tally))).await;
    progress.end();
    let Some(failing) = failing else {
        print(&tally.render());
        print_error("what was under way is not counted");
        return tally.exit_code().max(ExitCode::Inconclusive);
    };
    let verdicts = [Verdict::Violated, Verdict::Inconclusive];
    let worst = verdicts.iter().find_map(|verdict| {
        failing.iter().find(|one| one.trial.outcome.verdict() == Some(*verdict))
    });
    if let Some(worst) = worst {
        let shrunk = interrupts.unless(fuzz.shrink(worst, |text| told.line(text))).await;
        let smaller = shrunk.flatten();
        progress.end();
        let smallest = smaller.as_ref().unwrap_or(worst);
        print(&shown(fuzz, args, smallest, worst));
        if let Err(text) = &smallest.stored {
            print_error(text);
        }
    }
    for other in failing.iter().filter(|other| worst.is_none_or(|one| one.number != other.number)) {
        print_error(&format!("plan {} is in {}", other.number, other.folder.display()));
    }
    print(&tally.render());
    tally.exit_code()
}

/// The evidence against the smallest plan that failed, and how to see it again.
fn shown(fuzz: &Fuzz, args: &Args, smallest: &Failing, first: &Failing) -> String {
    let file = smallest.folder.join("plan.json");
    let file = file.display().to_string();
    let name = format!(
        "plan {}, made smaller from {} to {} actions",
        first.number,
        first.plan.actions.len(),
        smallest.plan.actions.len()
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_numbers_with_a_unit() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7_200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["10", "m", "1.5m", "-1s", "10 m", "99999999999999999999h", "9999999999999999h"]
        {
            duration(text).expect_err(text);
        }
    }
}
