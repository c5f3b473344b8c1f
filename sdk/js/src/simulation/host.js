/** The host of a simulation: chance from a fast generator, a wallet and documents under the host's rules. */

import { Refusal } from "../fault.js";
import { DRAWS_MAX, DRAW_CHOICES_MAX } from "../limits.js";
import { Wallet, admitDocument, admitEffect } from "../rules.js";
import { Generator } from "./generator.js";

/** What a simulated player begins with: enough to lose in every round, and as far from the largest balance. */
const BALANCE = 2 ** 52;

export class SimulationHost {
  wallet = new Wallet(BALANCE);
  documents = new Map();
  /** How often the game has told of which event. */
  events = new Map();
  /** What the running or last call has moved, in minor units. */
  moved = { staked: 0, refunded: 0, paid: 0 };
  /** What the running or last call has drawn and which events it has told of, where that is kept. */
  trace = undefined;
  #generator;
  #isTraced;
  /** Numbers that the running call has drawn; a shuffle takes several. */
  #taken = 0;
  /** Of the running call. */
  #effects = 0;

  constructor(seed, isTraced) {
    this.#generator = new Generator(seed);
    this.#isTraced = isTraced;
  }

  /** Begins a call. */
  begin() {
    this.wallet.begin();
    this.moved = { staked: 0, refunded: 0, paid: 0 };
    this.#taken = 0;
    this.#effects = 0;
    if (this.#isTraced) this.trace = { draws: [], events: [] };
  }

  balance() {
    return this.wallet.balance;
  }

  staked() {
    return this.wallet.round ?? 0;
  }

  stake(amount) {
    const balance = this.wallet.stake(amount);
    this.moved.staked += amount;
    return balance;
  }

  pay(amount) {
    const balance = this.wallet.pay(amount);
    this.moved.paid += amount;
    return balance;
  }

  refund(amount) {
    const balance = this.wallet.refund(amount);
    this.moved.refunded += amount;
    return balance;
  }

  getDocument(key) {
    return this.documents.get(key);
  }

  putDocument(key, json) {
    admitDocument(this.documents, key, json);
    this.documents.set(key, json);
  }

  deleteDocument(key) {
    this.documents.delete(key);
  }

  documentKeys() {
    return [...this.documents.keys()].sort();
  }

  below(bound) {
    if (bound === 0) throw new RangeError("the game drew below 0: there is no such number");
    this.#taken += 1;
    if (this.#taken > DRAWS_MAX) throw tooManyDraws();
    const number = this.#generator.below(bound);
    if (this.trace) this.trace.draws.push({ below: [bound, number] });
    return number;
  }

  weighted(weights, sum) {
    assertChoices(weights.length, "weights");
    if (sum === 0) throw new RangeError(`the game drew from weights that sum to 0: [${weights}]`);
    this.#take(1);
    let index = 0;
    for (let rest = this.#generator.below(sum) - weights[0]; rest >= 0; rest -= weights[index]) index += 1;
    this.trace?.draws.push({ weighted: [sum, index] });
    return index;
  }

  /** Fisher and Yates. */
  shuffled(n) {
    assertChoices(n, "elements");
    this.#take(Math.max(n - 1, 1));
    const order = [];
    for (let at = 0; at < n; at += 1) order.push(at);
    for (let last = n - 1; last > 0; last -= 1) {
      const other = this.#generator.below(last + 1);
      const number = order[other];
      order[other] = order[last];
      order[last] = number;
    }
    this.trace?.draws.push({ shuffled: [...order] });
    return order;
  }

  notify(channel, template, data) {
    this.#admit(channel, template, data);
    throw new Refusal("not-granted", "nothing is sent in a simulation");
  }

  track(name, props) {
    this.#admit(name, props);
    this.events.set(name, (this.events.get(name) ?? 0) + 1);
    this.trace?.events.push(name);
  }

  log() {}

  #take(numbers) {
    this.#taken += numbers;
    if (this.#taken > DRAWS_MAX) throw tooManyDraws();
  }

  #admit(...texts) {
    admitEffect(this.#effects, ...texts);
    this.#effects += 1;
  }
}

function tooManyDraws() {
  return new RangeError(`the game drew too often: a call draws at most ${DRAWS_MAX} times`);
}

function assertChoices(count, what) {
  if (count > DRAW_CHOICES_MAX) throw new RangeError(`the game drew from ${count} ${what}; at most ${DRAW_CHOICES_MAX} can be`);
}
