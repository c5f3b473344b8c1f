//! `croupier build`

use std::path::PathBuf;

use clap::Args;

use crate::packaging;

/// Build games: from Rust crates to components that a host can load
///
/// Adds the Wasm target with rustup if it is missing. Each component is checked against the contract.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// Folders of games, each with its Cargo.toml
    #[arg(required = true, value_name = "GAME")]
    games: Vec<PathBuf>,
    /// Where the components go
    #[arg(long, short, default_value = "target/games", value_name = "DIRECTORY")]
    output: PathBuf,
}

impl Build {
    pub(super) fn run(self) -> anyhow::Result<()> {
        for game in &self.games {
            let built = packaging::build(game, &self.output)?;
            println!("{} ({} kB)", built.path.display(), built.bytes.div_ceil(1000));
        }
        Ok(())
    }
}
