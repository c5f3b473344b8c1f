//! What rounds are worth, exactly, from the composition of the shoe.
//!
//! Suits do not matter, so a shoe is ten counts. Every sequence of cards a player following a strategy and then the
//! dealer can meet is weighted with its probability. Nothing is approximated; `f64` adds an error far below 1e-9.
//!
//! - The dealer's second card is drawn last, as in the game itself, so no card is ever conditioned on a hidden one.
//! - A hand is valued on the event that the dealer has no blackjack. With one, every round comes to the same: the
//!   opening stake is lost (or pushed by a blackjack) and all else is given back.
//! - The value of a split is twice the value of its first hand: the strategy looks at one hand only, and in a
//!   shuffled shoe the cards that follow a hand are distributed like those it drew from, so both hands meet the
//!   same distribution of own and dealer's cards. Expectations add, however dependent the hands are.

use std::{
    collections::{BTreeMap, HashMap},
    ops::{Add, AddAssign, Mul},
};

use blackjack::{
    cards::{Card, Shoe},
    hand::Total,
    round::Action,
    strategy::Situation,
};

/// Cards left of each value; index 0 are the aces, 9 the tens and faces.
pub(crate) type Counts = [u16; 10];

/// Expected money in units of the opening stake.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Money {
    /// Staked and not given back.
    pub(crate) staked: f64,
    /// Paid, stakes included.
    pub(crate) paid: f64,
}

impl Money {
    /// What the player wins, negative for a loss.
    pub(crate) fn net(self) -> f64 {
        self.paid - self.staked
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money { staked: self.staked + other.staked, paid: self.paid + other.paid }
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl Mul<Money> for f64 {
    type Output = Money;
    fn mul(self, money: Money) -> Money {
        Money { staked: self * money.staked, paid: self * money.paid }
    }
}

/// Cards the dealer may end with after the up card. Their order does not change how likely they are to be drawn, only
/// whether the dealer would have stopped before the last one, so the good orders are counted once for all shoes.
struct Ending {
    /// The values among them, each with its number.
    drawn: Vec<(usize, u16)>,
    /// In how many orders they can be drawn.
    orders: u32,
    total: Total,
}

/// How the dealer's hands from one shoe end.
#[derive(Clone, Copy, Default)]
struct Dealer {
    blackjack: f64,
    bust: f64,
    /// 17 to 21, without blackjacks.
    stands: [f64; 5],
}

/// A hand of the player and the shoe it draws from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Hand {
    total: Total,
    cards: u8,
    pair: Option<u8>,
    left: Counts,
}

/// The values of all hands against one up card.
pub(crate) struct Against {
    up: u8,
    endings: Vec<Ending>,
    hands: HashMap<Hand, Money>,
    dealers: HashMap<Counts, Dealer>,
}

/// A full shoe by value.
pub(crate) fn full_shoe() -> Counts {
    let shoe = Shoe::without([]);
    let mut counts = [0; 10];
    for card in Card::deck() {
        counts[usize::from(card.value()) - 1] += u16::from(shoe.count(card));
    }
    counts
}

/// The values that may be drawn from a shoe, each with its probability and the shoe that remains.
pub(crate) fn draws(left: Counts) -> impl Iterator<Item = (u8, f64, Counts)> {
    let all: u16 = left.iter().sum();
    (1..=10).filter_map(move |value| {
        let mut rest = left;
        let count = &mut rest[usize::from(value) - 1];
        let probability = f64::from(*count) / f64::from(all);
        *count = count.checked_sub(1)?;
        Some((value, probability, rest))
    })
}

impl Against {
    /// Against a dealer's up card of this value.
    pub(crate) fn up(up: u8) -> Against {
        let mut endings = BTreeMap::new();
        count_orders(Total::default().plus(up), [0; 10], &mut endings);
        let endings = endings.into_iter().map(|(drawn, (orders, total))| Ending::new(drawn, orders, total)).collect();
        Against { up, endings, hands: HashMap::new(), dealers: HashMap::new() }
    }

    /// A whole round that opens with these two cards, where `left` is the shoe after them and the up card.
    /// `first` is the first action; basic strategy goes on from there.
    pub(crate) fn opening(&mut self, cards: [u8; 2], left: Counts, first: Option<Action>) -> Money {
        let total = cards.iter().fold(Total::default(), |total, &value| total.plus(value));
        let blackjack = self.dealer(left).blackjack;
        if total.points == 21 {
            return blackjack * Money { staked: 1.0, paid: 1.0 } + (1.0 - blackjack) * Money { staked: 1.0, paid: 2.5 };
        }
        let hand = Hand { total, cards: 2, pair: (cards[0] == cards[1]).then_some(cards[0]), left };
        let action = first.unwrap_or_else(|| self.basic(&hand));
        blackjack * Money { staked: 1.0, paid: 0.0 } + self.play(&hand, action)
    }

