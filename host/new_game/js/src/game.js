/**
 * New Game: two dice, thrown for a stake. The further their sum from seven, the more it pays.
 *
 * This file is the boundary: it takes the stake, throws the dice, and pays what the rules say.
 */

import { bet, faults, game, look, method, schema } from "croupier-sdk";

import { MAX_WIN_PPM, RTP_PPM, SIDES, STAKE_STEP, payout } from "./rules.js";

const fault = faults({ unevenStake: [1, "the stake is in steps of {step}"] });

const roll = method({
  summary: "Throws two dice for a stake.",
  params: schema.object({
    stake: schema.amount({
      min: 10,
      max: 100_000,
      description: "In minor units of the session's currency, in steps of ten.",
    }),
  }),
  result: schema.object({
    dice: schema.array(schema.integer({ min: 1, max: SIDES }), { min: 2, max: 2, description: "1 to 6 each." }),
    payout: schema.amount({ description: "In minor units." }),
  }),
  play(table, { stake }, state) {
    if (stake % STAKE_STEP !== 0) throw fault.unevenStake({ step: STAKE_STEP });
    table.stake(stake);
    const dice = [table.below(SIDES) + 1, table.below(SIDES) + 1];
    const paid = payout(stake, dice);
    table.pay(paid);
    state.throws += 1;
    state.best = Math.max(state.best, paid);
    return { dice, payout: paid };
  },
});

const statistics = look({
  summary: "Tells how often the player has thrown, and the best payout.",
  result: schema.object({
    throws: schema.integer({ min: 0, description: "Throws so far." }),
    best: schema.amount({ description: "Largest payout of a throw so far, in minor units." }),
  }),
  look: (_table, _params, { throws, best }) => ({ throws, best }),
});

export default game({
  id: "new-game",
  title: "New Game",
  version: "0.1.0",
  rtpPpm: RTP_PPM,
  maxWinPpm: MAX_WIN_PPM,
  state: () => ({ throws: 0, best: 0 }), // what the game keeps for one player
  methods: { throw: roll, statistics },
  // What `croupier simulate` plays.
  bets: { throw: bet({ summary: "100 on a throw", play: (round) => round.play(roll, { stake: 100 }) }) },
});
