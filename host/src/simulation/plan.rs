//! What is to be played: which batches, and what each starts from. A batch depends on the seed, the bet and its own number
//! alone, so it does not matter which thread, which run or which computer plays it.

use std::str::FromStr;

use thiserror::Error;

use crate::{chance::Seed, identity::Digest};

/// Rounds of a batch that a release plays by itself.
pub(super) const BATCH_ROUNDS: u32 = 1 << 16;
/// Rounds of a batch that is played call by call.
pub(super) const BATCH_ROUNDS_BY_CALL: u32 = 1 << 10;

/// Of each bet, a share of its rounds is played through the ordinary calls as well: so many batches, and so many rounds
/// from the beginning of each.
pub(super) const SAMPLE_BATCHES: usize = 4;
/// See [`SAMPLE_BATCHES`].
pub(super) const SAMPLE_ROUNDS: u32 = 500;

/// Which rounds of each bet are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What all chance comes from.
    pub seed: u64,
    /// The number of the first batch: runs with other ones can be merged.
    pub first_batch: u64,
    /// Rounds of each bet.
    pub rounds: u64,
    /// Rounds of each batch but the last.
    pub batch_rounds: u32,
}

impl Plan {
    /// All batches with their rounds.
    pub fn batches(&self) -> impl Iterator<Item = (u64, u32)> + use<> {
        let Self { first_batch, rounds, batch_rounds, .. } = *self;
        (0..rounds.div_ceil(u64::from(batch_rounds))).map(move |number| {
            let rest = rounds - number * u64::from(batch_rounds);
            (first_batch + number, u32::try_from(rest).unwrap_or(u32::MAX).min(batch_rounds))
        })
    }

    /// The batches of a bet that are verified: the first one, and others that the seed chooses.
    pub(super) fn sample(&self, bet: &str) -> Vec<(u64, u32)> {
        let batches = self.rounds.div_ceil(u64::from(self.batch_rounds));
        let chosen =
            words(&format!("croupier simulation sample {} {bet}", self.seed)).map(|word| word % batches.max(1));
        let mut numbers: Vec<u64> = [0].into_iter().chain(chosen).take(SAMPLE_BATCHES).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let chosen = self.batches().filter(|(batch, _)| numbers.contains(&(batch - self.first_batch)));
        chosen.map(|(batch, rounds)| (batch, rounds.min(SAMPLE_ROUNDS))).collect()
    }
}

/// What a batch starts from.
pub(super) fn batch_seed(seed: u64, bet: &str, batch: u64) -> (u64, u64, u64, u64) {
    words(&format!("croupier simulation batch {seed} {batch} {bet}")).into()
}

/// What a call starts from, where every call has a step of its own.
pub(super) fn call_seed(seed: u64, bet: &str, batch: u64, call: u64) -> Seed {
    Seed::from_bytes(*Digest::of(format!("croupier simulation call {seed} {batch} {call} {bet}").as_bytes()).as_bytes())
}

fn words(text: &str) -> [u64; 4] {
    let digest = Digest::of(text.as_bytes());
    let (words, _) = digest.as_bytes().as_chunks::<8>();
    std::array::from_fn(|place| u64::from_le_bytes(words[place]))
}

/// A number of rounds as people write it: `100M`, `1e8`, `250k`, `1_000_000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundCount(pub u64);

/// The text is no number of rounds.
#[derive(Clone, Copy, Debug, Error)]
#[error("rounds are a whole number above 0, such as 1000000, 1_000_000, 10M, 250k or 1e8")]
pub struct InvalidRoundCount;

impl FromStr for RoundCount {
    type Err = InvalidRoundCount;

    fn from_str(text: &str) -> Result<Self, InvalidRoundCount> {
        let text = text.replace('_', "").to_lowercase();
        let (number, power) = match text.split_once('e') {
            Some((number, power)) => (number, power.parse().map_err(|_| InvalidRoundCount)?),
            None => match text.strip_suffix(['k', 'm', 'g', 'b']) {
                Some(number) if text.ends_with('k') => (number, 3),
                Some(number) if text.ends_with('m') => (number, 6),
                Some(number) => (number, 9),
                None => (text.as_str(), 0),
            },
        };
        let number: u64 = number.parse().map_err(|_| InvalidRoundCount)?;
        let rounds = 10_u64.checked_pow(power).and_then(|power| number.checked_mul(power));
        rounds.filter(|rounds| *rounds > 0).map(Self).ok_or(InvalidRoundCount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_read_as_people_write_them() {
        for (text, rounds) in [
            ("7", 7),
            ("100M", 100_000_000),
            ("1e8", 100_000_000),
            ("250k", 250_000),
            ("1_000", 1_000),
            ("2G", 2_000_000_000),
        ] {
            assert_eq!(text.parse::<RoundCount>().unwrap(), RoundCount(rounds), "{text}");
        }
        for text in ["", "0", "-1", "1.5M", "M", "1e", "e8", "1e30", "ten"] {
            assert!(text.parse::<RoundCount>().is_err(), "{text}");
        }
    }

    #[test]
    fn batches_make_up_the_rounds() {
        let plan = Plan { seed: 1, first_batch: 3, rounds: 2_500, batch_rounds: 1_000 };
        assert_eq!(plan.batches().collect::<Vec<_>>(), [(3, 1_000), (4, 1_000), (5, 500)]);
        assert!(plan.sample("a").contains(&(3, SAMPLE_ROUNDS)));
        let long = Plan { rounds: 1_000_000_000, ..plan };
        assert_eq!(long.sample("a").len(), SAMPLE_BATCHES);
        assert_ne!(long.sample("a"), long.sample("b"));
    }

    #[test]
    fn seeds_differ_by_all_that_they_are_made_of() {
        let all = [batch_seed(1, "a", 1), batch_seed(2, "a", 1), batch_seed(1, "b", 1), batch_seed(1, "a", 2)];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
