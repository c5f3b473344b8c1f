//! What `#[game]`, `Faults` and `TestTable` promise, on a game that uses all of them.

use croupier_sdk::Descriptor;
use croupier_sdk::prelude::*;
use croupier_sdk::testing::TestTable;
use serde_json::json;

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
    #[fault(11, "{f} of {message}")]
    Named { f: u32, message: &'static str, error: Option<u32> },
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

    pub fn bet(&self, _table: &Table) -> Result<Option<u64>, Fault> {
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
        Ok(Liar { number: "none" })
    }

    fn keep(&mut self, table: &mut Table, pot: u64) -> Result<Pot, Error> {
        self.bet = Some(Bet { pot });
        table.keep_round_open();
        Ok(Pot { pot, note: None })
    }
}

/// Says that it has a number and has none.
#[derive(Serialize, JsonSchema)]
struct Liar {
    #[schemars(with = "u64")]
    number: &'static str,
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

#[test]
fn schemas_come_from_the_rust_types() {
    let methods = Streak::descriptor().methods;
    let open = &methods[0].params_schema;
    assert_eq!(open["type"], "object");
    assert_eq!(open["additionalProperties"], false);
    let stake = &open["properties"]["stake"];
    assert_eq!((&stake["minimum"], &stake["maximum"]), (&json!(1), &json!(500)));
    assert_eq!(stake["description"], "In minor units.");

    assert_eq!(methods[1].params_schema, json!({ "type": "object", "additionalProperties": false }));

    let pot = &methods[0].result_schema;
    assert_eq!(pot["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(pot["required"], json!(["pot"]), "what may be skipped is not required");
}

#[test]
fn a_round_goes_over_many_calls() {
    let mut table = table().with_script([1, 0]);
    assert_eq!(table.call("open", json!({ "stake": 100 })), Ok(json!({ "pot": 100 })));
    assert_eq!((table.balance(), table.staked(), table.round_open()), (900, 100, true));
    assert_eq!(table.events()[0].props, json!({ "step": 0 }));

    assert_eq!(table.call("guess", json!({})), Ok(json!({ "pot": 200 })));
    assert_eq!(table.documents()["state"], r#"{"bet":{"pot":200}}"#);
    assert_eq!(table.events(), []);

    assert_eq!(table.call("guess", json!({})), Ok(json!({ "pot": 0, "note": "lost" })));
    assert_eq!((table.balance(), table.staked(), table.round_open()), (900, 0, false));
    assert_eq!(table.log()[0].message, "lost 200");
    assert_eq!(table.state(), Streak { bet: None });
}

#[test]
fn typed_calls_are_calls() {
    let mut table = table().with_seed(7);
    let rounds = |table: &mut TestTable<Streak>| {
        table.play(|_, table| Ok::<_, Fault>((table.round().to_owned(), table.round_step()))).unwrap()
    };
    assert_eq!(table.play(|game, table| game.open(table, OpenParams { stake: 500 })).unwrap().pot, 500);
    table.wait_ms(5);
    assert_eq!(table.play(|game, table| game.take(table)), Ok(1_000), "the new balance");
    assert_eq!((table.balance(), table.round_open()), (1_000, false));
    assert_eq!(table.notifications()[0].delay_ms, 1_000);
    assert_eq!(rounds(&mut table), ("round-2".to_owned(), 0));
}

#[test]
fn looking_leaves_the_round_as_it_is() {
    let mut table = table();
    assert_eq!(table.call("bet", json!({})), Ok(json!(null)));
    assert!(!table.round_open());

    table.call("open", json!({ "stake": 100 })).unwrap();
    assert_eq!(table.call("bet", json!({})), Ok(json!(100)));
    assert_eq!(table.look(|game, table| game.bet(table)), Ok(Some(100)));
    assert_eq!(table.look(|_, table| Ok::<_, Fault>(table.round_open())), Ok(true));
    assert_eq!((table.staked(), table.round_open()), (100, true));
}

#[test]
fn a_round_is_open_from_its_first_stake() {
    let open = table().play(|_, table| {
        let before = table.round_open();
        table.stake(5)?;
        table.refund(5)?;
        Ok::<_, Refusal>((before, table.round_open()))
    });
    assert_eq!(open, Ok((false, true)));
}

#[test]
fn a_fault_changes_nothing() {
    let mut table = table().with_script([42]).with_state(&Streak { bet: Some(Bet { pot: 7 }) });
    let before = table.documents().clone();

    let fault = table.call("open", json!({ "stake": 100 })).unwrap_err();
    assert_eq!(
        fault,
        Fault::new(2, "a bet of 7 is open: the limit is one").with_data(json!({ "pot": 7, "limit": "one" }))
    );
    assert_eq!((table.balance(), table.round_open()), (1_000, false));

    assert_eq!(table.call("shut", json!({})), Err(Fault::new(10, "the table is closed")));
    assert_eq!(table.documents(), &before);
    assert_eq!((table.draws().len(), table.log().len()), (1, 1), "what was drawn and logged can be looked at");
}

#[test]
fn errors_become_faults() {
    let faults = [
        (Fault::from(Error::NoBet), Fault::new(1, "no bet is open: call open first")),
        (TableError::Closed.into(), Fault::new(10, "the table is closed")),
        (Error::from(TableError::Closed).into(), Fault::new(10, "the table is closed")),
        (
            TableError::Named { f: 1, message: "two", error: None }.into(),
            Fault::new(11, "1 of two").with_data(json!({ "f": 1, "message": "two", "error": null })),
        ),
    ];
    for (fault, expected) in faults {
        assert_eq!(fault, expected);
    }
    assert_eq!(Error::Table(TableError::Closed).to_string(), "the table is closed");
}

#[test]
fn a_refusal_that_is_passed_on_is_a_fault_of_the_sdk() {
    let refused = table().with_balance(99).call("open", json!({ "stake": 100 })).unwrap_err();
    assert_eq!((refused.code, refused.data), (Fault::REFUSED, Some(json!({ "refusal": "insufficient-funds" }))));
}

#[test]
fn params_that_do_not_fit_the_schema_never_reach_the_game() {
    let cases = [json!({ "stake": 0 }), json!({ "stake": 501 }), json!({ "stake": "1" }), json!({}), json!([1])];
    for params in cases {
        assert_eq!(table().call("open", params.clone()).unwrap_err().code, -32602, "{params}");
    }
    assert_eq!(table().call("take", json!({ "more": 1 })).unwrap_err().code, -32602);
}

#[test]
fn params_that_fit_the_schema_and_not_the_type_are_a_fault() {
    let call = |method: &str, params: &str| croupier_sdk::Call {
        player: "p".to_owned(),
        currency: "EUR".to_owned(),
        locale: "en".to_owned(),
        round: "r".to_owned(),
        step: 0,
        now_ms: 0,
        method: method.to_owned(),
        params: params.to_owned(),
    };
    let fault = table().play(|game, table| game.dispatch(table, &call("open", r#"{"stake":-1}"#))).unwrap_err();
    assert_eq!(fault.code, Fault::INVALID_PARAMS);
}

#[test]
fn a_state_is_written_only_when_it_changed() {
    let mut table = table();
    assert_eq!(table.call("bet", json!({})), Ok(json!(null)));
    assert!(table.documents().is_empty(), "a new player's default state is not kept");

    let mut table = table.with_state(&Streak { bet: Some(Bet { pot: 7 }) });
    assert_eq!(table.call("bet", json!({})), Ok(json!(7)));
    assert_eq!(table.documents()["state"], r#"{"bet":{"pot":7}}"#);
}

#[test]
fn a_state_that_outgrows_its_bound_is_refused() {
    #[derive(Default, Serialize, Deserialize)]
    struct Diary(String);
    let mut table = TestTable::<Diary>::new();
    let fault = table
        .play(|diary, _| {
            diary.0 = "x".repeat(20_000);
            Ok::<_, Fault>(())
        })
        .unwrap_err();
    assert_eq!(fault.data, Some(json!({ "refusal": "too-large" })));
    assert!(table.state().0.is_empty());

    #[game(id = "diary", title = "Diary", rtp_ppm = 0, max_win_ppm = 0)]
    impl Diary {
        pub fn read(&mut self, _table: &mut Table) -> Result<String, Fault> {
            Ok(self.0.clone())
        }
    }
    assert_eq!(Diary::descriptor().version, env!("CARGO_PKG_VERSION"));
}

#[test]
#[should_panic(expected = "the stored state is not one of this release")]
fn a_state_that_cannot_be_read_is_a_malfunction() {
    #[derive(Default, Serialize, Deserialize)]
    struct Older {
        wager: u64,
    }
    #[game(id = "older", title = "Older", rtp_ppm = 0, max_win_ppm = 0)]
    impl Older {
        pub fn wager(&mut self, _table: &mut Table) -> Result<u64, Fault> {
            Ok(self.wager)
        }
    }
    let mut table = TestTable::<Older>::new().with_document("state", &json!({ "stake": 1 }));
    let _unreached = table.call("wager", json!({}));
}

#[test]
#[should_panic(expected = "the game kept a round open, but none is: stake first")]
fn keeping_a_round_open_without_one_is_a_malfunction() {
    let _unreached = table().call("hold", json!({}));
}

#[test]
#[should_panic(expected = "the result of `lie` does not fit its schema")]
fn a_result_that_does_not_fit_its_schema_is_a_malfunction() {
    let _unreached = table().call("lie", json!({}));
}

#[test]
#[should_panic(expected = "`streak` has no method `tkae`, only [\"bet\"")]
fn an_unknown_method_is_a_mistake_of_the_test() {
    let _unreached = table().call("tkae", json!({}));
}

#[test]
#[should_panic(expected = "the document `state` holds the game's state")]
fn the_states_document_is_not_the_games_to_write() {
    let _unreached = table().play(|_, table| table.put_document("state", &1));
}

#[test]
fn other_documents_are() {
    let mut table = table().with_document("shoe", &[1, 2]);
    let documents = table.play(|_, table| {
        table.put_document("seat", &3)?;
        let shoe: Option<Vec<u32>> = table.document("shoe");
        table.delete_document("shoe");
        Ok::<_, Refusal>((shoe, table.document::<u32>("shoe"), table.document_keys()))
    });
    assert_eq!(documents, Ok((Some(vec![1, 2]), None, vec!["seat".to_owned()])));
}

/// What releases of a game have saved, oldest first: pips, then rolls, then rolls beside a document of their own.
mod releases {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(super) struct Rolls {
        rolls: Vec<u32>,
    }

    #[derive(Deserialize)]
    struct Pips {
        pips: u32,
    }

    #[game(id = "rolls", title = "Rolls", rtp_ppm = 0, max_win_ppm = 0, state_version = 1 + 1)]
    impl Rolls {
        pub fn rolls(&self, _table: &Table) -> Result<Vec<u32>, Fault> {
            Ok(self.rolls.clone())
        }

        pub fn fail(&mut self, _table: &mut Table) -> Result<(), Fault> {
            Err(Fault::new(1, "failed"))
        }

        fn migrate(from: u32, mut documents: Documents) -> Result<Documents, String> {
            let rolls = match from {
                0 => documents.state::<Pips>()?.map(|Pips { pips }| vec![pips]),
                _ => documents.get("rolls")?,
            };
            documents.delete("rolls");
            match rolls {
                Some(rolls) if rolls.is_empty() => return Err("nobody has rolled nothing".to_owned()),
                Some(rolls) if rolls[0] == 7 => documents.put("a key", &7),
                Some(rolls) => documents.set_state(&Rolls { rolls }),
                None => {}
            }
            Ok(documents)
        }
    }
}

fn rolls(version: u32, key: &str, document: serde_json::Value) -> TestTable<releases::Rolls> {
    TestTable::new().with_document("kept", "as it is").with_document(key, &document).with_state_version(version)
}

#[test]
fn documents_of_every_older_version_are_migrated_by_the_first_call() {
    assert_eq!(releases::Rolls::STATE_VERSION, 2);
    assert_eq!(Streak::STATE_VERSION, 0);
    let cases = [
        (rolls(0, "state", json!({ "pips": 4 })), json!([4])),
        (rolls(1, "rolls", json!([1, 2])), json!([1, 2])),
        (rolls(2, "state", json!({ "rolls": [3] })), json!([3])),
        (rolls(0, "other", json!(null)), json!([])),
    ];
    for (mut table, expected) in cases {
        let fault = table.call("fail", json!({})).unwrap_err();
        assert_eq!(fault.code, 1);
        assert_eq!(table.call("rolls", json!({})), Ok(expected.clone()));
        assert_eq!(table.documents()["kept"], r#""as it is""#);
        assert!(!table.documents().contains_key("rolls"));
        assert_eq!(table.call("rolls", json!({})), Ok(expected), "not migrated again");
    }
}

#[test]
fn a_migration_that_fails_leaves_everything_as_it_was() {
    let cases = [
        (rolls(0, "state", json!({ "pops": 4 })), -32040, "the document `state` does not read: missing field `pips`"),
        (rolls(1, "rolls", json!([])), -32040, "nobody has rolled nothing"),
        (rolls(1, "rolls", json!([7])), -32040, "`a key` is not [A-Za-z0-9._-]{1,64}"),
        (rolls(3, "state", json!({ "dice": [] })), -32041, "the documents are of version 3"),
    ];
    for (mut table, code, message) in cases {
        let before = table.documents().clone();
        let fault = table.call("rolls", json!({})).unwrap_err();
        assert!(fault.code == code && fault.message.contains(message), "{fault:?}");
        assert_eq!(table.documents(), &before);
    }
}

#[test]
fn a_player_without_documents_needs_no_migration() {
    let mut table = TestTable::<releases::Rolls>::new().with_state_version(0);
    assert_eq!(table.call("rolls", json!({})), Ok(json!([])));
}
