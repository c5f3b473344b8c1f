//! `croupier bench`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::build::build_all;
use crate::bench::{self, Part, Plan};

/// Measure this host on this computer: steps next to a bare HTTP handler in the same run, and releases
///
/// Builds the games first. Takes a few minutes; figures come from a release build only.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// The folder whose subfolders are games
    #[arg(long, default_value = "games", value_name = "DIRECTORY")]
    games: PathBuf,
    /// Use the components in this folder instead of building any
    #[arg(long, value_name = "DIRECTORY")]
    components: Option<PathBuf>,
    /// Where the store goes while it is measured: a directory on the disk of interest
    #[arg(long, default_value = "target", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Players that take turns
    #[arg(long, default_value_t = 100_000)]
    players: u32,
    /// Connections that call without pause
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Single calls, and as many again in batches
    #[arg(long, default_value_t = 500_000)]
    rounds: u64,
    /// Calls of one batch
    #[arg(long, default_value_t = 10)]
    batch: usize,
    /// Steps measured in process
    #[arg(long, default_value_t = 100_000)]
    steps: u32,
    /// Swaps between two releases under load
    #[arg(long, default_value_t = 1000)]
    swaps: u32,
    /// Games that are loaded at once
    #[arg(long, default_value_t = 200)]
    loaded_games: usize,
    /// Measure only this
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Serve the baseline: what the benchmark starts by itself
    #[arg(long, hide = true)]
    bare_server: Option<usize>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Only {
    /// How fast steps are
    Steps,
    /// What it takes to load and swap releases
    Releases,
}

impl From<Only> for Part {
    fn from(only: Only) -> Self {
        match only {
            Only::Steps => Self::Steps,
            Only::Releases => Self::Releases,
        }
    }
}

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let Some(reply_bytes) = self.bare_server {
            return super::runtime()?.block_on(bench::serve_bare(reply_bytes));
        }
        let components = match self.components {
            Some(components) => components,
            None => {
                let output = self.directory.join("games");
                build_all(&self.games, &output, |line| eprintln!("{line}"))?;
                output
            }
        };
        let plan = Plan {
            components,
            directory: self.directory,
            players: self.players.max(1),
            connections: self.connections.max(1),
            rounds: self.rounds,
            batch: self.batch.clamp(2, 100),
            steps: self.steps.max(100),
            swaps: self.swaps.max(1),
            games: self.loaded_games.clamp(1, 99_999),
            part: self.only.map_or(Part::All, Part::from),
        };
        let report = super::runtime()?.block_on(bench::run(&plan))?;
        print!("{report}");
        Ok(())
    }
}
