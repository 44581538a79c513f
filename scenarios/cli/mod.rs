//! The command line. Prints, and turns outcomes into exit codes; everything else is elsewhere.

mod bad_mirror;
mod bench;
mod clusters;
mod contract;
mod fuzz;
mod interrupts;
mod replay;
mod selftest;
mod soak;
mod spec;
mod subject;
mod up;

use clap::{Parser, Subcommand};
use judge::report::exit::ExitCode;
use std::{io::Write, time::Duration};

/// Proves, or disproves, that a Kafka mirror keeps its promises.
#[derive(Debug, Parser)]
#[command(
    name = "mirrorproof",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 every promise holds, 1 one is violated, 2 wrong usage, \
                  3 inconclusive or nothing judged, 4 the environment failed, 130 ended at once by a \
                  second Ctrl-C."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Without a subcommand: what `spec` takes.
    #[command(flatten)]
    spec: spec::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judges a mirror by the promises (what runs when no subcommand is given).
    Spec(spec::Args),
    /// Starts a pair of real clusters and prints its addresses.
    Up(up::UpArgs),
    /// Removes what `up --detach` and killed runs left behind.
    Down(up::DownArgs),
    /// Mirrors topics: our own minimal mirror, with MirrorMaker 1's flags.
    Mirror(mirror::Args),
    /// Shows that bad mirrors are caught and named, and sound ones left alone.
    Selftest(selftest::Args),
    /// Judges a mirror by random plans, and makes one that fails small.
    Fuzz(fuzz::Args),
    /// Judges a mirror by one long plan, under load, with brokers that die and come back (needs Docker).
    Soak(soak::Args),
    /// Performs a stored plan again.
    Replay(replay::Args),
    /// Compares mirrors side by side: rate, processor time and memory (needs Docker).
    Bench(bench::Args),
    /// One of the bounds of `bench`.
    #[command(hide = true)]
    BenchLimit(bench::LimitArgs),
    /// A mirror of the self test.
    #[command(hide = true)]
    BadMirror(bad_mirror::Args),
    /// Performs plans that come as lines on standard input.
    #[command(hide = true)]
    Perform,
    /// Runs a command until it ends or standard input is closed.
    #[command(hide = true)]
    Supervise {
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream each belongs to.
            drop(error.print());
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Holds };
            return code.code().into();
        }
    };
    match cli.command {
        Some(Command::Mirror(arguments)) => mirror::run(arguments),
        Some(Command::Supervise { command }) => {
            harness::subject::process::supervise(&command[0], &command[1..])
        }
        Some(Command::Perform) => block_on(perform()).code().into(),
        Some(Command::BadMirror(arguments)) => bad_mirror::main(arguments),
        Some(Command::Selftest(arguments)) => block_on(selftest::main(arguments)).code().into(),
        Some(Command::Fuzz(arguments)) => block_on(fuzz::main(arguments)).code().into(),
        Some(Command::Soak(arguments)) => block_on(soak::main(arguments)).code().into(),
        Some(Command::Bench(arguments)) => block_on(bench::main(arguments)).code().into(),
        Some(Command::BenchLimit(arguments)) => bench::limit(&arguments).code().into(),
        Some(Command::Replay(arguments)) => block_on(replay::main(arguments)).code().into(),
        Some(Command::Up(arguments)) => block_on(up::up(arguments)).code().into(),
        Some(Command::Down(arguments)) => block_on(up::down(arguments)).code().into(),
        Some(Command::Spec(arguments)) => block_on(spec::main(arguments)).code().into(),
        None => block_on(spec::main(cli.spec)).code().into(),
    }
}

/// Runs one command on a runtime of its own.
fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    // Warnings of the harness, such as a container that could not be removed.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "off,harness=warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            // A blocking read that was cut short by Ctrl-C is not waited for.
            runtime.shutdown_timeout(Duration::from_secs(1));
            code
        }
        Err(error) => {
            print_error(&format!("failed to start the runtime: {error}"));
            ExitCode::Environment
        }
    }
}

/// A worker of `fuzz` and `replay`.
async fn perform() -> ExitCode {
    match crate::worker::work().await {
        Ok(()) => ExitCode::Holds,
        Err(error) => {
            print_error(&format!("failed to take plans: {error}"));
            ExitCode::Environment
        }
    }
}

/// `90s`, `10m`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
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
    match number.checked_mul(seconds) {
        Some(0) => Err("it is no time at all; the least is 1s".into()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("it is too long".into()),
    }
}

/// Prints a result.
fn print(text: &str) {
    // A reader that went away is no reason to panic.
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Prints an error: what, where, and the way out.
fn print_error(text: &str) {
    drop(writeln!(std::io::stderr(), "mirrorproof: {text}"));
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
