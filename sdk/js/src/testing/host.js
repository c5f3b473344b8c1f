/** The host's rules for one player, as `wit/game.wit` states them. It knows nothing of games. */

import { AMOUNT_MAX } from "../amount.js";
import { Refusal } from "../fault.js";
import { Chance } from "./chance.js";
import { DOCUMENTS_BYTES_MAX, EFFECTS_MAX, EFFECT_BYTES_MAX, TRANSFERS_MAX } from "./limits.js";

/** The host as one player's calls meet it. What only a call knows lasts until the next begins. */
export class TestHost {
  documents = new Map();
  chance = Chance.seeded(0);
  notifications = [];
  events = [];
  logLines = [];
  #wallet;
  #transfers = 0;
  #before;

  constructor(balance) {
    this.#wallet = { balance, staked: undefined };
  }

  /** Begins a call. */
  begin() {
    this.#before = { wallet: this.#wallet, documents: new Map(this.documents) };
    this.#transfers = 0;
    this.chance.begin();
    this.notifications = [];
    this.events = [];
    this.logLines = [];
  }

  /** Ends a call that was answered, and its round unless it stays open. */
  commit(roundOpen) {
    if (!roundOpen) this.#wallet = { ...this.#wallet, staked: undefined };
    else if (!this.roundOpen) throw new Error("the game kept a round open, but none is: stake first");
  }

  /** Ends a call that was not. */
  rollBack() {
    this.#wallet = this.#before.wallet;
    this.documents = this.#before.documents;
    this.notifications = [];
    this.events = [];
  }

  get roundOpen() {
    return this.#wallet.staked !== undefined;
  }

  balance() {
    return this.#wallet.balance;
  }

  staked() {
    return this.#wallet.staked ?? 0;
  }

  stake(amount) {
    this.#admit(amount);
    if (amount > this.balance()) throw new Refusal("insufficient-funds", "the balance does not cover the stake");
    return this.#transfer(this.balance() - amount, this.staked() + amount);
  }

  pay(amount) {
    this.#assertRound();
    this.#admit(amount);
    return this.#transfer(this.balance() + amount, this.staked());
  }

  refund(amount) {
    this.#assertRound();
    this.#admit(amount);
    if (amount > this.staked()) throw new Refusal("refund-over-stake", "a round refunds at most what it has staked");
    return this.#transfer(this.balance() + amount, this.staked() - amount);
  }

  getDocument(key) {
    return this.documents.get(key);
  }

  putDocument(key, json) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(key)) throw new Refusal("invalid-key", `'${key}' is not [A-Za-z0-9._-]{1,64}`);
    const documents = new Map(this.documents).set(key, json);
    const bytes = [...documents].reduce((sum, [key, json]) => sum + key.length + Buffer.byteLength(json), 0);
    if (bytes > DOCUMENTS_BYTES_MAX) {
      throw new Refusal("too-large", `the documents would be ${bytes} bytes of at most ${DOCUMENTS_BYTES_MAX}`);
    }
    this.documents = documents;
  }

  deleteDocument(key) {
    this.documents.delete(key);
  }

  documentKeys() {
    return [...this.documents.keys()].sort();
  }

  below(bound) {
    return this.chance.below(bound);
  }

  weighted(weights) {
    return this.chance.weighted([...weights]);
  }

  shuffled(n) {
    return this.chance.shuffled(n);
  }

  notify(channel, template, data, delayMs) {
    this.notifications.push({ channel, template, data: this.#effect(data), delayMs });
  }

  track(name, props) {
    this.events.push({ name, props: this.#effect(props) });
  }

  log(level, message) {
    this.logLines.push({ level, message });
  }

  #assertRound() {
    if (!this.roundOpen) throw new Refusal("no-open-round", "no round is open: stake first");
  }

  /** Whether the call may move this amount, as far as the wallet does not matter. */
  #admit(amount) {
    if (this.#transfers === TRANSFERS_MAX) {
      throw new Refusal("too-many-transfers", `a call makes at most ${TRANSFERS_MAX} transfers`);
    }
    if (amount === 0) throw new Refusal("zero-amount", "the amount is zero");
  }

  /** Makes a transfer; answers with the new balance. */
  #transfer(balance, staked) {
    // Sums of two safe integers that pass the bound are above it, rounded or not.
    if (balance > AMOUNT_MAX || staked > AMOUNT_MAX) {
      throw new Refusal("amount-too-large", `amounts and balances are at most ${AMOUNT_MAX} minor units`);
    }
    this.#wallet = { balance, staked };
    this.#transfers += 1;
    return balance;
  }

  /** An effect's value, if the call may have another. */
  #effect(json) {
    if (this.notifications.length + this.events.length === EFFECTS_MAX) {
      throw new Refusal("too-many-effects", `a call has at most ${EFFECTS_MAX} effects`);
    }
    const bytes = Buffer.byteLength(json);
    if (bytes > EFFECT_BYTES_MAX) throw new Refusal("too-large", `an effect of ${bytes} bytes; at most ${EFFECT_BYTES_MAX} are`);
    return JSON.parse(json);
  }
}
