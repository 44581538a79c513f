//! `mirrorproof bench`: compares mirrors side by side.

mod figures;
mod table;

use super::{
    clusters::{default_folder, pool},
    duration,
    interrupts::Interrupts,
    print, print_error,
};
use crate::run::progress::Progress;
use figures::Comparison;
use harness::{
    bench::{Bench, Limit, Load, Measured, Outage, Row},
    cluster::Backend,
    subject::Kind,
};
use judge::{plan::Side, report::exit::ExitCode};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What `bench` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which mirrors: mirror (ours), mirrormaker1 or mirrormaker2; give it once for each. Ratios are
    /// of the first.
    #[arg(long = "subject", value_name = "NAME", default_values = ["mirror", "mirrormaker1", "mirrormaker2"])]
    subjects: Vec<String>,
    /// How many records are copied, from all topics together.
    #[arg(long, default_value_t = 2_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// The size of each value, in bytes; the first 8 make it unlike every other.
    #[arg(long, default_value_t = 100, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    size: u32,
    /// How many topics they lie in; each holds as many.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    topics: u32,
    /// Partitions of each topic of the source.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    source_partitions: u32,
    /// Partitions of each topic of the destination.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    destination_partitions: u32,
    /// How batches are compressed, on both sides: none, gzip, snappy, lz4 or zstd.
    #[arg(long, default_value = "none", value_parser = ["none", "gzip", "snappy", "lz4", "zstd"])]
    compression: String,
    /// How often each mirror runs; rounds are interleaved.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Lets each mirror run with larger batches as well (docs/benchmarks.md): a second table.
    #[arg(long)]
    tuned: bool,
    /// Kills the broker of a side for so long (30s, 2m) once a third is copied, and says how long after its return each
    /// mirror is as fast again as it was.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    outage: Option<Duration>,
    /// Whose broker that is.
    #[arg(long, value_name = "SIDE", default_value = "destination", value_parser = ["source", "destination"], requires = "outage")]
    outage_of: String,
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Where bench.json and logs go; the default is runs/TIME-NUMBER.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// What `bench-limit` takes: one of the bounds, in a container beside the mirrors.
#[derive(Debug, clap::Args)]
pub(super) struct LimitArgs {
    #[arg(value_parser = parse_limit)]
    limit: Limit,
    bootstrap: String,
    topics: u32,
    records: u64,
    size: usize,
    compression: String,
}

fn parse_limit(name: &str) -> Result<Limit, String> {
    let found = Limit::ALL.into_iter().find(|limit| limit.name() == name);
    found.ok_or_else(|| "it is no bound".into())
}

pub(super) async fn main(args: Args) -> ExitCode {
    let bench = match prepare(&args) {
        Ok(bench) => bench,
        Err(text) => {
            print_error(&text);
            return ExitCode::Usage;
        }
    };
    print_error(&format!("run folder {}", bench.folder.display()));
    let progress = Progress::detect();
    let pool = match pool(Backend::Containers, &progress).await {
        Ok(pool) => pool,
        Err(error) => {
            print_error(&format!("failed to {error}"));
            return ExitCode::Environment;
        }
    };
    let mut interrupts = Interrupts::watch();
    let (mut rows, mut kept) = (Vec::new(), Ok(()));
    let keep = |rows: &[Row]| kept = keep(&bench.folder, &Comparison::of(&bench, rows));
    let work = bench.run(&pool, &mut rows, |text| progress.note(text), keep);
    let ended = interrupts.unless(work).await;
    progress.end();
    if rows.iter().any(|row| !row.runs.is_empty()) {
        let all = Comparison::of(&bench, &rows);
        print(&if args.json { all.json() } else { table::render(&all) });
    }
    interrupts.while_closing(pool.close()).await;
    match ended {
        None => ExitCode::Inconclusive,
        Some(Err(error)) => {
            print_error(&format!("failed to {error}"));
            ExitCode::Environment
        }
        Some(Ok(())) => match (verdict(&rows, args.records), kept) {
            (verdict, Ok(())) => verdict,
            (verdict, Err(text)) => {
                print_error(&text);
                if verdict == ExitCode::Violated { verdict } else { ExitCode::Environment }
            }
        },
    }
}

