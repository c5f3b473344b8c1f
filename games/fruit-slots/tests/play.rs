//! Plays Fruit Slots as a client does: JSON in, JSON out, under the host's rules.

use croupier_sdk::testing::TestTable;
use croupier_sdk::{Fault, Game};
use fruit_slots::FruitSlots;
use fruit_slots::rules::{LINE_STAKE_MAX, LINES, MAX_WIN_PPM, REELS, RTP_PPM};
use proptest::prelude::*;
use serde_json::{Value, json};

const BALANCE: u64 = 1_000_000;
/// JSON-RPC's code for params that the schema does not allow: the host's answer, not the game's.
const INVALID_PARAMS: i32 = -32_602;
/// Nothing wins.
const LOSS: [u64; REELS] = [0, 0, 5, 0, 0];
/// Three cherries on lines 2 and 8, five line stakes each.
const CHERRIES: [u64; REELS] = [3, 3, 3, 3, 3];
/// Three scatters: two total stakes and ten free spins. No line wins.
const SCATTERS: [u64; REELS] = [22, 6, 28, 0, 0];

fn table() -> TestTable<FruitSlots> {
    TestTable::new().with_balance(BALANCE)
}

fn spin(table: &mut TestTable<FruitSlots>, line_stake: u64) -> Result<Value, Fault> {
    table.call("spin", json!({ "line_stake": line_stake }))
}

fn free_spin(table: &mut TestTable<FruitSlots>) -> Result<Value, Fault> {
    table.call("free_spin", json!({}))
}

/// A member of a result that holds an amount or a count.
fn number(result: &Value, member: &str) -> u64 {
    result[member].as_u64().expect("a whole number")
}

/// A table where ten free spins wait, on a line stake of 10.
fn table_with_free_spins() -> TestTable<FruitSlots> {
    let mut table = table().with_script(SCATTERS);
    spin(&mut table, 10).expect("the stake is within the balance");
    table
}

#[test]
fn a_spin_shows_all_that_it_pays_for() {
    let mut table = table().with_script(CHERRIES);
    let result = spin(&mut table, 10).unwrap();
    let expected = json!({
        "stake": 200,
        "stops": [3, 3, 3, 3, 3],
        "window": [
            ["cherry", "cherry", "cherry", "plum", "melon"],
            ["cherry", "lemon", "orange", "plum", "melon"],
            ["plum", "lemon", "orange", "lemon", "orange"],
        ],
        "wins": {
            "lines": [
                { "line": 2, "symbol": "cherry", "count": 3, "payout": 50 },
                { "line": 8, "symbol": "cherry", "count": 3, "payout": 50 },
            ],
            "scatter": null,
        },
        "multiplier": 1,
        "payout": 100,
        "round_payout": 100,
        "free_spins_left": 0,
        "next_multiplier": 1,
    });
    assert_eq!(result, expected);
    assert_eq!(table.balance(), BALANCE - 200 + 100);
    assert!(!table.round_open());
}

#[test]
fn free_spins_cost_nothing_and_grow_with_wins_until_the_last_ends_the_round() {
    let mut table = table().with_script(SCATTERS);
    let triggering = spin(&mut table, 10).unwrap();
    assert_eq!(number(&triggering, "free_spins_left"), 10);
    assert_eq!(table.balance(), BALANCE - 200 + 400);

    let (mut multiplier, mut paid) = (2, 400);
    for left in (0..10).rev() {
        assert!(table.round_open());
        let (stops, pays) = if left % 2 == 1 { (CHERRIES, 100 * multiplier) } else { (LOSS, 0) };
        table.script(stops);
        let result = free_spin(&mut table).unwrap();
        paid += pays;
        let seen = ["stake", "multiplier", "payout", "round_payout", "free_spins_left"].map(|it| number(&result, it));
        assert_eq!(seen, [0, multiplier, pays, paid, left]);
        multiplier += u64::from(pays > 0);
        assert_eq!(number(&result, "next_multiplier"), if left > 0 { multiplier } else { 1 });
        assert_eq!(table.balance(), BALANCE - 200 + paid);
    }
    assert!(!table.round_open());
    assert_eq!(free_spin(&mut table).unwrap_err().code, 2);
}

#[test]
fn a_retrigger_adds_spins() {
    let mut table = table_with_free_spins();
    table.script(SCATTERS);
    let result = free_spin(&mut table).unwrap();
    assert_eq!((number(&result, "free_spins_left"), number(&result, "payout")), (9 + 10, 2 * 400));
}

#[test]
fn no_new_round_begins_before_the_free_spins_are_played() {
    let mut table = table_with_free_spins();
    let balance = table.balance();
    let fault = spin(&mut table, 10).unwrap_err();
    assert_eq!((fault.code, fault.data), (1, Some(json!({ "free_spins_left": 10 }))));
    assert!(table.draws().is_empty());
    assert_eq!(table.balance(), balance);
}

