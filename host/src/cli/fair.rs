//! `croupier fair`

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    chance::{Chance, Draw},
    fairness::ServerSeed,
    identity::{GameId, RoundId},
    record::{Act, Play},
    replay::RoundFile,
};

/// Prove that rounds were played fairly
#[derive(Debug, Subcommand)]
pub(super) enum Fair {
    Verify(Verify),
}

/// Compute recorded rounds again from a server seed that was revealed, and compare every draw
///
/// Needs nothing but the files: the host commits itself to a server seed before a round (fairness.commitment), and reveals it when
/// the player goes over to another one (fairness.rotate). Proves that each file's records are unchanged, that the server seed is the
/// one that was committed to, that each call's seed follows from it, the player's seed and the nonce, and that the draws follow
/// from that. Of draws with weights the file keeps the sum alone: 'croupier replay' proves those, on the component. Exits with
/// 1 where anything does not fit.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The server seed, 64 hexadecimal digits
    #[arg(long, value_name = "SEED")]
    server_seed: ServerSeed,
    /// Rounds as 'croupier round export' writes them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print what was proved as JSON, a line for each file
    #[arg(long)]
    json: bool,
}

/// What was proved of a round.
#[derive(Serialize)]
struct Proved {
    round: RoundId,
    game: GameId,
    /// Calls whose seeds follow from the server seed.
    calls: usize,
    /// Draws that were computed again.
    draws: usize,
    /// Draws with weights, of which only the sum is known.
    weighted: usize,
}

impl Fair {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Verify(verify) => verify.run(),
        }
    }
}

impl Verify {
    fn run(self) -> anyhow::Result<()> {
        for path in &self.files {
            let context = || path.display().to_string();
            let text = fs::read(path).with_context(context)?;
            let file = RoundFile::parse(&text).with_context(context)?;
            let proved = prove(&file, &self.server_seed).with_context(context)?;
            let Proved { round, game, calls, draws, weighted } = &proved;
            if self.json {
                println!("{}", serde_json::to_string(&proved)?);
            } else {
                print!("round {round} of {game}: {calls} calls and {draws} draws follow from the server seed");
                println!(
                    "{}",
                    if *weighted > 0 { format!(", {weighted} more by their sums alone") } else { String::new() }
                );
            }
        }
        Ok(())
    }
}

fn prove(file: &RoundFile, server_seed: &ServerSeed) -> anyhow::Result<Proved> {
    let records = file.chain()?;
    let mut proved = Proved { round: file.round.clone(), game: file.game.clone(), calls: 0, draws: 0, weighted: 0 };
    for record in &records {
        let Act::Played(play) = &record.act else { continue };
        if file.has(play) {
            proved.add(play, server_seed).with_context(|| format!("record {} of {}", record.step, record.aggregate))?;
        }
    }
    Ok(proved)
}

impl Proved {
    fn add(&mut self, play: &Play, server_seed: &ServerSeed) -> anyhow::Result<()> {
        let fair = play.fair.as_ref().context("the game was not provably fair when this was played")?;
        fair.prove(server_seed, play.seed)?;
        self.calls += 1;
        let mut chance = Chance::new(play.seed);
        for (place, draw) in play.draws.iter().enumerate() {
            anyhow::ensure!(chance.repeats(draw), "draw {place} does not follow from the seed");
            match draw {
                Draw::Weighted(..) => self.weighted += 1,
                Draw::Below(..) | Draw::Shuffled(_) => self.draws += 1,
            }
        }
        Ok(())
    }
}