/// Whether every copy is its original.
fn verdict(rows: &[Row], records: u64) -> ExitCode {
    let runs = rows.iter().flat_map(|row| &row.runs);
    let troubles: Vec<_> = runs.filter(|run| run.trouble.is_some()).collect();
    // A copy that was over before it could be timed is no bad one.
    let short = |run: &&Measured| run.timed == 0 && run.copied == records;
    match troubles.iter().all(short) {
        true if troubles.is_empty() => ExitCode::Holds,
        true => ExitCode::Inconclusive,
        false => ExitCode::Violated,
    }
}

/// Writes what was measured so far, as a whole: whoever reads the file, even after a kill, finds the former or the
/// new one.
fn keep(folder: &Path, so_far: &Comparison) -> Result<(), String> {
    let (file, new) = (folder.join("bench.json"), folder.join("bench.json.new"));
    std::fs::write(&new, so_far.json()).and_then(|()| std::fs::rename(&new, &file)).map_err(
        |error| format!("failed to write {}: {error}; give another --report DIR", file.display()),
    )
}

fn prepare(args: &Args) -> Result<Bench, String> {
    let mut subjects = Vec::new();
    for name in &args.subjects {
        let kind = match name.as_str() {
            "mirror" => Kind::Mirror,
            "mirrormaker1" => Kind::MirrorMaker1,
            "mirrormaker2" => Kind::MirrorMaker2,
            other => {
                return Err(format!(
                    "no mirror to compare is called {other:?}; --subject takes mirror, mirrormaker1 or \
                     mirrormaker2"
                ));
            }
        };
        if subjects.contains(&kind) {
            return Err(format!("--subject {name} is given twice"));
        }
        subjects.push(kind);
    }
    let side = if args.outage_of == "source" { Side::Source } else { Side::Destination };
    let executable = std::env::current_exe()
        .map_err(|error| format!("failed to find the program's own file: {error}"))?;
    let bench = Bench {
        subjects,
        load: Load { records: args.records, size: args.size as usize },
        topics: args.topics,
        source_partitions: args.source_partitions,
        destination_partitions: args.destination_partitions,
        compression: args.compression.clone(),
        rounds: args.rounds,
        tuned: args.tuned,
        outage: args.outage.map(|time| Outage { side, time }),
        executable,
        folder: args.report.clone().unwrap_or_else(|| default_folder(rand::random())),
    };
    bench.fits().map_err(|error| format!("failed to {error}"))?;
    let folder = std::fs::create_dir_all(&bench.folder)
        .and_then(|()| bench.folder.canonicalize())
        .map_err(|error| {
            let folder = bench.folder.display();
            format!("failed to use the folder {folder}: {error}; give another --report DIR")
        })?;
    Ok(Bench { folder, ..bench })
}

/// Measures one of the bounds and prints what it took.
pub(super) fn limit(args: &LimitArgs) -> ExitCode {
    let load = Load { records: args.records, size: args.size };
    match args.limit.perform(&args.bootstrap, args.topics, load, &args.compression) {
        Ok(took) => {
            print(&format!("{}\n", serde_json::json!(took)));
            ExitCode::Holds
        }
        Err(error) => {
            print_error(&format!("failed to {error}"));
            ExitCode::Environment
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_replaces_what_was_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let bench =
            prepared(&["--records", "10", "--report", &folder.path().display().to_string()]);
        for _ in 0..2 {
            keep(&bench.folder, &Comparison::of(&bench, &[])).unwrap();
            let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
            assert_eq!(files.len(), 1, "{files:?}");
            let text = std::fs::read_to_string(folder.path().join("bench.json")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&json["complete"], &json["records"]), (&false.into(), &10.into()));
        }
        let nowhere = folder.path().join("nowhere");
        let said = keep(&nowhere, &Comparison::of(&bench, &[])).unwrap_err();
        assert!(said.contains("nowhere/bench.json") && said.contains("--report DIR"), "{said}");
    }

    /// What these arguments ask for.
    fn prepared(arguments: &[&str]) -> Bench {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line: Line = clap::Parser::parse_from([&["bench"], arguments].concat());
        prepare(&line.args).unwrap()
    }
}
