//! Where a test's draws come from: a seed or a script. It knows nothing of money.

use std::collections::{BTreeSet, VecDeque};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::limits::{DRAW_CHOICES_MAX, DRAWS_MAX};
use crate::scaling::{pick, shuffle, uniform};

/// One draw: what the host answered, or is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draw {
    /// The answer to `below`, `index` or `weighted`.
    Number(u64),
    /// The answer to `shuffled`; in a script its beginning is enough, the rest follows in ascending order.
    Order(Vec<u32>),
}

impl From<u64> for Draw {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<u32>> for Draw {
    fn from(order: Vec<u32>) -> Self {
        Self::Order(order)
    }
}

impl<const N: usize> From<[u32; N]> for Draw {
    fn from(order: [u32; N]) -> Self {
        Self::Order(order.into())
    }
}

/// The chance of a table, and what the running or last call drew.
pub(super) struct Chance {
    source: Source,
    draws: Vec<Draw>,
    /// Numbers drawn; a shuffle takes several.
    taken: usize,
}

enum Source {
    Seed(Box<ChaCha12Rng>),
    Script(VecDeque<Draw>),
}

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Self::new(Source::Seed(Box::new(ChaCha12Rng::seed_from_u64(seed))))
    }

    pub(super) fn scripted(draws: impl Iterator<Item = Draw>) -> Self {
        Self::new(Source::Script(draws.collect()))
    }

    fn new(source: Source) -> Self {
        Self { source, draws: Vec::new(), taken: 0 }
    }

    /// Begins a call.
    pub(super) fn begin(&mut self) {
        self.draws.clear();
        self.taken = 0;
    }

    /// What the running or last call drew.
    pub(super) fn draws(&self) -> &[Draw] {
        &self.draws
    }

    /// Uniform in `0..bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "the game drew below 0: there is no such number");
        self.take(1);
        let number = match &mut self.source {
            Source::Seed(generator) => uniform(|| generator.next_u64(), bound),
            Source::Script(script) => {
                let number = scripted_number(script, || format!("below({bound})"));
                assert!(number < bound, "the script says {number} for below({bound})");
                number
            }
        };
        self.draws.push(Draw::Number(number));
        number
    }

    /// An index with probability weight / sum of weights.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> u32 {
        assert!(weights.len() <= DRAW_CHOICES_MAX, "{} weights; at most {DRAW_CHOICES_MAX} are", weights.len());
        let sum = weights.iter().copied().map(u64::from).sum();
        assert!(sum > 0, "the game drew from weights that sum to 0: {weights:?}");
        self.take(1);
        let index = match &mut self.source {
            Source::Seed(generator) => pick(weights, uniform(|| generator.next_u64(), sum)),
            Source::Script(script) => {
                let number = scripted_number(script, || format!("weighted({weights:?})"));
                let index = usize::try_from(number).unwrap_or(usize::MAX);
                let possible = weights.get(index).is_some_and(|&weight| weight > 0);
                assert!(possible, "the script says {number} for weighted({weights:?})");
                index
            }
        };
        self.draws.push(Draw::Number(index as u64));
        u32::try_from(index).expect("a place among the weights")
    }

    /// A permutation of `0..n`.
    pub(super) fn shuffled(&mut self, n: u32) -> Vec<u32> {
        assert!(n as usize <= DRAW_CHOICES_MAX, "the game shuffled {n}; at most {DRAW_CHOICES_MAX} can be");
        self.take(n.saturating_sub(1).max(1) as usize);
        let order = match &mut self.source {
            Source::Seed(generator) => shuffle(|bound| uniform(|| generator.next_u64(), bound), n),
            Source::Script(script) => match script.pop_front() {
                Some(Draw::Order(beginning)) => complete(beginning, n),
                Some(Draw::Number(number)) => panic!("the script says {number} for shuffled({n}), which takes a list"),
                None => panic!("the script is exhausted at shuffled({n})"),
            },
        };
        self.draws.push(Draw::Order(order.clone()));
        order
    }

    fn take(&mut self, numbers: usize) {
        self.taken += numbers;
        assert!(self.taken <= DRAWS_MAX, "the game drew {} times; a call draws at most {DRAWS_MAX} times", self.taken);
    }
}

fn scripted_number(script: &mut VecDeque<Draw>, draw: impl FnOnce() -> String) -> u64 {
    match script.pop_front() {
        Some(Draw::Number(number)) => number,
        Some(Draw::Order(order)) => panic!("the script says {order:?} for {}, which takes a number", draw()),
        None => panic!("the script is exhausted at {}", draw()),
    }
}

