//! From uniform 64 bits to what games draw, as the host does it.

/// Uniform in `0..bound`, without bias, by Lemire's multiply and reject (D. Lemire, "Fast Random Integer Generation in an
/// Interval", 2019): of the 128-bit product x * bound, with x uniform in 64 bits, the high half is the number, and an x
/// whose low half is under 2^64 mod bound is drawn again. That leaves an equal count of x for each number.
pub(crate) fn uniform(mut next: impl FnMut() -> u64, bound: u64) -> u64 {
    loop {
        let product = u128::from(next()) * u128::from(bound);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
        let (high, low) = ((product >> 64) as u64, product as u64);
        // 2^64 mod bound is under bound, so the division is rarely needed.
        if low >= bound || low >= bound.wrapping_neg() % bound {
            return high;
        }
    }
}

/// As [`uniform`], of 32 bits; none of those to be drawn again. A component has no instruction for a product of 128 bits.
pub(crate) fn uniform_of(bits: u32, bound: u32) -> Option<u32> {
    let product = u64::from(bits) * u64::from(bound);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
    let (high, low) = ((product >> 32) as u32, product as u32);
    (low >= bound || low >= bound.wrapping_neg() % bound).then_some(high)
}

/// The index in whose share of the sum of weights the number falls.
pub(crate) fn pick(weights: &[u32], mut number: u64) -> usize {
    for (index, &weight) in weights.iter().enumerate() {
        match number.checked_sub(weight.into()) {
            Some(rest) => number = rest,
            None => return index,
        }
    }
    unreachable!("the number is below the sum of weights")
}

/// A permutation of `0..n`, by Fisher and Yates; `below` draws uniformly under a bound.
pub(crate) fn shuffle(mut below: impl FnMut(u64) -> u64, n: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..order.len()).rev() {
        let other = below(last as u64 + 1);
        order.swap(last, usize::try_from(other).expect("a place in the list"));
    }
    order
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    use super::*;

    /// Of 2^32 numbers of bits a quarter are too many for this bound. Taken all the same, they would go to every third number.
    #[test]
    fn bits_that_would_favour_a_number_are_not_taken() {
        const BITS: u32 = 3_000_000;
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut counts = [0; 3];
        for number in (0..BITS).filter_map(|_| uniform_of(generator.next_u32(), 3 << 30)) {
            counts[number as usize % 3] += 1;
        }
        let expected = f64::from(BITS) / 4.0;
        let chi_square: f64 = counts.map(|count: u32| (f64::from(count) - expected).powi(2) / expected).iter().sum();
        assert!(chi_square < 16.3, "99.9 % of fair draws stay below that with three cells: {counts:?}");
    }

    #[test]
    fn every_number_under_a_small_bound_comes_up_equally_often() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(8);
        let mut counts = [0; 37];
        for number in (0..370_000).filter_map(|_| uniform_of(generator.next_u32(), 37)) {
            counts[number as usize] += 1;
        }
        let chi_square: f64 = counts.map(|count: u32| (f64::from(count) - 1e4).powi(2) / 1e4).iter().sum();
        assert!(chi_square < 68.0, "99.9 % of fair draws stay below that with 36 degrees of freedom: {counts:?}");
    }
}
