/** The game as a WebAssembly component: its imports as a host, its exports from a game. */

import log from "croupier:game/log@0.1.2";
import notify from "croupier:game/notify@0.1.2";
import random from "croupier:game/random@0.1.2";
import store from "croupier:game/store@0.1.2";
import track from "croupier:game/track@0.1.2";
import wallet from "croupier:game/wallet@0.1.2";

import { Refusal, faultOf } from "./fault.js";
import { toJson } from "./json.js";

/** The interface `game` of the contract. */
export function component(game) {
  return {
    describe: () => describe(game.descriptor),
    handle({ now, ...call }) {
      try {
        return game.handle(host, { ...call, nowMs: now });
      } catch (thrown) {
        throw lowered(faultOf(thrown) ?? panic(thrown));
      }
    },
  };
}

function describe({ methods, ...descriptor }) {
  const json = ({ paramsSchema, resultSchema, ...method }) => ({
    ...method,
    paramsSchema: toJson(paramsSchema, "a schema"),
    resultSchema: toJson(resultSchema, "a schema"),
  });
  return { ...descriptor, methods: methods.map(json) };
}

function lowered({ code, message, data }) {
  return { code, message, data: data === undefined ? null : toJson(data, "a fault's data") };
}

/** Sends what was thrown to the operator's log and traps: what is no fault is no answer to a client. */
export function panic(thrown) {
  const places = thrown instanceof Error ? (thrown.stack ?? "").trim().split(/\s*\n\s*/) : [];
  log.write("panic", [thrown, ...places].join(" "));
  // An error of another shape than the contract's ends the instance.
  throw null;
}

/** The host that runs this component. A refusal comes as an error with the contract's record in it. */
const host = {
  balance: () => wallet.balance(),
  staked: () => wallet.staked(),
  stake: (amount) => refusable(() => wallet.stake(amount)),
  pay: (amount) => refusable(() => wallet.pay(amount)),
  refund: (amount) => refusable(() => wallet.refund(amount)),

  getDocument: (key) => store.get(key) ?? undefined,
  putDocument: (key, json) => refusable(() => store.put(key, json)),
  deleteDocument: (key) => store.delete(key),
  documentKeys: () => store.keys(),

  below: (bound) => random.below(bound),
  weighted: (weights) => random.weighted(Uint32Array.from(weights)),
  shuffled: (n) => Array.from(random.shuffled(n)),

  notify: (channel, template, data, delayMs) => refusable(() => notify.send({ channel, template, data, delayMs })),
  track: (name, props) => refusable(() => track.event(name, props)),
  log: (level, message) => log.write(level, message),
};

function refusable(ask) {
  try {
    return ask();
  } catch (error) {
    throw error.payload ? new Refusal(error.payload.code, error.payload.message) : error;
  }
}
