/**
 * What a game cannot reach, and the error that says what to use in its place. A step is a function of its call and its draws:
 * with a clock or chance of its own it could not be run again, and nobody could prove it.
 */

const CHANCE = "chance comes from the host: draw with table.below, table.weighted or table.shuffled";
const TIME = "the time of a call is table.nowMs";
const WAITING = "a call answers at once: it cannot wait";
const OUTSIDE = "a game reaches nothing but its table";

const GLOBALS = {
  Date: TIME,
  Temporal: TIME,
  Intl: OUTSIDE,
  performance: TIME,
  crypto: CHANCE,
  setTimeout: WAITING,
  setInterval: WAITING,
  setImmediate: WAITING,
  requestAnimationFrame: WAITING,
  queueMicrotask: WAITING,
  console: "the operator's log is table.info",
  fetch: OUTSIDE,
  WebSocket: OUTSIDE,
  XMLHttpRequest: OUTSIDE,
  process: OUTSIDE,
  WebAssembly: OUTSIDE,
  SharedArrayBuffer: OUTSIDE,
  Atomics: OUTSIDE,
  WeakRef: "what the collector of garbage does is no part of a step",
  FinalizationRegistry: "what the collector of garbage does is no part of a step",
};

/**
 * Takes all of it away from whoever runs in this realm.
 * @returns {() => void} Gives it back.
 */
export function denyAll() {
  const { Date: Clock } = globalThis;
  const taken = [
    replace(Math, "random", denied("Math.random", CHANCE)),
    // For whoever holds the constructor already, or one of its objects.
    replace(Clock, "now", denied("Date.now", TIME)),
    replace(Clock.prototype, "constructor", denied("Date", TIME)),
    ...Object.entries(GLOBALS).map(([name, advice]) => replace(globalThis, name, denied(name, advice))),
  ];
  return () => taken.forEach((giveBack) => giveBack());
}

function replace(owner, name, value) {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, enumerable: false, writable: false });
  return () => (before ? Object.defineProperty(owner, name, before) : delete owner[name]);
}

/** Says what is wrong whenever it is called, made or looked into. */
function denied(name, advice) {
  const refuse = (what) => {
    throw new Error(`a game has no ${what}: ${advice}`);
  };
  const stand = function () {};
  const proxy = new Proxy(stand, {
    apply: () => refuse(name),
    construct: () => refuse(name),
    set: (_, member) => refuse(`${name}.${String(member)}`),
    get(target, member) {
      // `value instanceof Date` may be asked, and is false.
      const isQuestion = typeof member === "symbol" || member === "prototype";
      return isQuestion ? Reflect.get(target, member) : refuse(`${name}.${member}`);
    },
  });
  stand.prototype.constructor = proxy;
  return proxy;
}
