//! What the table offers: its limits and what it returns.

/// The least opening stake, in minor units.
pub const STAKE_MIN: u64 = 2;

/// The greatest opening stake, in minor units. A round stakes at most four and a half times as much: two doubled
/// hands and the insurance.
pub const STAKE_MAX: u64 = 1_000_000;

/// The opening stake is a multiple of this: then 3:2 on it and the half of it are exact.
pub const STAKE_STEP: u64 = 2;

/// What is paid out of all that is staked, by basic strategy without insurance, in parts per million.
///
/// Staked are opening stakes, doubles and splits, less what is given back; paid are winnings and the stakes of hands
/// that win or push. A round stakes 1.127379 opening stakes on average and loses 4,599 ppm of one, so the house's
/// edge on the opening stake is 0.46 %. Insurance alone returns 926,045 ppm.
/// `tests/theoretical_return.rs` computes these figures exactly from the rules.
pub const RTP_PPM: u32 = 995_920;

/// The largest payout of a round by what it stakes, in parts per million: a blackjack's, 3:2 and the stake.
///
/// No round pays more: hands that are no blackjack pay at most twice their own stake, and insurance, which pays three
/// times its own, pays only where no hand wins: at most a push and the insurance, 2.5 opening stakes for 1.5.
/// By the opening stake alone the most is eight, for the four of two doubled hands.
pub const MAX_WIN_PPM: u64 = 2_500_000;
