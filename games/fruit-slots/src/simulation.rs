//! What `croupier simulate` plays.

use croupier_sdk::simulation::{Bet, Simulation};

use crate::{FruitSlots, SpinParams};

impl Simulation for FruitSlots {
    fn bets() -> Vec<Bet<Self>> {
        vec![Bet::new("spin", "1 on each of the 20 lines, and the free spins that it wins", |round| {
            round.play("spin", SpinParams { line_stake: 1 }, Self::spin)?;
            while round.is_open() {
                round.play_bare("free_spin", Self::free_spin)?;
            }
            Ok(())
        })]
    }
}
