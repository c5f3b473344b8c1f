// What declarations and TestTable promise, on a game that uses all of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Fault, Refusal, faults, game, look, method, schema } from "croupier-sdk";
import { TestTable } from "croupier-sdk/testing";

const fault = faults({
  noBet: [1, "no bet is open: call open first"],
  betOpen: [2, "a bet of {pot} is open: the limit is {limit}"],
});

const Pot = schema.object({ pot: schema.amount(), note: schema.optional(schema.string()) });

/** Guess a coin until wrong: a round of many calls. */
const streak = game({
  id: "streak",
  title: "Streak",
  version: "1.2.3",
  rtpPpm: 999_999,
  maxWinPpm: Number.MAX_SAFE_INTEGER,
  state: () => ({ bet: null }),
  methods: {
    open: method({
      summary: "Opens a bet of one stake.",
      params: schema.object({ stake: schema.amount({ min: 1, max: 500 }) }),
      result: Pot,
      play(table, { stake }, state) {
        table.stake(stake);
        if (state.bet !== null) throw fault.betOpen({ pot: state.bet, limit: "one" });
        table.track("opened", { step: table.roundStep });
        state.bet = stake;
        table.keepRoundOpen();
        return { pot: stake };
      },
    }),
    guess: method({
      summary: "Guesses.",
      result: Pot,
      play(table, _params, state) {
        if (state.bet === null) throw fault.noBet();
        if (table.below(2) === 0) {
          table.info(`lost ${state.bet}`);
          table.pay(0);
          state.bet = null;
          return { pot: 0, note: "lost" };
        }
        state.bet *= 2;
        table.keepRoundOpen();
        return { pot: state.bet };
      },
    }),
    take: method({
      summary: "Takes the pot.",
      result: schema.amount(),
      play(table, _params, state) {
        const pot = state.bet;
        state.bet = null;
        table.notifyAfter(1_000, "push", "taken", pot);
        return table.pay(pot);
      },
    }),
    bet: look({ summary: "", result: schema.nullable(schema.amount()), look: (_table, _params, state) => state.bet }),
    hold: method({ summary: "", result: schema.nullable(schema.boolean()), play: (table) => table.keepRoundOpen() }),
    lie: method({ summary: "", result: schema.amount(), play: () => "none" }),
    wait: method({ summary: "", result: schema.raw({}), play: async () => 1 }),
  },
});

function table(options) {
  return new TestTable(streak, { balance: 1_000, ...options });
}

/** A game of one method, which does what the test wants. */
function playing(play, options) {
  const declared = { summary: "", params: schema.raw({}), result: schema.raw({}), play };
  const any = game({ id: "any", title: "", version: "1.0.0", rtpPpm: 0, maxWinPpm: 0, methods: { play: method(declared) } });
  return new TestTable(any, options);
}

test("the descriptor is the declaration", () => {
  const { methods, ...rest } = streak.descriptor;
  const expected = { id: "streak", title: "Streak", version: "1.2.3", rtpPpm: 999_999, maxWinPpm: 9007199254740991 };
  assert.deepEqual(rest, expected);
  assert.deepEqual(methods.map(({ name }) => name), ["open", "guess", "take", "bet", "hold", "lie", "wait"]);
  const stake = { type: "integer", minimum: 1, maximum: 500, description: "In minor units of the session's currency." };
  assert.deepEqual(methods[0].paramsSchema, {
    type: "object", properties: { stake }, required: ["stake"], additionalProperties: false,
  });
  assert.deepEqual(methods[0].resultSchema.required, ["pot"], "what may be left out is not required");
  assert.deepEqual(methods[1].paramsSchema, { type: "object", properties: {}, required: [], additionalProperties: false });
});

test("a schema states what plays as examples", () => {
  const spot = schema.array(schema.integer({ examples: [7] }), { examples: [[17, 20]] });
  const stake = schema.amount({ examples: [10, 20] });
  const { json } = schema.object({ spot, stake }, { examples: [{ spot: [1, 2], stake: 10 }] });
  assert.deepEqual(json.examples, [{ spot: [1, 2], stake: 10 }]);
  assert.deepEqual(json.properties.spot.examples, [[17, 20]]);
  assert.deepEqual(json.properties.spot.items.examples, [7]);
  assert.deepEqual(json.properties.stake.examples, [10, 20]);
  assert.ok(!("examples" in schema.string().json));
});

test("a wrong declaration is said at once", () => {
  const declaration = { id: "a", title: "", version: "", rtpPpm: 1, maxWinPpm: 1, methods: {} };
  assert.throws(() => game({ ...declaration, id: "A" }), /id is \[a-z\]/);
  assert.throws(() => game({ ...declaration, rtpPpm: 0.5 }), /rtpPpm is a whole number/);
  assert.throws(() => game({ ...declaration, maxWinPpm: 2 ** 53 }), /maxWinPpm is a whole number/);
  assert.throws(() => game({ ...declaration, methods: { spinAll: method({ summary: "", result: schema.raw({}) }) } }), /name is/);
  assert.throws(() => game({ ...declaration, methods: { spin: {} } }), /'spin' is declared with method/);
  assert.throws(() => faults({ a: [900, ""] }), /codes are 1 to 899/);
  assert.throws(() => faults({ a: [1, ""], b: [1, ""] }), /already that of 'a'/);
});

