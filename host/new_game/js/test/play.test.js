// Plays as a client does: JSON in, JSON out, under the host's rules.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TestTable } from "croupier-sdk/testing";

import game from "../src/game.js";

// Draws are scripted: a die that draws 5 shows 6.
test("a throw pays what the dice show", () => {
  const table = new TestTable(game, { balance: 1_000, script: [5, 5] });
  assert.deepEqual(table.call("throw", { stake: 100 }), { dice: [6, 6], payout: 600 });
  assert.equal(table.balance, 1_500);
});

test("a player is remembered", () => {
  const table = new TestTable(game, { script: [5, 5, 0, 2] });
  table.call("throw", { stake: 100 });
  table.call("throw", { stake: 100 });
  assert.deepEqual(table.call("statistics", {}), { throws: 2, best: 600 });
});

test("what is refused takes nothing", () => {
  const table = new TestTable(game, { balance: 1_000 });
  assert.throws(() => table.call("throw", { stake: 15 }), { code: 1, data: { step: 10 } });
  assert.throws(() => table.call("throw", { stake: 1_010 }), { data: { refusal: "insufficient-funds" } });
  assert.equal(table.balance, 1_000);
});
