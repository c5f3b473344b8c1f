//! Bets as clients place them, the limits of the table, and what the bets of one spin pay.

use croupier_sdk::prelude::*;

use crate::{
    layout::{Kind, Numbers, POCKETS},
    simulation::KINDS,
};

/// Theoretical return to player in parts per million: 36/37 of any bet, since a spot of n numbers pays 36/n times its
/// stake.
pub(crate) const RTP_PPM: u32 = 972_973;
/// Largest payout of one round in parts per million of its stake: no bet pays more than a straight's 36 times its
/// stake, so no bets together do.
pub(crate) const MAX_WIN_PPM: u64 = 36_000_000;
/// Most bets of one spin.
pub(crate) const BETS_MAX: usize = 50;
/// Most that all bets of one spin stake together, in minor units.
pub(crate) const TABLE_STAKE_MAX: u64 = 500_000;
/// Most that one spot pays, in minor units; divided by what a win returns, it is the most that the spot takes.
pub(crate) const SPOT_PAYOUT_MAX: u64 = 360_000;
/// Least stake on a spot among the numbers, in minor units.
pub(crate) const INSIDE_STAKE_MIN: u64 = 10;
/// Least stake on a spot beside the numbers, in minor units.
pub(crate) const OUTSIDE_STAKE_MIN: u64 = 100;

/// One bet. Where its kind leaves a choice, `numbers` tell the spot, in any order. Bets on the same spot add up.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(extend("examples" = KINDS.map(|(_, bet)| bet())))]
pub(crate) enum Bet {
    /// One number. Pays 35 to 1.
    Straight { number: Number, stake: Stake },
    /// Two numbers side by side, such as 17 and 20; 0 lies beside 1, 2 and 3. Pays 17 to 1.
    Split {
        /// Any spot of this kind.
        #[schemars(extend("examples" = numbers_of(Kind::Split)))]
        numbers: [Number; 2],
        stake: Stake,
    },
    /// A row of three, such as 4, 5, 6. Pays 11 to 1.
    Street {
        /// Any spot of this kind.
        #[schemars(extend("examples" = numbers_of(Kind::Street)))]
        numbers: [Number; 3],
        stake: Stake,
    },
    /// 0, 1, 2 or 0, 2, 3. Pays 11 to 1.
    Trio {
        /// Any spot of this kind.
        #[schemars(extend("examples" = numbers_of(Kind::Trio)))]
        numbers: [Number; 3],
        stake: Stake,
    },
    /// Four numbers that meet in a point, such as 1, 2, 4, 5. Pays 8 to 1.
    Corner {
        /// Any spot of this kind.
        #[schemars(extend("examples" = numbers_of(Kind::Corner)))]
        numbers: [Number; 4],
        stake: Stake,
    },
    /// 0, 1, 2, 3. Pays 8 to 1.
    FirstFour { stake: Stake },
    /// Two rows of three side by side, such as 1 to 6. Pays 5 to 1.
    SixLine {
        /// Any spot of this kind.
        #[schemars(extend("examples" = numbers_of(Kind::SixLine)))]
        numbers: [Number; 6],
        stake: Stake,
    },
    /// Every third number, beginning with 1, 2 or 3. Pays 2 to 1.
    Column { column: OneToThree, stake: Stake },
    /// 1 to 12, 13 to 24 or 25 to 36. Pays 2 to 1.
    Dozen { dozen: OneToThree, stake: Stake },
    /// The red numbers. Pays 1 to 1.
    Red { stake: Stake },
    /// The black numbers. Pays 1 to 1.
    Black { stake: Stake },
    /// The odd numbers. Pays 1 to 1.
    Odd { stake: Stake },
    /// The even numbers; 0 is none of them. Pays 1 to 1.
    Even { stake: Stake },
    /// 1 to 18. Pays 1 to 1.
    Low { stake: Stake },
    /// 19 to 36. Pays 1 to 1.
    High { stake: Stake },
}

/// A number of the wheel.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Number(#[schemars(range(max = 36))] pub(crate) u64);

/// The first, the second or the third.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct OneToThree(#[schemars(range(min = 1, max = 3))] pub(crate) usize);

/// What the player risks on a bet, in minor units. `table` tells the limits of each kind.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, extend("examples" = [100, 1_000, 5_000]))]
pub(crate) struct Stake(#[schemars(range(min = 1, max = TABLE_STAKE_MAX))] pub(crate) u64);

/// The numbers of each spot of a kind, for clients that have no layout.
fn numbers_of(kind: Kind) -> Vec<Vec<u64>> {
    kind.spots().into_iter().map(|spot| (0..POCKETS).filter(|&number| spot.contains(number)).collect()).collect()
}

/// A bet that lies on a spot of the layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chip {
    kind: Kind,
    spot: Numbers,
    stake: u64,
}

