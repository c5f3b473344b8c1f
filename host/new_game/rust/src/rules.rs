//! What two dice pay. Pure integer arithmetic: no draw, no money, no host in here.

/// Sides of a die.
pub const SIDES: u64 = 6;

/// Payouts are tenths of the stake, so a stake in steps of ten pays whole minor units.
pub const STAKE_STEP: u64 = 10;

/// What the sums 2 to 12 pay, in tenths of the stake.
const TENTHS: [u64; 11] = [60, 20, 10, 5, 3, 2, 3, 5, 10, 20, 60];

/// Theoretical return in parts per million of the stake: a test computes it from the rules.
pub const RTP_PPM: u32 = 950_000;

/// Largest payout of a round in parts per million of its stake.
pub const MAX_WIN_PPM: u64 = 6_000_000;

/// What a throw pays, in minor units.
pub fn payout(stake: u64, dice: [u64; 2]) -> u64 {
    let place = usize::try_from(dice[0] + dice[1] - 2).expect("two dice show 2 to 12");
    stake / STAKE_STEP * TENTHS[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throws() -> impl Iterator<Item = [u64; 2]> {
        (1..=SIDES).flat_map(|first| (1..=SIDES).map(move |second| [first, second]))
    }

    /// Every throw is as likely, so the return is the sum of what all of them pay over the sum of their stakes.
    #[test]
    fn returns_what_it_states() {
        let stake = 1_000_000;
        let paid: u64 = throws().map(|dice| payout(stake, dice)).sum();
        let staked = throws().count() as u64 * stake;
        assert_eq!(paid * 1_000_000 / staked, u64::from(RTP_PPM));
    }

    #[test]
    fn pays_at_most_what_it_states() {
        let stake = 1_000_000;
        assert_eq!(
            throws().map(|dice| payout(stake, dice)).max(),
            Some(MAX_WIN_PPM)
        );
    }
}
