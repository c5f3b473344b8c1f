/** A game as the host sees it, and the life of one call: load the state, play, save the state. */

import { Fault } from "./fault.js";
import { whole } from "./amount.js";
import { fromJson, toJson } from "./json.js";
import { Look, STATE, Table } from "./table.js";
import * as schema from "./schema.js";

const RTP_PPM_MAX = 2 ** 31 - 1;

/** Declares a method that plays. */
export function method({ summary, params = schema.object({}), result, play }) {
  const run = (host, call, input, state) => {
    const table = new Table(host, call);
    const output = play(table, input, state);
    return { output, roundOpen: Table.keepsRoundOpen(table) };
  };
  return Object.freeze({ summary, params, result, run });
}

/** Declares a method that only looks: it can move, draw and send nothing, and it leaves the round as it is. */
export function look({ summary, params = schema.object({}), result, look: see }) {
  const run = (host, call, input, state) => {
    const table = new Look(host, call);
    const output = see(table, input, state);
    return { output, roundOpen: table.roundOpen };
  };
  return Object.freeze({ summary, params, result, run });
}

/** Declares a game. What is wrong with the declaration is said at once, and so when the game is built. */
export function game({ id, title, version, rtpPpm, maxWinPpm, state = () => ({}), methods, bets = {} }) {
  if (!/^[a-z][a-z0-9-]*$/.test(id)) throw new TypeError(`a game's id is [a-z][a-z0-9-]*, not '${id}'`);
  const byName = new Map(Object.entries(methods));
  const descriptor = {
    id,
    title,
    version,
    rtpPpm: whole(rtpPpm, RTP_PPM_MAX, "rtpPpm"),
    maxWinPpm: whole(maxWinPpm, Number.MAX_SAFE_INTEGER, "maxWinPpm"),
    methods: [...byName].map(([name, declared]) => described(name, declared)),
  };
  for (const [name, declared] of Object.entries(bets)) assertBet(name, declared);
  return Object.freeze({
    descriptor: Object.freeze(descriptor),
    newState: state,
    methods: byName,
    bets: new Map(Object.entries(bets)),
    handle: (host, call) => handle(byName, state, host, call),
  });
}

function described(name, { summary, params, result, run }) {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new TypeError(`a method's name is [a-z][a-z0-9_]*, not '${name}'`);
  if (typeof run !== "function" || typeof summary !== "string" || !result) {
    throw new TypeError(`'${name}' is declared with method({ summary, result, play }) or look({ summary, result, look })`);
  }
  return Object.freeze({ name, summary, paramsSchema: params.json, resultSchema: result.json });
}

function assertBet(name, { summary, play }) {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) throw new TypeError(`a bet's name is [a-z][a-z0-9-]*, not '${name}'`);
  if (typeof summary !== "string" || typeof play !== "function") {
    throw new TypeError(`'${name}' is declared with bet({ summary, play })`);
  }
}

function handle(methods, newState, host, call) {
  const stored = host.getDocument(STATE);
  const state = stored === undefined ? newState() : fromJson(stored, "the stored state");
  const before = stored ?? toJson(state, "the game's state");

  const params = paramsOf(call);
  const { output, roundOpen } = methods.get(call.method).run(host, call, params, state);
  // What an asynchronous method answers would come after the call has ended.
  if (output instanceof Promise) throw new TypeError(`'${call.method}' is asynchronous: a method answers at once`);
  const body = toJson(output ?? null, `the result of '${call.method}'`);

  const after = toJson(state, "the game's state");
  if (after !== before) host.putDocument(STATE, after);
  return { body, roundOpen };
}

function paramsOf(call) {
  try {
    return fromJson(call.params, "a number");
  } catch (error) {
    throw new Fault(Fault.INVALID_PARAMS, `invalid params: ${error.message}`);
  }
}
