/** Plays a game without Wasm: the same dispatch as in a component, under the host's rules, without clock and entropy. */

import type { Amount, Game, Json } from "../index.js";

/** A number answers `below` and `weighted`; a list is how a shuffle begins, the rest follows in ascending order. */
export type Draw = number | readonly number[];

/**
 * One player at one game: a fault undoes the whole call, the first stake opens a round, a call that does not keep the round open
 * settles it. While a call runs, clock and chance of this process are out of reach, as they are in a component.
 * @example
 * const table = new TestTable(game, { balance: 10, script: [5, 0] });
 * assert.equal(table.call("roll"), 6);
 * assert.equal(table.balance, 15);
 */
export class TestTable<State = any> {
  /** By default a player who is new to the game, with a balance of 1,000,000 and draws from seed 0. */
  constructor(
    game: Game<State>,
    options?: {
      readonly balance?: Amount;
      /** The same seed, the same draws. */
      readonly seed?: number | string;
      /** The draws to come, one for each draw of the game, in order. */
      readonly script?: Iterable<Draw>;
      /** As if an earlier call had left it. */
      readonly state?: State;
      /** As if an earlier call had left them, by their keys. */
      readonly documents?: Readonly<Record<string, Json>>;
      readonly currency?: string;
      readonly locale?: string;
    },
  );

  /** Replaces the draws to come. */
  script(draws: Iterable<Draw>): void;
  /** Lets time pass before the next call. */
  waitMs(ms: number): void;

  /**
   * Calls a method as a client does.
   * @throws {Fault} What the client would receive: the game's fault, or JSON-RPC's -32602 for params that do not fit the schema.
   * @throws {Error} On a malfunction: whatever else the game throws, a result that does not fit its schema, a script that does not fit.
   */
  call(method: string, params?: Json): any;

  /** What the player has, in minor units. */
  readonly balance: number;
  /** What the open round has staked, less what it gave back. */
  readonly staked: number;
  readonly roundOpen: boolean;
  /** The game's state for this player. */
  readonly state: State;
  /** Every document as JSON text by its key, the game's state as `state`. */
  readonly documents: Readonly<Record<string, string>>;
  /** What the last call drew, whether it was answered or not. */
  readonly draws: readonly Draw[];
  /** What the last call sent; empty where it was not answered. */
  readonly notifications: readonly { channel: string; template: string; data: any; delayMs: number }[];
  /** What the last call tracked; empty where it was not answered. */
  readonly events: readonly { name: string; props: any }[];
  /** What the last call logged, whether it was answered or not. */
  readonly log: readonly { level: string; message: string }[];
}

/** What a sequence of rounds starts from. */
export type Seed = readonly (number | bigint)[];

/** What calls have moved, in minor units. */
export interface Moved {
  /** Taken from the balance. */
  readonly staked: number;
  /** Given back of it. */
  readonly refunded: number;
  readonly paid: number;
}

/**
 * Plays the first rounds of a seed as `croupier simulate` does in the component: a player who is new to the game, with a balance
 * of 2^52. Nothing is held against schemas.
 * @throws {Error} Where there is no such bet, where a round ends in a fault, on a malfunction, and on a bet that is not one round.
 */
export function simulate(
  game: Game,
  bet: string,
  seed: Seed,
  rounds: number,
): {
  /** Of each round; `staked` is less what was given back. */
  readonly outcomes: readonly { readonly staked: number; readonly paid: number }[];
  /** What the calls of each method have done, in the order of their first calls. */
  readonly methods: readonly (Moved & { readonly name: string; readonly calls: number })[];
  /** How often the game has tracked which event. */
  readonly events: Readonly<Record<string, number>>;
};

/**
 * The same rounds, each with all its calls.
 * @throws As {@link simulate}.
 */
export function trace(
  game: Game,
  bet: string,
  seed: Seed,
  rounds: number,
): readonly (readonly (Moved & {
  readonly method: string;
  readonly params: any;
  readonly body: any;
  /** `{ below: [bound, number] }`, `{ weighted: [sum of the weights, index] }` or `{ shuffled: permutation }`, in order. */
  readonly draws: readonly any[];
  /** The names of the events that it has tracked. */
  readonly events: readonly string[];
  readonly roundOpen: boolean;
})[])[];
