// No digit is lost: what cannot be kept exactly is an error.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AMOUNT_MAX, exactAmount } from "../src/amount.js";
import { fromJson, toJson } from "../src/json.js";
import { TestHost } from "../src/testing/host.js";

test("an amount is a whole number that is exact", () => {
  const cases = [[0, 0], [-0, 0], [1, 1], [7n, 7], [AMOUNT_MAX, AMOUNT_MAX], [BigInt(AMOUNT_MAX), AMOUNT_MAX]];
  for (const [amount, exact] of cases) assert.ok(Object.is(exactAmount(amount), exact), String(amount));
  for (const amount of [0.5, -1, -1n, NaN, Infinity, 2 ** 53, "1", null, undefined, true, [1]]) {
    assert.throws(() => exactAmount(amount), RangeError, String(amount));
  }
  assert.throws(() => exactAmount(2n ** 53n), { name: "Refusal", code: "amount-too-large" });
});

test("JSON is written without losing a digit", () => {
  assert.equal(toJson({ a: 9007199254740991n, b: [AMOUNT_MAX, 0.1], c: undefined }, "it"), '{"a":9007199254740991,"b":[9007199254740991,0.1]}');
  const cases = [
    [{ a: 2 ** 53 }, /it at 'a' passes 2\^53 - 1/],
    [{ a: 2n ** 53n }, /it at 'a' passes 2\^53 - 1/],
    [[NaN], /it at '0' is NaN, which has no JSON/],
    [{ a: () => 1 }, /it at 'a' has no JSON: function/],
    [undefined, /it has no JSON: undefined/],
  ];
  for (const [value, message] of cases) assert.throws(() => toJson(value, "it"), message);
});

test("JSON is read without losing a digit", () => {
  assert.deepEqual(fromJson('{"a":9007199254740991,"b":1e3,"c":"9007199254740993"}', "it"), { a: AMOUNT_MAX, b: 1000, c: "9007199254740993" });
  for (const json of ['{"a":[9007199254740993]}', '{"a":[-9007199254740992]}', '{"a":[9007199254740993e0]}', '{"a":[1e16]}']) {
    assert.throws(() => fromJson(json, "it"), /it at 'a' at '0' passes 2\^53 - 1/, json);
  }
});

test("a wallet is exact up to the largest amount", () => {
  const host = new TestHost(AMOUNT_MAX);
  host.begin();
  assert.equal(host.stake(AMOUNT_MAX), 0);
  assert.equal(host.pay(AMOUNT_MAX - 1), AMOUNT_MAX - 1);
  assert.equal(host.pay(1), AMOUNT_MAX);
  assert.throws(() => host.pay(1), { code: "amount-too-large" });
  assert.throws(() => host.refund(1), { code: "amount-too-large" });
  assert.deepEqual([host.balance(), host.staked()], [AMOUNT_MAX, AMOUNT_MAX]);
});

test("what is refused moves nothing", () => {
  const host = new TestHost(100);
  host.begin();
  const refusals = [
    [() => host.pay(1), "no-open-round"],
    [() => host.refund(1), "no-open-round"],
    [() => host.stake(0), "zero-amount"],
    [() => host.stake(101), "insufficient-funds"],
  ];
  for (const [ask, code] of refusals) assert.throws(ask, { code });
  assert.equal(host.roundOpen, false);
  host.stake(40);
  assert.throws(() => host.refund(41), { code: "refund-over-stake" });
  assert.throws(() => host.pay(AMOUNT_MAX), { code: "amount-too-large" });
  assert.deepEqual([host.balance(), host.staked()], [60, 40]);
});

test("a call has a bound of transfers, effects and documents", () => {
  const host = new TestHost(1_000);
  host.begin();
  for (let transfer = 0; transfer < 256; transfer += 1) host.stake(1);
  assert.throws(() => host.stake(1), { code: "too-many-transfers" });
  for (let effect = 0; effect < 32; effect += 1) host.track("spin", "{}");
  assert.throws(() => host.notify("push", "a", "{}", 0), { code: "too-many-effects" });
  host.begin();
  assert.throws(() => host.track("spin", JSON.stringify("x".repeat(4_095))), { code: "too-large" });
  assert.throws(() => host.putDocument("a b", "1"), { code: "invalid-key" });
  assert.throws(() => host.putDocument("a", JSON.stringify("x".repeat(16_384))), { code: "too-large" });
});
