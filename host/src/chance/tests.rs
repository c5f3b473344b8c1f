//! Chi-square tests over fixed seeds. Significance: each statistic must lie below the 99.9 % quantile of its
//! distribution; with the seed fixed the outcome is fixed too, so a failure is a change of the generator, not bad luck.

use proptest::prelude::*;

use super::*;

const DRAWS: u64 = 1_000_000;

/// The 99.9 % quantile of chi-square with `freedom` degrees, by Wilson and Hilferty's cube-root approximation (1931).
fn chi_square_limit(freedom: f64) -> f64 {
    const NORMAL_QUANTILE: f64 = 3.0902;
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + NORMAL_QUANTILE * spread.sqrt()).powi(3)
}

fn check_uniform(counts: &[u64], what: &str) {
    let weights = vec![1; counts.len()];
    check_weighted(counts, &weights, what);
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn check_weighted(counts: &[u64], weights: &[u32], what: &str) {
    let total: u64 = counts.iter().sum();
    let sum: f64 = weights.iter().copied().map(f64::from).sum();
    let mut statistic = 0.0;
    let mut cells = 0;
    for (count, weight) in counts.iter().zip(weights) {
        let expected = total as f64 * f64::from(*weight) / sum;
        if expected == 0.0 {
            assert_eq!(*count, 0, "{what}: a choice without weight was made");
            continue;
        }
        statistic += (*count as f64 - expected).powi(2) / expected;
        cells += 1;
    }
    let limit = chi_square_limit(f64::from(cells - 1));
    assert!(statistic < limit, "{what}: chi-square {statistic:.1} is above {limit:.1}");
}

fn generator(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// Counts a million draws in at most 1,000 equal cells. Bounds that do not divide into cells evenly keep one cell a value.
fn counts_below(generator: &mut ChaCha20Rng, bound: u64) -> Vec<u64> {
    let cells = if bound <= 1000 { bound } else { 1 << 8 };
    let mut counts = vec![0; usize::try_from(cells).unwrap()];
    for _ in 0..DRAWS {
        let value = below(generator, bound);
        assert!(value < bound);
        let cell = u128::from(value) * u128::from(cells) / u128::from(bound);
        counts[usize::try_from(cell).unwrap()] += 1;
    }
    counts
}

#[test]
fn below_is_uniform_for_many_bounds() {
    // Small, prime, the games' own (37 pockets, reel lengths, 312 cards), powers of two and their neighbours, and
    // bounds just above 2^63, where taking a remainder would be wrong half of the time.
    let bounds = [2, 3, 5, 6, 7, 10, 13, 20, 32, 37, 52, 97, 100, 128, 311, 312, 1000, (1 << 32) - 1, 1 << 32];
    let large = [(1 << 32) + 1, (1 << 53) - 1, (1 << 63) - 25, (1 << 63) + 29, 3 << 62, u64::MAX];
    for (seed, bound) in (0..).zip(bounds.into_iter().chain(large)) {
        check_uniform(&counts_below(&mut generator(seed), bound), &format!("below({bound})"));
    }
}

#[test]
fn neighbouring_draws_are_independent() {
    let mut generator = generator(99);
    let mut counts = vec![0; 37 * 37];
    let mut previous = below(&mut generator, 37);
    for _ in 0..DRAWS {
        let value = below(&mut generator, 37);
        counts[usize::try_from(previous * 37 + value).unwrap()] += 1;
        previous = value;
    }
    check_uniform(&counts, "pairs of below(37)");
}

#[test]
fn runs_up_and_down_have_their_expected_number() {
    let mut generator = generator(7);
    let values: Vec<u64> = (0..DRAWS).map(|_| below(&mut generator, u64::MAX)).collect();
    let turns = values.windows(3).filter(|three| (three[0] < three[1]) != (three[1] < three[2])).count();
    // Turning points of n values: mean 2(n - 2)/3, variance (16n - 29)/90 (Bienaymé).
    #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
    let (turns, count) = (turns as f64, DRAWS as f64);
    let deviation = (turns - 2.0 * (count - 2.0) / 3.0) / ((16.0 * count - 29.0) / 90.0).sqrt();
    assert!(deviation.abs() < 3.29, "turning points are {deviation:.2} standard deviations off");
}

#[test]
fn shuffles_make_every_permutation_alike() {
    let mut generator = generator(3);
    let mut counts = vec![0; 120];
    for _ in 0..DRAWS / 5 {
        let seed = Seed::from_bytes(std::array::from_fn(|_| below(&mut generator, 256).try_into().unwrap()));
        let order = Chance::new(seed).shuffled(5).unwrap();
        // The permutation's number in the factorial number system.
        let rank = (0..5).fold(0, |rank, at| {
            let smaller_after = order[at + 1..].iter().filter(|later| **later < order[at]).count();
            rank * (5 - at) + smaller_after
        });
        counts[rank] += 1;
    }
    check_uniform(&counts, "shuffled(5)");
}

#[test]
fn weighted_choices_follow_their_weights() {
    let cases: [&[u32]; 5] = [&[1], &[1, 1], &[1, 2, 3, 4], &[0, 5, 0, 95], &[u32::MAX, 1 << 30, u32::MAX, 7 << 28]];
    for (seed, weights) in (20..).zip(cases) {
        let mut counts = vec![0; weights.len()];
        for round in 0..DRAWS / 100 {
            let mut bytes = [seed; 32];
            bytes[..8].copy_from_slice(&round.to_le_bytes());
            let mut chance = Chance::new(Seed::from_bytes(bytes));
            for _ in 0..100 {
                counts[chance.weighted(weights).unwrap() as usize] += 1;
            }
        }
        if weights.len() > 1 {
            check_weighted(&counts, weights, &format!("weighted({weights:?})"));
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_an_error_and_leaves_no_draw() {
    let mut chance = Chance::new(Seed::from_bytes([0; 32]));
    assert_eq!(chance.below(0), Err(DrawError::BoundZero));
    assert_eq!(chance.weighted(&[]), Err(DrawError::WeightsZero));
    assert_eq!(chance.weighted(&[0, 0]), Err(DrawError::WeightsZero));
    assert_eq!(chance.weighted(&[1; DRAW_CHOICES_MAX + 1]), Err(DrawError::TooManyChoices));
    assert_eq!(chance.shuffled(1025), Err(DrawError::TooManyChoices));
    assert_eq!(chance.draws(), []);
    for _ in 0..STEP_DRAWS_MAX {
        chance.below(6).unwrap();
    }
    assert_eq!(chance.below(6), Err(DrawError::TooManyDraws));
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_draws(seed: [u8; 32], bounds in prop::collection::vec(1u64.., 1..50)) {
        let play = || {
            let mut chance = Chance::new(Seed::from_bytes(seed));
            for bound in &bounds {
                prop_assert!(chance.below(*bound).unwrap() < *bound);
            }
            Ok(chance.into_draws())
        };
        prop_assert_eq!(play()?, play()?);
    }

    #[test]
    fn a_shuffle_is_a_permutation(seed: [u8; 32], n in 0u32..200) {
        let mut order = Chance::new(Seed::from_bytes(seed)).shuffled(n).unwrap();
        order.sort_unstable();
        prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
    }
}

/// What a step has drawn, given to another that asks for the same.
#[test]
fn a_script_answers_what_it_was_made_of() {
    let ask =
        |chance: &mut Chance| (chance.below(37), chance.weighted(&[0, 5, 2]), chance.shuffled(5), chance.shuffled(1));
    let mut drawn = Chance::new(Seed::from_bytes([5; 32]));
    let answers = ask(&mut drawn);
    let draws = drawn.into_draws();
    let mut scripted = Chance::scripted(draws.clone());
    assert_eq!(ask(&mut scripted), answers);
    assert_eq!(scripted.draws(), draws);
    assert_eq!(scripted.below(2), Err(DrawError::OffScript), "there is no more");
}

#[test]
fn a_draw_that_is_not_the_scripts_is_an_error() {
    let below = |draw| Chance::scripted(vec![draw]).below(6);
    for draw in [Draw::Below(7, 1), Draw::Below(6, 6), Draw::Weighted(6, 1), Draw::Shuffled(vec![0])] {
        assert_eq!(below(draw), Err(DrawError::OffScript));
    }
    let weighted = |draw| Chance::scripted(vec![draw]).weighted(&[0, 5]);
    for draw in [Draw::Weighted(6, 1), Draw::Weighted(5, 0), Draw::Weighted(5, 2), Draw::Below(5, 1)] {
        assert_eq!(weighted(draw), Err(DrawError::OffScript));
    }
    let shuffled = |draw| Chance::scripted(vec![draw]).shuffled(3);
    for draw in [vec![0, 1], vec![0, 1, 1], vec![0, 1, 3], vec![0, 1, 2, 3]] {
        assert_eq!(shuffled(Draw::Shuffled(draw)), Err(DrawError::OffScript));
    }
    assert_eq!(Chance::scripted(Vec::new()).below(0), Err(DrawError::BoundZero));
}
