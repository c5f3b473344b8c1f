// Plays the bets as `croupier simulate` does, which plays many more rounds of the component.

import assert from "node:assert/strict";
import { test } from "node:test";

import { simulate } from "croupier-sdk/testing";

import game from "../src/game.js";
import { RTP_PPM } from "../src/rules.js";

test("ten thousand throws return about what they should", () => {
  const { outcomes } = simulate(game, "throw", [1, 2, 3, 4], 10_000);
  const sum = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  const paid = sum(outcomes.map((outcome) => outcome.paid)) / sum(outcomes.map((outcome) => outcome.staked));
  // Four standard deviations of a mean over so many.
  assert.ok(Math.abs(paid - RTP_PPM / 1_000_000) < 0.054, `${paid}`);
});
