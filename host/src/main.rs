//! The `croupier` command.

use std::process::ExitCode;

use clap::Parser as _;

/// A step allocates and frees some hundred small things on whichever thread runs it; the system's allocator takes a
/// seventh of the processor for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match croupier::cli::Cli::parse().run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
