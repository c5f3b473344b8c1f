/** A simulated player's state between calls. */

import { fromJson, toJson } from "../json.js";
import { STATE } from "../table.js";

/** Members of a state that is copied; a larger one is left to JSON. */
const MEMBERS_MAX = 16;

/** The length of its texts. */
const TEXT_MAX = 64;

/**
 * The state as every call finds it: what the one before has left, by way of JSON. A state of a few numbers and short texts is
 * copied instead, which comes to the same and takes a fraction of the time.
 */
export class KeptState {
  #newState;
  #host;
  #current;
  /** `#current` as JSON when it was loaded. */
  #before;

  constructor(newState, host) {
    this.#newState = newState;
    this.#host = host;
    this.#load();
  }

  /** For the next call, and for strategies that look at it before. */
  get current() {
    return this.#current;
  }

  /** After a call. */
  save() {
    // Where there are documents, it takes its part of their bound.
    const copy = this.#host.documents.size === 0 ? copied(this.#current) : undefined;
    if (copy) {
      this.#current = copy;
      return;
    }
    const after = toJson(this.#current, "the game's state");
    if (after !== this.#before) this.#host.putDocument(STATE, after);
    this.#load();
  }

  #load() {
    const stored = this.#host.getDocument(STATE);
    this.#current = stored === undefined ? this.#newState() : fromJson(stored, "the stored state");
    this.#before = stored ?? toJson(this.#current, "the game's state");
  }
}

/** What JSON would make of a small state without members that have members; nothing of any other. */
function copied(state) {
  if (state === null || Object.getPrototypeOf(state) !== Object.prototype) return undefined;
  const names = Object.keys(state);
  if (names.length > MEMBERS_MAX) return undefined;
  const copy = {};
  for (let at = 0; at < names.length; at += 1) {
    const value = state[names[at]];
    if (!isKept(value)) return undefined;
    copy[names[at]] = value;
  }
  return copy;
}

function isKept(value) {
  // There is no -0 in JSON.
  if (typeof value === "number") return Number.isSafeInteger(value) && (value !== 0 || 1 / value > 0);
  if (typeof value === "string") return value.length <= TEXT_MAX;
  return typeof value === "boolean" || value === null;
}
