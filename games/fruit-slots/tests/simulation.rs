//! Plays the rules with seeded chance and compares what comes out with the par sheet.

use fruit_slots::feature::Feature;
use fruit_slots::rules::{HIT_FREQUENCY_PPM, LINES, REELS, RTP_PPM, STOPS, Wins, window};

const ROUNDS: u32 = 2_000_000;
/// Of the normal distribution: 99 % lie within as many standard deviations.
const Z_99: f64 = 2.576;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn wins(&mut self, multiplier: u64) -> Wins {
        let stops: [usize; REELS] =
            std::array::from_fn(|_| usize::try_from(self.next() % STOPS as u64).expect("below STOPS"));
        Wins::of(&window(stops), multiplier)
    }
}

/// Line stakes paid by the paid spin and by the whole round.
fn round(chance: &mut Generator) -> (u64, u64) {
    let wins = chance.wins(1);
    let paid = wins.payout();
    let (mut total, mut feature) = (paid, Feature::opened_by(&wins, 1));
    while let Some(spin) = feature {
        let wins = chance.wins(spin.multiplier);
        total += wins.payout();
        feature = spin.after(&wins);
        assert!(feature.as_ref().is_none_or(|feature| feature.round_payout == total));
    }
    (paid, total)
}

#[test]
fn returns_and_hits_lie_in_their_confidence_intervals() {
    let mut chance = Generator(20_120_501);
    let (mut hits, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for _ in 0..ROUNDS {
        let (paid, total) = round(&mut chance);
        #[expect(clippy::cast_precision_loss, reason = "a payout is below 2^53")]
        let stakes = total as f64 / LINES as f64;
        sum += stakes;
        squares += stakes * stakes;
        hits += f64::from(u8::from(paid > 0));
    }

    let rounds = f64::from(ROUNDS);
    let (rtp, hit_frequency) = (sum / rounds, hits / rounds);
    let rtp_error = Z_99 * ((squares / rounds - rtp * rtp) / rounds).sqrt();
    let (stated_rtp, stated_hits) = (f64::from(RTP_PPM) / 1e6, f64::from(HIT_FREQUENCY_PPM) / 1e6);
    let hit_error = Z_99 * (stated_hits * (1.0 - stated_hits) / rounds).sqrt();
    println!(
        "RTP {rtp:.4} +- {rtp_error:.4} of {stated_rtp}, hits {hit_frequency:.4} +- {hit_error:.4} of {stated_hits}"
    );
    assert!((rtp - stated_rtp).abs() < rtp_error);
    assert!((hit_frequency - stated_hits).abs() < hit_error);
}