test("a round goes over many calls", () => {
  const played = table({ script: [1, 0] });
  assert.deepEqual(played.call("open", { stake: 100 }), { pot: 100 });
  assert.deepEqual([played.balance, played.staked, played.roundOpen], [900, 100, true]);
  assert.deepEqual(played.events, [{ name: "opened", props: { step: 0 } }]);
  assert.deepEqual(played.call("guess"), { pot: 200 });
  assert.equal(played.documents.state, '{"bet":200}');
  assert.equal(played.call("bet"), 200);
  assert.ok(played.roundOpen, "looking leaves the round as it is");
  assert.deepEqual(played.call("guess"), { pot: 0, note: "lost" });
  assert.deepEqual([played.balance, played.staked, played.roundOpen], [900, 0, false]);
  assert.deepEqual(played.log, [{ level: "info", message: "lost 200" }]);
  assert.deepEqual(played.state, { bet: null });
});

test("messages leave with the call", () => {
  const played = table({ state: { bet: 5 } });
  assert.throws(() => played.call("take"), { code: 900, data: { refusal: "no-open-round" } });
  assert.deepEqual(played.notifications, []);
  const open = table();
  open.call("open", { stake: 500 });
  assert.equal(open.call("take"), 1_000, "the new balance");
  assert.deepEqual(open.notifications, [{ channel: "push", template: "taken", data: 500, delayMs: 1_000 }]);
});

test("a fault changes nothing", () => {
  const played = table({ state: { bet: 7 } });
  assert.throws(() => played.call("open", { stake: 100 }), {
    name: "Fault", code: 2, message: "a bet of 7 is open: the limit is one", data: { pot: 7, limit: "one" },
  });
  assert.deepEqual([played.balance, played.roundOpen, played.documents], [1_000, false, { state: '{"bet":7}' }]);
  assert.throws(() => table().call("guess"), new Fault(1, "no bet is open: call open first"));
});

test("a refusal that is not caught is a fault of the SDK, and one that is caught changes nothing", () => {
  assert.throws(() => table({ balance: 99 }).call("open", { stake: 100 }), {
    code: Fault.REFUSED, data: { refusal: "insufficient-funds" },
  });
  const careful = playing((table) => {
    assert.throws(() => table.stake(101), Refusal);
    return table.stake(100);
  }, { balance: 100 });
  assert.equal(careful.call("play"), 0);
});

test("params that do not fit the schema never reach the game", () => {
  for (const params of [{ stake: 0 }, { stake: 501 }, { stake: "1" }, {}, { stake: 1, more: 1 }]) {
    assert.throws(() => table().call("open", params), { code: -32602 });
  }
});

test("what is no answer of a game is a malfunction", () => {
  assert.throws(() => table().call("hold"), /kept a round open, but none is/);
  assert.throws(() => table().call("lie"), /the result of 'lie' does not fit its schema/);
  assert.throws(() => table().call("wait"), /'wait' is asynchronous/);
  assert.throws(() => table().call("tkae"), /'streak' has no method 'tkae', only open, guess/);
  const broken = playing((table) => {
    table.stake(10);
    throw new TypeError("broken");
  });
  assert.throws(() => broken.call("play"), new TypeError("broken"));
  assert.equal(broken.balance, 1_000_000);
  assert.throws(() => playing(() => { throw new Fault(1_000, "") }).call("play"), Fault);
});

test("a state is written only when it changed, and refused when it is too large", () => {
  const played = table();
  assert.equal(played.call("bet"), null);
  assert.deepEqual(played.documents, {}, "a new player's state is not kept");
  const diary = game({
    id: "diary", title: "", version: "1.0.0", rtpPpm: 0, maxWinPpm: 0,
    state: () => ({ text: "" }),
    methods: {
      write: method({ summary: "", result: schema.raw({}), play: (_table, _params, state) => { state.text = "x".repeat(20_000) } }),
    },
  });
  const full = new TestTable(diary);
  assert.throws(() => full.call("write"), { data: { refusal: "too-large" } });
  assert.deepEqual(full.state, { text: "" });
});

test("documents are the game's, but for the state's", () => {
  const played = playing((table) => {
    table.putDocument("seat", 3);
    const shoe = table.document("shoe");
    table.deleteDocument("shoe");
    return [shoe, table.document("shoe") === undefined, table.documentKeys()];
  }, { documents: { shoe: [1, 2] } });
  assert.deepEqual(played.call("play"), [[1, 2], true, ["seat"]]);
  assert.throws(() => playing((table) => table.putDocument("state", 1)).call("play"), /holds the game's state/);
});

test("time is that of the call", () => {
  const clock = playing((table) => table.nowMs);
  const before = clock.call("play");
  clock.waitMs(5);
  assert.equal(clock.call("play"), before + 5);
});
