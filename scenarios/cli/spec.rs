//! `mirrorproof spec`: judges a mirror by the promises.

use super::{
    clusters::{backend, default_folder, pool},
    interrupts::Interrupts,
    print, print_error,
    subject::{SubjectArgs, quoted},
};
use crate::{
    catalogue,
    run::{self, Run, progress::Progress},
    selection::Selection,
};
use cucumber::gherkin::tagexpr::TagOperation;
use harness::{run_dir::RunDir, testbed::Settings};
use judge::report::{exit::ExitCode, terminal};
use std::{io::IsTerminal, path::PathBuf, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

/// What `spec` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Features to run, by name, such as `ordering`; none: all.
    #[arg(value_name = "FEATURE")]
    feature: Vec<String>,
    /// Runs the features of this folder instead of the embedded ones.
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
    /// Runs the scenarios with these tags, such as '@F12 or @F27'.
    #[arg(long, value_name = "EXPR")]
    tags: Option<String>,
    /// Runs the scenarios whose name matches.
    #[arg(long, value_name = "REGEX")]
    name: Option<regex::Regex>,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Which clusters: embedded (in this process) or containers (real Kafka, needs Docker).
    #[arg(long, default_value = "embedded", value_name = "KIND")]
    clusters: String,
    /// Repeats the random choices of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Goes on after a promise was violated.
    #[arg(long)]
    keep_going: bool,
    /// Where report.json, junit.xml, events.log and the subject's output go; the default is
    /// runs/TIME-SEED.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How many scenarios run at once.
    #[arg(long, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
    /// Names the scenarios that hold, too.
    #[arg(long)]
    verbose: bool,
}

pub(super) async fn main(args: Args) -> ExitCode {
    match prepare(args) {
        Ok((verbose, spec)) => execute(spec, verbose).await,
        Err(text) => {
            print_error(&text);
            ExitCode::Usage
        }
    }
}

async fn execute(spec: run::Spec, verbose: bool) -> ExitCode {
    // A file that reaches the limit of its size is then an error to report, not a death.
    let limit = SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32);
    let _file_size_limit = signal(limit).ok();
    let progress = Progress::detect();
    let pool = match pool(spec.backend, &progress).await {
        Ok(pool) => pool,
        Err(error) => {
            print_error(&format!("failed to {error}"));
            return ExitCode::Environment;
        }
    };
    let run = match Run::new(spec, pool, progress) {
        Ok(run) => run,
        Err(error) => {
            print_error(&error.to_string());
            return ExitCode::Usage;
        }
    };
    let mut interrupts = Interrupts::watch();
    // What has been found when it is cut short is reported all the same.
    interrupts.unless(run.execute()).await;
    interrupts.while_closing(run.close()).await;
    let report = run.report();
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print(&terminal::render(&report, terminal::Options { color, width: 100, verbose }));
    ExitCode::of(&report)
}

/// Everything that can be wrong before anything starts.
fn prepare(args: Args) -> Result<(bool, run::Spec), String> {
    let backend = backend(&args.clusters)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let subject = args.subject.spec(backend, seed)?;
    let tags = args.tags.as_deref().map(parse_tags).transpose()?;
    let selection = Selection { features: args.feature.clone(), tags, name: args.name.clone() };
    let features = match &args.features {
        Some(folder) => catalogue::folder(folder),
        None => catalogue::embedded(),
    }
    .map_err(|error| error.to_string())?;
    selection.check(&features).map_err(|error| error.to_string())?;
    let folder = args.report.clone().unwrap_or_else(|| default_folder(seed));
    let run_dir = RunDir::create(&folder).map_err(|error| format!("failed to {error}"))?;
    print_error(&format!("seed {seed}, run folder {}", run_dir.path().display()));
    Ok((
        args.verbose,
        run::Spec {
            features,
            selection,
            backend,
            concurrency: args.jobs.map(usize::from),
            keep_going: args.keep_going,
            repeat: repeat(&args),
            settings: Arc::new(Settings { subject, seed, run_dir }),
        },
    ))
}

fn parse_tags(expression: &str) -> Result<TagOperation, String> {
    expression.parse().map_err(|error| format!("cannot read --tags {expression:?}: {error}"))
}

/// The call as the user would type it again, but for the selection and the seed.
fn repeat(args: &Args) -> String {
    let mut line =
        format!("mirrorproof spec --clusters {}{}", args.clusters, args.subject.repeat());
    if let Some(features) = &args.features {
        line.push_str(&format!(" --features {}", quoted(&features.display().to_string())));
    }
    line
}
