/** Plays a game without Wasm: the same dispatch as in a component, under the host's rules, without clock and entropy. */

import { whole } from "../amount.js";
import { denyAll } from "../denied.js";
import { faultOf } from "../fault.js";
import { fromJson, toJson } from "../json.js";
import { STATE } from "../table.js";
import { Chance } from "./chance.js";
import { Contract } from "./contract.js";
import { TestHost } from "./host.js";
import { REPLY_BYTES_MAX } from "../limits.js";

/** One player at one game: a fault undoes the whole call, as does whatever else is thrown. */
export class TestTable {
  #game;
  #contract;
  #host;
  #call;
  #round = 1;

  constructor(game, { balance = 1_000_000, seed = 0, script, state, documents = {}, currency = "EUR", locale = "en-GB" } = {}) {
    this.#game = game;
    this.#contract = new Contract(game.descriptor);
    this.#host = new TestHost(whole(balance, Number.MAX_SAFE_INTEGER, "a balance"));
    this.#host.chance = Chance.seeded(seed);
    this.#call = { player: "player-1", currency, locale, round: "round-1", step: 0, nowMs: 1_767_225_600_000 };
    const all = state === undefined ? documents : { ...documents, [STATE]: state };
    for (const [key, value] of Object.entries(all)) this.#host.putDocument(key, toJson(value, `document '${key}'`));
    if (script) this.script(script);
  }

  script(draws) {
    this.#host.chance = Chance.scripted(draws);
  }

  waitMs(ms) {
    this.#call.nowMs += ms;
  }

  call(method, params = {}) {
    const text = toJson(params, "a param");
    this.#contract.checkParams(method, JSON.parse(text));
    const body = this.#step({ ...this.#call, method, params: text });
    const bytes = Buffer.byteLength(body);
    if (bytes > REPLY_BYTES_MAX) throw new Error(`a reply of ${bytes} bytes; at most ${REPLY_BYTES_MAX} are`);
    const result = fromJson(body, "the result");
    this.#contract.assertResult(method, result);
    return result;
  }

  /** One call under the host's rules, whole or not at all. */
  #step(call) {
    this.#host.begin();
    const hadRound = this.#host.roundOpen;
    const giveBack = denyAll();
    try {
      const { body, roundOpen } = this.#game.handle(this.#host, call);
      const hasRound = hadRound || this.#host.roundOpen;
      this.#host.commit(roundOpen);
      if (roundOpen) this.#call.step += 1;
      else if (hasRound) this.#beginRound(this.#round + 1);
      return body;
    } catch (thrown) {
      this.#host.rollBack();
      throw faultOf(thrown) ?? thrown;
    } finally {
      giveBack();
    }
  }

  /** Names the round that the next call would open. */
  #beginRound(round) {
    this.#round = round;
    this.#call = { ...this.#call, round: `round-${round}`, step: 0 };
  }

  get balance() {
    return this.#host.balance();
  }

  get staked() {
    return this.#host.staked();
  }

  get roundOpen() {
    return this.#host.roundOpen;
  }

  get state() {
    const json = this.#host.documents.get(STATE);
    return json === undefined ? this.#game.newState() : fromJson(json, "the stored state");
  }

  get documents() {
    return Object.fromEntries(this.#host.documents);
  }

  get draws() {
    return this.#host.chance.draws;
  }

  get notifications() {
    return this.#host.notifications;
  }

  get events() {
    return this.#host.events;
  }

  get log() {
    return this.#host.logLines;
  }
}

export { simulate, trace } from "./simulation.js";
