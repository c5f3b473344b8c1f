/** The host's rules for one player, as `wit/game.wit` states them: for the test table and for simulations, which have no host. */

import { AMOUNT_MAX } from "./amount.js";
import { Refusal } from "./fault.js";
import { DOCUMENTS_BYTES_MAX, EFFECTS_MAX, EFFECT_BYTES_MAX, TRANSFERS_MAX } from "./limits.js";

/** A player's money at one game. */
export class Wallet {
  /** What the open round has staked, less what it gave back. */
  round = undefined;
  /** Of the running call. */
  transfers = 0;

  /** @param {number} balance */
  constructor(balance) {
    this.balance = balance;
  }

  /** As it is now. */
  copy() {
    return Object.assign(new Wallet(this.balance), this);
  }

  /** Begins a call. */
  begin() {
    this.transfers = 0;
  }

  /** Ends a call that was answered, and its round unless it stays open. */
  end(roundOpen) {
    if (!roundOpen) this.round = undefined;
    else if (this.round === undefined) throw new Error("the game kept a round open, but none is: stake first");
  }

  stake(amount) {
    this.#admit(amount);
    if (amount > this.balance) throw new Refusal("insufficient-funds", "the balance does not cover the stake");
    return this.#transfer(this.balance - amount, (this.round ?? 0) + amount);
  }

  pay(amount) {
    this.#assertRound();
    this.#admit(amount);
    return this.#transfer(this.balance + amount, this.round);
  }

  refund(amount) {
    this.#assertRound();
    this.#admit(amount);
    if (amount > this.round) throw new Refusal("refund-over-stake", "a round refunds at most what it has staked");
    return this.#transfer(this.balance + amount, this.round - amount);
  }

  #assertRound() {
    if (this.round === undefined) throw new Refusal("no-open-round", "no round is open: stake first");
  }

  /** Whether the call may move this amount, as far as the balance does not matter. */
  #admit(amount) {
    if (this.transfers === TRANSFERS_MAX) {
      throw new Refusal("too-many-transfers", `a call makes at most ${TRANSFERS_MAX} transfers`);
    }
    if (amount === 0) throw new Refusal("zero-amount", "the amount is zero");
  }

  /** Makes a transfer; answers with the new balance. */
  #transfer(balance, round) {
    // Sums of two safe integers that pass the bound are above it, rounded or not.
    if (balance > AMOUNT_MAX || round > AMOUNT_MAX) {
      throw new Refusal("amount-too-large", `amounts and balances are at most ${AMOUNT_MAX} minor units`);
    }
    this.balance = balance;
    this.round = round;
    this.transfers += 1;
    return balance;
  }
}

/**
 * Lets a document be put beside those that are there.
 * @param {ReadonlyMap<string, string>} documents
 * @param {string} key
 * @param {string} json
 */
export function admitDocument(documents, key, json) {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(key)) throw new Refusal("invalid-key", `'${key}' is not [A-Za-z0-9._-]{1,64}`);
  let bytes = key.length + utf8Length(json);
  for (const [other, text] of documents) if (other !== key) bytes += other.length + utf8Length(text);
  if (bytes > DOCUMENTS_BYTES_MAX) {
    throw new Refusal("too-large", `the documents would be ${bytes} bytes of at most ${DOCUMENTS_BYTES_MAX}`);
  }
}

/**
 * Lets a call that has had `before` effects have one more, of these texts.
 * @param {number} before
 * @param {...string} texts
 */
export function admitEffect(before, ...texts) {
  if (before === EFFECTS_MAX) throw new Refusal("too-many-effects", `a call has at most ${EFFECTS_MAX} effects`);
  const bytes = texts.reduce((sum, text) => sum + utf8Length(text), 0);
  if (bytes > EFFECT_BYTES_MAX) throw new Refusal("too-large", `an effect of ${bytes} bytes; at most ${EFFECT_BYTES_MAX} are`);
}

/** How many bytes a text has in UTF-8; a component has nothing that would tell. */
function utf8Length(text) {
  let bytes = text.length;
  // Two or three bytes for a unit of UTF-16, and four for a pair of them.
  for (const [units] of text.matchAll(/[^\x00-\x7f]+/g)) {
    for (const character of units) bytes += character.length === 2 || character < "\u0800" ? character.length : 2;
  }
  return bytes;
}
