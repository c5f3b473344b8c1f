/** The host as a test's calls meet it, under the host's rules for one player. It knows nothing of games. */

import { Wallet, admitDocument, admitEffect } from "../rules.js";
import { Chance } from "./chance.js";

/** The host as one player's calls meet it. What only a call knows lasts until the next begins. */
export class TestHost {
  documents = new Map();
  chance = Chance.seeded(0);
  notifications = [];
  events = [];
  logLines = [];
  #wallet;
  #before;

  constructor(balance) {
    this.#wallet = new Wallet(balance);
  }

  /** Begins a call. */
  begin() {
    this.#before = { wallet: this.#wallet.copy(), documents: new Map(this.documents) };
    this.#wallet.begin();
    this.chance.begin();
    this.notifications = [];
    this.events = [];
    this.logLines = [];
  }

  /** Ends a call that was answered, and its round unless it stays open. */
  commit(roundOpen) {
    this.#wallet.end(roundOpen);
  }

  /** Ends a call that was not. */
  rollBack() {
    this.#wallet = this.#before.wallet;
    this.documents = this.#before.documents;
    this.notifications = [];
    this.events = [];
  }

  get roundOpen() {
    return this.#wallet.round !== undefined;
  }

  balance() {
    return this.#wallet.balance;
  }

  staked() {
    return this.#wallet.round ?? 0;
  }

  stake(amount) {
    return this.#wallet.stake(amount);
  }

  pay(amount) {
    return this.#wallet.pay(amount);
  }

  refund(amount) {
    return this.#wallet.refund(amount);
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
    return this.chance.below(bound);
  }

  weighted(weights) {
    return this.chance.weighted([...weights]);
  }

  shuffled(n) {
    return this.chance.shuffled(n);
  }

  notify(channel, template, data, delayMs) {
    this.#admit(channel, template, data);
    this.notifications.push({ channel, template, data: JSON.parse(data), delayMs });
  }

  track(name, props) {
    this.#admit(name, props);
    this.events.push({ name, props: JSON.parse(props) });
  }

  log(level, message) {
    this.logLines.push({ level, message });
  }

  /** Lets the call have another effect. */
  #admit(...texts) {
    admitEffect(this.notifications.length + this.events.length, ...texts);
  }
}
