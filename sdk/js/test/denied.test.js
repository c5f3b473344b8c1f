// A game has no clock and no chance of its own, in tests as in a component.

import assert from "node:assert/strict";
import { test } from "node:test";

import { game, method, schema } from "croupier-sdk";
import { TestTable } from "croupier-sdk/testing";

const aDate = new Date(0);
const Captured = Date;

/** Every way to time and chance that a game could think of, with what the error says. */
const WAYS = [
  [() => Math.random(), /a game has no Math.random: chance comes from the host: draw with table.below/],
  [() => Math["ran" + "dom"].call(null), /Math.random/],
  [() => Date.now(), /a game has no Date.now: the time of a call is table.nowMs/],
  [() => new Date(), /a game has no Date: /],
  [() => Date(), /a game has no Date: /],
  [() => Date.UTC(2026, 1), /Date.UTC/],
  [() => Reflect.construct(Date, []), /Date/],
  [() => new (class extends Date {})(), /Date/],
  [() => new Date.prototype.constructor(), /Date/],
  [() => new aDate.constructor(), /Date/],
  [() => Captured.now(), /Date.now/],
  [() => new Function("return Math.random()")(), /Math.random/],
  [() => (0, eval)("new Date()"), /Date/],
  [() => Object.getPrototypeOf(function* () {}).constructor("return Date.now()")().next(), /Date.now/],
  [() => globalThis.Date.now(), /Date.now/],
  [() => performance.now(), /performance.now: the time/],
  [() => setTimeout(() => {}, 0), /setTimeout: a call answers at once/],
  [() => crypto.getRandomValues(new Uint8Array(1)), /crypto.getRandomValues: chance/],
  [() => console.log("here"), /console.log: the operator's log is table.info/],
  [() => process.hrtime(), /process.hrtime: a game reaches nothing but its table/],
  [() => new Intl.DateTimeFormat(), /Intl.DateTimeFormat/],
  [() => fetch("http://127.0.0.1"), /fetch/],
];

function playing(play) {
  const methods = { play: method({ summary: "", result: schema.raw({}), play }) };
  return new TestTable(game({ id: "sly", title: "", version: "1.0.0", rtpPpm: 0, maxWinPpm: 0, methods }));
}

for (const [way, error] of WAYS) {
  test(`a game cannot: ${way}`, () => {
    const table = playing((table) => {
      table.stake(10);
      return way();
    });
    assert.throws(() => table.call("play"), error);
    assert.equal(table.balance, 1_000_000);
  });
}

test("after the call all of it is back", () => {
  const { random } = Math;
  playing(() => 1).call("play");
  assert.equal(Math.random, random);
  assert.equal(Date, Captured);
  assert.equal(aDate.constructor, Date);
  assert.ok(Date.now() > 0 && performance.now() > 0);
});

test("asking whether something is a date is no question of time", () => {
  assert.equal(playing(() => ({}) instanceof Date).call("play"), false);
});
