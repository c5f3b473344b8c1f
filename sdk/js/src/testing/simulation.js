/** Plays a game's bets without Wasm, with clock and chance of this process out of reach, as in a component. */

import { denyAll } from "../denied.js";
import { simulate as play, trace as tell } from "../simulation.js";

export function simulate(game, bet, seed, rounds) {
  const { outcomes, methods, events } = denied(() => play(game, bet, seed, rounds));
  const outcome = (_, round) => ({ staked: outcomes[2 * round], paid: outcomes[2 * round + 1] });
  return { outcomes: Array.from({ length: rounds }, outcome), methods, events: Object.fromEntries(events) };
}

export function trace(game, bet, seed, rounds) {
  const read = ({ params, body, ...call }) => ({ ...call, params: JSON.parse(params), body: JSON.parse(body) });
  return denied(() => tell(game, bet, seed, rounds)).map((calls) => calls.map(read));
}

function denied(play) {
  const giveBack = denyAll();
  try {
    return play();
  } finally {
    giveBack();
  }
}
