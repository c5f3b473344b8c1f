//! Savings: keeps the total beside the coins, which have a document of their own now.

use croupier_sdk::prelude::*;

/// What all coins are worth.
#[derive(Default, Serialize, Deserialize)]
pub struct Savings {
    total: u64,
}

/// As release 1 has saved it.
#[derive(Deserialize)]
struct Listed {
    coins: Vec<u64>,
}

/// As releases without a state version have saved it.
#[derive(Deserialize)]
struct Unversioned {
    coins: u64,
}

/// Coins and their total.
#[derive(Serialize, JsonSchema)]
pub struct Purse {
    coins: Vec<u64>,
    total: u64,
}

#[game(id = "savings", title = "Savings", rtp_ppm = 1_000_000, max_win_ppm = 1_000_000, state_version = 2)]
impl Savings {
    /// All coins.
    pub fn show(&self, table: &Table) -> Result<Purse, Fault> {
        Ok(Purse { coins: table.document("coins").unwrap_or_default(), total: self.total })
    }

    fn migrate(from: u32, mut documents: Documents) -> Result<Documents, String> {
        let coins = match from {
            0 => documents.state()?.map(|Unversioned { coins }| vec![coins]),
            _ => documents.state()?.map(|Listed { coins }| coins),
        };
        if let Some(coins) = coins {
            documents.put("coins", &coins);
            documents.set_state(&Self { total: coins.iter().sum() });
        }
        Ok(documents)
    }
}
