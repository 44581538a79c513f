//! A minimal Kafka mirror with MirrorMaker 1's command line and safer defaults.
//!
//! ```text
//!  command line (cli) -> properties (config, zookeeper) -> engine: one thread a stream
//!                                                           consumer -> producer -> acknowledgement -> progress -> commit
//!  pure: route (which partition), topics (which topics), progress (how far a commit may go),
//!        digest (do two sides hold the same), report (what --once copied), witness (is it the same log)
//!  beside it: meters (what streams count) -> watch (a line of progress, metrics and readiness over HTTP)
//! ```
//! What it promises: every record of the source arrives at least once, each key's records (or each
//! partition's, with `--partitioning preserve`) in order, bytes unchanged, and a commit never passes a record
//! that the destination has not acknowledged. It does not create topics, copy their settings or translate offsets.

pub mod cli;
pub mod config;
pub mod digest;
mod engine;
pub mod meters;
pub mod progress;
mod report;
pub mod route;
pub mod shutdown;
pub mod topics;
mod watch;
pub mod witness;
pub mod zookeeper;

use std::{io::IsTerminal, process::ExitCode};

pub use cli::Args;
use cli::LogFormat;
use meters::Meters;
use tracing_subscriber::EnvFilter;

/// Everything that ends the program without being asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Usage(#[from] cli::UsageError),
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error(transparent)]
    ZooKeeper(#[from] zookeeper::LookUpError),
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    #[error(transparent)]
    Metrics(#[from] watch::CannotListen),
    #[error("watch for signals: {0}")]
    Signals(#[from] std::io::Error),
    #[error("serve metrics: {0}")]
    Serve(std::io::Error),
    #[error("print the report: {0}; what was copied is committed all the same")]
    Report(std::io::Error),
}

impl Failure {
    /// 2: the user has to change something before it can start. 1: it could not go on.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) | Self::Metrics(_) => 2,
            Self::Engine(error) if error.is_configuration() => 2,
            Self::ZooKeeper(_)
            | Self::Engine(_)
            | Self::Signals(_)
            | Self::Serve(_)
            | Self::Report(_) => 1,
        }
    }
}

/// Mirrors until a signal ends it. Exit codes: 0 after a graceful stop, 1 if it could not go on, 2 for wrong
/// usage or configuration, 130 after a second signal.
pub fn run(args: Args) -> ExitCode {
    log_to_stderr(args.log_format);
    match mirror(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("failed to {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn mirror(args: &Args) -> Result<(), Failure> {
    let filter = args.checked()?;
    let server = args.metrics.as_deref().map(watch::Server::bind).transpose()?;
    let stop = shutdown::on_signals()?;
    let mut config = config::Config::read(args)?;
    if let Some(lookup) = config.zookeeper.take() {
        let brokers = zookeeper::look_up(&lookup.connect, &lookup.protocol, lookup.timeout)?;
        config.use_brokers_of_zookeeper(&lookup.connect, &brokers);
    }
    config.announce(args.num_streams);
    let meters = Meters::new(args.num_streams);
    if let Some(server) = server {
        server.start(meters.clone(), stop.clone()).map_err(Failure::Serve)?;
    }
    let lines =
        args.progress_interval().map(|interval| watch::Lines::start(meters.clone(), interval));
    let (ended, report) = engine::run(&config.engine_settings(args, filter), &meters, &stop);
    drop(lines);
    let printed = report.map_or(Ok(()), |report| report.print(args.json));
    let totals = ended?;
    printed.map_err(Failure::Report)?;
    tracing::info!("stopped: {totals}");
    Ok(())
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,zookeeper_client=warn"));
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        // It would tell of a log that cannot be written on the same stream, and panic.
        .log_internal_errors(false);
    // Another program that runs this as a subcommand may have set one up already.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
    };
}
