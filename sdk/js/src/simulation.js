/**
 * Plays rounds by the million, so that a game's return can be measured on the very component that is played: a game says which bets
 * there are and how one round of each goes, and its own methods are called as they are, without JSON and schemas.
 */

import { AMOUNT_MAX } from "./amount.js";
import { faultOf } from "./fault.js";
import { toJson } from "./json.js";
import { SimulationHost } from "./simulation/host.js";
import { received } from "./simulation/params.js";
import { KeptState } from "./simulation/state.js";

/** What a component without bets says where it is to be one with a simulation. */
export const NO_BETS = "the game declares no bets";

/** Declares a way to play a round. */
export function bet({ summary, play }) {
  return Object.freeze({ summary, play });
}

/** A round could not be played: says which, and why. */
export class SimulationError extends Error {}

/**
 * Plays the first rounds of a seed: a player who is new to the game.
 * @throws {SimulationError} Where there is no such bet, and where a call of a round ended in a fault.
 * @throws {Error} On a malfunction of the game, and on a bet that is not one round.
 */
export function simulate(game, name, seed, rounds) {
  const player = new Player(game, name, seed, false);
  // Of each round what it staked, less what it gave back, and what it paid.
  const outcomes = new Float64Array(2 * rounds);
  for (let number = 0; number < rounds; number += 1) {
    player.playRound(number);
    outcomes[2 * number] = player.settled;
    outcomes[2 * number + 1] = player.paid;
  }
  return { outcomes, methods: player.tallies, events: player.host.events };
}

/**
 * The same rounds with all their calls.
 * @throws As {@link simulate}.
 */
export function trace(game, name, seed, rounds) {
  const player = new Player(game, name, seed, true);
  return Array.from({ length: rounds }, (_, number) => {
    player.traced = [];
    player.playRound(number);
    return player.traced;
  });
}

/** One player's sitting. */
class Player {
  host;
  /** What the running round has staked, less what it gave back, once it is settled. */
  settled;
  /** What it has paid. */
  paid = 0;
  /** The calls of the running round, where they are kept. */
  traced;
  /** What the calls of each method have done, in the order of their first calls. */
  tallies = [];
  #bet;
  #name;
  #state;
  #methods;
  #call = { player: "simulation", currency: "EUR", locale: "en-GB", round: "player/simulation/1", step: 0, nowMs: 0 };
  /** What has ended the running round, whatever the bet makes of it. */
  #thrown;

  constructor(game, name, seed, isTraced) {
    this.#bet = game.bets.get(name);
    if (!this.#bet) throw new SimulationError(`there is no bet \`${name}\``);
    this.#name = name;
    this.host = new SimulationHost(seed, isTraced);
    this.#state = new KeptState(game.newState, this.host);
    const known = ([name, { run }]) => [run, { name, calls: 0, staked: 0, refunded: 0, paid: 0 }];
    this.#methods = new Map([...game.methods].map(known));
  }

  get isOpen() {
    return this.host.wallet.round !== undefined;
  }

  get state() {
    return this.#state.current;
  }

  playRound(number) {
    this.settled = undefined;
    this.paid = 0;
    try {
      const played = this.#bet.play(new Round(this));
      if (played instanceof Promise) throw new TypeError(`the bet '${this.#name}' is asynchronous: a round is played at once`);
    } catch (thrown) {
      this.#thrown ??= thrown;
    }
    if (this.#thrown !== undefined) throw this.#failure(number);
    if (this.settled === undefined) throw new Error(`the bet '${this.#name}' has not played round ${number} to its end`);
  }

  #failure(number) {
    const fault = faultOf(this.#thrown);
    if (!fault) return this.#thrown;
    return new SimulationError(`bet \`${this.#name}\`, round ${number}: ${fault.message} (fault ${fault.code})`);
  }

  play(method, params) {
    try {
      return this.#play(method, params);
    } catch (thrown) {
      this.#thrown ??= thrown;
      throw thrown;
    }
  }

  #play(method, params) {
    const tally = this.#methods.get(method.run);
    if (!tally) throw new TypeError(`the bet '${this.#name}' calls a method that the game does not have`);
    if (this.settled !== undefined) throw new Error(`a bet is one round: it is settled before '${tally.name}'`);
    const { host } = this;
    const call = this.#call;
    host.begin();
    const input = received(params);
    const text = this.traced && toJson(input, "a param");
    const { output, roundOpen } = method.run(host, call, input, this.#state.current);
    const body = this.traced && toJson(output ?? null, `the result of '${tally.name}'`);
    this.#state.save();
    const staked = host.wallet.round;
    host.wallet.end(roundOpen);
    if (roundOpen) call.step += 1;
    else {
      call.step = 0;
      this.settled = staked;
    }
    const { moved } = host;
    this.paid += moved.paid;
    this.#count(tally, moved);
    if (this.traced) this.traced.push({ method: tally.name, params: text, body, ...moved, ...host.trace, roundOpen });
    return output;
  }

  #count(tally, moved) {
    if (tally.calls === 0) this.tallies.push(tally);
    tally.calls += 1;
    tally.staked += moved.staked;
    tally.refunded += moved.refunded;
    tally.paid += moved.paid;
    if (tally.staked > AMOUNT_MAX || tally.refunded > AMOUNT_MAX || tally.paid > AMOUNT_MAX) {
      throw new RangeError(`what '${tally.name}' has moved passes 2^53 - 1 minor units: simulate it with smaller stakes`);
    }
  }
}

/** A round that is being played, as a bet sees it. */
class Round {
  #player;

  constructor(player) {
    this.#player = player;
  }

  get isOpen() {
    return this.#player.isOpen;
  }

  get state() {
    return this.#player.state;
  }

  play(method, params = {}) {
    return this.#player.play(method, params);
  }
}
