//! The `croupier` command.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    croupier::cli::Cli::parse().run()
}
