//! `mirrorproof bench`: compares mirrors side by side.

mod table;

use super::{
    clusters::{default_folder, pool},
    interrupts::Interrupts,
    print, print_error,
};
use crate::run::progress::Progress;
use harness::{
    bench::{Bench, Limit, Load, Measured},
    cluster::Backend,
    subject::Kind,
};
use judge::report::exit::ExitCode;
use std::path::PathBuf;

/// What `bench` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which mirrors: mirror (ours), mirrormaker1 or mirrormaker2; give it once for each. Ratios are
    /// of the first.
    #[arg(long = "subject", value_name = "NAME", default_values = ["mirror", "mirrormaker1", "mirrormaker2"])]
    subjects: Vec<String>,
    /// How many records are copied.
    #[arg(long, default_value_t = 2_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// The size of each value, in bytes.
    #[arg(long, default_value_t = 100, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    size: u32,
    /// Partitions of the source's topic.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    source_partitions: u32,
    /// Partitions of the destination's topic.
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
    topic: String,
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
    let mut rows = Vec::new();
    let ended = interrupts.unless(bench.run(&pool, &mut rows, |text| progress.note(text))).await;
    progress.end();
    if rows.iter().any(|row| !row.runs.is_empty()) {
        let all = table::json(&bench, &rows);
        let file = bench.folder.join("bench.json");
        if let Err(error) = std::fs::write(&file, &all) {
            print_error(&format!("failed to write {}: {error}", file.display()));
        }
        print(&if args.json { all } else { table::render(&bench, &rows) });
    }
    interrupts.while_closing(pool.close()).await;
    match ended {
        None => ExitCode::Inconclusive,
        Some(Err(error)) => {
            print_error(&format!("failed to {error}"));
            ExitCode::Environment
        }
        Some(Ok(())) => {
            let runs = rows.iter().flat_map(|row| &row.runs);
            let troubles: Vec<_> = runs.filter(|run| run.trouble.is_some()).collect();
            // A copy that was over before it could be timed is no bad one.
            let short = |run: &&Measured| run.timed == 0 && run.copied == args.records;
            match troubles.iter().all(short) {
                true if troubles.is_empty() => ExitCode::Holds,
                true => ExitCode::Inconclusive,
                false => ExitCode::Violated,
            }
        }
    }
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
    let executable = std::env::current_exe()
        .map_err(|error| format!("failed to find the program's own file: {error}"))?;
    let folder = args.report.clone().unwrap_or_else(|| default_folder(rand::random()));
    let folder = std::fs::create_dir_all(&folder)
        .and_then(|()| folder.canonicalize())
        .map_err(|error| format!("failed to use the folder {}: {error}", folder.display()))?;
    let bench = Bench {
        subjects,
        load: Load { records: args.records, size: args.size as usize },
        source_partitions: args.source_partitions,
        destination_partitions: args.destination_partitions,
        compression: args.compression.clone(),
        rounds: args.rounds,
        tuned: args.tuned,
        executable,
        folder,
    };
    bench.fits().map_err(|error| format!("failed to {error}"))?;
    Ok(bench)
}

/// Measures one of the bounds and prints what it took.
pub(super) fn limit(args: &LimitArgs) -> ExitCode {
    let load = Load { records: args.records, size: args.size };
    match args.limit.perform(&args.bootstrap, &args.topic, load, &args.compression) {
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
