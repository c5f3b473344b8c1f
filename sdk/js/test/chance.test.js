import assert from "node:assert/strict";
import { test } from "node:test";

import { Chance } from "../src/testing/chance.js";

/** The 99.9 % quantile of chi-square with `freedom` degrees, by Wilson and Hilferty's approximation (1931). */
function chiSquareLimit(freedom) {
  const spread = 2 / (9 * freedom);
  return freedom * (1 - spread + 3.0902 * Math.sqrt(spread)) ** 3;
}

function check(counts, weights) {
  const sum = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  const [draws, whole] = [sum(counts), sum(weights)];
  const statistic = sum(counts.map((count, at) => (count - (draws * weights[at]) / whole) ** 2 / ((draws * weights[at]) / whole)));
  assert.ok(statistic < chiSquareLimit(counts.length - 1), `chi-square ${statistic} of ${counts}`);
}

function counted(size, draw) {
  const chance = Chance.seeded(1);
  const counts = Array(size).fill(0);
  for (let count = 0; count < 50_000; count += 1) {
    chance.begin();
    counts[draw(chance)] += 1;
  }
  return counts;
}

test("seeded draws follow their distribution", () => {
  check(counted(37, (chance) => chance.below(37)), Array(37).fill(1));
  const weights = [1, 7, 2, 30];
  check(counted(4, (chance) => chance.weighted(weights)), weights);
  const order = (chance) => {
    const [first, second, third] = chance.shuffled(3);
    return first * 2 + Number(second > third);
  };
  check(counted(6, order), Array(6).fill(1));
});

test("the same seed gives the same draws", () => {
  const draw = (chance) => [chance.below(1_000), chance.weighted(Array(100).fill(1)), chance.shuffled(312)];
  assert.deepEqual(draw(Chance.seeded(5)), draw(Chance.seeded(5)));
  assert.notDeepEqual(draw(Chance.seeded(5)), draw(Chance.seeded(6)));
});

test("a script answers draws in order", () => {
  const chance = Chance.scripted([3, 1, [4, 0]]);
  assert.equal(chance.below(6), 3);
  assert.equal(chance.weighted([0, 5]), 1);
  assert.deepEqual(chance.shuffled(5), [4, 0, 1, 2, 3]);
  assert.deepEqual(chance.draws, [3, 1, [4, 0, 1, 2, 3]]);
});

test("a script that does not fit is an error", () => {
  assert.throws(() => Chance.scripted([6]).below(6), /the script says 6 for below\(6\)/);
  assert.throws(() => Chance.scripted([[1]]).below(6), /the script says \[1\] for below\(6\)/);
  assert.throws(() => Chance.scripted([0]).weighted([0, 5]), /the script says 0 for weighted\(\[0,5\]\)/);
  assert.throws(() => Chance.scripted([[1, 1]]).shuffled(3), /a number is twice or too large/);
  assert.throws(() => Chance.scripted([1]).shuffled(3), /which takes a list/);
  assert.throws(() => Chance.scripted([]).below(2), /the script is exhausted at below\(2\)/);
});

test("draws have the host's bounds", () => {
  const chance = Chance.seeded(0);
  assert.throws(() => chance.below(0), /drew below 0/);
  assert.throws(() => chance.weighted([0, 0]), /sum to 0/);
  assert.throws(() => chance.shuffled(1_025), /at most 1024/);
  for (let draw = 0; draw < 4_096; draw += 1) chance.below(2);
  assert.throws(() => chance.below(2), /at most 4096 times/);
  chance.begin();
  for (let shuffle = 0; shuffle < 4_096; shuffle += 1) chance.shuffled(0);
  assert.throws(() => chance.shuffled(0), /at most 4096 times/);
});
