//! What `#[game]`, `Faults` and `TestTable` promise, on a game that uses all of them.

use croupier_sdk::Descriptor;
use croupier_sdk::prelude::*;
use croupier_sdk::testing::TestTable;
use serde_json::{Value, json};

/// Guess a coin until wrong: a round of many calls.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Streak {
    bet: Option<Bet>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Bet {
    pot: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OpenParams {
    /// In minor units.
    #[schemars(range(min = 1, max = 500))]
    stake: u64,
}

#[derive(Serialize, JsonSchema)]
struct Pot {
    pot: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Faults)]
enum Error {
    #[fault(1, "no bet is open: call open first")]
    NoBet,
    #[fault(2, "a bet of {pot} is open: the limit is {limit}")]
    BetOpen { pot: u64, limit: &'static str },
    #[fault(transparent)]
    Table(TableError),
    #[fault(transparent)]
    Refused(Refusal),
}

#[derive(Debug, Faults)]
enum TableError {
    #[fault(10, "the table is closed")]
    Closed,
}

const RTP_PPM: u32 = 1_000_000;

#[game(id = "streak", title = "Streak", rtp_ppm = RTP_PPM - 1, max_win_ppm = u64::MAX / 2, version = "1.2.3")]
impl Streak {
    /// Opens a bet
    /// of one stake.
    ///
    /// More that is no part of the summary.
    pub fn open(&mut self, table: &mut Table, params: OpenParams) -> Result<Pot, Error> {
        table.stake(params.stake)?;
        if let Some(bet) = &self.bet {
            return Err(Error::BetOpen { pot: bet.pot, limit: "one" });
        }
        table.track("opened", &json!({ "step": table.round_step() }))?;
        self.keep(table, params.stake)
    }

    pub fn guess(&mut self, table: &mut croupier_sdk::Table<'_>) -> Result<Pot, Error> {
        let Bet { pot } = self.bet.take().ok_or(Error::NoBet)?;
        if table.below(2) == 1 {
            return self.keep(table, pot * 2);
        }
        table.info(format!("lost {pot}"));
        table.pay(0)?;
        Ok(Pot { pot: 0, note: Some("lost".to_owned()) })
    }

    /// Takes the pot.
    pub fn take(&mut self, table: &mut Table) -> Result<u64, Fault> {
        let Bet { pot } = self.bet.take().ok_or(Error::NoBet)?;
        table.notify_after(1_000, "push", "taken", &pot)?;
        Ok(table.pay(pot)?)
    }

    pub fn bet(&self, _table: &mut Table) -> Result<Option<u64>, Fault> {
        Ok(self.bet.as_ref().map(|bet| bet.pot))
    }

    pub fn shut(&mut self, table: &mut Table) -> Result<(), Error> {
        self.bet = Some(Bet { pot: table.below(100) });
        table.put_document("shut", &true)?;
        table.info("shutting");
        Err(TableError::Closed.into())
    }

    pub fn hold(&mut self, table: &mut Table) -> Result<(), Error> {
        table.keep_round_open();
        Ok(())
    }

    pub fn lie(&mut self, _table: &mut Table) -> Result<Liar, Error> {
        Ok(Liar)
    }

    fn keep(&mut self, table: &mut Table, pot: u64) -> Result<Pot, Error> {
        self.bet = Some(Bet { pot });
        table.keep_round_open();
        Ok(Pot { pot, note: None })
    }
}

/// Says that it is a number and is none.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Liar(#[expect(dead_code, reason = "only its schema counts")] u64);

impl Serialize for Liar {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("no number")
    }
}

impl Liar {
    const SAMPLE: Value = Value::Null;
}

fn table() -> TestTable<Streak> {
    TestTable::new().with_balance(1_000)
}

#[test]
fn the_descriptor_is_the_source() {
    let Descriptor { id, title, version, rtp_ppm, max_win_ppm, methods } = Streak::descriptor();
    assert_eq!((id, title, version), ("streak", "Streak", "1.2.3"));
    assert_eq!((rtp_ppm, max_win_ppm), (999_999, u64::MAX / 2));
    let summaries: Vec<_> = methods.iter().map(|method| (method.name, method.summary)).collect();
    assert_eq!(summaries[0], ("open", "Opens a bet of one stake."));
    assert_eq!(summaries[1], ("guess", ""));
    assert_eq!(summaries[2], ("take", "Takes the pot."));
    assert_eq!(methods.len(), 7);
}
