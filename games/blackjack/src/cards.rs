//! Playing cards and the six-deck shoe they are dealt from.
//!
//! A shoe is only ever a composition: it knows how many of each card are left, never their order.
//! So there is no unseen card anywhere that a reader of a round's state could find.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const RANKS: &[u8; 13] = b"A23456789TJQK";
const SUITS: &[u8; 4] = b"cdhs";

/// Decks in a shoe.
pub const DECKS: u8 = 6;

/// Different cards in a deck.
pub const KINDS: usize = RANKS.len() * SUITS.len();

/// A playing card, written as rank and suit: `Ah`, `Td`, `7s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A2-9TJQK][cdhs]$"))]
pub struct Card(u8);

impl Card {
    /// Every card of a deck once, aces first.
    pub fn deck() -> impl Iterator<Item = Card> {
        (0u8..).take(KINDS).map(Card)
    }

    /// What the card counts: 1 for an ace, 10 for tens and faces.
    pub fn value(self) -> u8 {
        (self.0 / 4 + 1).min(10)
    }

    /// True for the card that may count 11.
    pub fn is_ace(self) -> bool {
        self.value() == 1
    }

    fn kind(self) -> usize {
        usize::from(self.0)
    }
}

impl From<Card> for String {
    fn from(card: Card) -> String {
        [RANKS[card.kind() / 4], SUITS[card.kind() % 4]].map(char::from).iter().collect()
    }
}

impl TryFrom<String> for Card {
    type Error = String;

    fn try_from(text: String) -> Result<Card, String> {
        let kind = match text.as_bytes() {
            [rank, suit] => {
                RANKS.iter().position(|known| known == rank).zip(SUITS.iter().position(|known| known == suit))
            }
            _ => None,
        };
        let card = kind.and_then(|(rank, suit)| Card::deck().nth(SUITS.len() * rank + suit));
        card.ok_or_else(|| format!("no such card: {text}"))
    }
}

/// The cards nobody has seen yet: six freshly shuffled decks without those on the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shoe {
    left: [u8; KINDS],
    /// All of them.
    sum: u64,
}

impl Shoe {
    /// The shoe behind a table on which `seen` lie.
    ///
    /// # Panics
    /// If a card has been seen more often than the shoe holds it.
    pub fn without(seen: impl IntoIterator<Item = Card>) -> Shoe {
        let mut left = [DECKS; KINDS];
        let mut sum = u64::from(DECKS) * KINDS as u64;
        for card in seen {
            assert!(left[card.kind()] > 0, "more than {DECKS} of {}", String::from(card));
            left[card.kind()] -= 1;
            sum -= 1;
        }
        Shoe { left, sum }
    }

    /// How many cards are left.
    pub fn len(&self) -> u64 {
        self.sum
    }

    /// True when no card is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are left of one card.
    pub fn count(&self, card: Card) -> u8 {
        self.left[card.kind()]
    }

    /// The card at `position` in `0..len()`, counting the cards left from the aces to the kings. A uniform position
    /// makes this the top card of a shuffled shoe.
    ///
    /// # Panics
    /// If `position` is not below `len()`.
    pub fn card(&self, position: u64) -> Card {
        let mut past = 0;
        Card::deck()
            .find(|&card| {
                past += u64::from(self.count(card));
                position < past
            })
            .expect("a position below the number of cards left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_reads_back_as_it_is_written() {
        for card in Card::deck() {
            assert_eq!(Card::try_from(String::from(card)), Ok(card));
        }
        for wrong in ["", "A", "1h", "Ax", "10h", "ah", "Ahh"] {
            assert!(Card::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_position_of_a_shoe_is_one_of_its_cards() {
        let seen = ["Ah", "Ah", "Kd"].map(|text| Card::try_from(text.to_owned()).unwrap());
        let shoe = Shoe::without(seen);
        assert_eq!(shoe.len(), 309);
        for card in Card::deck() {
            let positions = (0..shoe.len()).filter(|&position| shoe.card(position) == card).count();
            assert_eq!(positions, usize::from(shoe.count(card)));
        }
    }
}
