// What the board returns, computed from its rules alone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_WIN_PPM, PATHS, RISKS, ROWS, RTP_PPM, STAKE_STEP, bucketOf, payTable, payout, turnsOf } from "../src/board.js";

/** How many paths lead to each bucket: row by row, a bucket is reached from the two above it. */
function pathsToBuckets() {
  let paths = [1n];
  for (let row = 0; row < ROWS; row += 1) {
    paths = Array.from({ length: paths.length + 1 }, (_, bucket) => (paths[bucket - 1] ?? 0n) + (paths[bucket] ?? 0n));
  }
  return paths;
}

test("every path leads to a bucket", () => {
  const paths = pathsToBuckets();
  assert.equal(paths.length, ROWS + 1);
  assert.equal(paths.reduce((sum, count) => sum + count), BigInt(PATHS));
});

test("every path is another one, and leads to the bucket that it is counted for", () => {
  const reached = Array(ROWS + 1).fill(0n);
  const falls = Array.from({ length: PATHS }, (_, path) => {
    const turns = turnsOf(path);
    assert.ok(turns.length === ROWS && parseInt(turns.replaceAll("L", "0").replaceAll("R", "1"), 2) === path);
    assert.equal(bucketOf(path), turns.split("R").length - 1, "as far to the right as it has turned right");
    reached[bucketOf(path)] += 1n;
    return turns;
  });
  assert.equal(new Set(falls).size, PATHS);
  assert.deepEqual(reached, pathsToBuckets());
});

for (const risk of RISKS) {
  test(`the return at ${risk} risk is the stated one, exactly`, () => {
    const table = payTable(risk);
    const tenths = pathsToBuckets().reduce((sum, count, bucket) => sum + count * BigInt(table[bucket]), 0n);
    assert.equal(tenths * 1_000_000n, BigInt(RTP_PPM) * 10n * BigInt(PATHS));
  });

  test(`the buckets at ${risk} risk mirror each other and pay less towards the middle`, () => {
    const table = payTable(risk);
    assert.equal(table.length, ROWS + 1);
    assert.deepEqual([...table].reverse(), table);
    for (let bucket = 1; bucket <= ROWS / 2; bucket += 1) assert.ok(table[bucket] <= table[bucket - 1]);
  });
}

test("the largest win is the stated one, exactly", () => {
  const most = Math.max(...RISKS.flatMap(payTable));
  assert.equal(most * (1_000_000 / 10), MAX_WIN_PPM);
});

test("every stake on a step pays whole minor units", () => {
  for (const risk of RISKS) {
    for (let bucket = 0; bucket <= ROWS; bucket += 1) {
      for (let stake = STAKE_STEP; stake <= 1_000; stake += STAKE_STEP) {
        assert.equal(payout(risk, stake, bucket) * 10, stake * payTable(risk)[bucket]);
      }
    }
  }
});
