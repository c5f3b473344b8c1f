//! Teller: tells the tracking store and the player whatever it is asked to, and breaks down when it is asked to.

use croupier_sdk::prelude::*;

/// Keeps nothing.
#[derive(Default, Serialize, Deserialize)]
pub struct Teller {}

/// Params of `tell`.
#[derive(Deserialize, JsonSchema)]
pub struct Story {
    name: String,
    level: i64,
    boss: String,
    times: usize,
}

/// Params of `play`.
#[derive(Deserialize, JsonSchema)]
pub struct Round {
    stake: u64,
    pay: u64,
}

#[game(id = "teller", title = "Teller", rtp_ppm = 1_000_000, max_win_ppm = 1_000_000)]
impl Teller {
    /// Tells the tracking store.
    pub fn tell(&mut self, table: &mut Table, story: Story) -> Result<(), Fault> {
        let props = serde_json::json!({ "level": story.level, "boss": { "name": story.boss } });
        for _ in 0..story.times {
            table.track(&story.name, &props)?;
        }
        Ok(())
    }

    /// Tells the player.
    pub fn greet(&mut self, table: &mut Table) -> Result<(), Fault> {
        table.notify("push", "hello", &serde_json::json!({ "name": "there" }))?;
        Ok(())
    }

    /// A round that returns what it is told to.
    pub fn play(&mut self, table: &mut Table, round: Round) -> Result<(), Fault> {
        table.stake(round.stake)?;
        if round.pay > 0 {
            table.pay(round.pay)?;
        }
        Ok(())
    }

    /// Breaks down once chance was asked.
    pub fn fail(&mut self, table: &mut Table) -> Result<(), Fault> {
        panic!("{} is not what it wanted", table.below(6));
    }
}
