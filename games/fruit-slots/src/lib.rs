//! Fruit Slots: five reels, twenty lines, wilds, scatters, and free spins whose multiplier grows with every win.
//!
//! This file is the boundary: it takes the stake, draws the stops, and pays what the rules say. It judges no symbol.

use std::collections::BTreeMap;

use croupier_sdk::prelude::*;

use feature::Feature;
use paytable::Paytable;
use rules::{Window, Wins};

pub mod feature;
#[cfg(test)]
mod par_sheet;
pub mod paytable;
pub mod rules;
mod simulation;

/// What a player leaves at the machine between two calls.
#[derive(Default, Serialize, Deserialize)]
pub struct FruitSlots {
    /// Free spins that wait, by currency: each wallet has its own open round.
    features: BTreeMap<String, Feature>,
}

/// A spin for a stake.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpinParams {
    /// Stake on each of the 20 lines, in minor units.
    #[schemars(range(min = 1, max = rules::LINE_STAKE_MAX))]
    line_stake: u64,
}

/// What a spin shows and pays. All amounts are in minor units.
#[derive(Serialize, JsonSchema)]
pub struct Spin {
    /// What this call staked: 20 line stakes, or 0 on a free spin.
    stake: u64,
    /// Where each reel stopped.
    stops: [usize; rules::REELS],
    /// The symbols shown: rows from top to bottom, each from left to right.
    window: Window,
    /// What they won, multiplied already.
    wins: Wins,
    /// What the wins of this spin were multiplied by.
    multiplier: u64,
    /// What this spin paid: all its wins together.
    payout: u64,
    /// What the round has paid so far: the triggering spin and its free spins.
    round_payout: u64,
    /// Free spins that wait for `free_spin`; 0 when the round is over.
    free_spins_left: u32,
    /// Multiplier of the next spin: 1 unless it is a free one.
    next_multiplier: u64,
}

/// The free spins that wait.
#[derive(Serialize, JsonSchema)]
pub struct Waiting {
    /// Null when there are none: the next call is `spin`.
    feature: Option<Feature>,
}

/// Why a call was not played.
#[derive(Debug, Faults)]
pub enum Error {
    /// A round is played to its end before the next one.
    #[fault(1, "{free_spins_left} free spins wait: play them with `free_spin` first")]
    FreeSpinsWait {
        /// How many.
        free_spins_left: u32,
    },
    /// There is nothing to play for free.
    #[fault(2, "no free spins wait: play `spin`, where three scatters open them")]
    NoFreeSpins,
    /// The wallet declined.
    #[fault(transparent)]
    Refused(Refusal),
}

#[game(id = "fruit-slots", title = "Fruit Slots", rtp_ppm = rules::RTP_PPM, max_win_ppm = rules::MAX_WIN_PPM, simulation)]
impl FruitSlots {
    /// Spins once for a stake on each of the 20 lines. Three or more scatters leave the round open for `free_spin`.
    pub fn spin(&mut self, table: &mut Table, params: SpinParams) -> Result<Spin, Error> {
        if let Some(feature) = self.waiting(table) {
            return Err(Error::FreeSpinsWait { free_spins_left: feature.spins_left });
        }
        let line_stake = params.line_stake;
        let stake = line_stake * rules::LINES as u64;
        table.stake(stake)?;
        let spin = Spin { stake, ..Spin::drawn(table, line_stake, 1) };
        let feature = Feature::opened_by(&spin.wins, line_stake);
        self.settle(table, spin, feature)
    }

    /// Plays one of the free spins that wait, for the triggering spin's stake. The last one ends the round.
    pub fn free_spin(&mut self, table: &mut Table) -> Result<Spin, Error> {
        let feature = self.waiting(table).ok_or(Error::NoFreeSpins)?;
        let mut spin = Spin::drawn(table, feature.line_stake, feature.multiplier);
        spin.round_payout += feature.round_payout;
        let feature = feature.after(&spin.wins);
        self.settle(table, spin, feature)
    }

    /// Tells which free spins wait, for a client that comes back to an open round.
    pub fn feature(&mut self, table: &mut Table) -> Result<Waiting, Error> {
        let feature = self.waiting(table).cloned();
        leave_round_as_it_is(table);
        Ok(Waiting { feature })
    }

    /// Tells the rules: what symbols pay, how the lines run, how the free spins go.
    pub fn paytable(&mut self, table: &mut Table) -> Result<Paytable, Error> {
        leave_round_as_it_is(table);
        Ok(Paytable::of_the_rules())
    }

    /// The feature of the open round. Without an open round there is none, whatever became of the last one.
    fn waiting(&self, table: &Table) -> Option<&Feature> {
        self.features.get(table.currency()).filter(|_| table.staked() > 0)
    }

    /// Pays a spin and leaves the round open for the feature, if there is one now.
    fn settle(&mut self, table: &mut Table, mut spin: Spin, feature: Option<Feature>) -> Result<Spin, Error> {
        table.pay(spin.payout)?;
        match feature {
            Some(feature) => {
                table.keep_round_open();
                spin.free_spins_left = feature.spins_left;
                spin.next_multiplier = feature.multiplier;
                self.features.insert(table.currency().to_owned(), feature);
            }
            None => {
                self.features.remove(table.currency());
            }
        }
        Ok(spin)
    }
}

impl Spin {
    /// Draws the stops of a spin that nothing can refuse any more.
    fn drawn(table: &mut Table, line_stake: u64, multiplier: u64) -> Self {
        let stops = std::array::from_fn(|_| table.index(rules::STOPS));
        let window = rules::window(stops);
        let wins = Wins::of(&window, line_stake * multiplier);
        let payout = wins.payout();
        Self {
            stake: 0,
            stops,
            window,
            wins,
            multiplier,
            payout,
            round_payout: payout,
            free_spins_left: 0,
            next_multiplier: 1,
        }
    }
}

/// Ends a call that only reads: an open round stays open.
fn leave_round_as_it_is(table: &mut Table) {
    if table.staked() > 0 {
        table.keep_round_open();
    }
}
