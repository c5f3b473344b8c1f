//! Where a test's draws come from: a seed or a script. It knows nothing of money.

use std::collections::{BTreeSet, VecDeque};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The host refuses longer lists.
const MAX_LENGTH: usize = 1_024;

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

/// The source of draws.
pub(super) enum Chance {
    Seeded(Box<ChaCha12Rng>),
    Scripted(VecDeque<Draw>),
}

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Self::Seeded(Box::new(ChaCha12Rng::seed_from_u64(seed)))
    }

    /// Uniform in `0..bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "the game drew below 0: there is no such number");
        match self {
            Self::Seeded(generator) => uniform(generator, bound),
            Self::Scripted(script) => {
                let number = next_number(script, &format!("below({bound})"));
                assert!(number < bound, "the script says {number} for below({bound})");
                number
            }
        }
    }

    /// An index with probability weight / sum.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> u32 {
        assert!(weights.len() <= MAX_LENGTH, "the game drew from {} weights, at most {MAX_LENGTH} are", weights.len());
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        assert!(sum > 0, "the game drew from weights that sum to 0: {weights:?}");
        let index = match self {
            Self::Seeded(generator) => pick(weights, uniform(generator, sum)),
            Self::Scripted(script) => {
                let index = next_number(script, &format!("weighted({weights:?})"));
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                assert!(
                    weights.get(index).is_some_and(|&weight| weight > 0),
                    "the script says {index} for weighted({weights:?})"
                );
                index
            }
        };
        u32::try_from(index).expect("at most 1,024 weights")
    }

    /// A permutation of `0..n`.
    pub(super) fn shuffled(&mut self, n: u32) -> Vec<u32> {
        assert!(n as usize <= MAX_LENGTH, "the game shuffled {n}, at most {MAX_LENGTH} can be");
        match self {
            Self::Seeded(generator) => shuffle(generator, n),
            Self::Scripted(script) => match script.pop_front() {
                Some(Draw::Order(beginning)) => complete(beginning, n),
                Some(Draw::Number(number)) => panic!("the script says {number} for shuffled({n}), which takes a list"),
                None => panic!("the script is exhausted at shuffled({n})"),
            },
        }
    }
}

fn next_number(script: &mut VecDeque<Draw>, draw: &str) -> u64 {
    match script.pop_front() {
        Some(Draw::Number(number)) => number,
        Some(Draw::Order(order)) => panic!("the script says {order:?} for {draw}, which takes a number"),
        None => panic!("the script is exhausted at {draw}"),
    }
}

/// Uniform in `0..bound`, without bias, by Lemire's multiply and reject: of the 128-bit product x * bound, with x uniform
/// in 64 bits, the high half is the number, and an x whose low half is below 2^64 mod bound is drawn again.
/// What is left is an equal count of x for each number.
fn uniform(generator: &mut ChaCha12Rng, bound: u64) -> u64 {
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(bound);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
        let (high, low) = ((product >> 64) as u64, product as u64);
        // 2^64 mod bound is below bound, so that the division is rarely needed.
        if low >= bound || low >= bound.wrapping_neg() % bound {
            return high;
        }
    }
}

/// The index in whose share of the sum of weights the number falls.
fn pick(weights: &[u32], mut number: u64) -> usize {
    for (index, &weight) in weights.iter().enumerate() {
        match number.checked_sub(weight.into()) {
            Some(rest) => number = rest,
            None => return index,
        }
    }
    unreachable!("the number is below the sum of weights")
}

/// Fisher-Yates.
fn shuffle(generator: &mut ChaCha12Rng, n: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..order.len()).rev() {
        let other = uniform(generator, last as u64 + 1);
        order.swap(last, usize::try_from(other).expect("below the length of a list"));
    }
    order
}

/// The permutation of `0..n` that begins so and goes on in ascending order.
fn complete(beginning: Vec<u32>, n: u32) -> Vec<u32> {
    let mut rest: BTreeSet<u32> = (0..n).collect();
    for number in &beginning {
        assert!(rest.remove(number), "the script says {beginning:?} for shuffled({n}): {number} is twice or too large");
    }
    let mut order = beginning;
    order.extend(rest);
    order
}
