// The mathematics: every throw is as likely, so the return is what all of them pay over what all of them stake.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_WIN_PPM, RTP_PPM, SIDES, payout } from "../src/rules.js";

const STAKE = 1_000_000;
const sides = Array.from({ length: SIDES }, (_, side) => side + 1);
const payouts = sides.flatMap((first) => sides.map((second) => payout(STAKE, [first, second])));

test("the rules return what they state", () => {
  const paid = payouts.reduce((sum, paid) => sum + paid, 0);
  assert.equal((paid * 1_000_000) / (payouts.length * STAKE), RTP_PPM);
});

test("they pay at most what they state", () => {
  assert.equal((Math.max(...payouts) * 1_000_000) / STAKE, MAX_WIN_PPM);
});
