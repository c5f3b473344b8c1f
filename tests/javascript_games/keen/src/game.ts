// A game that uses all of its table, and simulates itself: in some bets otherwise than it is played.

import { Refusal, bet, faults, game, look, method, schema } from "croupier-sdk";

interface State {
  rounds: number;
  hand: { cards: number[]; best?: number } | null;
}

const fault = faults({ lost: [7, "the coin is lost"] });

/** Lives as long as the instance does: one call, or a whole simulation. */
let callsOfThisInstance = 0;

const anything = schema.raw({});

const deal = method({
  summary: "Deals, in the order of the params.",
  params: schema.object({ stake: schema.amount(), limits: schema.raw<Record<string, number>>({ type: "object" }) }),
  result: anything,
  play(table, { stake, limits }, state: State) {
    const before = table.balance;
    table.stake(stake);
    const cards = Object.entries(limits).map(([name, limit]) => [name, table.below(limit)] as const);
    state.rounds += 1;
    state.hand = { cards: cards.map(([, card]) => card), best: undefined };
    table.keepRoundOpen();
    const seen = [table.player, table.currency, table.locale, table.round, table.roundStep, table.nowMs];
    return { before, cards, seen, hand: state.hand };
  },
});

const change = method({
  summary: "Draws in every way, and keeps it.",
  result: anything,
  play(table, _params, state: State) {
    const hand = state.hand!;
    hand.cards.push(table.below(2 ** 53 - 1), table.weighted([1, 0, 2 ** 32 - 1]), ...table.shuffled(5));
    hand.best = Math.max(...hand.cards);
    table.putDocument(`round-${state.rounds % 3}`, { hand, é: table.roundStep });
    if (state.rounds % 5 === 0) table.deleteDocument("round-1");
    table.track("changed", { rounds: state.rounds });
    table.keepRoundOpen();
    return { documents: table.documentKeys(), open: table.roundOpen, steps: table.roundStep };
  },
});

const hand = look({ summary: "", result: anything, look: (table, _params, state: State) => ({ ...state.hand, staked: table.staked }) });

const settle = method({
  summary: "Gives some back, and pays the rest.",
  result: anything,
  play(table, _params, state: State) {
    table.refund(1);
    table.pay(table.staked);
    try {
      table.notify("push", "settled", {});
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      state.hand = null;
      return refused.code;
    }
    return "sent";
  },
});

const toss = method({
  summary: "Tosses a coin that may be lost.",
  params: schema.object({ isBroken: schema.boolean() }),
  result: anything,
  play(table, { isBroken }) {
    table.stake(2);
    if (isBroken) throw new TypeError("broken");
    throw fault.lost();
  },
});

const remember = method({
  summary: "Pays what it remembers, which is no state.",
  result: anything,
  play(table) {
    table.stake(10);
    callsOfThisInstance += 1;
    return table.pay(callsOfThisInstance);
  },
});

export default game({
  id: "keen",
  title: "Keen",
  version: "0.1.0",
  rtpPpm: 1_000_000,
  maxWinPpm: 1_000_000,
  state: (): State => ({ rounds: 0, hand: null }),
  methods: { deal, change, hand, settle, toss, remember },
  bets: {
    all: bet<State>({
      summary: "10 on a hand that is changed while its last card is low.",
      play(round) {
        round.play(deal, { stake: 10, limits: { second: 3 * 2 ** 29, first: 52, third: 2 ** 40 } });
        do round.play(change);
        while (round.state.hand!.cards.at(-1)! < 2 && round.state.hand!.cards.length < 20);
        round.play(hand);
        round.play(settle);
      },
    }),
    lost: bet({ summary: "", play: (round) => round.play(toss, { isBroken: false }) }),
    broken: bet({ summary: "", play: (round) => round.play(toss, { isBroken: true }) }),
    remembers: bet({ summary: "", play: (round) => round.play(remember) }),
  },
});
