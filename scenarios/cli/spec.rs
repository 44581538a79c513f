//! `mirrorproof spec`: judges a mirror by the promises.

use super::{
    clusters::{backend, default_folder, pool},
    contract, print, print_error,
    up::Interrupts,
};
use crate::{
    catalogue,
    run::{self, Run, progress::Progress},
    selection::Selection,
};
use cucumber::gherkin::tagexpr::TagOperation;
use harness::{
    cluster::Backend,
    run_dir::RunDir,
    subject::{
        self, Kind,
        properties::{self, Properties},
    },
    testbed::Settings,
};
use judge::report::{
    exit::{self, ExitCode},
    terminal,
};
use mirror::config;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};
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
    /// Which mirror is judged: mirror (ours), mirrormaker1, or command with --command.
    #[arg(long, default_value = "mirror", value_name = "NAME")]
    subject: String,
    /// The command line of --subject command, with {consumer_config}, {producer_config} and
    /// {topics}.
    #[arg(long, value_name = "LINE")]
    command: Option<String>,
    /// Which clusters: embedded (in this process) or containers (real Kafka, needs Docker).
    #[arg(long, default_value = "embedded", value_name = "KIND")]
    clusters: String,
    /// Your consumer.properties, laid on top of ours, except addresses, group and security.
    #[arg(long = "consumer.config", value_name = "FILE")]
    consumer_config: Option<PathBuf>,
    /// Your producer.properties, laid on top of ours, except addresses, group and security.
    #[arg(long = "producer.config", value_name = "FILE")]
    producer_config: Option<PathBuf>,
    /// What the program of --subject command promises, in TOML.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
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

/// What is wrong with the words of a call.
#[derive(Debug)]
pub(super) struct Usage(pub(super) String);

pub(super) async fn main(args: Args) -> ExitCode {
    match prepare(args) {
        Ok((verbose, spec)) => execute(spec, verbose).await,
        Err(Usage(text)) => {
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
    let cut_short = tokio::select! {
        () = run.execute() => false,
        () = interrupts.next() => true,
    };
    if cut_short {
        print_error("interrupted: ending what was started; a second Ctrl-C ends at once");
    }
    tokio::select! {
        () = run.close() => {}
        () = interrupts.next() => {
            print_error("ended at once; `mirrorproof down` removes what is left");
            std::process::exit(exit::ABANDONED.into());
        }
    }
    let report = run.report();
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print(&terminal::render(&report, terminal::Options { color, width: 100, verbose }));
    ExitCode::of(&report)
}

/// Everything that can be wrong before anything starts.
fn prepare(args: Args) -> Result<(bool, run::Spec), Usage> {
    let backend = backend(&args.clusters).map_err(Usage)?;
    let kind = kind(&args.subject, args.command.as_deref())?;
    if kind == Kind::MirrorMaker1 && backend == Backend::Embedded {
        return Err(Usage("--subject mirrormaker1 needs --clusters containers".into()));
    }
    let overlay = |file: Option<&PathBuf>, side| match file {
        Some(file) => read_properties(file, side, &kind),
        None => Ok(Properties::new()),
    };
    let consumer = overlay(args.consumer_config.as_ref(), config::Kind::Consumer)?;
    let producer = overlay(args.producer_config.as_ref(), config::Kind::Producer)?;
    let executable = std::env::current_exe()
        .map_err(|error| Usage(format!("failed to find the program's own file: {error}")))?;
    if args.contract.is_some() && !matches!(kind, Kind::Command(_)) {
        return Err(Usage(format!(
            "--contract goes with --subject command: what {} promises is built in",
            kind.name()
        )));
    }
    let contract = args.contract.as_deref().map(contract::read).transpose().map_err(Usage)?;
    let subject = subject::Spec { kind, executable, consumer, producer, contract };
    let tags = args.tags.as_deref().map(parse_tags).transpose()?;
    let selection = Selection { features: args.feature.clone(), tags, name: args.name.clone() };
    let features = match &args.features {
        Some(folder) => catalogue::folder(folder),
        None => catalogue::embedded(),
    }
    .map_err(|error| Usage(error.to_string()))?;
    selection.check(&features).map_err(|error| Usage(error.to_string()))?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let folder = args.report.clone().unwrap_or_else(|| default_folder(seed));
    let run_dir = RunDir::create(&folder).map_err(|error| Usage(format!("failed to {error}")))?;
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

/// A user's properties file. What stays the harness's is told, and what nobody knows is refused
/// before anything starts; values are never shown, for some are passwords.
pub(super) fn read_properties(
    file: &Path,
    side: config::Kind,
    kind: &Kind,
) -> Result<Properties, Usage> {
    let read = properties::read(file).map_err(|error| Usage(format!("failed to {error}")))?;
    let ignored = properties::overlay(&mut Properties::new(), &read);
    if !ignored.is_empty() {
        print_error(&format!(
            "{}: the harness's own instead of yours: {}",
            file.display(),
            ignored.join(", ")
        ));
    }
    // Other subjects may know properties of their own.
    let unknown = read.keys().find(|name| config::known(side, name).is_none());
    match unknown {
        Some(name) if *kind == Kind::Mirror => {
            let nearest = config::nearest(side, name);
            let hint =
                nearest.map_or_else(String::new, |nearest| format!("; the nearest is {nearest}"));
            Err(Usage(format!(
                "{}: neither Java's client nor librdkafka knows the property {name}{hint}",
                file.display()
            )))
        }
        _ => Ok(read),
    }
}

pub(super) fn kind(name: &str, command: Option<&str>) -> Result<Kind, Usage> {
    match (name, command) {
        ("mirror", None) => Ok(Kind::Mirror),
        ("mirrormaker1", None) => Ok(Kind::MirrorMaker1),
        ("command", Some(line)) => {
            subject::words(line).map_err(|error| Usage(format!("failed to {error}")))?;
            Ok(Kind::Command(line.to_owned()))
        }
        ("command", None) => Err(Usage("--subject command needs --command 'PROGRAM …'".into())),
        (other, Some(_)) => {
            Err(Usage(format!("--command goes with --subject command, not with {other}")))
        }
        (other, None) => Err(Usage(format!(
            "no subject is called {other:?}; --subject takes one of {}",
            Kind::NAMES.join(", ")
        ))),
    }
}

fn parse_tags(expression: &str) -> Result<TagOperation, Usage> {
    expression.parse().map_err(|error| Usage(format!("cannot read --tags {expression:?}: {error}")))
}

/// The call as the user would type it again, but for the selection and the seed.
fn repeat(args: &Args) -> String {
    let mut line = format!("mirrorproof spec --clusters {}", args.clusters);
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            let quoted = shlex::try_quote(&value).map_or(value.clone(), |quoted| quoted.into());
            line.push_str(&format!(" {flag} {quoted}"));
        }
    };
    add("--subject", Some(args.subject.clone()).filter(|subject| subject != "mirror"));
    add("--command", args.command.clone());
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    add("--features", path(&args.features));
    add("--consumer.config", path(&args.consumer_config));
    add("--producer.config", path(&args.producer_config));
    add("--contract", path(&args.contract));
    line
}
