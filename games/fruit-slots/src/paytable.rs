//! The rules as clients read them. It says what `rules` and `feature` hold and adds nothing.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{feature, rules};

/// Everything a client needs to explain the game.
#[derive(Serialize, JsonSchema)]
pub struct Paytable {
    /// What symbols pay on lines, from the best to the least.
    symbols: Vec<SymbolPays>,
    /// What 3, 4 and 5 scatters anywhere pay, in total stakes.
    scatter: [u64; 3],
    /// The row, 0 at the top, that each line crosses on each reel.
    lines: [[usize; rules::REELS]; rules::LINES],
    /// How the feature goes.
    free_spins: FreeSpins,
    /// Largest stake per line, in minor units; the least is 1.
    line_stake_max: u64,
    /// Theoretical return to player in parts per million of the stake.
    rtp_ppm: u32,
    /// Spins that win something, in parts per million.
    hit_frequency_ppm: u32,
    /// Largest payout of one round in parts per million of its stake.
    max_win_ppm: u64,
}

/// What one symbol pays.
#[derive(Serialize, JsonSchema)]
struct SymbolPays {
    symbol: rules::Symbol,
    /// For 3, 4 and 5 from the left, in line stakes. Wilds stand for any symbol but the scatter; a line pays its best
    /// prize.
    pays: [u64; 3],
}

/// The rules of the feature: each free spin that wins raises the multiplier of the next by 1.
#[derive(Serialize, JsonSchema)]
struct FreeSpins {
    /// Free spins for 3, 4 and 5 scatters, on a paid spin and again on free ones.
    awards: [u32; 3],
    /// Most free spins of one round.
    spins_max: u32,
    /// Multiplier of the first free spin.
    multiplier_min: u64,
    /// Where the multiplier stops growing.
    multiplier_max: u64,
}

impl Paytable {
    /// The rules of this release.
    pub fn of_the_rules() -> Self {
        Self {
            symbols: rules::PAYTABLE.map(|(symbol, pays)| SymbolPays { symbol, pays }).into(),
            scatter: rules::SCATTER_PAYS,
            lines: rules::PAYLINES,
            free_spins: FreeSpins {
                awards: feature::AWARDS,
                spins_max: feature::SPINS_MAX,
                multiplier_min: feature::MULTIPLIER_MIN,
                multiplier_max: feature::MULTIPLIER_MAX,
            },
            line_stake_max: rules::LINE_STAKE_MAX,
            rtp_ppm: rules::RTP_PPM,
            hit_frequency_ppm: rules::HIT_FREQUENCY_PPM,
            max_win_ppm: rules::MAX_WIN_PPM,
        }
    }
}
