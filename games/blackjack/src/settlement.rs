//! What a finished round pays. All amounts are minor units and exact, because the opening stake is even.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    hand::{Total, is_blackjack},
    round::{Hand, Round},
};

/// How a hand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An ace and a ten as the first two cards; pays 3:2.
    Blackjack,
    /// Closer to 21 than the dealer; pays 1:1.
    Win,
    /// The dealer's equal; the stake comes back.
    Push,
    /// Beaten by the dealer.
    Lose,
    /// Above 21.
    Bust,
    /// A second hand against a dealer's blackjack: its stake is given back.
    Void,
}

/// What became of one hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandResult {
    /// How it ended.
    pub outcome: Outcome,
    /// What it pays, its stake included.
    pub payout: u64,
    /// What is given back of stakes that never played: doubles and splits against a dealer's blackjack.
    pub refund: u64,
}

/// What became of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// In the order of the round's hands.
    pub hands: Vec<HandResult>,
    /// What the insurance pays, its stake included.
    pub insurance: u64,
}

impl Settlement {
    /// Settles a finished round.
    ///
    /// # Panics
    /// If the round is not over.
    pub fn of(round: &Round) -> Settlement {
        assert!(round.turn().is_none(), "the round is not over");
        let dealer_blackjack = is_blackjack(&round.dealer);
        let results = round.hands.iter().enumerate().map(|(index, hand)| match dealer_blackjack {
            true => against_blackjack(round, index, hand),
            false => against_total(round, hand),
        });
        Settlement {
            hands: results.collect(),
            // 2:1 on half the opening stake: the half and twice the half.
            insurance: if round.insured && dealer_blackjack { round.stake / 2 * 3 } else { 0 },
        }
    }

    /// All that is paid, in minor units.
    pub fn payout(&self) -> u64 {
        self.hands.iter().map(|hand| hand.payout).sum::<u64>() + self.insurance
    }

    /// All that is given back, in minor units.
    pub fn refund(&self) -> u64 {
        self.hands.iter().map(|hand| hand.refund).sum()
    }
}

/// A dealer's blackjack takes the opening stake and nothing else; the player's blackjack is its equal.
fn against_blackjack(round: &Round, index: usize, hand: &Hand) -> HandResult {
    let on = round.on(hand);
    match index {
        _ if round.has_blackjack() => HandResult { outcome: Outcome::Push, payout: on, refund: 0 },
        0 if hand.total().is_bust() => HandResult { outcome: Outcome::Bust, payout: 0, refund: on - round.stake },
        0 => HandResult { outcome: Outcome::Lose, payout: 0, refund: on - round.stake },
        _ => HandResult { outcome: Outcome::Void, payout: 0, refund: on },
    }
}

fn against_total(round: &Round, hand: &Hand) -> HandResult {
    let on = round.on(hand);
    let player = hand.total();
    let dealer = Total::of(&round.dealer);
    let (outcome, payout) = if round.has_blackjack() {
        (Outcome::Blackjack, on + on / 2 * 3)
    } else if player.is_bust() {
        (Outcome::Bust, 0)
    } else if dealer.is_bust() || player.points > dealer.points {
        (Outcome::Win, 2 * on)
    } else if player.points == dealer.points {
        (Outcome::Push, on)
    } else {
        (Outcome::Lose, 0)
    };
    HandResult { outcome, payout, refund: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cards::{Card, Shoe},
        round::Action::{self, Double, Hit, Insure, Split, Stand},
        terms::MAX_WIN_PPM,
    };

    /// The cards in the order they are dealt, what the player does, and the outcomes, payout and refund.
    type Case = (&'static str, &'static [Action], &'static [Outcome], u64, u64);

    #[test]
    fn payouts_and_refunds_of_a_stake_of_10() {
        use Outcome::{Blackjack, Bust, Lose, Push, Void, Win};
        let cases: [Case; 19] = [
            ("Ah 6d Kc 9d", &[], &[Blackjack], 25, 0),
            ("Ah Td Kc Ad", &[], &[Push], 10, 0),
            ("Ah Ad Kc Td", &[Stand], &[Push], 10, 0),
            ("Ah Ad Kc Td", &[Insure], &[Push], 25, 0),
            ("Ah Ad Kc 9d", &[Insure], &[Blackjack], 25, 0),
            ("Th 6d Kc Td 9d", &[Stand], &[Win], 20, 0),
            ("Th 9d 9c Td", &[Stand], &[Push], 10, 0),
            ("Th 9d 8c Td", &[Stand], &[Lose], 0, 0),
            ("Th 9d 6c Td 2c", &[Hit], &[Bust], 0, 0),
            ("Th Ad 6c Td Kc", &[Hit], &[Bust], 0, 0),
            ("Th Ad 6c Td", &[Insure, Stand], &[Lose], 15, 0),
            ("Th Ad 6c 9d", &[Insure, Stand], &[Lose], 0, 0),
            ("5h 6d 6c Td 5d 9c", &[Double], &[Win], 40, 0),
            ("5h Td 6c Tc Ad", &[Double], &[Lose], 0, 10),
            ("Th Ad 6c Tc Kc", &[Double], &[Bust], 0, 10),
            ("8h Td 8c Td Tc Ad", &[Split, Stand, Stand], &[Lose, Void], 0, 10),
            ("8h Td 8c 3d Td 3c Tc Ad", &[Split, Double, Double], &[Lose, Void], 0, 30),
            ("8h 6d 8c 3d Td 3c Tc 7d Tc", &[Split, Double, Double], &[Win, Win], 80, 0),
            ("Ah Td As Kd Kc Ad", &[Split], &[Lose, Void], 0, 10),
        ];
        for (cards, actions, outcomes, payout, refund) in cases {
            let mut cards_left = cards.split(' ').map(|card| Card::try_from(card.to_owned()).unwrap());
            let mut deal = |_: &Shoe| cards_left.next().unwrap();
            let mut round = Round::deal(10, &mut deal);
            for &action in actions {
                round.play(action, &mut deal);
            }
            let settlement = Settlement::of(&round);
            let found: Vec<_> = settlement.hands.iter().map(|hand| hand.outcome).collect();
            assert_eq!((&found[..], settlement.payout(), settlement.refund()), (outcomes, payout, refund), "{cards}");
            assert!(payout * 1_000_000 <= (round.staked() - refund) * MAX_WIN_PPM, "{cards}");
        }
    }
}
