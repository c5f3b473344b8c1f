//! The European layout: 37 pockets, and every spot that can carry a bet. Pure: it knows no stakes and no host.

use schemars::JsonSchema;
use serde::Serialize;

/// Pockets of the wheel: 0 to 36, all equally likely.
pub const POCKETS: u64 = 37;

/// The red numbers of every European wheel; 0 is green and the rest are black.
const RED: [u64; 18] = [1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36];

/// The colour of a pocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// The colour of 0.
    Green,
    /// Eighteen numbers.
    Red,
    /// Eighteen numbers.
    Black,
}

impl Color {
    /// The colour of a number.
    pub fn of(number: u64) -> Self {
        match number {
            0 => Self::Green,
            _ if RED.contains(&number) => Self::Red,
            _ => Self::Black,
        }
    }
}

/// A set of numbers of the wheel, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Numbers(u64);

impl Numbers {
    /// The set of these numbers; what is no number of the wheel is in no set.
    pub fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self(numbers.into_iter().filter(|&number| number < POCKETS).fold(0, |bits, number| bits | 1 << number))
    }

    fn which(holds: impl Fn(&u64) -> bool) -> Self {
        Self::of((1..POCKETS).filter(holds))
    }

    /// Whether the ball in this pocket wins.
    pub fn contains(self, number: u64) -> bool {
        self.0 >> number & 1 == 1
    }
}

