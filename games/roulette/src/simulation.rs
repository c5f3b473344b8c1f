//! What `croupier simulate` plays: a bet of each kind, and a table full of different ones.

use croupier_sdk::simulation::{self, Simulation};

use crate::{
    Roulette, SpinParams,
    bets::{Bet, Number, OneToThree, Stake},
};

/// On every spot, in minor units: within the limits of all kinds.
const STAKE: u64 = 100;

impl Simulation for Roulette {
    fn bets() -> Vec<simulation::Bet<Self>> {
        let one = |name: &'static str, bet: fn() -> Bet| {
            simulation::Bet::new(name, format!("{STAKE} on one spot of this kind"), move |round| {
                round.play("spin", SpinParams { bets: vec![bet()] }, Self::spin).map(drop)
            })
        };
        let mut bets: Vec<_> = KINDS.into_iter().map(|(name, bet)| one(name, bet)).collect();
        let all = format!("{STAKE} on a spot of each of the {} kinds", KINDS.len());
        bets.push(simulation::Bet::new("all-kinds", all, |round| {
            round.play("spin", SpinParams { bets: KINDS.map(|(_, bet)| bet()).into() }, Self::spin).map(drop)
        }));
        bets
    }
}

/// A bet's name, and the bet.
pub(crate) type Kind = (&'static str, fn() -> Bet);

/// A bet of each kind; also what clients read as examples.
pub(crate) const KINDS: [Kind; 15] = [
    ("straight", || Bet::Straight { number: Number(17), stake: Stake(STAKE) }),
    ("split", || Bet::Split { numbers: [17, 20].map(Number), stake: Stake(STAKE) }),
    ("street", || Bet::Street { numbers: [4, 5, 6].map(Number), stake: Stake(STAKE) }),
    ("trio", || Bet::Trio { numbers: [0, 1, 2].map(Number), stake: Stake(STAKE) }),
    ("corner", || Bet::Corner { numbers: [1, 2, 4, 5].map(Number), stake: Stake(STAKE) }),
    ("first-four", || Bet::FirstFour { stake: Stake(STAKE) }),
    ("six-line", || Bet::SixLine { numbers: [1, 2, 3, 4, 5, 6].map(Number), stake: Stake(STAKE) }),
    ("column", || Bet::Column { column: OneToThree(2), stake: Stake(STAKE) }),
    ("dozen", || Bet::Dozen { dozen: OneToThree(3), stake: Stake(STAKE) }),
    ("red", || Bet::Red { stake: Stake(STAKE) }),
    ("black", || Bet::Black { stake: Stake(STAKE) }),
    ("odd", || Bet::Odd { stake: Stake(STAKE) }),
    ("even", || Bet::Even { stake: Stake(STAKE) }),
    ("low", || Bet::Low { stake: Stake(STAKE) }),
    ("high", || Bet::High { stake: Stake(STAKE) }),
];
