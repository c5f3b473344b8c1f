//! The declared return, computed from the rules and held against the game's own rounds.

mod theory;

use std::collections::BTreeMap;

use blackjack::{
    cards::{Card, DECKS, Shoe},
    hand::Total,
    round::{
        Action::{self, Double, Hit, Split, Stand},
        Hand, Round,
    },
    settlement::Settlement,
    strategy::Situation,
    terms::RTP_PPM,
};
use theory::{Against, Counts, Money, draws, full_shoe};

/// A shoe after the player's two cards and the dealer's up card, and how likely the three are.
struct Opening {
    probability: f64,
    cards: [u8; 2],
    left: Counts,
}

/// All openings against one up card.
fn openings(up: u8) -> Vec<Opening> {
    let Some((_, p_up, left)) = draws(full_shoe()).find(|&(value, ..)| value == up) else { return Vec::new() };
    let openings = draws(left).flat_map(|(first, p_first, left)| {
        draws(left).map(move |(second, p_second, left)| Opening {
            probability: p_up * p_first * p_second,
            cards: [first, second],
            left,
        })
    });
    openings.collect()
}

fn ppm(share: f64) -> f64 {
    (share * 1e6).round()
}

#[test]
fn the_declared_return_is_the_exact_one() {
    let mut round = Money::default();
    for up in 1..=10 {
        let mut against = Against::up(up);
        for opening in openings(up) {
            round += opening.probability * against.opening(opening.cards, opening.left, None);
        }
    }
    assert_eq!(ppm(round.paid / round.staked), f64::from(RTP_PPM));
    assert_eq!(ppm(-round.net()), 4_599.0, "the house's edge on the opening stake");
    assert_eq!(ppm(round.staked), 1_127_379.0, "all stakes by the opening stake");
}

/// A half stakes a half, and one in three of it comes back threefold: 3 x 96/311 of it.
#[test]
fn insurance_returns_926_045_ppm() {
    let tens = f64::from(full_shoe()[9]);
    assert_eq!(tens, f64::from(16 * DECKS));
    assert_eq!(ppm(3.0 * tens / 311.0), 926_045.0);
}

/// For each total of two cards, each pair and each up card: no first action is worth more than the table's, if basic
/// strategy goes on from there.
#[test]
fn basic_strategy_opens_best() {
    for up in 1..=10 {
        let mut against = Against::up(up);
        let mut worth: BTreeMap<(u8, bool, Option<u8>), BTreeMap<&str, f64>> = BTreeMap::new();
        let mut choice = BTreeMap::new();
        for Opening { probability, cards, left } in openings(up) {
            let total = Total::default().plus(cards[0]).plus(cards[1]);
            if total.points == 21 {
                continue;
            }
            let pair = (cards[0] == cards[1]).then_some(cards[0]);
            let basic = Situation { total, up, may_double: true, pair }.basic();
            let split = (basic == Split).then_some(cards[0]);
            let key = (total.points, total.soft, split);
            choice.insert(key, basic);

            let mut value = |action| probability * against.opening(cards, left, Some(action)).net();
            let worth = worth.entry(key).or_default();
            for (name, action) in [("Hit", Hit), ("Stand", Stand), ("Double", Double)] {
                *worth.entry(name).or_default() += value(action);
            }
            if split.is_some() {
                *worth.entry("Split").or_default() += value(Split);
            } else if pair.is_some() {
                assert!(value(Split) < value(basic), "{cards:?} against {up} should be split");
            }
        }
        for (key, worth) in worth {
            let basic = format!("{:?}", choice[&key]);
            let best = worth.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            assert_eq!(*best.0, basic, "{key:?} against {up}: {worth:?}");
        }
    }
}

fn card_of(value: u8) -> Card {
    Card::deck().find(|card| card.value() == value).expect("a card of each value")
}

