//! What `croupier simulate` plays.

use croupier_sdk::simulation::{Bet, Simulation};

use crate::{Player, ThrowParams};

impl Simulation for Player {
    fn bets() -> Vec<Bet<Self>> {
        vec![Bet::new("throw", "100 on a throw", |round| {
            round
                .play("throw", ThrowParams { stake: 100 }, Self::throw)
                .map(drop)
        })]
    }
}
