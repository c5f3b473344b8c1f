//! How many different ones there were, without keeping all their names: exact while they are few, a sketch beyond. It
//! does not matter in which order they came, or in how many parts they were counted: the same ones leave the same.
//!
//! The sketch is a HyperLogLog (P. Flajolet et al., 2007) with the estimator of O. Ertl, New cardinality estimation
//! algorithms for HyperLogLog sketches (2017), algorithm 6. It is ours because it is stored for years and must read the
//! same in every release: crates tie what they store to hashes and layouts of their own.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{identity::Digest, limits::MEMBERS_EXACT_MAX};

/// Bits of a hash that choose a register.
const INDEX_BITS: u32 = 12;
const REGISTERS: usize = 1 << INDEX_BITS;
/// The bits that are left, whose leading zeros are looked at.
const RANK_BITS: u32 = u64::BITS - INDEX_BITS;

/// Different ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Members {
    /// All of them, by hashes.
    Exact(BTreeSet<u64>),
    /// What they leave of themselves.
    Sketch(Sketch),
}

impl Default for Members {
    fn default() -> Self {
        Self::Exact(BTreeSet::new())
    }
}

/// In each register the highest rank that it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch(Box<[u8; REGISTERS]>);

impl Members {
    /// Meets one, by its name.
    pub fn meet(&mut self, name: &[u8]) {
        let digest = Digest::of(name);
        let (hash, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
        self.meet_hash(u64::from_be_bytes(*hash));
    }

    fn meet_hash(&mut self, hash: u64) {
        match self {
            Self::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > MEMBERS_EXACT_MAX {
                    *self = Self::Sketch(Sketch::of(hashes));
                }
            }
            Self::Sketch(sketch) => sketch.meet(hash),
        }
    }

    /// Meets all that another has met.
    pub fn meet_all(&mut self, other: &Self) {
        match other {
            Self::Exact(hashes) => hashes.iter().for_each(|hash| self.meet_hash(*hash)),
            Self::Sketch(other) => {
                if let Self::Exact(hashes) = self {
                    *self = Self::Sketch(Sketch::of(hashes));
                }
                if let Self::Sketch(sketch) = self {
                    sketch.0.iter_mut().zip(other.0.iter()).for_each(|(rank, other)| *rank = (*rank).max(*other));
                }
            }
        }
    }

    /// How many there are; about how many, with a standard error of 1.6 %, where [`Self::is_estimate`] says so.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Exact(hashes) => hashes.len() as u64,
            Self::Sketch(sketch) => sketch.estimate(),
        }
    }

    /// Whether they are too many to be counted exactly.
    #[must_use]
    pub fn is_estimate(&self) -> bool {
        matches!(self, Self::Sketch(_))
    }
}

impl Sketch {
    fn of(hashes: &BTreeSet<u64>) -> Self {
        let mut sketch = Self(Box::new([0; REGISTERS]));
        hashes.iter().for_each(|hash| sketch.meet(*hash));
        sketch
    }

    #[expect(clippy::cast_possible_truncation, reason = "an index has 12 bits, a rank is at most 53")]
    fn meet(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> RANK_BITS) as usize];
        let rank = ((hash << INDEX_BITS).leading_zeros().min(RANK_BITS) + 1) as u8;
        *register = (*register).max(rank);
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rounded count")]
    fn estimate(&self) -> u64 {
        const RANKS: usize = RANK_BITS as usize + 2;
        let mut counts = [0.0_f64; RANKS];
        for rank in self.0.iter() {
            counts[usize::from(*rank).min(RANKS - 1)] += 1.0;
        }
        let m = REGISTERS as f64;
        let mut z = m * tau(1.0 - counts[RANKS - 1] / m);
        for count in counts[1..RANKS - 1].iter().rev() {
            z = 0.5 * (z + count);
        }
        z += m * sigma(counts[0] / m);
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z, mut before) = (1.0, x, f64::NAN);
    while z != before {
        before = z;
        x *= x;
        z += x * y;
        y += y;
    }
    z
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z, mut before) = (1.0, 1.0 - x, f64::NAN);
    while z != before {
        before = z;
        x = x.sqrt();
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
    }
    z / 3.0
}

impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BASE64.encode(&*self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let ranks = BASE64.decode(text.as_bytes()).map_err(D::Error::custom)?;
        let ranks = ranks.try_into().map_err(|_| D::Error::custom("a sketch has 4096 registers"))?;
        Ok(Self(ranks))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(numbers: impl IntoIterator<Item = u32>) -> Members {
        let mut members = Members::default();
        numbers.into_iter().for_each(|number| members.meet(format!("player {number}").as_bytes()));
        members
    }

    #[test]
    fn few_are_counted_exactly_and_many_closely() {
        for count in [0, 1, 2, 1000, 1024, 1025, 2000, 5000, 20_000, 100_000, 300_000_u32] {
            let members = members((0..count).chain(0..count / 2));
            let found = members.count();
            assert_eq!(members.is_estimate(), count > 1024, "{count}");
            let error = (found as f64 - f64::from(count)).abs() / f64::from(count.max(1));
            // Three standard errors; the hashes are always the same ones.
            assert!(error < if count > 1024 { 0.049 } else { f64::EPSILON }, "{found} of {count}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn parts_make_the_same_whole_in_any_order(
            parts in prop::collection::vec((0..5000_u32, 0..1500_u32), 0..6), seed in any::<u64>(),
        ) {
            let whole = members(parts.iter().flat_map(|(from, count)| *from..from + count));
            let mut order: Vec<_> = parts.iter().collect();
            order.sort_by_key(|(from, count)| (u64::from(*from) << 32 | u64::from(*count)).wrapping_mul(seed | 1));
            let mut sum = Members::default();
            for (from, count) in order {
                let part = serde_json::to_string(&members(*from..from + count)).unwrap();
                sum.meet_all(&serde_json::from_str(&part).unwrap());
            }
            prop_assert_eq!(sum, whole);
        }
    }
}
