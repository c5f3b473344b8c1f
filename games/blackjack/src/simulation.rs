//! What `croupier simulate` plays: basic strategy, which the declared return assumes.

use croupier_sdk::simulation::{Bet, Simulation};

use crate::{Blackjack, DealParams, round::Action, strategy::Situation};

impl Simulation for Blackjack {
    fn bets() -> Vec<Bet<Self>> {
        vec![Bet::new("basic-strategy", "100 a round, played by basic strategy, never insured", |round| {
            round.play("deal", DealParams { stake: 100 }, Self::deal)?;
            while let Some(situation) = round.game().round.as_ref().and_then(Situation::of) {
                match situation.basic() {
                    Action::Hit => round.play_bare("hit", Self::hit)?,
                    Action::Stand => round.play_bare("stand", Self::stand)?,
                    Action::Double => round.play_bare("double", Self::double)?,
                    Action::Split => round.play_bare("split", Self::split)?,
                    Action::Insure => round.play_bare("insure", Self::insure)?,
                };
            }
            Ok(())
        })]
    }
}
