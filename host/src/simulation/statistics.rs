//! What rounds came to, in sums and counts that can be added up in any order. Pure: it asks nobody.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use serde::{Deserialize, Serialize};

use crate::{
    engine::{Moved, Tally},
    facts::Returns,
    money::{Amount, AmountTooLarge},
};

/// The greatest wins and the longest droughts that are kept.
const KEPT_MAX: usize = 10;

/// All that is measured of one bet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// The sums that return and volatility come from.
    pub returns: Returns,
    /// Rounds that have paid anything.
    pub hits: u64,
    /// Rounds that have paid more than their stake.
    pub wins: u64,
    /// How many rounds have paid how much: in parts per million of their stake, rounded down.
    pub multiples: BTreeMap<u64, u64>,
    /// The greatest wins by their stakes, the greatest first.
    pub top: Vec<Win>,
    /// The longest runs of rounds of one batch that paid nothing, the longest first.
    pub droughts: Vec<Drought>,
    /// By the game's methods.
    pub methods: BTreeMap<String, Method>,
    /// How often the game has told `track` of what.
    pub events: BTreeMap<String, u64>,
    /// What each batch came to: which ones have been played, and how the return has settled.
    pub batches: BTreeMap<u64, Batch>,
}

/// A round that has won, so that it can be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Win {
    /// What it has paid, in parts per million of its stake.
    pub multiple_ppm: u64,
    /// Staked, less what was given back.
    pub staked: u64,
    /// Paid.
    pub paid: u64,
    /// The batch.
    pub batch: u64,
    /// The round in it, counted from 0.
    pub round: u32,
}

/// A run of rounds that have paid nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drought {
    /// How many.
    pub rounds: u32,
    /// The batch.
    pub batch: u64,
    /// The first of them, counted from 0.
    pub first: u32,
}

/// What the calls of a method have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// How often it was called.
    pub calls: u64,
    /// Taken from balances.
    pub staked: u128,
    /// Given back of it.
    pub refunded: u128,
    /// Paid.
    pub paid: u128,
}

/// The sums of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its rounds.
    pub rounds: u32,
    /// Staked, less what was given back.
    pub staked: u128,
    /// Paid.
    pub paid: u128,
}

impl Statistics {
    /// Of one batch.
    ///
    /// # Errors
    /// Where a round has moved more than there can be.
    pub fn of_batch(batch: u64, tally: Tally) -> Result<Self, AmountTooLarge> {
        let mut statistics = Self::default();
        let mut multiples = HashMap::<u64, u64>::new();
        let mut dry: u32 = 0;
        let mut round: u32 = 0;
        for (staked, paid) in tally.outcomes {
            statistics.returns.add(Amount::new(staked)?, Amount::new(paid)?);
            if paid == 0 {
                dry += 1;
            } else {
                statistics.keep_drought(dry, batch, round);
                dry = 0;
                statistics.hits += 1;
                statistics.wins += u64::from(paid > staked);
                let multiple_ppm = multiple_ppm(staked, paid);
                *multiples.entry(multiple_ppm).or_default() += 1;
                statistics.keep_win(Win { multiple_ppm, staked, paid, batch, round });
            }
            round += 1;
        }
        statistics.keep_drought(dry, batch, round);
        let lost = statistics.returns.rounds - statistics.hits;
        statistics.multiples = multiples.into_iter().chain((lost > 0).then_some((0, lost))).collect();
        for method in tally.methods {
            let Moved { staked, refunded, paid } = method.moved;
            let of_tally =
                Method { calls: method.calls, staked: staked.into(), refunded: refunded.into(), paid: paid.into() };
            statistics.methods.entry(method.name).or_default().add(&of_tally);
        }
        for (name, count) in tally.events {
            *statistics.events.entry(name).or_default() += count;
        }
        let Returns { staked, paid, .. } = statistics.returns;
        statistics.batches.insert(batch, Batch { rounds: round, staked, paid });
        Ok(statistics)
    }

    /// Adds rounds of other batches.
    pub fn add(&mut self, other: Self) {
        self.returns = self.returns.plus(&other.returns);
        self.hits += other.hits;
        self.wins += other.wins;
        for (multiple, rounds) in other.multiples {
            *self.multiples.entry(multiple).or_default() += rounds;
        }
        other.top.into_iter().for_each(|win| self.keep_win(win));
        other.droughts.into_iter().for_each(|drought| keep(&mut self.droughts, drought, drought_order));
        for (name, method) in &other.methods {
            self.methods.entry(name.clone()).or_default().add(method);
        }
        for (name, count) in other.events {
            *self.events.entry(name).or_default() += count;
        }
        self.batches.extend(other.batches);
    }

    /// The greatest multiple that this share of rounds does not pass.
    #[must_use]
    pub fn quantile_ppm(&self, share: f64) -> u64 {
        let wanted = share * self.returns.rounds as f64;
        let mut passed = 0;
        let reached = self.multiples.iter().find(|(_, rounds)| {
            passed += **rounds;
            passed as f64 >= wanted
        });
        reached.or(self.multiples.last_key_value()).map_or(0, |(multiple, _)| *multiple)
    }