/// Plays one opening of the game itself on every sequence of values it can meet.
fn every_deal(up: u8, cards: [u8; 2], left: Counts) -> Money {
    let mut expected = Money::default();
    // Which of the possible values is dealt at each draw, counted up like an odometer.
    let mut script: Vec<usize> = Vec::new();
    loop {
        let (mut probability, mut left, mut possible) = (1.0, left, Vec::new());
        let mut deal = |shoe: &Shoe| {
            if script.len() == possible.len() {
                script.push(0);
            }
            let position = script[possible.len()];
            possible.push(draws(left).count());
            let (value, chance, rest) = draws(left).nth(position).expect("a possible draw");
            probability *= chance;
            left = rest;
            let same = Card::deck().find(|&card| card.value() == value && shoe.count(card) > 0);
            same.expect("the game has the cards of the theory")
        };
        let hand = Hand { cards: cards.map(card_of).to_vec(), doubled: false, done: false };
        let mut round = Round { stake: 2, dealer: vec![card_of(up)], hands: vec![hand], insured: false };
        while let Some(situation) = Situation::of(&round) {
            round.play(situation.basic(), &mut deal);
        }
        expected += probability * money(&round);
        while script.pop().is_some_and(|last| {
            let next = last + 1 < possible[script.len()];
            if next {
                script.push(last + 1);
            }
            !next
        }) {}
        if script.is_empty() {
            return expected;
        }
    }
}

/// What a finished round moved, in units of its opening stake.
#[expect(clippy::cast_precision_loss, reason = "a few times the stake of 2")]
fn money(round: &Round) -> Money {
    let settlement = Settlement::of(round);
    let stake = round.stake as f64;
    Money { staked: (round.staked() - settlement.refund()) as f64 / stake, paid: settlement.payout() as f64 / stake }
}

/// The theory values openings as the game plays them on every possible deal: from the full shoe where these can be
/// played in a moment, and from a few cards, where each one drawn changes the rest a lot, for splits that go on.
#[test]
fn the_theory_is_the_game() {
    let six_decks = |up, cards: [u8; 2]| openings(up).into_iter().find(|opening| opening.cards == cards).unwrap().left;
    let few = [3, 0, 5, 0, 0, 2, 0, 4, 0, 6];
    let cases: [(u8, [u8; 2], Counts, Action); 11] = [
        (10, [10, 9], six_decks(10, [10, 9]), Stand),
        (10, [5, 6], six_decks(10, [5, 6]), Double),
        (1, [10, 8], six_decks(1, [10, 8]), Stand),
        (9, [6, 4], six_decks(9, [6, 4]), Double),
        (10, [10, 6], six_decks(10, [10, 6]), Hit),
        (10, [1, 1], six_decks(10, [1, 1]), Split),
        (1, [1, 1], few, Split),
        (6, [8, 8], few, Split),
        (10, [8, 8], few, Split),
        (6, [3, 3], few, Split),
        (1, [3, 3], few, Hit),
    ];
    for (up, cards, left, action) in cases {
        let total = Total::default().plus(cards[0]).plus(cards[1]);
        let pair = (cards[0] == cards[1]).then_some(cards[0]);
        assert_eq!(Situation { total, up, may_double: true, pair }.basic(), action, "{cards:?} against {up}");
        let theory = Against::up(up).opening(cards, left, None);
        let game = every_deal(up, cards, left);
        assert!((theory.staked - game.staked).abs() < 1e-9, "{cards:?} against {up}: {theory:?}, {game:?}");
        assert!((theory.paid - game.paid).abs() < 1e-9, "{cards:?} against {up}: {theory:?}, {game:?}");
    }
}

/// 200,000 rounds by basic strategy: what they return is the declared share of what they stake, within the 99 %
/// confidence interval of the mean of (paid - declared share x staked).
#[test]
fn simulated_rounds_return_what_is_declared() {
    const ROUNDS: u32 = 200_000;
    let share = f64::from(RTP_PPM) / 1e6;
    let mut random = fastrand::Rng::with_seed(21);
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        let mut deal = |shoe: &Shoe| shoe.card(random.u64(..shoe.len()));
        let mut round = Round::deal(2, &mut deal);
        while let Some(situation) = Situation::of(&round) {
            round.play(situation.basic(), &mut deal);
        }
        let Money { staked, paid } = money(&round);
        let excess = paid - share * staked;
        sum += excess;
        squares += excess * excess;
    }
    let mean = sum / f64::from(ROUNDS);
    let deviation = (squares / f64::from(ROUNDS) - mean * mean).sqrt();
    let half_width = 2.576 * deviation / f64::from(ROUNDS).sqrt();
    assert!(mean.abs() < half_width, "{mean} is outside +-{half_width}");
}
