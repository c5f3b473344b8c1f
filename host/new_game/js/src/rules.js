/** What two dice pay. Pure integer arithmetic: no draw, no money, no host in here. */

/** Sides of a die. */
export const SIDES = 6;

/** Payouts are tenths of the stake, so a stake in steps of ten pays whole minor units. */
export const STAKE_STEP = 10;

/** What the sums 2 to 12 pay, in tenths of the stake. */
const TENTHS = [60, 20, 10, 5, 3, 2, 3, 5, 10, 20, 60];

/** Theoretical return in parts per million of the stake: a test computes it from the rules. */
export const RTP_PPM = 950_000;

/** Largest payout of a round in parts per million of its stake. */
export const MAX_WIN_PPM = 6_000_000;

/**
 * What a throw pays, in minor units.
 * @param {number} stake
 * @param {readonly number[]} dice
 */
export function payout(stake, [first, second]) {
  return (stake / STAKE_STEP) * TENTHS[first + second - 2];
}
