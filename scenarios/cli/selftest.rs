//! `mirrorproof selftest`: shows that bad mirrors are caught, and sound ones left alone.

use super::{
    clusters::{backend, default_folder, pool},
    interrupts::Interrupts,
    print, print_error,
};
use crate::{
    run::progress::Progress,
    selftest::{self, Row, SelfTest, Shown},
};
use judge::report::exit::ExitCode;
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// What `selftest` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which mirrors, by name; none: all.
    #[arg(value_name = "NAME")]
    only: Vec<String>,
    /// Names the mirrors, and tries none.
    #[arg(long, conflicts_with = "only")]
    list: bool,
    /// Which clusters: embedded (in this process) or containers (real Kafka, needs Docker).
    #[arg(long, default_value = "embedded", value_name = "KIND")]
    clusters: String,
    /// Repeats the random choices of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// How often each mirror is tried, each time with another seed.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where logs and plans go; the default is runs/TIME-SEED.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How many mirrors are tried at once.
    #[arg(long, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
}

pub(super) async fn main(args: Args) -> ExitCode {
    if args.list {
        print(&selftest::list());
        return ExitCode::Holds;
    }
    match prepare(args) {
        Ok(test) => execute(test).await,
        Err(text) => {
            print_error(&text);
            ExitCode::Usage
        }
    }
}

fn prepare(args: Args) -> Result<SelfTest, String> {
    let backend = backend(&args.clusters)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let executable = std::env::current_exe()
        .map_err(|error| format!("failed to find the program's own file: {error}"))?;
    let mut test = SelfTest {
        backend,
        seed,
        rounds: args.rounds,
        only: Vec::new(),
        executable,
        folder: args.report.unwrap_or_else(|| default_folder(seed)),
        jobs: args.jobs.map(usize::from),
    };
    let known = selftest::names(&test);
    if let Some(unknown) = args.only.iter().find(|name| !known.contains(name)) {
        return Err(format!("no mirror of the self test is called {unknown:?}; --list names them"));
    }
    test.only = args.only;
    std::fs::create_dir_all(&test.folder)
        .and_then(|()| test.folder.canonicalize())
        .map(|folder| test.folder = folder)
        .map_err(|error| format!("failed to use the folder {}: {error}", test.folder.display()))?;
    Ok(test)
}

async fn execute(test: SelfTest) -> ExitCode {
    print_error(&format!("seed {}, run folder {}", test.seed, test.folder.display()));
    let progress = Progress::detect();
    let pool = match pool(test.backend, &progress).await {
        Ok(pool) => pool,
        Err(error) => {
            print_error(&format!("failed to {error}"));
            return ExitCode::Environment;
        }
    };
    progress.begin(selftest::names(&test).len() as u64);
    let finished = Mutex::new(Vec::new());
    let note = |row: &Row| {
        progress.tried(&row.name, &row.shown.to_string(), row.seconds);
        finished.lock().unwrap_or_else(PoisonError::into_inner).push(row.clone());
    };
    let mut interrupts = Interrupts::watch();
    let rows = interrupts.unless(selftest::run(&test, &pool, note)).await;
    interrupts.while_closing(pool.close()).await;
    progress.end();
    let complete = rows.is_some();
    let finished = finished.into_inner().unwrap_or_else(PoisonError::into_inner);
    let rows = rows.unwrap_or(finished);
    print(&selftest::render(&rows, &test));
    exit_code(&rows, complete)
}

/// What is proven counts most, then what hindered the proof.
fn exit_code(rows: &[Row], complete: bool) -> ExitCode {
    let any = |is: fn(&Shown) -> bool| rows.iter().any(|row| is(&row.shown));
    let tried = rows.iter().any(|row| row.rounds > 0);
    if any(|shown| matches!(shown, Shown::Wrong(_))) {
        ExitCode::Violated
    } else if any(|shown| matches!(shown, Shown::Broken(_))) {
        ExitCode::Environment
    } else if !tried || !complete || any(|shown| matches!(shown, Shown::Doubtful(_))) {
        ExitCode::Inconclusive
    } else {
        ExitCode::Holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_told_is_neither_a_pass_nor_an_accusation() {
        let row = |shown: Shown| Row {
            name: "loses-one".into(),
            does: "loses one record".into(),
            bad: true,
            shown,
            passed: 0,
            rounds: 1,
            seconds: 1.0,
        };
        let holds = || row(Shown::Holds { records: 1 });
        let doubtful = || row(Shown::Doubtful("slow".into()));
        let broken = || row(Shown::Broken("no Docker".into()));
        let code = |rows: &[Row]| exit_code(rows, true);
        assert_eq!(code(&[holds()]), ExitCode::Holds);
        assert_eq!(exit_code(&[holds()], false), ExitCode::Inconclusive);
        assert_eq!(code(&[]), ExitCode::Inconclusive);
        assert_eq!(code(&[holds(), doubtful()]), ExitCode::Inconclusive);
        assert_eq!(code(&[doubtful(), broken()]), ExitCode::Environment);
        assert_eq!(code(&[broken(), row(Shown::Wrong("missed".into()))]), ExitCode::Violated);
    }
}
