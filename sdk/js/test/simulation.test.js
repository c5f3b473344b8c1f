// What games play by themselves: the same rounds for a seed, under the host's rules, by the very methods that are called.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bet, faults, game, look, method, schema } from "croupier-sdk";
import { simulate, trace } from "croupier-sdk/testing";

const fault = faults({ lost: [7, "the dice are lost"] });

const open = method({
  summary: "Stakes, and draws a card.",
  params: schema.object({ stake: schema.amount(), tags: schema.optional(schema.array(schema.string())) }),
  result: schema.object({ card: schema.integer() }),
  play(table, { stake, tags = [] }, state) {
    table.stake(stake);
    tags.push("mine");
    state.tags = tags;
    state.hand = [table.shuffled(10)[0]];
    state.rounds += 1;
    table.keepRoundOpen();
    return { card: state.hand[0] };
  },
});

const close = method({
  summary: "Draws another, and pays what both are.",
  result: schema.object({ hand: schema.array(schema.integer()), rounds: schema.integer() }),
  play(table, _params, state) {
    state.hand.push(table.weighted([1, 0, 3]));
    const paid = state.hand[0] + state.hand[1];
    if (paid === 3) table.refund(3);
    table.pay(paid);
    if (paid > 10) table.track("high", { paid });
    return { hand: state.hand, rounds: state.rounds };
  },
});

const tagged = look({ summary: "", result: schema.integer(), look: (_table, _params, state) => state.tags.length });

/** A game of one method, which does what the test wants, and a bet that plays it. */
function playing(play, { state, round = (round, act) => round.play(act) } = {}) {
  const act = method({ summary: "", params: schema.raw({}), result: schema.raw({}), play });
  const bets = { act: bet({ summary: "", play: (played) => round(played, act) }) };
  return game({ id: "any", title: "", version: "1.0.0", rtpPpm: 0, maxWinPpm: 0, state, methods: { act }, bets });
}

const TAGS = ["constant"];

const cards = game({
  id: "cards", title: "", version: "1.0.0", rtpPpm: 0, maxWinPpm: 0,
  state: () => ({ rounds: 0, hand: null, tags: [] }),
  methods: { open, close, tagged },
  bets: {
    both: bet({
      summary: "Two cards for 10.",
      play(round) {
        const { card } = round.play(open, { tags: TAGS, stake: 10n });
        assert.deepEqual([round.isOpen, round.state.hand], [true, [card]]);
        assert.equal(round.play(tagged), 2, "the bet's own params stay as they are");
        round.play(close);
      },
    }),
    "half-way": bet({ summary: "", play: (round) => round.play(open, { stake: 10 }) }),
    twice: bet({ summary: "", play: (round) => [1, 2, 3].forEach((call) => round.play(call === 1 ? open : close, { stake: 10 })) }),
  },
});

/** The draws of a game that says them. */
function drawn(play, rounds = 1) {
  return trace(playing((table) => (table.stake(1), play(table))), "act", [1, 2, 3, 4], rounds).map(([{ body }]) => body);
}

test("a seed says what is played, and rounds are the same however many", () => {
  const outcomes = (seed, rounds) => simulate(cards, "both", seed, rounds).outcomes;
  assert.deepEqual(outcomes([1, 2, 3, 4], 50), outcomes([1n, 2n, 3n, 4n], 50));
  assert.deepEqual(outcomes([1, 2, 3, 4], 50).slice(0, 20), outcomes([1, 2, 3, 4], 20));
  const others = [[2, 2, 3, 4], [1, 2, 3, 5], [1, 2, 4, 3], [1, 2, 3, 4n + (1n << 63n)]];
  for (const seed of others) assert.notDeepEqual(outcomes(seed, 50), outcomes([1, 2, 3, 4], 50));
});

