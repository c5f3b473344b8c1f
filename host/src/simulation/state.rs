//! What a run has measured so far: it can be kept, gone on with, and merged with what other runs have measured.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Plan, Statistics};
use crate::{
    engine::Bet,
    identity::{Digest, GameId, ReleaseDigest},
};

/// The format of a kept state.
const VERSION: u32 = 1;

/// What the rounds of a state have in common with those that may be added to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The game.
    pub game: GameId,
    /// The component.
    pub release: ReleaseDigest,
    /// The strategy's text, where one has played.
    pub strategy: Option<Digest>,
    /// What all chance came from.
    pub seed: u64,
    /// Rounds of a batch.
    pub batch_rounds: u32,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    identity: Identity,
    bets: Vec<Measured>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    name: String,
    summary: String,
    statistics: Statistics,
}

/// Why a state is not gone on with or merged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// It is of a version of this command that wrote another format.
    #[error("its format is {0}, and this command's is {VERSION}")]
    Version(u32),
    /// It is of another release, strategy, seed or bets.
    #[error("it was measured with another {0}")]
    Other(&'static str),
    /// It has a batch of other length than the plan.
    #[error(
        "its last batch ends where its run did, and this run goes on: begin this one with --first-batch {next}, and merge them"
    )]
    Unfinished {
        /// The batch after it.
        next: u64,
    },
    /// Both have played the same rounds.
    #[error("both have batch {batch} of bet '{bet}': only runs with different --first-batch can be merged")]
    Overlap {
        /// Of what.
        bet: String,
        /// Which.
        batch: u64,
    },
}

impl State {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(identity: Identity, bets: Vec<Bet>) -> Self {
        let measured = |Bet { name, summary }| Measured { name, summary, statistics: Statistics::default() };
        Self { version: VERSION, identity, bets: bets.into_iter().map(measured).collect() }
    }

    /// What it was measured with.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Each bet with what was measured.
    pub fn bets(&self) -> impl Iterator<Item = (Bet, &Statistics)> {
        self.bets.iter().map(|measured| {
            (Bet { name: measured.name.clone(), summary: measured.summary.clone() }, &measured.statistics)
        })
    }

    /// Rounds of all bets together.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.bets.iter().map(|bet| bet.statistics.returns.rounds).sum()
    }

    /// Takes what was kept, as far as it is what this run would have measured.
    ///
    /// # Errors
    /// [`StateError`] says what is different.
    pub fn go_on_with(&mut self, kept: Self, plan: &Plan) -> Result<(), StateError> {
        self.check(&kept)?;
        for measured in &kept.bets {
            for (batch, rounds) in plan.batches() {
                let kept = measured.statistics.batches.get(&batch);
                if kept.is_some_and(|kept| kept.rounds != rounds) {
                    return Err(StateError::Unfinished { next: batch + 1 });
                }
            }
        }
        *self = kept;
        Ok(())
    }

    /// Adds what another run has measured.
    ///
    /// # Errors
    /// [`StateError`]; then nothing was added.
    pub fn merge(&mut self, other: Self) -> Result<(), StateError> {
        self.check(&other)?;
        for (ours, theirs) in self.bets.iter().zip(&other.bets) {
            let of = |measured: &Measured| measured.statistics.batches.keys().copied().collect::<BTreeSet<_>>();
            if let Some(batch) = of(ours).intersection(&of(theirs)).next() {
                return Err(StateError::Overlap { bet: ours.name.clone(), batch: *batch });
            }
        }
        for (ours, theirs) in self.bets.iter_mut().zip(other.bets) {
            ours.statistics.add(theirs.statistics);
        }
        Ok(())
    }

    fn check(&self, other: &Self) -> Result<(), StateError> {
        if other.version != VERSION {
            return Err(StateError::Version(other.version));
        }
        let (ours, theirs) = (&self.identity, &other.identity);
        let names = |state: &Self| state.bets.iter().map(|bet| bet.name.clone()).collect::<Vec<_>>();
        let same = [
            (ours.game == theirs.game, "game"),
            (ours.release == theirs.release, "release of the game"),
            (ours.strategy == theirs.strategy, "strategy"),
            (ours.seed == theirs.seed, "seed"),
            (ours.batch_rounds == theirs.batch_rounds, "size of batches"),
            (names(self) == names(other), "choice of bets"),
        ];
        same.into_iter().find(|(same, _)| !same).map_or(Ok(()), |(_, what)| Err(StateError::Other(what)))
    }

    /// The batches of a plan that have not been played, with bet and rounds.
    pub(super) fn missing(&self, plan: &Plan) -> impl Iterator<Item = (String, u64, u32)> {
        self.bets.iter().flat_map(|bet| {
            let missing = plan.batches().filter(|(batch, _)| !bet.statistics.batches.contains_key(batch));
            missing.map(|(batch, rounds)| (bet.name.clone(), batch, rounds))
        })
    }

    pub(super) fn add(&mut self, bet: &str, statistics: Statistics) {
        if let Some(measured) = self.bets.iter_mut().find(|measured| measured.name == bet) {
            measured.statistics.add(statistics);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Tally;

    const PLAN: Plan = Plan { seed: 1, first_batch: 0, rounds: 10, batch_rounds: 4 };

    fn state(batches: &[(u64, usize)]) -> State {
        let identity = Identity {
            game: "dice".parse().unwrap(),
            release: Digest::of(b"dice"),
            strategy: None,
            seed: PLAN.seed,
            batch_rounds: PLAN.batch_rounds,
        };
        let mut state = State::new(identity, vec![Bet { name: "roll".to_owned(), summary: String::new() }]);
        for (batch, rounds) in batches {
            let tally = Tally { outcomes: vec![(10, 9); *rounds], ..Tally::default() };
            state.add("roll", Statistics::of_batch(*batch, tally).unwrap());
        }
        state
    }

    #[test]
    fn what_was_kept_is_gone_on_with() {
        let mut begun = state(&[]);
        begun.go_on_with(state(&[(1, 4)]), &PLAN).unwrap();
        assert_eq!(
            begun.missing(&PLAN).map(|(_, batch, rounds)| (batch, rounds)).collect::<Vec<_>>(),
            [(0, 4), (2, 2)]
        );
        assert_eq!(begun.rounds(), 4);
        let further = Plan { rounds: 12, ..PLAN };
        assert_eq!(begun.go_on_with(state(&[(2, 2)]), &further), Err(StateError::Unfinished { next: 3 }));
    }

    #[test]
    fn runs_of_other_rounds_are_merged_and_no_others() {
        let mut merged = state(&[(0, 4), (1, 4)]);
        merged.merge(state(&[(2, 2)])).unwrap();
        assert_eq!(merged, state(&[(2, 2), (0, 4), (1, 4)]));
        assert_eq!(merged.merge(state(&[(1, 4)])), Err(StateError::Overlap { bet: "roll".to_owned(), batch: 1 }));
        let mut other = state(&[]);
        other.identity.seed = 2;
        assert_eq!(merged.merge(other), Err(StateError::Other("seed")));
        let mut newer = state(&[]);
        newer.version = 2;
        assert_eq!(merged.merge(newer), Err(StateError::Version(2)));
    }

    #[test]
    fn it_reads_back_as_it_was_kept() {
        let kept = serde_json::to_string(&state(&[(0, 4)])).unwrap();
        assert_eq!(serde_json::from_str::<State>(&kept).unwrap(), state(&[(0, 4)]));
    }
}
