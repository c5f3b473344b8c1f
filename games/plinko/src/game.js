/**
 * Plinko: balls fall through sixteen rows of pegs into buckets; three risks, all with the same return.
 *
 * This file is the boundary: it takes the stake, draws the paths, and pays what the board says.
 */

import { bet, faults, game, look, method, schema } from "croupier-sdk";

import { MAX_WIN_PPM, PATHS, RISKS, ROWS, RTP_PPM, STAKE_STEP, bucketOf, payTable, payout, turnsOf } from "./board.js";

const BALLS_MAX = 20;
const BALL_STAKE_MAX = 10_000;

const fault = faults({ unevenStake: [1, "the stake of a ball is in steps of {step}"] });

const risk = schema.oneOf(RISKS, { description: "How far the buckets differ; the return is the same." });
const ballStake = schema.amount({
  min: STAKE_STEP,
  max: BALL_STAKE_MAX,
  description: `Of each ball, in minor units: a multiple of ${STAKE_STEP}.`,
});

const Drop = schema.object({
  balls: schema.array(
    schema.object({
      turns: schema.string({ description: "One letter for each row: L is left, R is right." }),
      bucket: schema.integer({ min: 0, max: ROWS, description: "Where it lies, counted from the left from 0." }),
      payout: schema.amount(),
    }),
  ),
  stake: schema.amount({ description: "All balls together, in minor units." }),
  payout: schema.amount({ description: "All balls together, in minor units." }),
});

const drop = method({
  summary: "Drops balls, each with the same stake and risk.",
  params: schema.object({
    stake: ballStake,
    risk,
    balls: schema.optional(schema.integer({ min: 1, max: BALLS_MAX, description: "1 if left out." })),
  }),
  result: Drop,
  play(table, { stake, risk, balls = 1 }) {
    if (stake % STAKE_STEP !== 0) throw fault.unevenStake({ step: STAKE_STEP });
    table.stake(stake * balls);
    const fallen = [];
    let paid = 0;
    for (let ball = 0; ball < balls; ball += 1) {
      const path = table.below(PATHS);
      const bucket = bucketOf(path);
      const won = payout(risk, stake, bucket);
      fallen.push({ turns: turnsOf(path), bucket, payout: won });
      paid += won;
    }
    table.pay(paid);
    return { balls: fallen, stake: stake * balls, payout: paid };
  },
});

const tenths = schema.array(schema.integer({ min: 0 }), { description: "From left to right, in tenths of a ball's stake." });

const rules = look({
  summary: "Tells what the buckets pay at each risk, and the limits.",
  result: schema.object({
    rows: schema.integer(),
    pay_tables: schema.object({ low: tenths, medium: tenths, high: tenths }),
    stake_step: schema.amount(),
    stake_max: schema.amount(),
    balls_max: schema.integer(),
    rtp_ppm: schema.integer(),
  }),
  look: () => ({
    rows: ROWS,
    pay_tables: { low: payTable("low"), medium: payTable("medium"), high: payTable("high") },
    stake_step: STAKE_STEP,
    stake_max: BALL_STAKE_MAX,
    balls_max: BALLS_MAX,
    rtp_ppm: RTP_PPM,
  }),
});

/**
 * One drop for 10 a ball.
 * @param {string} summary
 * @param {{ risk: import("./board.js").Risk, balls?: number }} params
 */
function dropping(summary, params) {
  return bet({ summary, play: (round) => round.play(drop, { stake: STAKE_STEP, ...params }) });
}

export default game({
  id: "plinko",
  title: "Plinko",
  version: "0.1.0",
  rtpPpm: RTP_PPM,
  maxWinPpm: MAX_WIN_PPM,
  methods: { drop, rules },
  bets: {
    low: dropping("1 ball for 10 at low risk", { risk: "low" }),
    medium: dropping("1 ball for 10 at medium risk", { risk: "medium" }),
    high: dropping("1 ball for 10 at high risk", { risk: "high" }),
    "high-20-balls": dropping("20 balls for 10 each at high risk", { risk: "high", balls: 20 }),
  },
});