test("a trace tells the calls of the rounds that are simulated", () => {
  const { outcomes, methods, events } = simulate(cards, "both", [5, 6, 7, 8], 200);
  const traced = trace(cards, "both", [5, 6, 7, 8], 200);
  const [first] = traced;
  assert.deepEqual(first.map(({ method }) => method), ["open", "tagged", "close"]);
  assert.deepEqual(first.map(({ roundOpen }) => roundOpen), [true, true, false]);
  assert.deepEqual(first[0].params, { stake: 10, tags: ["constant"] });
  const [{ shuffled }] = first[0].draws;
  assert.deepEqual(first[0].body, { card: shuffled[0] });
  const [{ weighted }] = first[2].draws;
  assert.equal(weighted[0], 4);
  assert.deepEqual(first[2].body, { hand: [shuffled[0], weighted[1]], rounds: 1 });
  assert.equal(traced[199][2].body.rounds, 200, "one player plays them all");

  const sum = (calls, of) => calls.reduce((sum, call) => sum + of(call), 0);
  const told = traced.map((calls) => ({ staked: sum(calls, (call) => call.staked - call.refunded), paid: sum(calls, (call) => call.paid) }));
  assert.deepEqual(told, outcomes);
  const calls = traced.flat();
  for (const { name, ...tally } of methods) {
    const own = calls.filter((call) => call.method === name);
    const moved = (what) => sum(own, (call) => call[what]);
    assert.deepEqual(tally, { calls: own.length, staked: moved("staked"), refunded: moved("refunded"), paid: moved("paid") });
  }
  assert.ok(methods[2].refunded > 0 && events.high > 0);
  assert.equal(events.high, calls.flatMap((call) => call.events).length);
});

test("a wallet has the host's rules", () => {
  const asked = (ask) => trace(playing((table) => {
    const codes = ask(table).map((refused) => {
      try {
        return refused();
      } catch ({ code }) {
        return code;
      }
    });
    if (!table.roundOpen) table.stake(1);
    return codes;
  }), "act", [1, 2, 3, 4], 1)[0][0].body;
  assert.deepEqual(
    asked((table) => [() => table.pay(1), () => table.refund(1), () => table.stake(0), () => table.stake(2 ** 52 + 1), () => table.balance]),
    ["no-open-round", "no-open-round", "zero-amount", "insufficient-funds", 2 ** 52],
  );
  assert.deepEqual(
    asked((table) => [() => table.stake(5), () => table.refund(6), () => table.pay(2 ** 53 - 1), () => table.refund(2), () => table.staked]),
    [2 ** 52 - 5, "refund-over-stake", "amount-too-large", 2 ** 52 - 3, 3],
  );
  const often = asked((table) => Array(257).fill(() => table.stake(1)));
  assert.deepEqual(often.slice(255), [2 ** 52 - 256, "too-many-transfers"]);
  assert.deepEqual(asked((table) => [() => table.notify("push", "won", {})]), ["not-granted"]);
  assert.deepEqual(asked((table) => [() => table.putDocument("a", "é".repeat(8_191)), () => table.putDocument("a", "é".repeat(8_000))]), ["too-large", null]);
});

