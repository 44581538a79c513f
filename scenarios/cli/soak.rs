//! `mirrorproof soak`: one long plan on real brokers.

use super::{
    clusters::{pool, run_folder},
    duration,
    interrupts::Interrupts,
    print, print_error,
    replay::evidence,
    subject,
};
use crate::{
    run::progress::Progress,
    soak::{Seen, Soak},
    trial::{self, Stage},
};
use harness::{cluster::Backend, subject::Kind};
use judge::{plan::SubjectOptions, report::exit::ExitCode, verdict::Verdict};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What `soak` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Repeats the plan of an earlier run of the same time and rate.
    #[arg(long)]
    seed: Option<u64>,
    /// How long records are written, such as 90s, 30m or 2h.
    #[arg(long = "for", default_value = "30m", value_name = "TIME", value_parser = duration)]
    time: Duration,
    /// How many records a second.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=20_000))]
    rate: u32,
    /// Our mirror copies exactly once.
    #[arg(long)]
    exactly_once: bool,
    #[command(flatten)]
    subject: subject::SubjectArgs,
    /// Where the plan, the verdict and logs go; the default is runs/TIME-SEED.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// What brokers and the judge hold in memory: some 10 GB.
const MOST_RECORDS: u64 = 10_000_000;

pub(super) async fn main(args: Args) -> ExitCode {
    let progress = Progress::detect();
    let (stage, soak) = match prepare(&args, &progress).await {
        Ok(prepared) => prepared,
        Err((text, code)) => {
            print_error(&text);
            return code;
        }
    };
    let mut interrupts = Interrupts::watch();
    let plan = soak.plan();
    let enough = Arc::new(AtomicBool::new(false));
    let mut seen = Seen::new(|text: &str| progress.note(text), Arc::clone(&enough));
    let performed = stage.perform_watched(&stage.folder, &plan, &mut seen);
    let trial = until_enough(performed, &mut interrupts, &enough).await;
    interrupts.while_closing(stage.pool.close()).await;
    progress.end();
    let Some(trial) = trial else {
        print(&seen.render());
        print_error("it was cut short, and nothing is judged");
        return ExitCode::Inconclusive;
    };
    let whole = plan;
    let plan = seen.performed(whole.clone());
    let is_cut = plan != whole;
    let file = stage.folder.join("plan.json").display().to_string();
    let repeat = format!(
        "mirrorproof replay {} --clusters containers{}",
        subject::quoted(&file),
        args.subject.repeat()
    );
    if let Err(text) = trial::store(&stage.folder, &plan, &trial) {
        print_error(&text);
    }
    let code = match trial.outcome.verdict() {
        Some(Verdict::Holds) if !is_cut => ExitCode::Holds,
        Some(Verdict::Violated) => ExitCode::Violated,
        Some(Verdict::Holds | Verdict::Inconclusive) => ExitCode::Inconclusive,
        None => ExitCode::Environment,
    };
    let trials = [("the plan".to_owned(), trial)];
    print(&evidence(&stage, &file, plan.seed, &repeat, &trials, trials.len()));
    print(&seen.render());
    if is_cut {
        print_error("it was cut short: only what had been written by then is judged");
    }
    code
}

/// Performs all of it; up to the end of a piece after a first interrupt, and nothing more after a second.
async fn until_enough<T>(
    performed: impl Future<Output = T>,
    interrupts: &mut Interrupts,
    enough: &AtomicBool,
) -> Option<T> {
    tokio::pin!(performed);
    tokio::select! {
        trial = &mut performed => return Some(trial),
        () = interrupts.next() => {}
    }
    enough.store(true, Ordering::Relaxed);
    print_error(
        "interrupted: the records of these 30 seconds are still written, then it is judged; a second Ctrl-C ends \
         without a verdict",
    );
    interrupts.unless(performed).await
}

/// Everything that can be wrong before anything starts.
async fn prepare(args: &Args, progress: &Progress) -> Result<(Stage, Soak), (String, ExitCode)> {
    let usage = |text: String| (text, ExitCode::Usage);
    let seed = args.seed.unwrap_or_else(rand::random);
    let subject = args.subject.spec(Backend::Containers, seed).map_err(usage)?;
    if args.exactly_once && subject.kind != Kind::Mirror {
        let name = subject.kind.name();
        return Err(usage(format!(
            "--exactly-once is of our mirror, not of {name}; leave one of them out"
        )));
    }
    let records = args.time.as_secs() * u64::from(args.rate);
    if records > MOST_RECORDS {
        return Err(usage(format!(
            "{records} records do not fit into memory, {MOST_RECORDS} do; shorten --for or lower --rate"
        )));
    }
    let folder = run_folder(args.report.as_deref(), seed).map_err(usage)?;
    print_error(&format!("seed {seed}, run folder {}", folder.display()));
    let pool = pool(Backend::Containers, progress).await;
    let pool = pool.map_err(|error| (format!("failed to {error}"), ExitCode::Environment))?;
    let options = SubjectOptions {
        commit_interval_ms: Some(1_000),
        streams: 2,
        exactly_once: args.exactly_once,
        ..SubjectOptions::default()
    };
    let (time, records_per_second) = (args.time, args.rate);
    Ok((Stage::new(pool, subject, folder), Soak { seed, time, records_per_second, options }))
}