/// Why a call was not played. `index` is the offending bet's place in `bets`, counted from 0.
#[derive(Debug, Faults)]
pub enum Error {
    /// The numbers are not neighbours of the kind that is bet on.
    #[fault(1, "bets[{index}]: the layout has no such spot of this kind")]
    NoSuchSpot {
        /// Of the bet.
        index: usize,
        /// Of the bet.
        kind: Kind,
    },
    /// All bets on the spot together are too low.
    #[fault(2, "bets[{index}]: {staked} on this spot is below its minimum of {min}")]
    BelowSpotMinimum {
        /// Of the first bet on the spot.
        index: usize,
        /// On the spot, in minor units.
        staked: u64,
        /// In minor units.
        min: u64,
    },
    /// All bets on the spot together are too high.
    #[fault(3, "bets[{index}]: {staked} on this spot is above its maximum of {max}")]
    AboveSpotMaximum {
        /// Of the first bet on the spot.
        index: usize,
        /// On the spot, in minor units.
        staked: u64,
        /// In minor units.
        max: u64,
    },
    /// All bets together are too high.
    #[fault(4, "bets[{index}] brings the stake to {staked}, above the table's maximum of {max}")]
    AboveTableMaximum {
        /// Of the first bet that is too much.
        index: usize,
        /// Up to this bet, in minor units.
        staked: u64,
        /// In minor units.
        max: u64,
    },
    /// The wallet declined.
    #[fault(transparent)]
    Refused(Refusal),
}

/// The chips of a spin's bets if the table takes them all. The first of these to fail is the error: every bet
/// lies on the layout, every spot keeps its limits, all together keep the table's.
pub(crate) fn place(bets: &[Bet]) -> Result<Vec<Chip>, Error> {
    let chip = |(index, bet): (usize, &Bet)| bet.chip().map_err(|kind| Error::NoSuchSpot { index, kind });
    let chips = bets.iter().enumerate().map(chip).collect::<Result<Vec<_>, _>>()?;
    for (index, chip) in chips.iter().enumerate() {
        let staked = chips.iter().filter(|other| other.spot == chip.spot).map(|other| other.stake).sum();
        let (min, max) = stake_limits(chip.kind);
        if staked < min {
            return Err(Error::BelowSpotMinimum { index, staked, min });
        }
        if staked > max {
            return Err(Error::AboveSpotMaximum { index, staked, max });
        }
    }
    let mut staked = 0;
    for (index, chip) in chips.iter().enumerate() {
        staked += chip.stake;
        if staked > TABLE_STAKE_MAX {
            return Err(Error::AboveTableMaximum { index, staked, max: TABLE_STAKE_MAX });
        }
    }
    Ok(chips)
}

/// Least and most that a spot of this kind takes, in minor units.
pub(crate) fn stake_limits(kind: Kind) -> (u64, u64) {
    let min = if kind.is_inside() { INSIDE_STAKE_MIN } else { OUTSIDE_STAKE_MIN };
    (min, SPOT_PAYOUT_MAX / (kind.pays_to_one() + 1))
}

impl Bet {
    /// The bet's chip, or its kind if the layout has no such spot.
    fn chip(&self) -> Result<Chip, Kind> {
        use Choice::{Nth, Of};
        const ONLY: Choice = Nth(1);
        let (kind, choice, &Stake(stake)) = match self {
            Self::Straight { number, stake } => (Kind::Straight, Of(std::slice::from_ref(number)), stake),
            Self::Split { numbers, stake } => (Kind::Split, Of(numbers), stake),
            Self::Street { numbers, stake } => (Kind::Street, Of(numbers), stake),
            Self::Trio { numbers, stake } => (Kind::Trio, Of(numbers), stake),
            Self::Corner { numbers, stake } => (Kind::Corner, Of(numbers), stake),
            Self::FirstFour { stake } => (Kind::FirstFour, ONLY, stake),
            Self::SixLine { numbers, stake } => (Kind::SixLine, Of(numbers), stake),
            Self::Column { column: OneToThree(nth), stake } => (Kind::Column, Nth(*nth), stake),
            Self::Dozen { dozen: OneToThree(nth), stake } => (Kind::Dozen, Nth(*nth), stake),
            Self::Red { stake } => (Kind::Red, ONLY, stake),
            Self::Black { stake } => (Kind::Black, ONLY, stake),
            Self::Odd { stake } => (Kind::Odd, ONLY, stake),
            Self::Even { stake } => (Kind::Even, ONLY, stake),
            Self::Low { stake } => (Kind::Low, ONLY, stake),
            Self::High { stake } => (Kind::High, ONLY, stake),
        };
        let spot = choice.among(kind.spots()).ok_or(kind)?;
        Ok(Chip { kind, spot, stake })
    }
}

/// How a bet tells its spot from the others of its kind.
enum Choice<'a> {
    /// By its numbers.
    Of(&'a [Number]),
    /// By its place, counted from 1.
    Nth(usize),
}

impl Choice<'_> {
    fn among(self, spots: Vec<Numbers>) -> Option<Numbers> {
        match self {
            Self::Of(numbers) => {
                let chosen = Numbers::of(numbers.iter().map(|&Number(number)| number));
                spots.contains(&chosen).then_some(chosen)
            }
            Self::Nth(place) => spots.get(place.checked_sub(1)?).copied(),
        }
    }
}

impl Chip {
    /// What it stakes, in minor units.
    pub(crate) fn stake(&self) -> u64 {
        self.stake
    }

    /// What it pays when the ball lies in the pocket of this number, its stake included, in minor units.
    pub(crate) fn payout(&self, number: u64) -> u64 {
        if self.spot.contains(number) { self.stake * (self.kind.pays_to_one() + 1) } else { 0 }
    }
}
