//! Savings: keeps a list of coins, where releases without a state version have kept one number.

use croupier_sdk::prelude::*;

/// Of each coin its worth, in the order in which they came.
#[derive(Default, Serialize, Deserialize)]
pub struct Savings {
    coins: Vec<u64>,
}

/// As releases without a state version have saved it.
#[derive(Deserialize)]
struct Unversioned {
    coins: u64,
}

/// Params of `save`.
#[derive(Deserialize, JsonSchema)]
pub struct Coin {
    worth: u64,
}

#[game(id = "savings", title = "Savings", rtp_ppm = 1_000_000, max_win_ppm = 1_000_000, state_version = 1)]
impl Savings {
    /// Takes a coin, and gives its worth back.
    pub fn save(&mut self, table: &mut Table, coin: Coin) -> Result<Vec<u64>, Fault> {
        table.stake(coin.worth)?;
        table.pay(coin.worth)?;
        self.coins.push(coin.worth);
        Ok(self.coins.clone())
    }

    /// All coins.
    pub fn show(&self, _table: &Table) -> Result<Vec<u64>, Fault> {
        Ok(self.coins.clone())
    }

    /// Declines.
    pub fn decline(&mut self, _table: &mut Table) -> Result<(), Fault> {
        self.coins.clear();
        Err(Fault::new(1, "no"))
    }

    /// Declines once it is too late.
    pub fn decline_late(&mut self, table: &mut Table) -> Result<(), Fault> {
        self.coins = vec![table.below(6)];
        Err(Fault::new(2, "no, no"))
    }

    fn migrate(from: u32, mut documents: Documents) -> Result<Documents, String> {
        assert_eq!(from, 0, "there was no other version yet");
        if let Some(Unversioned { coins }) = documents.state()? {
            documents.set_state(&Self { coins: vec![coins] });
        }
        Ok(documents)
    }
}