/// A kind of bet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One number.
    Straight,
    /// Two neighbours.
    Split,
    /// A row of three.
    Street,
    /// 0 with 1 and 2, or with 2 and 3.
    Trio,
    /// Four numbers that meet in a point.
    Corner,
    /// 0 to 3.
    FirstFour,
    /// Two neighbouring streets.
    SixLine,
    /// Every third number.
    Column,
    /// 1 to 12, 13 to 24 or 25 to 36.
    Dozen,
    /// The red numbers.
    Red,
    /// The black numbers.
    Black,
    /// The odd numbers.
    Odd,
    /// The even numbers but 0.
    Even,
    /// 1 to 18.
    Low,
    /// 19 to 36.
    High,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Straight,
        Self::Split,
        Self::Street,
        Self::Trio,
        Self::Corner,
        Self::FirstFour,
        Self::SixLine,
        Self::Column,
        Self::Dozen,
        Self::Red,
        Self::Black,
        Self::Odd,
        Self::Even,
        Self::Low,
        Self::High,
    ];

    /// What a win pays for each unit staked, the stake itself not counted.
    pub fn pays_to_one(self) -> u64 {
        match self {
            Self::Straight => 35,
            Self::Split => 17,
            Self::Street | Self::Trio => 11,
            Self::Corner | Self::FirstFour => 8,
            Self::SixLine => 5,
            Self::Column | Self::Dozen => 2,
            Self::Red | Self::Black | Self::Odd | Self::Even | Self::Low | Self::High => 1,
        }
    }

    /// Whether its spots lie among the numbers, not beside them.
    pub fn is_inside(self) -> bool {
        self.pays_to_one() > 2
    }

    /// Every spot of this kind. The layout has 12 streets of 3 numbers, 1 to 36 in order; 0 touches 1, 2 and 3.
    pub fn spots(self) -> Vec<Numbers> {
        let streets = || (1..POCKETS).step_by(3);
        let with_right_neighbour = |last: u64| (1..=last).filter(|number| number % 3 != 0);
        match self {
            Self::Straight => (0..POCKETS).map(|number| Numbers::of([number])).collect(),
            Self::Split => {
                let at_zero = (1..=3).map(|number| [0, number]);
                let within_streets = with_right_neighbour(36).map(|number| [number, number + 1]);
                let across_streets = (1..=33).map(|number| [number, number + 3]);
                at_zero.chain(within_streets).chain(across_streets).map(Numbers::of).collect()
            }
            Self::Street => streets().map(|first| Numbers::of(first..first + 3)).collect(),
            Self::Trio => vec![Numbers::of([0, 1, 2]), Numbers::of([0, 2, 3])],
            Self::Corner => {
                with_right_neighbour(32).map(|first| Numbers::of([first, first + 1, first + 3, first + 4])).collect()
            }
            Self::FirstFour => vec![Numbers::of(0..=3)],
            Self::SixLine => streets().take(11).map(|first| Numbers::of(first..first + 6)).collect(),
            Self::Column => (1..=3).map(|first| Numbers::of((first..POCKETS).step_by(3))).collect(),
            Self::Dozen => [1, 13, 25].map(|first| Numbers::of(first..first + 12)).into(),
            Self::Red => vec![Numbers::of(RED)],
            Self::Black => vec![Numbers::which(|number| !RED.contains(number))],
            Self::Odd => vec![Numbers::which(|number| number % 2 == 1)],
            Self::Even => vec![Numbers::which(|number| number % 2 == 0)],
            Self::Low => vec![Numbers::of(1..=18)],
            Self::High => vec![Numbers::of(19..=36)],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Street and column of a number other than 0.
    fn place(number: u64) -> (u64, u64) {
        ((number - 1) / 3, (number - 1) % 3)
    }

    /// Whether two numbers share an edge on the layout.
    fn touch(a: u64, b: u64) -> bool {
        if a == 0 || b == 0 {
            return (1..=3).contains(&a.max(b)) && a != b;
        }
        let ((street, column), (other_street, other_column)) = (place(a), place(b));
        street.abs_diff(other_street) + column.abs_diff(other_column) == 1
    }

    fn set(spots: impl IntoIterator<Item = Numbers>) -> BTreeSet<Numbers> {
        spots.into_iter().collect()
    }

    #[test]
    fn each_kind_has_as_many_spots_as_the_layout() {
        let expected = [37, 60, 12, 2, 22, 1, 11, 3, 3, 1, 1, 1, 1, 1, 1];
        for (kind, expected) in Kind::ALL.into_iter().zip(expected) {
            assert_eq!(kind.spots().len(), expected, "{kind:?}");
            assert_eq!(set(kind.spots()).len(), expected, "{kind:?} twice");
        }
        assert_eq!(set(Kind::ALL.into_iter().flat_map(Kind::spots)).len(), 157, "no two kinds share a spot");
    }

    #[test]
    fn splits_are_all_pairs_that_share_an_edge() {
        let pairs = (0..POCKETS).flat_map(|a| (0..a).map(move |b| (a, b)));
        let touching = pairs.filter(|&(a, b)| touch(a, b)).map(|(a, b)| Numbers::of([a, b]));
        assert_eq!(set(Kind::Split.spots()), set(touching));
    }

    #[test]
    fn trios_are_all_triples_at_zero_that_touch_each_other() {
        let pairs = (1..POCKETS).flat_map(|a| (1..a).map(move |b| (a, b)));
        let touching = pairs.filter(|&(a, b)| touch(a, b) && touch(0, a) && touch(0, b));
        assert_eq!(set(Kind::Trio.spots()), set(touching.map(|(a, b)| Numbers::of([0, a, b]))));
    }

    #[test]
    fn streets_columns_and_dozens_divide_the_numbers() {
        type Key = fn(u64) -> u64;
        let cases: [(Kind, u64, Key); 3] = [
            (Kind::Street, 12, |number| place(number).0),
            (Kind::Column, 3, |number| place(number).1),
            (Kind::Dozen, 3, |number| place(number).0 / 4),
        ];
        for (kind, parts, part_of) in cases {
            let expected = (0..parts).map(|part| Numbers::which(|&number| part_of(number) == part));
            assert_eq!(set(kind.spots()), set(expected), "{kind:?}");
        }
    }

    #[test]
    fn corners_and_six_lines_are_neighbouring_streets() {
        let block = |street: u64, columns: std::ops::Range<u64>| {
            Numbers::which(|&number| {
                let (of_street, of_column) = place(number);
                (street..street + 2).contains(&of_street) && columns.contains(&of_column)
            })
        };
        let corners = (0..11).flat_map(|street| [block(street, 0..2), block(street, 1..3)]);
        assert_eq!(set(Kind::Corner.spots()), set(corners));
        assert_eq!(set(Kind::SixLine.spots()), set((0..11).map(|street| block(street, 0..3))));
    }

    #[test]
    fn even_chances_are_halves_without_zero() {
        use Kind::{Black, Even, High, Low, Odd, Red};
        for (one, other) in [(Red, Black), (Odd, Even), (Low, High)] {
            let (one, other) = (one.spots()[0], other.spots()[0]);
            assert!(!one.contains(0) && !other.contains(0));
            assert!((1..POCKETS).all(|number| one.contains(number) != other.contains(number)));
            assert_eq!((1..POCKETS).filter(|&number| one.contains(number)).count(), 18);
        }
        for number in 0..POCKETS {
            let expected = match (Red.spots()[0].contains(number), Black.spots()[0].contains(number)) {
                (true, _) => Color::Red,
                (_, true) => Color::Black,
                _ => Color::Green,
            };
            assert_eq!(Color::of(number), expected);
        }
    }

    #[test]
    fn every_bet_returns_36_of_37() {
        for kind in Kind::ALL {
            for spot in kind.spots() {
                let covered = (0..POCKETS).filter(|&number| spot.contains(number)).count() as u64;
                assert_eq!(
                    covered * (kind.pays_to_one() + 1),
                    36,
                    "{kind:?}: of 37 units staked, one on each number's draw"
                );
            }
        }
    }
}
