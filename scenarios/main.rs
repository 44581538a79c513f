//! The program `mirrorproof`.

use tikv_jemallocator::Jemalloc;

/// Of librdkafka too, whose threads hand each other what they allocate.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> std::process::ExitCode {
    mirrorproof::cli::main()
}
