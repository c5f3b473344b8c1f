//! The free-spins feature: how it opens, how its multiplier grows, when it ends. Pure, like `rules`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{SCATTERS_MIN, Wins};

/// Free spins that 3, 4 and 5 scatters award, on a base spin and during the feature.
pub const AWARDS: [u32; 3] = [10, 15, 20];
/// Most free spins of one feature, retriggers included; an award past it is cut.
pub const SPINS_MAX: u32 = 30;
/// Multiplier of the first free spin. Each winning free spin raises the next one's by 1.
pub const MULTIPLIER_MIN: u64 = 2;
/// Where the multiplier stops growing.
pub const MULTIPLIER_MAX: u64 = 10;

/// Free spins that wait to be played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Feature {
    /// The stake per line that every free spin is played for, in minor units: the triggering spin's.
    pub line_stake: u64,
    /// Free spins left to play: at least 1.
    pub spins_left: u32,
    /// Free spins awarded so far, at most 30.
    pub spins_awarded: u32,
    /// Multiplies all wins of the next free spin.
    pub multiplier: u64,
    /// What the round has paid so far, in minor units, with the triggering spin.
    pub round_payout: u64,
}

impl Feature {
    /// What a base spin opens, if it shows enough scatters.
    pub fn opened_by(wins: &Wins, line_stake: u64) -> Option<Self> {
        let spins = award(wins);
        (spins > 0).then(|| Self {
            line_stake,
            spins_left: spins,
            spins_awarded: spins,
            multiplier: MULTIPLIER_MIN,
            round_payout: wins.payout(),
        })
    }

    /// What a free spin that won `wins` leaves; nothing once the last is played.
    pub fn after(&self, wins: &Wins) -> Option<Self> {
        let awarded = award(wins).min(SPINS_MAX - self.spins_awarded);
        let spins_left = self.spins_left - 1 + awarded;
        let raise = u64::from(wins.payout() > 0);
        (spins_left > 0).then(|| Self {
            line_stake: self.line_stake,
            spins_left,
            spins_awarded: self.spins_awarded + awarded,
            multiplier: (self.multiplier + raise).min(MULTIPLIER_MAX),
            round_payout: self.round_payout + wins.payout(),
        })
    }
}

/// Free spins that a window awards.
fn award(wins: &Wins) -> u32 {
    wins.scatter.map_or(0, |scatter| AWARDS[scatter.count - SCATTERS_MIN])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{LineWin, ScatterWin, Symbol};

    /// Wins of 7 on a line and of 100 for enough scatters.
    fn wins(line: bool, scatters: usize) -> Wins {
        let line = line.then_some(LineWin { line: 1, symbol: Symbol::Cherry, count: 3, payout: 7 });
        let scatter = (scatters >= SCATTERS_MIN).then_some(ScatterWin { count: scatters, payout: 100 });
        Wins { lines: line.into_iter().collect(), scatter }
    }

    #[test]
    fn scatters_open_it() {
        for (scatters, spins) in [(0, None), (2, None), (3, Some(10)), (4, Some(15)), (5, Some(20))] {
            let feature = Feature::opened_by(&wins(true, scatters), 5);
            assert_eq!(feature.as_ref().map(|feature| feature.spins_left), spins);
            assert!(feature.is_none_or(|feature| (feature.multiplier, feature.round_payout) == (2, 107)));
        }
    }

    #[test]
    fn wins_raise_the_multiplier_up_to_its_bound() {
        let mut feature = Feature::opened_by(&wins(false, 5), 5).unwrap();
        for expected in [2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10] {
            assert_eq!(feature.multiplier, expected);
            assert_eq!(feature.after(&wins(false, 0)).unwrap().multiplier, expected, "a loss keeps it");
            feature = feature.after(&wins(true, 0)).unwrap();
        }
    }

    #[test]
    fn retriggers_add_spins_up_to_the_bound() {
        let first = Feature::opened_by(&wins(false, 3), 5).unwrap();
        let second = first.after(&wins(false, 4)).unwrap();
        assert_eq!((second.spins_left, second.spins_awarded, second.multiplier), (9 + 15, 25, 3));
        let third = second.after(&wins(false, 5)).unwrap();
        assert_eq!((third.spins_left, third.spins_awarded, third.multiplier), (23 + 5, SPINS_MAX, 4));
    }

    #[test]
    fn it_ends_with_its_last_spin() {
        let mut feature = Feature::opened_by(&wins(false, 3), 5);
        for _ in 0..AWARDS[0] {
            feature = feature.unwrap().after(&wins(false, 0));
        }
        assert_eq!(feature, None);
    }
}
