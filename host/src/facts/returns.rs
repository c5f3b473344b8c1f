//! What rounds took and gave back, and how sure the return is that was measured.

use serde::{Deserialize, Serialize};

use crate::money::Amount;

/// Sums over the rounds of one currency. They are exact (at the end of 128 bits they stay where they are), so their
/// order does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returns {
    /// Rounds.
    pub rounds: u64,
    /// Of stakes.
    pub staked: u128,
    /// Of payouts.
    pub paid: u128,
    /// Of the squares of stakes.
    pub staked_squared: u128,
    /// Of the squares of payouts.
    pub paid_squared: u128,
    /// Of the products of a round's stake and payout.
    pub staked_paid: u128,
}

/// Where a figure lies that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// It is hardly less.
    pub low: f64,
    /// It is hardly more.
    pub high: f64,
}

/// Of a normal distribution 99 % lie within so many standard deviations.
pub const Z_99: f64 = 2.575_829_303_548_901;

impl Returns {
    /// Counts a round.
    pub fn add(&mut self, staked: Amount, paid: Amount) {
        let (staked, paid) = (u128::from(staked.get()), u128::from(paid.get()));
        *self = self.plus(&Self {
            rounds: 1,
            staked,
            paid,
            staked_squared: staked * staked,
            paid_squared: paid * paid,
            staked_paid: staked * paid,
        });
    }

    /// The sums over both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            rounds: self.rounds.saturating_add(other.rounds),
            staked: self.staked.saturating_add(other.staked),
            paid: self.paid.saturating_add(other.paid),
            staked_squared: self.staked_squared.saturating_add(other.staked_squared),
            paid_squared: self.paid_squared.saturating_add(other.paid_squared),
            staked_paid: self.staked_paid.saturating_add(other.staked_paid),
        }
    }

    /// The return to players that was measured: payouts over stakes. `None` where nothing was staked.
    #[must_use]
    pub fn rtp(&self) -> Option<f64> {
        (self.staked > 0).then(|| self.paid as f64 / self.staked as f64)
    }

    /// The interval that holds the game's return with 99 % confidence, for a large number of independent rounds.
    ///
    /// Stakes differ from round to round, so this is the ratio estimator's: with n rounds of stakes x and payouts y,
    /// R = sum(y) / sum(x), and its standard error is sqrt(d / n) / mean(x) where
    /// d = sum((y - R x)^2) / (n - 1) = (sum(y^2) - 2 R sum(xy) + R^2 sum(x^2)) / (n - 1).
    /// W. G. Cochran, Sampling Techniques, 3rd edition (1977), section 2.11; the population is infinite here. In a game
    /// whose largest wins are rarer than its rounds are many, the interval is too narrow until one was seen.
    #[must_use]
    pub fn rtp_interval(&self) -> Option<Interval> {
        self.rtp_interval_of(Z_99)
    }

    /// As [`Self::rtp_interval`], so many standard errors to either side.
    #[must_use]
    pub fn rtp_interval_of(&self, standard_errors: f64) -> Option<Interval> {
        let rtp = self.rtp()?;
        let error = standard_errors * self.volatility()? / (self.rounds as f64).sqrt();
        Some(Interval { low: (rtp - error).max(0.0), high: rtp + error })
    }

    /// How far rounds lie from the return: the standard deviation of what a round pays beyond it, per unit of the mean
    /// stake. `None` for less than two rounds.
    #[must_use]
    pub fn volatility(&self) -> Option<f64> {
        let rtp = self.rtp()?;
        if self.rounds < 2 {
            return None;
        }
        let n = self.rounds as f64;
        let squares =
            self.paid_squared as f64 - 2.0 * rtp * self.staked_paid as f64 + rtp * rtp * self.staked_squared as f64;
        // Rounds that all return the same leave nothing but the error of the subtraction.
        let variance = squares.max(0.0) / (n - 1.0);
        Some(variance.sqrt() / (self.staked as f64 / n))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    use super::*;
    use crate::money::AMOUNT_MAX;

    fn returns(rounds: &[(u64, u64)]) -> Returns {
        let mut returns = Returns::default();
        for (staked, paid) in rounds {
            returns.add(Amount::new(*staked).unwrap(), Amount::new(*paid).unwrap());
        }
        returns
    }

    #[test]
    fn the_return_is_payouts_over_stakes_with_its_interval() {
        assert_eq!(returns(&[]).rtp(), None);
        assert_eq!(returns(&[(0, 5)]).rtp(), None);
        let one = returns(&[(100, 50)]);
        assert_eq!((one.rtp(), one.rtp_interval()), (Some(0.5), None));
        let same = returns(&[(100, 50); 10]).rtp_interval().unwrap();
        assert!((same.low - 0.5).abs() < 1e-9 && (same.high - 0.5).abs() < 1e-9, "{same:?}");
        // By hand: R = 0.8, sum((y - R x)^2) = 64 + 1296 + 196 + 1296 + 64 = 2916 over 4.
        let five = returns(&[(10, 0), (20, 52), (30, 10), (20, 52), (20, 8)]);
        assert!((five.rtp().unwrap() - 1.22).abs() < 1e-12);
        let deviations: f64 = [(10.0, 0.0), (20.0, 52.0), (30.0, 10.0), (20.0, 52.0), (20.0, 8.0)]
            .iter()
            .map(|(x, y): &(f64, f64)| (y - 1.22 * x).powi(2))
            .sum();
        let error = Z_99 * (deviations / 4.0 / 5.0).sqrt() / 20.0;
        let interval = five.rtp_interval().unwrap();
        assert!((interval.high - (1.22 + error)).abs() < 1e-9, "{interval:?}");
        let largest = returns(&[(AMOUNT_MAX, AMOUNT_MAX); 3]);
        assert_eq!(largest.rtp(), Some(1.0));
    }

    /// Even money at 18 of 37 with stakes of all sizes: of 1,000 sessions some 990 must hold the true return.
    #[test]
    fn of_many_measurements_99_percent_hold_the_true_return() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(99);
        let mut held = 0;
        for _ in 0..1000 {
            let mut returns = Returns::default();
            for _ in 0..2000 {
                let stake = random.random_range(1..=100);
                let paid = if random.random_range(0..37) < 18 { 2 * stake } else { 0 };
                returns.add(Amount::new(stake).unwrap(), Amount::new(paid).unwrap());
            }
            let interval = returns.rtp_interval().unwrap();
            held += u32::from((interval.low..=interval.high).contains(&(36.0 / 37.0)));
        }
        assert!((980..=998).contains(&held), "{held} of 1000");
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_order_or_grouping(
            rounds in prop::collection::vec((0..=AMOUNT_MAX, 0..=AMOUNT_MAX), 0..20),
            split in 0..20usize,
        ) {
            let (first, second) = rounds.split_at(split.min(rounds.len()));
            prop_assert_eq!(returns(second).plus(&returns(first)), returns(&rounds));
            let mut reversed = rounds.clone();
            reversed.reverse();
            prop_assert_eq!(returns(&reversed), returns(&rounds));
        }
    }
}
