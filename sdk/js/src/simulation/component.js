/** The interface `simulation` of the contract, for games that declare bets. */

import { panic } from "../component.js";
import { toJson } from "../json.js";
import { NO_BETS, SimulationError, simulate, trace } from "../simulation.js";

/** The interface's functions; throws where there is nothing to simulate, which is how the build learns of it. */
export function simulationOf(game) {
  if (!game?.bets) throw new TypeError("the default export is no game: declare it with game({ ... })");
  if (game.bets.size === 0) throw new Error(NO_BETS);
  return {
    bets: () => [...game.bets].map(([name, { summary }]) => ({ name, summary })),
    simulate: (bet, seed, rounds) => playable(() => tally(simulate(game, bet, seed, rounds))),
    trace: (bet, seed, rounds) => playable(() => trace(game, bet, seed, rounds).map((calls) => calls.map(told))),
  };
}

function tally({ outcomes, methods, events }) {
  return {
    outcomes: Array.from(outcomes),
    methods,
    events: Array.from(events, ([name, count]) => ({ name, count })),
  };
}

function told({ draws, ...call }) {
  return { ...call, draws: toJson(draws, "a draw") };
}

function playable(play) {
  try {
    return play();
  } catch (thrown) {
    throw thrown instanceof SimulationError ? thrown.message : panic(thrown);
  }
}
