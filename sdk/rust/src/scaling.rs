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

/// A permutation of `0..n`, by Fisher and Yates.
pub(crate) fn shuffle(mut next: impl FnMut() -> u64, n: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..order.len()).rev() {
        let other = uniform(&mut next, last as u64 + 1);
        order.swap(last, usize::try_from(other).expect("a place in the list"));
    }
    order
}
