//! What a hand of cards is worth, for player and dealer alike.

use crate::cards::Card;

/// The best total of some cards: one ace counts 11 as long as that does not pass 21.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Total {
    /// Points; a hand above 21 is bust.
    pub points: u8,
    /// An ace counts 11.
    pub soft: bool,
}

impl Total {
    /// The total of `cards`.
    pub fn of(cards: &[Card]) -> Total {
        cards.iter().fold(Total::default(), |total, card| total.plus(card.value()))
    }

    /// The total with one more card of `value`, 1 (an ace) to 10.
    #[must_use]
    pub fn plus(self, value: u8) -> Total {
        let has_ace = self.soft || value == 1;
        let hard = self.points - if self.soft { 10 } else { 0 } + value;
        let soft = has_ace && hard <= 11;
        Total { points: if soft { hard + 10 } else { hard }, soft }
    }

    /// Above 21.
    pub fn is_bust(self) -> bool {
        self.points > 21
    }

    /// The dealer's rule: draw to 16, stand on every 17, soft or hard.
    pub fn dealer_draws(self) -> bool {
        self.points < 17
    }
}

/// An ace and a ten as the first two cards. (After a split the same two cards are 21, not a blackjack.)
pub fn is_blackjack(cards: &[Card]) -> bool {
    cards.len() == 2 && Total::of(cards).points == 21
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals() {
        let cases: [(&[u8], u8, bool); 10] = [
            (&[], 0, false),
            (&[1], 11, true),
            (&[1, 1], 12, true),
            (&[10, 10], 20, false),
            (&[1, 6], 17, true),
            (&[1, 6, 10], 17, false),
            (&[1, 10], 21, true),
            (&[10, 6, 1, 1], 18, false),
            (&[5, 5, 1], 21, true),
            (&[10, 6, 6], 22, false),
        ];
        for (values, points, soft) in cases {
            let total = values.iter().fold(Total::default(), |total, &value| total.plus(value));
            assert_eq!(total, Total { points, soft }, "{values:?}");
        }
    }
}
