//! What a client is shown: replies, built from rounds and never read back.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cards::{Card, DECKS},
    hand::Total,
    round::{Action, Hand, Round},
    settlement::{HandResult, Outcome, Settlement},
    terms::{STAKE_MAX, STAKE_MIN, STAKE_STEP},
};

/// A round as it lies on the table. Amounts are minor units.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoundView {
    /// The dealer's cards: the up card alone until the player has finished.
    pub dealer: Cards,
    /// The player's hands: one, or two after a split.
    pub hands: Vec<HandView>,
    /// The index of the hand to be played next; absent when the round is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// The methods that may be called now; empty when the round is settled.
    pub actions: Vec<Action>,
    /// Present once insurance has been bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insurance: Option<InsuranceView>,
    /// All stakes of the round, less what has been given back.
    pub staked: u64,
    /// All the round pays, stakes included; absent until it is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payout: Option<u64>,
}

/// Cards and what they add up to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Cards {
    /// Rank and suit of each card, in the order they were dealt.
    pub cards: Vec<Card>,
    /// The best total; above 21 is bust.
    pub total: u8,
    /// An ace counts 11 in the total.
    pub soft: bool,
}

/// One hand of the player.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HandView {
    /// The hand's cards.
    #[serde(flatten)]
    pub cards: Cards,
    /// What was staked on the hand.
    pub stake: u64,
    /// Present once the round is settled.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultView>,
}

/// How a hand ended.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ResultView {
    /// Against the dealer's hand.
    pub outcome: Outcome,
    /// What the hand pays, its stake included.
    pub payout: u64,
    /// What is given back of the hand's stake, because the dealer has a blackjack: a double's or split's part.
    pub refund: u64,
}

/// An insurance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InsuranceView {
    /// Half the opening stake.
    pub stake: u64,
    /// What it pays, its stake included; absent until the round is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payout: Option<u64>,
}

/// The table: its rules, its limits and the round in play.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TableView {
    /// Bounds of the opening stake.
    pub limits: Limits,
    /// The rules in force.
    pub rules: Rules,
    /// The round waiting for the player; absent when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundView>,
}

/// Bounds of the opening stake, in minor units.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Limits {
    /// Least.
    pub stake_min: u64,
    /// Most.
    pub stake_max: u64,
    /// The stake is a multiple of this, so that halves of it are exact.
    pub stake_step: u64,
}

/// The rules in force.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rules {
    /// Decks in the shoe, shuffled afresh for every round.
    pub decks: u8,
    /// What the dealer stands on.
    pub dealer_stands_on: &'static str,
    /// When the dealer's second card is dealt.
    pub hole_card: &'static str,
    /// What a dealer's blackjack takes.
    pub dealer_blackjack_takes: &'static str,
    /// What a blackjack pays.
    pub blackjack_pays: &'static str,
    /// What insurance costs and pays.
    pub insurance: &'static str,
    /// When a hand may be doubled.
    pub double: &'static str,
    /// When a hand may be split.
    pub split: &'static str,
}

impl RoundView {
    /// Shows `round`, with its settlement once it has one.
    pub fn new(round: &Round, settlement: Option<&Settlement>) -> RoundView {
        let hand = |(index, hand): (usize, &Hand)| HandView {
            cards: Cards::new(&hand.cards),
            stake: round.on(hand),
            result: settlement.map(|settlement| ResultView::new(settlement.hands[index])),
        };
        RoundView {
            dealer: Cards::new(&round.dealer),
            hands: round.hands.iter().enumerate().map(hand).collect(),
            turn: round.turn(),
            actions: round.legal(),
            insurance: round.insured.then(|| InsuranceView {
                stake: round.price(Action::Insure),
                payout: settlement.map(|settlement| settlement.insurance),
            }),
            staked: round.staked() - settlement.map_or(0, Settlement::refund),
            payout: settlement.map(Settlement::payout),
        }
    }
}

impl ResultView {
    fn new(result: HandResult) -> ResultView {
        ResultView { outcome: result.outcome, payout: result.payout, refund: result.refund }
    }
}

impl Cards {
    fn new(cards: &[Card]) -> Cards {
        let Total { points, soft } = Total::of(cards);
        Cards { cards: cards.to_vec(), total: points, soft }
    }
}

impl TableView {
    /// Shows the table with the round that waits for the player.
    pub fn new(round: Option<&Round>) -> TableView {
        TableView {
            limits: Limits { stake_min: STAKE_MIN, stake_max: STAKE_MAX, stake_step: STAKE_STEP },
            rules: Rules {
                decks: DECKS,
                dealer_stands_on: "every 17",
                hole_card: "none: the dealer's second card is dealt when the player has finished",
                dealer_blackjack_takes: "the opening stake; doubles and splits are given back",
                blackjack_pays: "3:2",
                insurance: "half the opening stake against an ace, pays 2:1",
                double: "any first two cards, also after a split",
                split: "once, two cards of equal value; split aces take one card each",
            },
            round: round.map(|round| RoundView::new(round, None)),
        }
    }
}
