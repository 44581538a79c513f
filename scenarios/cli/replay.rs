//! `mirrorproof replay`: performs a stored plan again, of a scenario, the self test or `fuzz`.

use super::{
    clusters::{backend, pool, run_folder},
    interrupts::Interrupts,
    print, print_error, subject,
};
use crate::{
    fit::unfit,
    run::progress::Progress,
    trial::{Stage, Trial},
};
use futures::{StreamExt, stream};
use harness::{cluster::Backend, subject::Spec};
use judge::{
    plan::Plan,
    report::{PromiseReport, Report, ScenarioReport, exit::ExitCode, json, terminal},
    verdict::Verdict,
};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// What `replay` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan: a plan.json of a run's folder.
    #[arg(value_name = "PLAN.json")]
    plan: PathBuf,
    /// How often: races do not show themselves every time.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// Which clusters: embedded (in this process) or containers (real Kafka, needs Docker).
    #[arg(long, default_value = "embedded", value_name = "KIND")]
    clusters: String,
    #[command(flatten)]
    subject: subject::SubjectArgs,
    /// Where report.json and logs go; the default is runs/TIME-SEED.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// How often a plan is performed at once.
const AT_ONCE: usize = 4;

pub(super) async fn main(args: Args) -> ExitCode {
    let (backend, plan, subject, folder) = match prepare(&args) {
        Ok(prepared) => prepared,
        Err(text) => {
            print_error(&text);
            return ExitCode::Usage;
        }
    };
    print_error(&format!("seed {}, run folder {}", plan.seed, folder.display()));
    let progress = Progress::detect();
    let pool = match pool(backend, &progress).await {
        Ok(pool) => pool,
        Err(error) => {
            print_error(&format!("failed to {error}"));
            return ExitCode::Environment;
        }
    };
    let stage = Stage::new(pool, subject, folder);
    progress.begin(args.times.into());
    let mut interrupts = Interrupts::watch();
    let mut trials = Vec::new();
    // What ended before a Ctrl-C is told all the same.
    let performed = perform(&stage, &args, &plan, &progress, &mut trials);
    let _ = interrupts.unless(performed).await;
    interrupts.while_closing(stage.pool.close()).await;
    progress.end();
    let file = args.plan.display().to_string();
    let repeat = format!(
        "mirrorproof replay {} --clusters {}{}",
        subject::quoted(&file),
        args.clusters,
        args.subject.repeat()
    );
    let asked = args.times as usize;
    print(&evidence(&stage, &file, plan.seed, &repeat, &trials, asked));
    let report = report(&stage, &file, plan.seed, &repeat, &trials, asked);
    if let Err(error) = std::fs::write(stage.folder.join("report.json"), json::render(&report)) {
        print_error(&format!("failed to write report.json: {error}; give another --report DIR"));
    }
    ExitCode::of(&report)
}

/// Everything that can be wrong before anything starts.
fn prepare(args: &Args) -> Result<(Backend, Plan, Spec, PathBuf), String> {
    let backend = backend(&args.clusters)?;
    let plan = read(&args.plan)?;
    if let Some(reason) = unfit(&plan, backend) {
        return Err(format!("failed to perform the plan {}: {reason}", args.plan.display()));
    }
    let subject = args.subject.spec(backend, plan.seed)?;
    let folder = run_folder(args.report.as_deref(), plan.seed)?;
    Ok((backend, plan, subject, folder))
}

/// Reads a stored plan; what is wrong with it is named.
fn read(path: &Path) -> Result<Plan, String> {
    let failed = |reason: &str, way_out: &str| {
        format!("failed to use the plan {}: {reason}; {way_out}", path.display())
    };
    let stored = "a run of `mirrorproof spec`, `selftest` or `fuzz` stores its plans as plan.json";
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error.to_string(), stored))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| failed(&error.to_string(), stored))?;
    let Some(version) = value.get("version") else {
        return Err(failed("it has no version, so it is no plan", stored));
    };
    let known = Plan::VERSION;
    match version.as_u64() {
        Some(version) if version == u64::from(known) => {}
        Some(version) => {
            let reason = format!("it is of version {version}, and this program knows {known}");
            let way_out = match version > u64::from(known) {
                true => "replay it with the mirrorproof that stored it, or a newer one",
                false => "replay it with the mirrorproof that stored it",
            };
            return Err(failed(&reason, way_out));
        }
        None => {
            let reason = format!("its version is {version}, and must be a whole number");
            return Err(failed(
                &reason,
                &format!("this program knows {known}, without quotation marks"),
            ));
        }
    }
    let way_out = "was it stored by another mirrorproof, or changed by hand?";
    serde_json::from_str(&text).map_err(|error| failed(&error.to_string(), way_out))
}

/// Performs the plan as often as is asked for.
async fn perform(
    stage: &Stage,
    args: &Args,
    plan: &Plan,
    progress: &Progress,
    ended: &mut Vec<(String, Trial)>,
) {
    let trials = (1..=args.times).map(|time| async move {
        let name = match args.times {
            1 => "the plan".to_owned(),
            times => format!("the plan, time {time} of {times}"),
        };
        let folder = stage.folder.join(format!("time-{time}"));
        let trial = stage.perform(&folder, time as usize, plan).await;
        let said = match trial.outcome.verdict() {
            Some(Verdict::Violated) => "VIOLATED".to_owned(),
            Some(verdict) => verdict.to_string(),
            None => "the environment failed".to_owned(),
        };
        progress.tried(&name, &said, trial.seconds);
        (name, trial)
    });
    let mut trials = stream::iter(trials).buffer_unordered(AT_ONCE);
    while let Some(trial) = trials.next().await {
        ended.push(trial);
    }
}

/// What was found, for people; `asked`: how many trials there should be.
pub(super) fn evidence(
    stage: &Stage,
    file: &str,
    seed: u64,
    repeat: &str,
    trials: &[(String, Trial)],
    asked: usize,
) -> String {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let options = terminal::Options { color, width: 100, verbose: false };
    terminal::render(&report(stage, file, seed, repeat, trials, asked), options)
}

/// What was found, as reports have it: the plan is one promise.
fn report(
    stage: &Stage,
    file: &str,
    seed: u64,
    repeat: &str,
    trials: &[(String, Trial)],
    asked: usize,
) -> Report {
    let milliseconds = |seconds: f64| Duration::from_secs_f64(seconds).as_millis() as u64;
    let scenarios: Vec<ScenarioReport> = trials
        .iter()
        .map(|(name, trial)| ScenarioReport {
            name: name.clone(),
            file: file.to_owned(),
            line: 1,
            tags: Vec::new(),
            duration_ms: milliseconds(trial.seconds),
            outcome: trial.outcome.reported(),
            repeat: repeat.to_owned(),
            logs: Vec::new(),
        })
        .collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Report {
        schema_version: Report::SCHEMA_VERSION,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        seed,
        clusters: stage.pool.backend().name().to_owned(),
        subject: stage.subject.kind.name().to_owned(),
        started_unix: now.as_secs(),
        duration_ms: scenarios.iter().map(|one| one.duration_ms).sum(),
        complete: scenarios.len() == asked,
        environment_failure: None,
        folder: stage.folder.display().to_string(),
        promises: vec![PromiseReport {
            promise: "Whatever the plan, every promise holds".to_owned(),
            file: file.to_owned(),
            asked_for: true,
            scenarios,
        }],
    }
}
