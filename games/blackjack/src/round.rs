//! One round of blackjack from the deal to the dealer's last card. Knows stakes, but moves no money.
//!
//! The dealer takes the second card only when the player has finished: no card exists before it lies face up. A
//! dealer's blackjack then takes the opening stake alone. So a round is worth exactly what it is worth where the
//! dealer peeks under a hole card first: in a shuffled shoe it makes no difference which of the unseen cards the
//! dealer's second will be, and in both games a blackjack there costs one opening stake, whatever the player did.
//!
//! Cards come from a `deal` function that turns the next card of the shoe it is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    cards::{Card, Shoe},
    hand::{Total, is_blackjack},
};

/// What a player can do with a hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Take a card.
    Hit,
    /// Take no more cards.
    Stand,
    /// Double the hand's stake for exactly one more card.
    Double,
    /// Make two hands of two cards of equal value, with the same stake on each.
    Split,
    /// Stake half the opening stake on a dealer's blackjack.
    Insure,
}

/// One hand of the player.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// In the order they were dealt.
    pub cards: Vec<Card>,
    /// Twice the opening stake is on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubled: bool,
    /// It takes no more cards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// A round. Between calls every card in it lies face up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The opening stake in minor units, even.
    pub stake: u64,
    /// The up card; the dealer's whole hand once the round is over.
    pub dealer: Vec<Card>,
    /// One, or two after a split.
    pub hands: Vec<Hand>,
    /// Half the opening stake is on a dealer's blackjack.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insured: bool,
}

impl Hand {
    fn new(cards: Vec<Card>) -> Hand {
        Hand { cards, doubled: false, done: false }
    }

    /// The hand's total.
    pub fn total(&self) -> Total {
        Total::of(&self.cards)
    }

    /// Two cards of equal value: a king and a ten are a pair.
    pub fn is_pair(&self) -> bool {
        matches!(self.cards[..], [first, second] if first.value() == second.value())
    }

    fn take(&mut self, card: Card) {
        self.cards.push(card);
        self.done |= self.doubled || self.total().points >= 21;
    }
}

impl Round {
    /// Deals the player's first two cards and the dealer's up card. A blackjack is settled at once, unless the dealer
    /// shows an ace and it can be insured.
    pub fn deal(stake: u64, deal: &mut impl FnMut(&Shoe) -> Card) -> Round {
        let mut cards = Vec::with_capacity(3);
        while cards.len() < 3 {
            cards.push(deal(&Shoe::without(cards.iter().copied())));
        }
        let hands = vec![Hand::new(vec![cards[0], cards[2]])];
        let mut round = Round { stake, dealer: vec![cards[1]], hands, insured: false };
        round.hands[0].done = round.has_blackjack() && !round.up_card().is_ace();
        round.advance(deal);
        round
    }

    /// The dealer's first card.
    pub fn up_card(&self) -> Card {
        self.dealer[0]
    }

    /// The index of the hand to be played next; none when the round is over.
    pub fn turn(&self) -> Option<usize> {
        self.hands.iter().position(|hand| !hand.done)
    }

    /// The player's first two cards are an ace and a ten.
    pub fn has_blackjack(&self) -> bool {
        matches!(&self.hands[..], [hand] if is_blackjack(&hand.cards))
    }

    /// What may be done now, in a fixed order; nothing when the round is over.
    pub fn legal(&self) -> Vec<Action> {
        let Some(turn) = self.turn() else { return Vec::new() };
        let hand = &self.hands[turn];
        let first_two = hand.cards.len() == 2;
        let whole = self.hands.len() == 1;
        let rules = [
            (Action::Hit, !self.has_blackjack()),
            (Action::Stand, true),
            (Action::Double, first_two && !self.has_blackjack()),
            (Action::Split, whole && hand.is_pair()),
            (Action::Insure, whole && first_two && !self.insured && self.up_card().is_ace()),
        ];
        rules.into_iter().filter_map(|(action, allowed)| allowed.then_some(action)).collect()
    }

    /// What `action` adds to the stakes, in minor units.
    pub fn price(&self, action: Action) -> u64 {
        match action {
            Action::Hit | Action::Stand => 0,
            Action::Double | Action::Split => self.stake,
            Action::Insure => self.stake / 2,
        }
    }

    /// All stakes of the round, in minor units.
    pub fn staked(&self) -> u64 {
        let insurance = if self.insured { self.price(Action::Insure) } else { 0 };
        self.hands.iter().map(|hand| self.on(hand)).sum::<u64>() + insurance
    }

    /// The stake on one of the round's hands, in minor units.
    pub fn on(&self, hand: &Hand) -> u64 {
        if hand.doubled { 2 * self.stake } else { self.stake }
    }

