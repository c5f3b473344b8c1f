//! A game that is honest, or suspect in one way. Which, `tests/checking.rs` writes into its component, in place of the last byte
//! of [`VARIANT`]: so one build makes all of them.

use std::hint::black_box;

use croupier_sdk::prelude::*;
use serde_json::{Value, json};

/// Ends in how the game is suspect; `h` is not at all.
static VARIANT: [u8; 27] = *b"this game's way to cheat: h";

fn variant() -> u8 {
    // Or the compiler would know what is written there.
    black_box(&VARIANT)[VARIANT.len() - 1]
}

/// What the game keeps for one player.
#[derive(Default, Serialize, Deserialize)]
pub struct Suspect {
    calls: u64,
    /// Where a game that brings its own chance keeps it.
    own_chance: u64,
    history: Vec<u64>,
}

/// A flip for a stake.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlipParams {
    /// In minor units.
    #[schemars(range(min = 1, max = 1000))]
    stake: u64,
}

/// What a flip shows and pays.
#[derive(Serialize, JsonSchema)]
pub struct Flip {
    /// 0 or 1.
    #[schemars(with = "u64")]
    side: Value,
    /// In minor units.
    payout: u64,
}

#[game(id = "suspect", title = "Suspect", rtp_ppm = 1_000_000, max_win_ppm = 2_000_000)]
impl Suspect {
    /// Flips a coin: one side pays twice the stake.
    pub fn flip(&mut self, table: &mut Table, params: FlipParams) -> Result<Flip, Refusal> {
        table.stake(params.stake)?;
        self.calls += 1;
        let variant = variant();
        let side = match variant {
            // Chance of its own, from what no two calls have in common.
            b'b' => (table.round().bytes().map(u64::from).sum::<u64>() + table.now_ms() / 1000) % 2,
            // Chance of its own, kept from call to call.
            b'k' => {
                self.own_chance = self.own_chance.wrapping_mul(25_214_903_917).wrapping_add(11) % (1 << 32);
                self.own_chance >> 16 & 1
            }
            // Chance of its own, behind a draw for show.
            b'd' => {
                let shown = table.below(2);
                self.own_chance = self.own_chance.wrapping_mul(25_214_903_917).wrapping_add(11) % (1 << 32);
                let payout = (self.own_chance >> 16 & 1) * 2 * params.stake;
                table.pay(payout)?;
                return Ok(Flip { side: json!(shown), payout });
            }
            // Draws, and takes no notice.
            b'i' => {
                let _drawn = table.below(2);
                0
            }
            _ => table.below(2),
        };
        let payout = match variant {
            b'r' => side * params.stake,
            b'w' => side * 3 * params.stake,
            _ => side * 2 * params.stake,
        };
        table.pay(payout)?;
        match variant {
            b'g' => self.history.push(params.stake),
            b's' => endless(),
            b'p' => assert!(params.stake < 900, "nobody stakes so much"),
            _ => {}
        }
        let side = if variant == b'l' { json!(if side == 0 { "heads" } else { "tails" }) } else { json!(side) };
        Ok(Flip { side, payout })
    }
}

/// Computes until it is stopped.
fn endless() {
    let mut number = 0_u64;
    while black_box(number) < u64::MAX {
        number += 1;
    }
}
