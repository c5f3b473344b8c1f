/** A game's view of its host during one call. */

import { exactAmount, whole } from "./amount.js";
import { fromJson, toJson } from "./json.js";

/** The document that holds a game's state for one player. */
export const STATE = "state";

const U32_MAX = 2 ** 32 - 1;

/** What a method that only looks may see. */
export class Look {
  #host;
  #call;

  constructor(host, call) {
    this.#host = host;
    this.#call = call;
  }

  get balance() {
    return this.#host.balance();
  }

  get staked() {
    return this.#host.staked();
  }

  get roundOpen() {
    // Calls of this round came before, so it is open.
    return this.#call.step > 0;
  }

  document(key) {
    const json = this.#host.getDocument(own(key));
    return json === undefined ? undefined : fromJson(json, `document '${key}'`);
  }

  documentKeys() {
    return this.#host.documentKeys().filter((key) => key !== STATE);
  }

  get player() {
    return this.#call.player;
  }

  get currency() {
    return this.#call.currency;
  }

  get locale() {
    return this.#call.locale;
  }

  get round() {
    return this.#call.round;
  }

  get roundStep() {
    return this.#call.step;
  }

  get nowMs() {
    return this.#call.nowMs;
  }
}

/** The table a call is played at. */
export class Table extends Look {
  #host;
  #staked = false;
  #keepsRoundOpen = false;

  constructor(host, call) {
    super(host, call);
    this.#host = host;
  }

  /** What the reply says of the round. */
  static keepsRoundOpen(table) {
    return table.#keepsRoundOpen;
  }

  get roundOpen() {
    return super.roundOpen || this.#staked;
  }

  stake(amount) {
    const balance = this.#host.stake(exactAmount(amount));
    this.#staked = true;
    return balance;
  }

  pay(amount) {
    const exact = exactAmount(amount);
    return exact === 0 ? this.balance : this.#host.pay(exact);
  }

  refund(amount) {
    return this.#host.refund(exactAmount(amount));
  }

  keepRoundOpen() {
    this.#keepsRoundOpen = true;
  }

  below(bound) {
    return this.#host.below(whole(bound, Number.MAX_SAFE_INTEGER, "the bound of a draw"));
  }

  weighted(weights) {
    let sum = 0;
    for (let at = 0; at < weights.length; at += 1) {
      // An operator, because functions are slow where JavaScript is interpreted; what it lets through is whole.
      if (weights[at] >>> 0 !== weights[at]) whole(weights[at], U32_MAX, "a weight");
      sum += weights[at];
    }
    return this.#host.weighted(weights, sum);
  }

  shuffled(n) {
    return this.#host.shuffled(whole(n, U32_MAX, "the size of a shuffle"));
  }

  putDocument(key, value) {
    this.#host.putDocument(own(key), toJson(value, `document '${key}'`));
  }

  deleteDocument(key) {
    this.#host.deleteDocument(own(key));
  }

  notify(channel, template, data) {
    this.notifyAfter(0, channel, template, data);
  }

  notifyAfter(delayMs, channel, template, data) {
    const delay = whole(delayMs, Number.MAX_SAFE_INTEGER, "a delay in milliseconds");
    this.#host.notify(channel, template, toJson(data, "a notification's data"), delay);
  }

  track(name, props) {
    this.#host.track(name, toJson(props, "an event's properties"));
  }

  debug(message) {
    this.#host.log("debug", String(message));
  }

  info(message) {
    this.#host.log("info", String(message));
  }

  warn(message) {
    this.#host.log("warn", String(message));
  }

  error(message) {
    this.#host.log("error", String(message));
  }
}

/** A key that is the game's to use. */
function own(key) {
  if (key === STATE) throw new Error(`the document '${STATE}' holds the game's state: change the state instead`);
  return key;
}