    /// Plays one action on the hand whose turn it is, then whatever follows from it without the player: a split
    /// hand's second card, the dealer's hand.
    ///
    /// # Panics
    /// If the action is not [`legal`](Round::legal).
    pub fn play(&mut self, action: Action, deal: &mut impl FnMut(&Shoe) -> Card) {
        assert!(self.legal().contains(&action), "{action:?} is not legal now");
        let shoe = self.shoe();
        let blackjack = self.has_blackjack();
        let Some(hand) = self.hands.iter_mut().find(|hand| !hand.done) else { return };
        match action {
            Action::Hit => hand.take(deal(&shoe)),
            Action::Stand => hand.done = true,
            Action::Double => {
                hand.doubled = true;
                hand.take(deal(&shoe));
            }
            Action::Split => {
                let moved = hand.cards.split_off(1);
                self.hands.push(Hand::new(moved));
            }
            Action::Insure => {
                hand.done = blackjack;
                self.insured = true;
            }
        }
        self.advance(deal);
    }

    /// Turns the cards that need no decision.
    fn advance(&mut self, deal: &mut impl FnMut(&Shoe) -> Card) {
        while let Some(turn) = self.turn() {
            let shoe = self.shoe();
            let hand = &mut self.hands[turn];
            let [only] = hand.cards[..] else { return };
            hand.take(deal(&shoe));
            hand.done |= only.is_ace();
        }
        self.play_dealer(deal);
    }

    /// The dealer turns a second card in every round, and draws to 17 when a hand is still to be beaten.
    fn play_dealer(&mut self, deal: &mut impl FnMut(&Shoe) -> Card) {
        let contested = !self.has_blackjack() && self.hands.iter().any(|hand| !hand.total().is_bust());
        while self.dealer.len() < 2 || (contested && Total::of(&self.dealer).dealer_draws()) {
            let card = deal(&self.shoe());
            self.dealer.push(card);
        }
    }

    fn shoe(&self) -> Shoe {
        Shoe::without(self.hands.iter().flat_map(|hand| &hand.cards).chain(&self.dealer).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Double, Hit, Insure, Split, Stand};

    /// Plays `actions` on cards dealt in the order of `cards`, all of which must be used.
    fn play(cards: &str, actions: &[Action]) -> Round {
        let mut cards = cards.split(' ').map(|card| Card::try_from(card.to_owned()).unwrap());
        let mut deal = |_: &Shoe| cards.next().expect("no more cards than these");
        let mut round = Round::deal(10, &mut deal);
        for &action in actions {
            round.play(action, &mut deal);
        }
        assert_eq!(cards.next(), None, "a card was not dealt");
        round
    }

    #[test]
    fn what_is_legal() {
        let cases: [(&str, &[Action], &[Action]); 12] = [
            ("5h 9d 6h", &[], &[Hit, Stand, Double]),
            ("5h 9d 6h 2c", &[Hit], &[Hit, Stand]),
            ("8h 9d 8c", &[], &[Hit, Stand, Double, Split]),
            ("Kh 9d Tc", &[], &[Hit, Stand, Double, Split]),
            ("5h Ad 6h", &[], &[Hit, Stand, Double, Insure]),
            ("8h Ad 8c", &[Insure], &[Hit, Stand, Double, Split]),
            ("8h Ad 8c 2c", &[Split], &[Hit, Stand, Double]),
            ("8h 9d 8c 8d", &[Split], &[Hit, Stand, Double]),
            ("8h 9d 8c Td Kc", &[Split, Stand], &[Hit, Stand, Double]),
            ("Ah Ad Tc", &[], &[Stand, Insure]),
            ("Ah 6d Tc 9h", &[], &[]),
            ("5h 9d 6h Td 8c", &[Double], &[]),
        ];
        for (cards, actions, legal) in cases {
            assert_eq!(play(cards, actions).legal(), legal, "{cards} {actions:?}");
        }
    }

    #[test]
    fn the_round_ends_when_the_player_has_no_choice_left() {
        let over: [(&str, &[Action]); 9] = [
            ("Ah Td Kc 2d", &[]),               // a blackjack needs one look at the dealer's second card
            ("Ah Ad Kc 5d", &[Insure]),         // and can do nothing after its insurance
            ("9h 6d 8c Tc Td", &[Hit]),         // a bust is not played out
            ("9h 6d 8c 4c Td 2h", &[Hit]),      // 21 stands by itself
            ("Ah 6d Ac 2d 3d Td 7c", &[Split]), // split aces take one card each
            ("8h 6d 8c 3d Td 7c Td 2s", &[Split, Double, Stand]), // doubled after the split
            ("Th 6d Kc Ad As Td 2h", &[Split]), // two hands of 21, no blackjacks
            ("Th Ad 6c Kd", &[Stand]),
            ("Th Ad 6c 5d Ah", &[Stand]), // soft 17 stands: 11 + 5 + 1
        ];
        for (cards, actions) in over {
            assert_eq!(play(cards, actions).turn(), None, "{cards} {actions:?}");
        }
    }

    #[test]
    #[should_panic(expected = "Split is not legal now")]
    fn an_illegal_action_is_never_played() {
        play("5h 9d 6h", &[Split]);
    }
}
