// Plays Plinko as a client does: JSON in, JSON out, under the host's rules.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TestTable } from "croupier-sdk/testing";

import plinko from "../src/game.js";
import { RISKS, ROWS, RTP_PPM, payTable } from "../src/board.js";

const BALANCE = 1_000_000;

test("every bucket pays what the table says", () => {
  const table = new TestTable(plinko, { balance: BALANCE });
  for (const risk of RISKS) {
    for (let bucket = 0; bucket <= ROWS; bucket += 1) {
      const before = table.balance;
      const path = parseInt("1".repeat(bucket) + "0".repeat(ROWS - bucket), 2);
      table.script([path]);
      const { balls, stake, payout } = table.call("drop", { stake: 20, risk });
      assert.deepEqual([balls[0].bucket, stake, payout], [bucket, 20, 2 * payTable(risk)[bucket]]);
      assert.equal(balls[0].turns, "R".repeat(bucket) + "L".repeat(ROWS - bucket));
      assert.equal(table.balance, before - 20 + payout);
      assert.equal(table.roundOpen, false);
    }
  }
});

test("many balls are one stake and one payout", () => {
  const table = new TestTable(plinko, { balance: BALANCE, seed: 7 });
  const { balls, stake, payout } = table.call("drop", { stake: 100, risk: "medium", balls: 20 });
  assert.equal(balls.length, 20);
  assert.equal(stake, 2_000);
  assert.equal(payout, balls.reduce((sum, ball) => sum + ball.payout, 0));
  assert.equal(table.balance, BALANCE - stake + payout);
  assert.equal(table.draws.length, 20, "one draw a ball");
});

test("what cannot be staked takes nothing", () => {
  const table = new TestTable(plinko, { balance: 100 });
  const cases = [
    [{ stake: 15, risk: "low" }, { code: 1, message: "the stake of a ball is in steps of 10", data: { step: 10 } }],
    [{ stake: 110, risk: "low" }, { code: 900, data: { refusal: "insufficient-funds" } }],
    [{ stake: 60, risk: "low", balls: 2 }, { code: 900, data: { refusal: "insufficient-funds" } }],
    [{ stake: 0, risk: "low" }, { code: -32602 }],
    [{ stake: 10_010, risk: "low" }, { code: -32602 }],
    [{ stake: 10, risk: "none" }, { code: -32602 }],
    [{ stake: 10, risk: "low", balls: 21 }, { code: -32602 }],
  ];
  for (const [params, fault] of cases) {
    assert.throws(() => table.call("drop", params), fault);
    assert.deepEqual([table.balance, table.draws], [100, []]);
  }
});

test("anybody may look at the rules", () => {
  const table = new TestTable(plinko);
  const rules = table.call("rules");
  assert.equal(rules.rtp_ppm, RTP_PPM);
  assert.deepEqual(rules.pay_tables.high, payTable("high"));
});

test("ten thousand seeded balls return about what they should", () => {
  const table = new TestTable(plinko, { seed: 1, balance: 100_000_000 });
  let [staked, paid] = [0, 0];
  for (let call = 0; call < 500; call += 1) {
    const { stake, payout } = table.call("drop", { stake: 1_000, risk: "low", balls: 20 });
    staked += stake;
    paid += payout;
  }
  assert.equal(table.balance, 100_000_000 - staked + paid);
  // The standard deviation of a ball at low risk is below 0.7 stakes; this is four of a mean over 10,000.
  assert.ok(Math.abs(paid / staked - RTP_PPM / 1_000_000) < 0.028, `${paid / staked}`);
});
