//! New Game: two dice, thrown for a stake. The further their sum from seven, the more it pays.
//!
//! This file is the boundary: it takes the stake, throws the dice, and pays what the rules say.

use croupier_sdk::prelude::*;

pub mod rules;
mod simulation;
#[cfg(test)]
mod tests;

/// What the game keeps for one player.
#[derive(Default, Serialize, Deserialize)]
pub struct Player {
    /// Throws so far.
    throws: u64,
    /// Largest payout of a throw so far, in minor units.
    best: u64,
}

/// A throw for a stake. Doc comments become the descriptions that clients see.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThrowParams {
    /// In minor units of the session's currency, in steps of ten.
    #[schemars(range(min = 10, max = 100_000))]
    stake: u64,
}

/// What the dice show and pay.
#[derive(Serialize, JsonSchema)]
pub struct Throw {
    /// 1 to 6 each.
    dice: [u64; 2],
    /// In minor units.
    payout: u64,
}

/// What the game knows of the player.
#[derive(Serialize, JsonSchema)]
pub struct Statistics {
    /// Throws so far.
    throws: u64,
    /// Largest payout of a throw so far, in minor units.
    best: u64,
}

/// Why a call was not played. Nothing was staked then.
#[derive(Debug, Faults)]
pub enum Error {
    /// The rules pay in tenths of the stake.
    #[fault(1, "the stake is in steps of {step}")]
    UnevenStake {
        /// In minor units.
        step: u64,
    },
    /// The host declined, as it does where the balance does not cover the stake.
    #[fault(transparent)]
    Refused(Refusal),
}

#[game(id = "new-game", title = "New Game", rtp_ppm = rules::RTP_PPM, max_win_ppm = rules::MAX_WIN_PPM, simulation)]
impl Player {
    /// Throws two dice for a stake.
    pub fn throw(&mut self, table: &mut Table, params: ThrowParams) -> Result<Throw, Error> {
        if !params.stake.is_multiple_of(rules::STAKE_STEP) {
            return Err(Error::UnevenStake {
                step: rules::STAKE_STEP,
            });
        }
        table.stake(params.stake)?;
        let dice = [0; 2].map(|_| table.below(rules::SIDES) + 1);
        let payout = rules::payout(params.stake, dice);
        table.pay(payout)?;
        self.throws += 1;
        self.best = self.best.max(payout);
        Ok(Throw { dice, payout })
    }

    /// Tells how often the player has thrown, and the best payout.
    pub fn statistics(&self, _table: &Table) -> Result<Statistics, Error> {
        Ok(Statistics {
            throws: self.throws,
            best: self.best,
        })
    }
}
