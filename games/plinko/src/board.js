/** The board: how a ball falls, and what each bucket pays. Pure rules; no draw and no money in here. */

/** Rows of pegs. At each the ball goes left or right, both equally likely. */
export const ROWS = 16;

/** Paths through all rows, all equally likely: one draw decides a ball's whole fall. */
export const PATHS = 2 ** ROWS;

/** Multipliers are tenths of the stake, so a stake in steps of ten pays whole minor units. */
export const STAKE_STEP = 10;

/** What a ball pays in tenths of its stake, from the edge to the middle; the other half of the board mirrors it. */
const TENTHS = {
  low: [150, 90, 24, 15, 14, 11, 10, 10, 6],
  medium: [1_100, 410, 95, 50, 28, 16, 10, 4, 4],
  high: [10_010, 1_270, 260, 90, 40, 19, 2, 2, 2],
};

/** @typedef {keyof typeof TENTHS} Risk */

/** @type {readonly Risk[]} */
export const RISKS = ["low", "medium", "high"];

/**
 * Theoretical return to player in parts per million: of the 2^16 paths of a ball, those to each bucket times what it pays make
 * 638,976 tenths for every risk, which is exactly 39/40.
 */
export const RTP_PPM = 975_000;

/** Largest payout of one round in parts per million of its stake: every ball in an outermost bucket at high risk. */
export const MAX_WIN_PPM = 1_001_000_000;

/**
 * The buckets' payouts in tenths of a ball's stake, from left to right.
 * @param {Risk} risk
 * @returns {number[]}
 */
export function payTable(risk) {
  const half = TENTHS[risk];
  return [...half, ...half.slice(0, -1).reverse()];
}

/** The turns at four rows, by the four binary digits that stand for them. An interpreter looks up faster than it computes. */
const FOUR_TURNS = Array.from({ length: 16 }, (_, digits) => [8, 4, 2, 1].map((digit) => (digits & digit ? "R" : "L")).join(""));

/**
 * A path's turns: its binary digits, that of the topmost row first. 0 is left, 1 is right.
 * @param {number} path From 0 to {@link PATHS} - 1.
 * @returns {string} One letter for each row: L is left, R is right.
 */
export function turnsOf(path) {
  return FOUR_TURNS[path >> 12] + FOUR_TURNS[(path >> 8) & 15] + FOUR_TURNS[(path >> 4) & 15] + FOUR_TURNS[path & 15];
}

/**
 * Where a ball comes to lie: as far to the right as it has turned right.
 * @param {number} path
 * @returns {number} The bucket, counted from the left from 0.
 */
export function bucketOf(path) {
  let bucket = 0;
  // Each time the last of its ones goes.
  for (let rest = path; rest !== 0; rest &= rest - 1) bucket += 1;
  return bucket;
}

/**
 * What a ball pays.
 * @param {Risk} risk
 * @param {number} stake In minor units, a multiple of {@link STAKE_STEP}.
 * @param {number} bucket
 * @returns {number} In minor units.
 */
export function payout(risk, stake, bucket) {
  return (stake / STAKE_STEP) * TENTHS[risk][Math.min(bucket, ROWS - bucket)];
}