    fn basic(&self, hand: &Hand) -> Action {
        Situation { total: hand.total, up: self.up, may_double: hand.cards == 2, pair: hand.pair }.basic()
    }

    /// A hand that basic strategy plays to its end, on the event that the dealer has no blackjack.
    fn hand(&mut self, hand: Hand) -> Money {
        if hand.total.points >= 21 {
            return self.settle(&hand, 1.0);
        }
        if let Some(&known) = self.hands.get(&hand) {
            return known;
        }
        let action = self.basic(&hand);
        let money = self.play(&hand, action);
        self.hands.insert(hand, money);
        money
    }

    fn play(&mut self, hand: &Hand, action: Action) -> Money {
        let mut money = Money::default();
        match action {
            Action::Stand => return self.settle(hand, 1.0),
            Action::Hit => {
                for (probability, next) in hand.next() {
                    money += probability * self.hand(next);
                }
            }
            Action::Double => {
                for (probability, next) in hand.next() {
                    money += probability * self.settle(&next, 2.0);
                }
            }
            Action::Split => {
                let value = hand.pair.expect("a pair");
                let single = Hand { total: Total::default().plus(value), cards: 1, pair: None, left: hand.left };
                for (probability, next) in single.next() {
                    let one = if value == 1 { self.settle(&next, 1.0) } else { self.hand(next) };
                    money += 2.0 * probability * one;
                }
            }
            Action::Insure => unreachable!("basic strategy never insures"),
        }
        money
    }

    /// A finished hand with `on` staked on it, on the event that the dealer has no blackjack.
    fn settle(&mut self, hand: &Hand, on: f64) -> Money {
        let dealer = self.dealer(hand.left);
        let mut money = Money { staked: on * (1.0 - dealer.blackjack), paid: 0.0 };
        if !hand.total.is_bust() {
            money.paid += 2.0 * on * dealer.bust;
            for (points, probability) in (17..).zip(dealer.stands) {
                money.paid += match hand.total.points.cmp(&points) {
                    std::cmp::Ordering::Greater => 2.0 * on * probability,
                    std::cmp::Ordering::Equal => on * probability,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        money
    }

    fn dealer(&mut self, left: Counts) -> Dealer {
        let endings = &self.endings;
        *self.dealers.entry(left).or_insert_with(|| Dealer::of(endings, left))
    }
}

/// Adds one order to every ending that can be reached from the `drawn` cards, which make `total` with the up card.
fn count_orders(total: Total, drawn: Counts, endings: &mut BTreeMap<Counts, (u32, Total)>) {
    if total.dealer_draws() {
        for value in 1..=10 {
            let mut drawn = drawn;
            drawn[usize::from(value) - 1] += 1;
            count_orders(total.plus(value), drawn, endings);
        }
    } else {
        endings.entry(drawn).or_insert((0, total)).0 += 1;
    }
}

impl Hand {
    fn next(self) -> impl Iterator<Item = (f64, Hand)> {
        draws(self.left).map(move |(value, probability, left)| {
            (probability, Hand { total: self.total.plus(value), cards: self.cards + 1, pair: None, left })
        })
    }
}

impl Ending {
    fn new(drawn: Counts, orders: u32, total: Total) -> Ending {
        let drawn = drawn.into_iter().enumerate().filter(|&(_, number)| number > 0).collect();
        Ending { drawn, orders, total }
    }

    /// Exactly these cards come next from a shoe of `all` cards.
    fn probability(&self, left: &Counts, mut all: f64) -> f64 {
        let mut probability = f64::from(self.orders);
        for &(value, number) in &self.drawn {
            for taken in 0..number {
                probability *= f64::from(left[value].saturating_sub(taken)) / all;
                all -= 1.0;
            }
        }
        probability
    }
}

impl Dealer {
    fn of(endings: &[Ending], left: Counts) -> Dealer {
        let all = f64::from(left.iter().sum::<u16>());
        let mut dealer = Dealer::default();
        for ending in endings {
            let sum = match ending.total.points {
                21 if matches!(ending.drawn[..], [(_, 1)]) => &mut dealer.blackjack,
                points @ 17..=21 => &mut dealer.stands[usize::from(points) - 17],
                _ => &mut dealer.bust,
            };
            *sum += ending.probability(&left, all);
        }
        dealer
    }
}
