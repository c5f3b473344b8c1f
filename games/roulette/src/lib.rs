//! European Roulette: one zero, every standard bet, limits per spot and per table.
//!
//! This file is the boundary: it takes the stakes, draws the number, and pays what the bets say.

use croupier_sdk::prelude::*;

pub use bets::Error;
use bets::{Bet, Number, Stake};
use layout::{Color, Kind};

mod bets;
pub mod layout;
mod simulation;

/// A wheel remembers nothing.
#[derive(Default, Serialize, Deserialize)]
pub struct Roulette {}

/// All bets of one spin.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = SpinParams::example())]
pub struct SpinParams {
    /// In any order; bets on the same spot add up.
    #[schemars(length(min = 1, max = bets::BETS_MAX))]
    bets: Vec<Bet>,
}

impl SpinParams {
    /// Two chips, as people place them.
    fn example() -> Self {
        let number = Bet::Straight { number: Number(17), stake: Stake(50) };
        Self { bets: vec![number, Bet::Red { stake: Stake(100) }] }
    }
}

/// Where the ball lies and what it pays. All amounts are in minor units.
#[derive(Serialize, JsonSchema)]
pub struct Spin {
    /// 0 to 36.
    number: u64,
    /// Its colour.
    color: Color,
    /// All bets together.
    stake: u64,
    /// All wins together, their stakes included.
    payout: u64,
    /// The bets that won, in the order they were placed.
    wins: Vec<Win>,
}

/// A bet that won.
#[derive(Serialize, JsonSchema)]
struct Win {
    /// Its place in `bets`, counted from 0.
    index: usize,
    /// What it pays, its stake included.
    payout: u64,
}

/// Limits and payouts. All amounts are in minor units.
#[derive(Serialize, JsonSchema)]
pub struct TableRules {
    /// Each kind of bet.
    kinds: Vec<KindRules>,
    /// Most bets of one spin.
    bets_max: usize,
    /// Most that all bets of one spin stake together.
    stake_max: u64,
    /// Theoretical return to player of every bet in parts per million of its stake: 36/37.
    rtp_ppm: u32,
}

/// Limits and payouts of one kind of bet.
#[derive(Serialize, JsonSchema)]
struct KindRules {
    kind: Kind,
    /// How many spots of this kind the layout has.
    spots: usize,
    /// What a win pays for each unit staked; the stake comes back as well.
    pays_to_one: u64,
    /// Least stake on one spot.
    stake_min: u64,
    /// Most on one spot, all bets on it together.
    stake_max: u64,
}

#[game(id = "roulette", title = "European Roulette", rtp_ppm = bets::RTP_PPM, max_win_ppm = bets::MAX_WIN_PPM, simulation)]
impl Roulette {
    /// Places all bets and spins the wheel once.
    pub fn spin(&mut self, table: &mut Table, params: SpinParams) -> Result<Spin, Error> {
        let chips = bets::place(&params.bets)?;
        let stake = chips.iter().map(|chip| chip.stake()).sum();
        table.stake(stake)?;
        let number = table.below(layout::POCKETS);
        let wins = chips.iter().map(|chip| chip.payout(number)).enumerate();
        let wins: Vec<_> = wins.filter(|win| win.1 > 0).map(|(index, payout)| Win { index, payout }).collect();
        let payout = wins.iter().map(|win| win.payout).sum();
        table.pay(payout)?;
        Ok(Spin { number, color: Color::of(number), stake, payout, wins })
    }

    /// Tells the limits and payouts of every kind of bet.
    pub fn table(&mut self, _table: &mut Table) -> Result<TableRules, Error> {
        let kinds = Kind::ALL.map(|kind| {
            let (stake_min, stake_max) = bets::stake_limits(kind);
            KindRules { kind, spots: kind.spots().len(), pays_to_one: kind.pays_to_one(), stake_min, stake_max }
        });
        Ok(TableRules {
            kinds: kinds.into(),
            bets_max: bets::BETS_MAX,
            stake_max: bets::TABLE_STAKE_MAX,
            rtp_ppm: bets::RTP_PPM,
        })
    }
}
