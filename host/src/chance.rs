//! Chance: every draw of every game comes from here, and every draw is kept.
//!
//! A step has its own ChaCha20 generator, seeded with 32 bytes of the operating system's entropy; the seed stays in the
//! step's record, so the same step can be run again with the same draws. Scaling to a range is by Lemire's method of
//! multiply and reject (D. Lemire, "Fast Random Integer Generation in an Interval", 2019), which has no bias.

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{
    limits::{DRAW_CHOICES_MAX, STEP_DRAWS_MAX},
    text::{self, Hex},
};

/// What a step's generator starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A new seed from the thread's cryptographic generator, which the operating system's entropy feeds.
    #[must_use]
    pub fn fresh() -> Self {
        Self(rand::random())
    }

    /// A known seed, for replays and tests.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Seed {
    /// Says nothing: a seed foretells its step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Hex::of(&self.0).as_ref())
    }
}

/// The text is no seed.
#[derive(Debug, Error)]
#[error("a seed is 64 hexadecimal digits in lower case")]
pub struct InvalidSeed;

impl FromStr for Seed {
    type Err = InvalidSeed;
    fn from_str(text: &str) -> Result<Self, InvalidSeed> {
        HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(InvalidSeed)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer)
    }
}

/// One draw as it is kept in the step's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Draw {
    /// `(bound, value)`: a number in `0..bound`.
    Below(u64, u64),
    /// `(sum of the weights, index)`.
    Weighted(u64, u32),
    /// A permutation of `0..n`.
    Shuffled(Vec<u32>),
}

/// A draw that no generator can make, or one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DrawError {
    /// Nothing is below 0.
    #[error("a draw below 0 was asked for")]
    BoundZero,
    /// There is nothing to choose from.
    #[error("a weighted draw needs a weight above 0")]
    WeightsZero,
    /// More than [`DRAW_CHOICES_MAX`] weights or elements.
    #[error("a draw has at most {DRAW_CHOICES_MAX} weights or elements")]
    TooManyChoices,
    /// More than [`STEP_DRAWS_MAX`] draws in one step.
    #[error("a step draws at most {STEP_DRAWS_MAX} times")]
    TooManyDraws,
    /// Another draw than the script's next, in a step whose draws are given.
    #[error("another draw was asked for than the script has")]
    OffScript,
}

/// The chance of one step.
pub struct Chance {
    source: Source,
    draws: Vec<Draw>,
    /// Numbers taken so far; a shuffle takes several.
    taken: usize,
}

/// Where numbers come from.
enum Source {
    Generator(Box<ChaCha20Rng>),
    Script(std::vec::IntoIter<Draw>),
}