    fn keep_win(&mut self, win: Win) {
        keep(&mut self.top, win, win_order);
    }

    /// The dry rounds before this one, if there were any.
    fn keep_drought(&mut self, rounds: u32, batch: u64, before: u32) {
        if rounds > 0 {
            keep(&mut self.droughts, Drought { rounds, batch, first: before - rounds }, drought_order);
        }
    }
}

impl Method {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.staked += other.staked;
        self.refunded += other.refunded;
        self.paid += other.paid;
    }
}

/// The greatest win first; of equal ones the first.
fn win_order(win: &Win) -> (Reverse<u64>, u64, u32) {
    (Reverse(win.multiple_ppm), win.batch, win.round)
}

fn drought_order(drought: &Drought) -> (Reverse<u32>, u64, u32) {
    (Reverse(drought.rounds), drought.batch, drought.first)
}

/// Puts an item in its place of a short list, if it is among the first.
fn keep<T, K: Ord>(kept: &mut Vec<T>, item: T, order: impl Fn(&T) -> K) {
    if kept.len() == KEPT_MAX && kept.last().is_some_and(|last| order(last) <= order(&item)) {
        return;
    }
    let place = kept.partition_point(|other| order(other) < order(&item));
    kept.insert(place, item);
    kept.truncate(KEPT_MAX);
}

/// What a round has paid in parts per million of its stake, rounded down. What pays without a stake pays without end.
fn multiple_ppm(staked: u64, paid: u64) -> u64 {
    const PPM: u64 = 1_000_000;
    if staked == 0 {
        return if paid == 0 { 0 } else { u64::MAX };
    }
    match paid.checked_mul(PPM) {
        Some(product) => product / staked,
        None => u64::try_from(u128::from(paid) * u128::from(PPM) / u128::from(staked)).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statistics(batch: u64, outcomes: &[(u64, u64)]) -> Statistics {
        Statistics::of_batch(batch, Tally { outcomes: outcomes.to_vec(), ..Tally::default() }).unwrap()
    }

    #[test]
    fn rounds_are_counted_by_what_they_pay() {
        let found = statistics(7, &[(10, 0), (10, 0), (10, 5), (10, 10), (10, 0), (20, 30), (10, 0), (10, 0), (10, 0)]);
        assert_eq!((found.hits, found.wins), (3, 1));
        assert_eq!(found.multiples, BTreeMap::from([(0, 6), (500_000, 1), (1_000_000, 1), (1_500_000, 1)]));
        assert_eq!(found.top[0], Win { multiple_ppm: 1_500_000, staked: 20, paid: 30, batch: 7, round: 5 });
        let droughts: Vec<_> = found.droughts.iter().map(|drought| (drought.rounds, drought.first)).collect();
        assert_eq!(droughts, [(3, 6), (2, 0), (1, 4)]);
        assert_eq!(found.batches, BTreeMap::from([(7, Batch { rounds: 9, staked: 100, paid: 45 })]));
        let quantiles = [0.0, 0.5, 0.7, 0.99, 1.0].map(|share| found.quantile_ppm(share));
        assert_eq!(quantiles, [0, 0, 500_000, 1_500_000, 1_500_000]);
    }

    #[test]
    fn the_return_and_its_interval_are_those_of_facts() {
        let rounds = [(10, 0), (20, 52), (30, 10), (20, 52), (20, 8)];
        let mut expected = Returns::default();
        for (staked, paid) in rounds {
            expected.add(Amount::new(staked).unwrap(), Amount::new(paid).unwrap());
        }
        let found = statistics(0, &rounds).returns;
        assert_eq!(found.rtp_interval(), expected.rtp_interval());
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        assert!(Statistics::of_batch(0, Tally { outcomes: vec![(u64::MAX, 0)], ..Tally::default() }).is_err());
        assert_eq!((multiple_ppm(0, 0), multiple_ppm(0, 1)), (0, u64::MAX));
        assert_eq!(multiple_ppm(1 << 52, 1 << 53), 2_000_000);
    }

    proptest! {
        /// Whoever plays a batch, and in whatever order the batches come together.
        #[test]
        fn batches_add_up_to_the_same_in_any_order(
            batches in prop::collection::vec(prop::collection::vec((1..100u64, 0..500u64), 0..60), 3),
        ) {
            let parts: Vec<_> = (0..).zip(&batches).map(|(number, rounds)| statistics(number, rounds)).collect();
            let sum = |order: [usize; 3]| {
                let mut sum = Statistics::default();
                order.into_iter().for_each(|place| sum.add(parts[place].clone()));
                sum
            };
            let mut grouped = parts[2].clone();
            grouped.add(parts[1].clone());
            let mut right = parts[0].clone();
            right.add(grouped);
            prop_assert_eq!(&sum([0, 1, 2]), &sum([2, 0, 1]));
            prop_assert_eq!(&sum([0, 1, 2]), &right);
            let all: Vec<_> = batches.concat();
            let whole = statistics(0, &all);
            prop_assert_eq!(whole.returns, right.returns);
            prop_assert_eq!(&whole.multiples, &right.multiples);
            prop_assert_eq!((whole.hits, whole.wins), (right.hits, right.wins));
        }
    }
}
