// Checked and never run: what the types let pass, and what they do not.

import { type Infer, bet, faults, game, look, method, schema } from "croupier-sdk";
import { TestTable, simulate, trace } from "croupier-sdk/testing";

interface State {
  streak: number;
}

const params = schema.object({
  stake: schema.amount({ min: 10 }),
  side: schema.oneOf(["heads", "tails"]),
  note: schema.optional(schema.string()),
  pair: schema.array(schema.nullable(schema.integer())),
});
const given: Infer<typeof params> = { stake: 10, side: "heads", pair: [1, null] };
// @ts-expect-error A side that there is not.
given.side = "edge";
// @ts-expect-error An optional member may not be there.
given.note.length;

schema.object({ spot: schema.array(schema.integer(), { examples: [[17, 20]] }) }, { examples: [{ spot: [8, 9] }] });
// @ts-expect-error An example that the schema does not let pass.
schema.object({ stake: schema.amount() }, { examples: [{ stake: "ten" }] });

const fault = faults({ closed: [1, "the table is closed"], uneven: [2, "steps of {step}, not {stake}"] });
fault.closed();
fault.uneven({ step: 10, stake: 11n });
// @ts-expect-error The message needs a stake.
fault.uneven({ step: 10 });

const play = method({
  summary: "Plays.",
  params,
  result: schema.amount(),
  play(table, { stake, side }, state: State) {
    table.stake(BigInt(stake));
    state.streak += side === "heads" ? table.below(2) : table.weighted([1, 2]);
    return table.pay(stake);
  },
});

const streak = look({
  summary: "Looks.",
  result: schema.integer(),
  look(table, _params, state: State) {
    // @ts-expect-error Who looks does not pay.
    table.pay(1);
    return state.streak;
  },
});

method({
  summary: "Lies.",
  result: schema.amount(),
  // @ts-expect-error The result is an amount.
  play: () => "nothing",
});

const declared = game({
  id: "coin",
  title: "Coin",
  version: "1.0.0",
  rtpPpm: 1_000_000,
  maxWinPpm: 2_000_000,
  state: (): State => ({ streak: 0 }),
  methods: { play, streak },
  bets: {
    heads: bet<State>({
      summary: "Heads, and again after a win.",
      play(round) {
        const paid = round.play(play, given);
        paid.toFixed();
        round.play(streak) + round.state.streak;
        // @ts-expect-error A side that there is not.
        round.play(play, { ...given, side: "edge" });
        // @ts-expect-error It has params.
        round.play(play);
        // @ts-expect-error What the game keeps is the game's to change.
        round.state.streak = 1;
      },
    }),
  },
});
const { outcomes } = simulate(declared, "heads", [1, 2n, 3, 4], 10);
outcomes[0].paid satisfies number;
trace(declared, "heads", [1, 2, 3, 4], 10)[0][0].method satisfies string;
const table = new TestTable(declared, { state: { streak: 1 }, script: [1, [2, 0]] });
table.state.streak satisfies number;
// @ts-expect-error There is no clock, not even for the compiler.
performance.now();