impl Chance {
    /// The chance that a seed holds.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self::from(Source::Generator(Box::new(ChaCha20Rng::from_seed(seed.0))))
    }

    /// Draws that are given, for a step that was played before: each is to be asked for as it was, in the same order.
    #[must_use]
    pub fn scripted(draws: Vec<Draw>) -> Self {
        Self::from(Source::Script(draws.into_iter()))
    }

    fn from(source: Source) -> Self {
        Self { source, draws: Vec::new(), taken: 0 }
    }

    /// Uniform in `0..bound`.
    ///
    /// # Errors
    /// [`DrawError::BoundZero`], [`DrawError::TooManyDraws`], [`DrawError::OffScript`].
    pub fn below(&mut self, bound: u64) -> Result<u64, DrawError> {
        let value = self.number_below(bound)?;
        self.draws.push(Draw::Below(bound, value));
        Ok(value)
    }

    /// Whether the next draw is this one. Of a weighted draw only the sum of the weights is known, so that any index will
    /// do: taking the whole step again proves it.
    pub fn repeats(&mut self, draw: &Draw) -> bool {
        match draw {
            Draw::Below(bound, value) => self.below(*bound) == Ok(*value),
            Draw::Weighted(sum, _) => self.number_below(*sum).is_ok(),
            Draw::Shuffled(order) => {
                let length = u32::try_from(order.len()).unwrap_or(u32::MAX);
                self.shuffled(length).is_ok_and(|again| again == *order)
            }
        }
    }

    /// An index with probability weight/sum.
    ///
    /// # Errors
    /// [`DrawError::WeightsZero`], [`DrawError::TooManyChoices`], [`DrawError::TooManyDraws`].
    pub fn weighted(&mut self, weights: &[u32]) -> Result<u32, DrawError> {
        if weights.len() > DRAW_CHOICES_MAX {
            return Err(DrawError::TooManyChoices);
        }
        let sum = weights.iter().copied().map(u64::from).sum();
        if sum == 0 {
            return Err(DrawError::WeightsZero);
        }
        self.count(1)?;
        let index = match &mut self.source {
            Source::Generator(generator) => pick(weights, below(generator, sum)),
            Source::Script(script) => match script.next() {
                Some(Draw::Weighted(scripted, index)) if scripted == sum && is_possible(weights, index) => index,
                _ => return Err(DrawError::OffScript),
            },
        };
        self.draws.push(Draw::Weighted(sum, index));
        Ok(index)
    }

    /// A uniform permutation of `0..n`, by Fisher and Yates.
    ///
    /// # Errors
    /// [`DrawError::TooManyChoices`], [`DrawError::TooManyDraws`].
    pub fn shuffled(&mut self, n: u32) -> Result<Vec<u32>, DrawError> {
        if n as usize > DRAW_CHOICES_MAX {
            return Err(DrawError::TooManyChoices);
        }
        // Of no elements or one nothing is left to chance, but it is a draw, and kept.
        self.count((n as usize).saturating_sub(1).max(1))?;
        let order = match &mut self.source {
            Source::Generator(generator) => shuffle(generator, n),
            Source::Script(script) => match script.next() {
                Some(Draw::Shuffled(order)) if is_permutation(&order, n) => order,
                _ => return Err(DrawError::OffScript),
            },
        };
        self.draws.push(Draw::Shuffled(order.clone()));
        Ok(order)
    }

    /// What was drawn so far, in order.
    #[must_use]
    pub fn draws(&self) -> &[Draw] {
        &self.draws
    }

    /// What was drawn, in order.
    #[must_use]
    pub fn into_draws(self) -> Vec<Draw> {
        self.draws
    }

    fn number_below(&mut self, bound: u64) -> Result<u64, DrawError> {
        if bound == 0 {
            return Err(DrawError::BoundZero);
        }
        self.count(1)?;
        match &mut self.source {
            Source::Generator(generator) => Ok(below(generator, bound)),
            Source::Script(script) => match script.next() {
                Some(Draw::Below(scripted, value)) if scripted == bound && value < bound => Ok(value),
                _ => Err(DrawError::OffScript),
            },
        }
    }

    fn count(&mut self, numbers: usize) -> Result<(), DrawError> {
        let taken = self.taken + numbers;
        if taken > STEP_DRAWS_MAX {
            return Err(DrawError::TooManyDraws);
        }
        self.taken = taken;
        Ok(())
    }
}

fn is_possible(weights: &[u32], index: u32) -> bool {
    weights.get(index as usize).is_some_and(|weight| *weight > 0)
}

fn is_permutation(order: &[u32], n: u32) -> bool {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..n)
}

/// The index in whose share of the sum of weights the number falls.
fn pick(weights: &[u32], mut number: u64) -> u32 {
    let mut index = 0;
    for weight in weights.iter().copied().map(u64::from) {
        if number < weight {
            break;
        }
        number -= weight;
        index += 1;
    }
    index
}

fn shuffle(generator: &mut ChaCha20Rng, n: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..order.len()).rev() {
        let chosen = below(generator, last as u64 + 1);
        order.swap(last, usize::try_from(chosen).expect("a position in the list"));
    }
    order
}

/// The high word of `number * bound` is in `0..bound`; each result has floor(2^64 / bound) numbers that lead to it,
/// and some one more: those with a low word under `2^64 mod bound` are the surplus and are drawn again.
fn below(generator: &mut ChaCha20Rng, bound: u64) -> u64 {
    let surplus = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(bound);
        #[expect(clippy::cast_possible_truncation, reason = "the low word is what is wanted")]
        let low = product as u64;
        if low >= surplus {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests;