#[test]
fn a_client_that_comes_back_learns_what_waits_and_loses_nothing() {
    let mut fresh = table();
    assert_eq!(fresh.call("feature", json!({})), Ok(json!({ "feature": null })));

    let mut table = table_with_free_spins();
    let feature =
        json!({ "line_stake": 10, "spins_left": 10, "spins_awarded": 10, "multiplier": 2, "round_payout": 400 });
    assert_eq!(table.call("feature", json!({})), Ok(json!({ "feature": feature })));
    table.call("paytable", json!({})).unwrap();
    assert!(table.round_open());
    table.script(LOSS);
    assert_eq!(number(&free_spin(&mut table).unwrap(), "free_spins_left"), 9);
}

#[test]
fn free_spins_belong_to_their_currency_and_their_round() {
    let left_in_euros = table_with_free_spins().state();
    let mut in_dollars = table().with_currency("USD").with_state(&left_in_euros).with_script(LOSS);
    assert_eq!(free_spin(&mut in_dollars).unwrap_err().code, 2);
    spin(&mut in_dollars, 10).unwrap();
    assert!(in_dollars.documents()["state"].contains("EUR"), "the spin in dollars leaves the free spins in euros");

    let mut after_the_round = table().with_state(&left_in_euros).with_script(LOSS);
    assert_eq!(free_spin(&mut after_the_round).unwrap_err().code, 2);
    spin(&mut after_the_round, 10).unwrap();
}

#[test]
fn what_is_refused_draws_nothing() {
    let mut poor = table().with_balance(199);
    assert_eq!(spin(&mut poor, 10).unwrap_err().data, Some(json!({ "refusal": "insufficient-funds" })));
    assert!(poor.draws().is_empty());

    let mut table = table();
    assert_eq!(free_spin(&mut table).unwrap_err().code, 2);
    assert!(table.draws().is_empty());
    for line_stake in
        [json!(0), json!(-1), json!(1.5), json!(LINE_STAKE_MAX + 1), json!(u64::MAX), json!("10"), json!(null)]
    {
        let fault = table.call("spin", json!({ "line_stake": line_stake })).unwrap_err();
        assert_eq!(fault.code, INVALID_PARAMS, "{line_stake}");
        assert!(table.draws().is_empty());
    }
    for params in [json!({}), json!({ "line_stake": 10, "lines": 5 })] {
        assert_eq!(table.call("spin", params).unwrap_err().code, INVALID_PARAMS);
    }
    assert_eq!(table.balance(), BALANCE);
}

#[test]
fn the_paytable_states_the_return() {
    let paytable = table().call("paytable", json!({})).unwrap();
    let descriptor = FruitSlots::descriptor();
    assert_eq!((descriptor.rtp_ppm, descriptor.max_win_ppm), (RTP_PPM, MAX_WIN_PPM));
    assert_eq!((&paytable["rtp_ppm"], &paytable["max_win_ppm"]), (&json!(RTP_PPM), &json!(MAX_WIN_PPM)));
    assert_eq!(paytable["lines"].as_array().map(Vec::len), Some(LINES));
}

/// What the lines and scatters of a result pay together.
fn sum_of_wins(result: &Value) -> u64 {
    let lines = result["wins"]["lines"].as_array().expect("a list").iter();
    let scatter = result["wins"]["scatter"]["payout"].as_u64().unwrap_or(0);
    lines.map(|line| number(line, "payout")).sum::<u64>() + scatter
}

proptest! {
    /// Any round of any legal stake: the balance moves by payouts less stake, each payout is that of its parts, and the
    /// round stays open exactly while free spins wait. About every other round is made to have some.
    #[test]
    fn money_adds_up(line_stake in 1..=LINE_STAKE_MAX, seed in any::<u64>(), feature in any::<bool>()) {
        let mut table = if feature { table().with_script(SCATTERS) } else { table().with_seed(seed) };
        let mut result = spin(&mut table, line_stake).unwrap();
        let (stake, mut paid) = (line_stake * LINES as u64, 0);
        prop_assert_eq!(number(&result, "stake"), stake);
        loop {
            prop_assert_eq!(table.draws().len(), REELS);
            prop_assert_eq!(number(&result, "payout"), sum_of_wins(&result));
            paid += number(&result, "payout");
            prop_assert_eq!(number(&result, "round_payout"), paid);
            prop_assert_eq!(table.balance(), BALANCE - stake + paid);
            prop_assert_eq!(table.round_open(), number(&result, "free_spins_left") > 0);
            if !table.round_open() {
                break;
            }
            table = table.with_seed(seed ^ number(&result, "free_spins_left"));
            result = free_spin(&mut table).unwrap();
        }
        prop_assert!(u128::from(paid) * 1_000_000 <= u128::from(stake) * u128::from(MAX_WIN_PPM));
    }
}