/// The permutation of `0..n` that begins so and goes on in ascending order.
fn complete(mut beginning: Vec<u32>, n: u32) -> Vec<u32> {
    let mut rest: BTreeSet<u32> = (0..n).collect();
    for number in &beginning {
        assert!(rest.remove(number), "the script says {beginning:?} for shuffled({n}): {number} is twice or too large");
    }
    beginning.extend(rest);
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 99.9 % quantile of chi-square with `freedom` degrees, by Wilson and Hilferty's approximation (1931).
    fn chi_square_limit(freedom: f64) -> f64 {
        let spread = 2.0 / (9.0 * freedom);
        freedom * (1.0 - spread + 3.0902 * spread.sqrt()).powi(3)
    }

    fn check(counts: &[u32], weights: &[u32]) {
        let (draws, sum): (f64, f64) =
            (counts.iter().copied().map(f64::from).sum(), weights.iter().copied().map(f64::from).sum());
        let statistic: f64 = counts
            .iter()
            .zip(weights)
            .map(|(&count, &weight)| {
                let expected = draws * f64::from(weight) / sum;
                (f64::from(count) - expected).powi(2) / expected
            })
            .sum();
        let freedom = f64::from(u32::try_from(counts.len()).unwrap() - 1);
        assert!(statistic < chi_square_limit(freedom), "chi-square {statistic} of {counts:?}");
    }

    #[test]
    fn seeded_draws_follow_their_distribution() {
        let mut counts = [0; 37];
        let mut chance = Chance::seeded(1);
        for _ in 0..100_000 {
            chance.begin();
            counts[usize::try_from(chance.below(37)).unwrap()] += 1;
        }
        check(&counts, &[1; 37]);

        let weights = [1, 7, 2, 30];
        let mut counts = [0; 4];
        for _ in 0..100_000 {
            chance.begin();
            counts[chance.weighted(&weights) as usize] += 1;
        }
        check(&counts, &weights);

        let mut counts = [0; 6];
        for _ in 0..100_000 {
            chance.begin();
            let order = chance.shuffled(3);
            counts[(order[0] * 2 + u32::from(order[1] > order[2])) as usize] += 1;
        }
        check(&counts, &[1; 6]);
    }

    #[test]
    fn a_bound_just_above_half_the_range_is_not_biased() {
        // By remainder, numbers below 2^62 would come twice as often as the others.
        let mut generator = ChaCha12Rng::seed_from_u64(2);
        let mut counts = [0; 3];
        for _ in 0..30_000 {
            counts[usize::try_from(uniform(|| generator.next_u64(), 3 << 62) >> 62).unwrap()] += 1;
        }
        check(&counts, &[1; 3]);
    }

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let draw = |mut chance: Chance| (chance.below(1_000), chance.weighted(&[1; 100]), chance.shuffled(312));
        assert_eq!(draw(Chance::seeded(5)), draw(Chance::seeded(5)));
        assert_ne!(draw(Chance::seeded(5)), draw(Chance::seeded(6)));
    }

    #[test]
    fn a_script_answers_draws_in_order() {
        let mut chance = Chance::scripted([Draw::from(3), Draw::from(1), Draw::from([4, 0])].into_iter());
        assert_eq!(chance.below(6), 3);
        assert_eq!(chance.weighted(&[0, 5]), 1);
        assert_eq!(chance.shuffled(5), [4, 0, 1, 2, 3]);
        assert_eq!(chance.draws(), [Draw::from(3), Draw::from(1), Draw::from([4, 0, 1, 2, 3])]);
    }

    fn scripted(draw: impl Into<Draw>) -> Chance {
        Chance::scripted([draw.into()].into_iter())
    }

    #[test]
    #[should_panic(expected = "the script says 6 for below(6)")]
    fn a_scripted_number_out_of_range_panics() {
        scripted(6).below(6);
    }

    #[test]
    #[should_panic(expected = "the script says 0 for weighted([0, 5])")]
    fn a_scripted_index_without_weight_panics() {
        scripted(0).weighted(&[0, 5]);
    }

    #[test]
    #[should_panic(expected = "for shuffled(3): 1 is twice or too large")]
    fn a_scripted_order_that_repeats_panics() {
        scripted([1, 1]).shuffled(3);
    }

    #[test]
    #[should_panic(expected = "the script is exhausted at below(2)")]
    fn an_exhausted_script_panics() {
        Chance::scripted([].into_iter()).below(2);
    }

    #[test]
    #[should_panic(expected = "the game drew 4097 times")]
    fn a_call_has_a_bound_of_draws() {
        let mut chance = Chance::seeded(0);
        for _ in 0..=DRAWS_MAX {
            chance.below(2);
        }
    }
}
