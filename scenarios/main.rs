//! The program `mirrorproof`.

fn main() -> std::process::ExitCode {
    mirrorproof::cli::main()
}
