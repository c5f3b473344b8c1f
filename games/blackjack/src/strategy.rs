//! Basic strategy for these rules: what a player does who looks at the total and the dealer's up card alone, and
//! what the declared return assumes.
//!
//! Source: the usual table for 4 to 8 decks, dealer stands on soft 17, double after split, as in P. Griffin,
//! *The Theory of Blackjack*. `tests/theoretical_return.rs` computes for each entry that no other first action is
//! worth more here.

use crate::{
    hand::Total,
    round::{Action, Round},
};

// One letter per up card: 2 3 4 5 6 7 8 9 T A.
// H hit, S stand, D double (else hit), d double (else stand), P split, - play the total.
const HARD: [(u8, &[u8; 10]); 6] = [
    (8, b"HHHHHHHHHH"),
    (9, b"HDDDDHHHHH"),
    (10, b"DDDDDDDDHH"),
    (11, b"DDDDDDDDDH"),
    (12, b"HHSSSHHHHH"),
    (16, b"SSSSSHHHHH"),
];
const SOFT: [(u8, &[u8; 10]); 4] = [(14, b"HHHDDHHHHH"), (16, b"HHDDDHHHHH"), (17, b"HDDDDHHHHH"), (18, b"SddddSSHHH")];
const PAIRS: [&[u8; 10]; 10] = [
    b"PPPPPPPPPP", // aces
    b"PPPPPP----",
    b"PPPPPP----",
    b"---PP-----",
    b"----------",
    b"PPPPP-----",
    b"PPPPPP----",
    b"PPPPPPPPPP",
    b"PPPPP-PP--",
    b"----------", // tens
];

/// What a strategy may know of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The hand's total.
    pub total: Total,
    /// The value of the dealer's up card, 1 to 10.
    pub up: u8,
    /// The hand is two cards, so it may be doubled.
    pub may_double: bool,
    /// The value of the pair that may be split, 1 to 10.
    pub pair: Option<u8>,
}

impl Situation {
    /// The decision a round is waiting for; none when it is over.
    pub fn of(round: &Round) -> Option<Situation> {
        let hand = &round.hands[round.turn()?];
        let legal = round.legal();
        Some(Situation {
            total: hand.total(),
            up: round.up_card().value(),
            may_double: legal.contains(&Action::Double),
            pair: legal.contains(&Action::Split).then(|| hand.cards[0].value()),
        })
    }

    /// What basic strategy does. It never insures.
    pub fn basic(self) -> Action {
        let column = usize::from((self.up + 8) % 10);
        let entry = match self.pair.map(|value| PAIRS[usize::from(value) - 1][column]) {
            Some(b'P') => b'P',
            _ => row(self.total)[column],
        };
        match entry {
            b'P' => Action::Split,
            b'D' | b'd' if self.may_double => Action::Double,
            b'S' | b'd' => Action::Stand,
            _ => Action::Hit,
        }
    }
}

/// The row of a total: the first that reaches it. Above the last one a hand stands.
fn row(total: Total) -> &'static [u8; 10] {
    let rows: &[(u8, &[u8; 10])] = if total.soft { &SOFT } else { &HARD };
    rows.iter().find(|(highest, _)| total.points <= *highest).map_or(b"SSSSSSSSSS", |(_, row)| row)
}
