//! The program `mirror`: reads the command line and runs the library.

use std::process::ExitCode;

use clap::Parser;
use tikv_jemallocator::Jemalloc;

/// Of librdkafka too, whose threads hand each other what they allocate.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Copies topics of one Kafka cluster to another, keeping each key's order.
#[derive(Debug, Parser)]
#[command(name = "mirror", version)]
struct Program {
    #[command(flatten)]
    args: mirror::Args,
}

fn main() -> ExitCode {
    mirror::run(Program::parse().args)
}
