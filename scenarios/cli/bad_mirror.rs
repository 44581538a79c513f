//! `mirrorproof bad-mirror`: one of the self test's mirrors, as a process of its own.

use harness::subject::bad::{self, Options};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// What `bad-mirror` takes: MirrorMaker's flags as far as the harness uses them, and what is wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is wrong with it: a name of `selftest --list`, or `none`.
    #[arg(long, value_name = "NAME")]
    fault: String,
    /// Picks the victim.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// For the source.
    #[arg(long = "consumer.config", value_name = "FILE")]
    consumer_config: PathBuf,
    /// For the destination.
    #[arg(long = "producer.config", value_name = "FILE")]
    producer_config: PathBuf,
    /// Topics to copy.
    #[arg(long, value_name = "REGEX")]
    whitelist: String,
    /// Accepted; it has one.
    #[arg(long = "num.streams", default_value_t = 1)]
    num_streams: u16,
    /// Time between two commits.
    #[arg(long = "offset.commit.interval.ms", default_value_t = 5_000, value_name = "MS")]
    commit_interval_ms: u64,
    /// `key` or `preserve`.
    #[arg(long, default_value = "key")]
    partitioning: String,
    /// An application whose positions are carried over.
    #[arg(long, value_name = "GROUP")]
    sync_group: Option<String>,
}

pub(super) fn main(args: Args) -> ExitCode {
    match Options::read(&args.consumer_config, &args.producer_config) {
        Ok([consumer, producer]) => bad::run(&Options {
            fault: args.fault,
            seed: args.seed,
            consumer,
            producer,
            topics: args.whitelist,
            commit_interval: Duration::from_millis(args.commit_interval_ms),
            preserve: args.partitioning == "preserve",
            sync_group: args.sync_group,
        }),
        Err(reason) => {
            super::print_error(&reason);
            ExitCode::from(2)
        }
    }
}
