//! `croupier build`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::packaging::{self, BuildError};

/// Build games: from Rust crates and JavaScript packages to components that a host can load
///
/// Adds the Wasm target with rustup if it is missing, and installs a package's dependencies with npm. Each component is checked
/// against the contract.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// Folders of games, each with its Cargo.toml or package.json
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

/// Builds every game in a folder that this computer can build: Rust is there, but Node.js need not be.
pub(super) fn build_all(games: &Path, output: &Path, say: impl Fn(String)) -> anyhow::Result<()> {
    let folders = packaging::games_in(games).context("run it where the folder 'games' is, or say --games")?;
    anyhow::ensure!(!folders.is_empty(), "there are no games in {}", games.display());
    let mut left_out = Vec::new();
    for folder in folders {
        match packaging::build(&folder, output) {
            Ok(built) => say(format!("built {} ({} kB)", built.name, built.bytes.div_ceil(1000))),
            Err(missing @ BuildError::Node(_)) => left_out.push((folder, missing)),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some((_, why)) = left_out.first() {
        let games: Vec<_> = left_out.iter().map(|(folder, _)| folder.display().to_string()).collect();
        say(format!("left out {}: {why}", games.join(", ")));
    }
    Ok(())
}
