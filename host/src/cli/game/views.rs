//! `croupier game list`, `releases` and `verify`: what a host has, and whether it is whole.

use clap::Args;
use serde_json::json;

use super::{
    answers::{GameReleases, GameState, Verified},
    operator::Operator,
};
use crate::identity::GameId;

/// The games of a host, and what is played of each
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    operator: Operator,
}

/// The releases of a game, and what was done with them
#[derive(Debug, Args)]
pub(in crate::cli) struct Releases {
    /// The game's id, as in fruit-slots
    game: GameId,
    #[command(flatten)]
    operator: Operator,
}

/// Prove that the releases a host keeps are what was published
///
/// Exits with 1 if one is not intact.
#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// Only this game's
    game: Option<GameId>,
    #[command(flatten)]
    operator: Operator,
}

impl List {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let answer = self.operator.call("game.list", json!({}))?;
        self.operator.show(&answer, |games: &Vec<GameState>| GameState::table(games))
    }
}

impl Releases {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let answer = self.operator.call("game.releases", json!({ "game": self.game }))?;
        self.operator.show(&answer, GameReleases::tables)
    }
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let params = self.game.map_or_else(|| json!({}), |game| json!({ "game": game }));
        let answer = self.operator.call("game.verify", params)?;
        let rows: Vec<Verified> = answer.read()?;
        self.operator.show(&answer, |rows: &Vec<Verified>| Verified::table(rows))?;
        let broken = rows.iter().filter(|row| !row.intact).count();
        anyhow::ensure!(broken == 0, "{broken} of {} releases are not intact", rows.len());
        Ok(())
    }
}
