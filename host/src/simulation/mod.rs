//! Plays millions of rounds of a release and tells what they return. A release that exports `simulation` loops by itself, and a
//! sample of its rounds is played through the ordinary calls too; any other is played call by call with a strategy.
//! Never here: files, wasmtime, players' data.

mod plan;
mod report;
mod run;
mod seat;
mod state;
mod statistics;
mod strategy;
mod verification;

use std::sync::Arc;

use thiserror::Error;

pub use self::{
    plan::{Plan, RoundCount},
    report::Report,
    run::{Ended, Progress, run},
    state::{Identity, State, StateError},
    statistics::{Statistics, Win},
    strategy::{Strategy, StrategyError},
};
use crate::{
    catalog::Playable,
    engine::{Bet, Engine, NotRun, SimulationError},
};

/// A release at the machine that runs it, and how its rounds are played.
pub struct Subject {
    /// The machine.
    pub engine: Arc<Engine>,
    /// The release.
    pub game: Playable,
    /// What chooses the calls; the release itself where it is `None`.
    pub strategy: Option<Strategy>,
}

/// Rounds could not be played, or not be believed.
#[derive(Debug, Error)]
pub enum Error {
    /// The release's own simulation has failed.
    #[error("bet '{bet}', batch {batch}: {error}")]
    Simulation {
        /// Of what.
        bet: String,
        /// Which.
        batch: u64,
        /// Why.
        error: SimulationError,
    },
    /// What the release can simulate could not be asked.
    #[error(transparent)]
    Bets(SimulationError),
    /// It can neither play by itself nor is it told how to.
    #[error(
        "'{0}' exports no simulation with bets. Implement croupier_sdk::simulation::Simulation and say `simulation` in #[game(...)], in JavaScript declare \
         `bets` in game({{...}}), or tell with --strategy FILE which calls to make; 'croupier simulate --help' shows such a file"
    )]
    NoBets(String),
    /// No bet has this name.
    #[error("there is no bet '{name}'; there are {known}")]
    UnknownBet {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The release plays other rounds by itself than through the calls that players make.
    #[error("bet '{bet}', batch {batch}, round {round}: the game's own simulation is not what is played: {difference}")]
    Different {
        /// Of what.
        bet: String,
        /// Which.
        batch: u64,
        /// Counted from 0.
        round: usize,
        /// What differs.
        difference: String,
    },
    /// A call that a strategy made was not answered.
    #[error("bet '{bet}', batch {batch}, round {round}: {why}")]
    NotPlayed {
        /// Of what.
        bet: String,
        /// Which.
        batch: u64,
        /// Counted from 0.
        round: usize,
        /// What went wrong.
        why: String,
    },
    /// The machine could not run a call.
    #[error(transparent)]
    NotRun(#[from] NotRun),
    /// A worker has panicked.
    #[error("a worker has ended early")]
    Worker,
}

impl Subject {
    /// All that can be simulated, in the order in which it is declared.
    ///
    /// # Errors
    /// Where there is nothing, or the release breaks down.
    pub async fn bets(&self) -> Result<Vec<Bet>, Error> {
        if let Some(strategy) = &self.strategy {
            return Ok(strategy.bets());
        }
        let release = &self.game.release;
        if !release.simulates() {
            return Err(Error::NoBets(release.descriptor().id.to_string()));
        }
        let bets = self.engine.bets(release).await.map_err(Error::Bets)?;
        if bets.is_empty() {
            return Err(Error::NoBets(release.descriptor().id.to_string()));
        }
        let is_twice = |(place, bet): (usize, &Bet)| bets[..place].iter().any(|other| other.name == bet.name);
        match bets.iter().enumerate().position(is_twice) {
            Some(place) => {
                let nonsense = format!("bet '{}' is there twice", bets[place].name);
                Err(Error::Bets(SimulationError::Nonsense(nonsense)))
            }
            None => Ok(bets),
        }
    }

    /// Those of these names, or all of them where none is named.
    ///
    /// # Errors
    /// As [`Self::bets`], and where a name is not known.
    pub async fn bets_named(&self, names: &[String]) -> Result<Vec<Bet>, Error> {
        let bets = self.bets().await?;
        if let Some(name) = names.iter().find(|name| bets.iter().all(|bet| bet.name != **name)) {
            let known: Vec<_> = bets.iter().map(|bet| format!("'{}'", bet.name)).collect();
            return Err(Error::UnknownBet { name: name.clone(), known: known.join(", ") });
        }
        Ok(bets.into_iter().filter(|bet| names.is_empty() || names.contains(&bet.name)).collect())
    }

    /// Rounds of a batch: the unit of work, and one player's sitting.
    #[must_use]
    pub fn batch_rounds(&self) -> u32 {
        if self.strategy.is_some() { plan::BATCH_ROUNDS_BY_CALL } else { plan::BATCH_ROUNDS }
    }
}
