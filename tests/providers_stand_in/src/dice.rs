//! Chance that is the same however calls are interleaved: it comes from the seed and from what it is asked for, and not
//! from how often it was asked before.

/// A number from 0 up to and not including 1.
pub(crate) fn roll(seed: u64, purpose: &str, subject: &str, attempt: u64) -> f64 {
    let parts = [purpose.as_bytes(), subject.as_bytes(), &attempt.to_le_bytes()];
    // FNV-1a, and then the finalizer of SplitMix64, because FNV leaves the high bits of short texts alike.
    let bytes = parts.into_iter().flatten();
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    // Doubles have 53 bits.
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_even_and_repeats_itself() {
        let rolls: Vec<_> = (0..20_000).map(|nth| roll(7, "fault", &format!("{nth:032x}"), 1)).collect();
        for tenth in 0..10 {
            let from = f64::from(tenth) / 10.0;
            let count = rolls.iter().filter(|roll| (from..from + 0.1).contains(*roll)).count();
            assert!((1_800..2_200).contains(&count), "{tenth}: {count}");
        }
        assert!((roll(7, "fault", "a", 1) - roll(7, "fault", "a", 1)).abs() < f64::EPSILON);
        for other in
            [roll(8, "fault", "a", 1), roll(7, "latency", "a", 1), roll(7, "fault", "b", 1), roll(7, "fault", "a", 2)]
        {
            assert!((roll(7, "fault", "a", 1) - other).abs() > 1e-6);
        }
    }
}
