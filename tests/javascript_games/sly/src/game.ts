// A game that reaches for what it must not have, and that shows what a component keeps and what it does not.

import { type Amount, game, method, schema } from "croupier-sdk";

interface State {
  calls: number;
}

/** Lives as long as the instance does. */
let callsOfThisInstance = 0;

const anything = schema.raw({});
const amounts = schema.object({ stake: schema.amount(), pay: schema.amount(), refund: schema.optional(schema.amount()) });

export default game({
  id: "sly",
  title: "Sly",
  version: "0.1.0",
  rtpPpm: 0,
  maxWinPpm: Number.MAX_SAFE_INTEGER,
  state: (): State => ({ calls: 0 }),
  methods: {
    run: method({
      summary: "Stakes, and runs the code that the client sends.",
      params: schema.object({ code: schema.string() }),
      result: anything,
      play(table, { code }) {
        table.stake(100);
        return (0, eval)(code);
      },
    }),
    count: method({
      summary: "Counts in the state, in the module and in the realm.",
      result: schema.array(schema.integer()),
      play(_table, _params, state: State) {
        const realm = globalThis as { calls?: number };
        state.calls += 1;
        callsOfThisInstance += 1;
        realm.calls = (realm.calls ?? 0) + 1;
        return [state.calls, callsOfThisInstance, realm.calls];
      },
    }),
    move: method({
      summary: "Moves amounts: the balance after each.",
      params: amounts,
      result: schema.array(schema.amount()),
      play(table, { stake, pay, refund = 0 }) {
        const balances = [table.stake(BigInt(stake)), table.pay(pay)];
        return refund > 0 ? [...balances, table.refund(refund)] : balances;
      },
    }),
    keep: method({
      summary: "Keeps what the client sends in a document, and reads it back.",
      params: anything,
      result: anything,
      play(table, params) {
        table.putDocument("kept", params);
        return table.document("kept");
      },
    }),
    misuse: method({
      summary: "Stakes what is no amount.",
      params: schema.object({ amount: schema.oneOf(["half", "negative", "rounded", "text", "huge"]) }),
      result: anything,
      play(table, { amount }) {
        const wrong = { half: 0.5, negative: -1, rounded: 2 ** 53, text: "5" as never, huge: 2n ** 53n };
        return table.stake(wrong[amount] as Amount);
      },
    }),
    draw: method({
      summary: "Draws in every way.",
      result: schema.array(schema.integer()),
      play: (table) => [
        table.below(Number.MAX_SAFE_INTEGER),
        table.weighted([0, 2 ** 32 - 1, 0]),
        ...table.shuffled(3),
      ],
    }),
  },
});