test("a state is what calls would find", () => {
  const state = () => ({ calls: 0, at: { n: 0 }, list: [] });
  const kept = (play, rounds = 3, options = { state }) => {
    const act = (table, _params, state) => (table.stake(1), play(state, table));
    return trace(playing(act, options), "act", [1, 2, 3, 4], rounds).map(([{ body }]) => body);
  };
  let before;
  const isOwn = kept((state) => {
    const own = state !== before && state.at !== before?.at;
    before = state;
    state.calls += 1;
    return [own, state.calls];
  });
  assert.deepEqual(isOwn, [[true, 1], [true, 2], [true, 3]]);
  const shared = kept((state) => {
    if (state.calls++ === 0) state.list = [state.at];
    state.at.n += 1;
    return state.list[0].n;
  });
  assert.deepEqual(shared, [1, 1, 1], "what is one object to a call is two to the next");
  const flat = () => ({ calls: 0, text: "", gone: undefined });
  const changed = kept((state) => {
    const found = [Object.keys(state), state.calls, Object.is(state.calls, -0)];
    state.gone = undefined;
    state.calls = state.calls === 0 ? -0 : 1;
    state.text = "x";
    return found;
  }, 2, { state: flat });
  assert.deepEqual(changed, [[["calls", "text", "gone"], 0, false], [["calls", "text"], 0, false]]);
  assert.throws(() => kept((state) => { state.calls = NaN }), /the game's state at 'calls' is NaN/);
  const documents = kept((state, table) => {
    const found = [state.n, table.document("seen")];
    state.n += 1;
    table.putDocument("seen", { n: state.n });
    return [...found, table.documentKeys()];
  }, 3, { state: () => ({ n: 0 }) });
  assert.deepEqual(documents, [[0, null, ["seen"]], [1, { n: 1 }, ["seen"]], [2, { n: 2 }, ["seen"]]]);
});

test("a state without members that have members is copied", () => {
  let before;
  const own = simulate(playing((table, _params, state) => {
    table.stake(1);
    assert.notEqual(state, before);
    assert.equal(state.calls, before ? before.calls : 0);
    before = state;
    state.calls += 1;
    if (state.calls > 5) state.list ??= [];
    table.pay(state.calls);
  }, { state: () => ({ calls: 0, isLucky: false, name: "é", last: null }) }), "act", [1, 2, 3, 4], 10);
  assert.deepEqual(own.outcomes.map(({ paid }) => paid), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("what cannot be played says why", () => {
  const run = (game, name = "act") => () => simulate(game, name, [1, 2, 3, 4], 3);
  const lost = playing((table, _params, state) => {
    table.stake(1);
    if (state.calls++ === 1) throw fault.lost();
  }, { state: () => ({ calls: 0 }) });
  assert.throws(run(lost), /^Error: bet `act`, round 1: the dice are lost \(fault 7\)$/);
  const swallowed = (round, act) => {
    try {
      round.play(act);
    } catch {
      // A bet cannot go on as if nothing were.
    }
  };
  assert.throws(run(playing(() => { throw fault.lost() }, { round: swallowed })), /round 0: the dice are lost/);
  assert.throws(run(playing((table) => table.stake(2 ** 53 - 1))), /the balance does not cover the stake \(fault 900\)/);
  assert.throws(run(cards, "neither"), /there is no bet `neither`/);
  assert.throws(run(cards, "half-way"), /has not played round 0 to its end/);
  assert.throws(run(cards, "twice"), /a bet is one round: it is settled before 'close'/);
  assert.throws(run(playing(() => 1)), /has not played round 0 to its end/);
  assert.throws(run(playing((table) => table.keepRoundOpen())), /kept a round open, but none is/);
  assert.throws(run(playing((table) => (table.stake(1), Math.random()))), /a game has no Math.random/);
  assert.throws(run(playing(async (table) => table.stake(1))), /'act' is asynchronous/);
  assert.throws(run(playing((table) => table.stake(1), { round: async (round, act) => round.play(act) })), /bet 'act' is asynchronous/);
  assert.throws(run(playing(() => 1, { round: (round) => round.play(open) })), /calls a method that the game does not have/);
});

test("draws are uniform, and have the host's bounds", () => {
  const count = (size, draw) => {
    const counts = Array(size).fill(0);
    for (const number of drawn((table) => Array.from({ length: 2_000 }, () => draw(table)), 25).flat()) counts[number] += 1;
    return counts;
  };
  for (const bound of [2, 3, 37, 1_000]) assertFits(count(bound, (table) => table.below(bound)), Array(bound).fill(1));
  // What has no bias here has none anywhere: of these bounds, many numbers are drawn again.
  for (const bound of [3 * 2 ** 29, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 3 * 2 ** 51, Number.MAX_SAFE_INTEGER]) {
    assertFits(count(10, (table) => Math.floor((table.below(bound) / bound) * 10)), Array(10).fill(1));
  }
  assertFits(count(5, (table) => table.weighted([1, 7, 0, 2, 30])), [1, 7, 0, 2, 30]);
  const order = (table) => {
    const [first, second, third] = table.shuffled(3);
    return first * 2 + Number(second > third);
  };
  assertFits(count(6, order), Array(6).fill(1));

  assert.throws(() => drawn((table) => table.below(0)), /drew below 0/);
  assert.throws(() => drawn((table) => table.weighted([0, 0])), /sum to 0/);
  assert.throws(() => drawn((table) => table.weighted([0.5])), /a weight is a whole number/);
  assert.throws(() => drawn((table) => table.shuffled(1_025)), /at most 1024/);
  assert.throws(() => drawn((table) => Array.from({ length: 4_097 }, () => table.below(2))), /at most 4096 times/);
});

/** Chi-square, at 99.9 % by Wilson and Hilferty's approximation (1931). */
function assertFits(counts, weights) {
  const sum = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  const expected = weights.map((weight) => (sum(counts) * weight) / sum(weights));
  const possible = counts.map((_, at) => at).filter((at) => expected[at] > 0);
  const statistic = sum(possible.map((at) => (counts[at] - expected[at]) ** 2 / expected[at]));
  const freedom = possible.length - 1;
  const spread = 2 / (9 * freedom);
  assert.ok(statistic < freedom * (1 - spread + 3.0902 * Math.sqrt(spread)) ** 3, `chi-square ${statistic} of ${counts}`);
  assert.equal(sum(possible.map((at) => counts[at])), sum(counts), "what has no weight is never drawn");
}
