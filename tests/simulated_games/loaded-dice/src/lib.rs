//! Dice that return all that is staked and declare less, and whose simulation is at times another game than the one that is
//! played. `tests/simulation.rs` says how `croupier simulate` takes it.

use croupier_sdk::prelude::*;
use croupier_sdk::simulation::{Bet, Simulation};

/// Rolls are counted, so that a simulation that forgets what is saved is another one.
#[derive(Default, Serialize, Deserialize)]
pub struct LoadedDice {
    rolls: u64,
    #[serde(skip)]
    forgotten: u64,
}

#[game(id = "loaded-dice", title = "Loaded Dice", rtp_ppm = 900_000, max_win_ppm = 6_000_000, simulation)]
impl LoadedDice {
    /// Pays six times the stake for a six.
    pub fn roll(&mut self, table: &mut Table) -> Result<u64, Fault> {
        self.roll_with(table, 6)
    }

    /// Tells how often it was called, and only a game that lives on between calls can tell.
    pub fn remember(&mut self, table: &mut Table) -> Result<u64, Fault> {
        self.forgotten += 1;
        self.roll_with(table, 6)?;
        Ok(self.forgotten)
    }

    /// Never takes a stake.
    pub fn refuse(&mut self, _table: &mut Table) -> Result<u64, Fault> {
        Err(Fault::new(7, "the dice are lost"))
    }

    fn roll_with(&mut self, table: &mut Table, times: u64) -> Result<u64, Fault> {
        table.stake(10)?;
        self.rolls += 1;
        let pips = table.below(6) + 1;
        table.pay(if pips == 6 { 10 * times } else { 0 })?;
        Ok(pips)
    }
}

impl Simulation for LoadedDice {
    fn bets() -> Vec<Bet<Self>> {
        vec![
            Bet::new("fair", "A roll for 10", |round| round.play_bare("roll", Self::roll).map(drop)),
            Bet::new("kinder", "A roll that pays less than in the simulation", |round| {
                round.play_bare("roll", |game: &mut Self, table| game.roll_with(table, 5)).map(drop)
            }),
            Bet::new("forgetful", "A roll that knows what is not saved", |round| {
                round.play_bare("remember", Self::remember).map(drop)
            }),
            Bet::new("lost", "No roll", |round| round.play_bare("refuse", Self::refuse).map(drop)),
        ]
    }
}
