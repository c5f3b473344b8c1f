//! Plays Roulette as a client does: JSON in, JSON out, under the host's rules.

use croupier_sdk::testing::{Draw, TestTable};
use croupier_sdk::{Fault, Game};
use proptest::prelude::*;
use roulette::Roulette;
use roulette::layout::{Kind, POCKETS};
use serde_json::{Value, json};

const BALANCE: u64 = 1_000_000;
/// JSON-RPC's code for params that the schema does not allow: the host's answer, not the game's.
const INVALID_PARAMS: i32 = -32_602;

fn table() -> TestTable<Roulette> {
    TestTable::new().with_balance(BALANCE)
}

fn spin(table: &mut TestTable<Roulette>, bets: &[Value]) -> Result<Value, Fault> {
    table.call("spin", json!({ "bets": bets }))
}

/// A bet that the layout has, with the numbers it covers.
#[derive(Debug, Clone)]
struct Known {
    kind: Kind,
    numbers: Vec<u64>,
    bet: Value,
}

impl Known {
    fn payout(&self, stake: u64, number: u64) -> u64 {
        if self.numbers.contains(&number) { stake * (self.kind.pays_to_one() + 1) } else { 0 }
    }

    fn bet(&self, stake: u64) -> Value {
        let mut bet = self.bet.clone();
        bet["stake"] = json!(stake);
        bet
    }
}

/// Every bet that the layout has.
fn every_bet() -> Vec<Known> {
    let spots = Kind::ALL.into_iter().flat_map(|kind| (1..).zip(kind.spots()).map(move |spot| (kind, spot)));
    let known = spots.map(|(kind, (place, spot))| {
        let numbers: Vec<_> = (0..POCKETS).filter(|&number| spot.contains(number)).collect();
        let mut bet = json!({ "kind": kind });
        match kind {
            Kind::Straight => bet["number"] = json!(numbers[0]),
            Kind::Split | Kind::Street | Kind::Trio | Kind::Corner | Kind::SixLine => bet["numbers"] = json!(numbers),
            Kind::Column => bet["column"] = json!(place),
            Kind::Dozen => bet["dozen"] = json!(place),
            _ => {}
        }
        Known { kind, numbers, bet }
    });
    known.collect()
}

#[test]
fn every_bet_on_every_number_pays_as_it_should_and_returns_36_of_37() {
    let bets = every_bet();
    assert_eq!(bets.len(), 157);
    let mut table = table();
    for known in bets {
        let mut returned = 0;
        for number in 0..POCKETS {
            table.script([number]);
            let before = table.balance();
            let result = spin(&mut table, &[known.bet(100)]).unwrap();
            let payout = known.payout(100, number);
            assert_eq!((&result["number"], &result["payout"]), (&json!(number), &json!(payout)), "{known:?}");
            assert_eq!(table.balance(), before - 100 + payout);
            returned += payout;
        }
        assert_eq!(returned, 36 * 100, "of 37 stakes of 100 on {known:?}");
    }
}

#[test]
fn the_stated_return_and_largest_win_are_those_of_the_bets() {
    let descriptor = Roulette::descriptor();
    assert_eq!(u64::from(descriptor.rtp_ppm), (2 * 36 * 1_000_000 + 37) / (2 * 37), "36/37, rounded");
    let most = Kind::ALL.map(|kind| kind.pays_to_one() + 1).into_iter().max();
    assert_eq!(most.map(|most| most * 1_000_000), Some(descriptor.max_win_ppm));
}

#[test]
fn a_spin_tells_which_bets_won() {
    let bets = [
        json!({ "kind": "split", "numbers": [20, 17], "stake": 100 }),
        json!({ "kind": "red", "stake": 500 }),
        json!({ "kind": "dozen", "dozen": 2, "stake": 200 }),
        json!({ "kind": "split", "numbers": [17, 20], "stake": 50 }),
    ];
    let wins = json!([{ "index": 0, "payout": 1_800 }, { "index": 2, "payout": 600 }, { "index": 3, "payout": 900 }]);
    let expected = json!({ "number": 17, "color": "black", "stake": 850, "payout": 3_300, "wins": wins });
    let mut table = table().with_script([17u64]);
    assert_eq!(spin(&mut table, &bets), Ok(expected));
    assert_eq!(table.balance(), BALANCE - 850 + 3_300);
    assert!(!table.round_open());
}

#[test]
fn numbers_that_are_no_spot_are_pointed_at() {
    let cases: [(&str, &[u64]); 12] = [
        ("split", &[3, 4]),
        ("split", &[5, 5]),
        ("split", &[0, 4]),
        ("split", &[33, 34]),
        ("street", &[2, 3, 4]),
        ("street", &[0, 1, 2]),
        ("trio", &[0, 1, 3]),
        ("trio", &[1, 2, 3]),
        ("corner", &[3, 4, 6, 7]),
        ("corner", &[0, 1, 2, 3]),
        ("six_line", &[2, 3, 4, 5, 6, 7]),
        ("six_line", &[1, 2, 3, 7, 8, 9]),
    ];
    let mut table = table();
    for (kind, numbers) in cases {
        let bets = [json!({ "kind": "red", "stake": 100 }), json!({ "kind": kind, "numbers": numbers, "stake": 10 })];
        let fault = spin(&mut table, &bets).unwrap_err();
        assert_eq!((fault.code, fault.data), (1, Some(json!({ "index": 1, "kind": kind }))), "{kind} {numbers:?}");
        assert!(table.draws().is_empty());
    }
}

#[test]
fn stakes_outside_the_limits_are_pointed_at() {
    let straight = |stake: u64| json!({ "kind": "straight", "number": 7, "stake": stake });
    let red = |stake: u64| json!({ "kind": "red", "stake": stake });
    let high = |stake: u64| json!({ "kind": "high", "stake": stake });
    let odd = |stake: u64| json!({ "kind": "odd", "stake": stake });
    let cases = [
        (vec![red(100), straight(9)], 2, json!({ "index": 1, "staked": 9, "min": 10 })),
        (vec![red(99)], 2, json!({ "index": 0, "staked": 99, "min": 100 })),
        (vec![straight(10_001)], 3, json!({ "index": 0, "staked": 10_001, "max": 10_000 })),
        (vec![red(100), straight(6_000), straight(4_001)], 3, json!({ "index": 1, "staked": 10_001, "max": 10_000 })),
        (vec![red(180_001)], 3, json!({ "index": 0, "staked": 180_001, "max": 180_000 })),
        (vec![red(180_000), high(180_000), odd(140_001)], 4, json!({ "index": 2, "staked": 500_001, "max": 500_000 })),
    ];
    let mut table = table();
    for (bets, code, data) in cases {
        let fault = spin(&mut table, &bets).unwrap_err();
        assert_eq!((fault.code, fault.data), (code, Some(data)), "{bets:?}");
        assert!(table.draws().is_empty());
        assert_eq!(table.balance(), BALANCE);
    }
}

#[test]
fn bets_on_one_spot_reach_its_minimum_together() {
    let straight = json!({ "kind": "straight", "number": 7, "stake": 5 });
    let mut table = table().with_script([7u64]);
    let result = spin(&mut table, &[straight.clone(), straight]).unwrap();
    assert_eq!(result["payout"], 360);
}

#[test]
fn what_does_not_fit_the_schema_never_reaches_the_wheel() {
    let one = |bet: Value| json!({ "bets": [bet] });
    let cases = [
        json!({}),
        json!({ "bets": [] }),
        json!({ "bets": vec![json!({ "kind": "red", "stake": 100 }); 51] }),
        one(json!({ "stake": 100 })),
        one(json!({ "kind": "voisins", "stake": 100 })),
        one(json!({ "kind": "red" })),
        one(json!({ "kind": "red", "stake": 0 })),
        one(json!({ "kind": "red", "stake": -100 })),
        one(json!({ "kind": "red", "stake": 100.5 })),
        one(json!({ "kind": "red", "stake": u64::MAX })),
        one(json!({ "kind": "red", "stake": 100, "number": 7 })),
        one(json!({ "kind": "straight", "number": 37, "stake": 100 })),
        one(json!({ "kind": "column", "column": 0, "stake": 100 })),
        one(json!({ "kind": "dozen", "dozen": 4, "stake": 100 })),
        one(json!({ "kind": "split", "numbers": [1, 2, 3], "stake": 100 })),
        one(json!({ "kind": "split", "numbers": [36, 39], "stake": 100 })),
    ];
    let mut table = table();
    for params in cases {
        let fault = table.call("spin", params.clone()).unwrap_err();
        assert_eq!(fault.code, INVALID_PARAMS, "{params}");
        assert!(table.draws().is_empty());
    }
}

#[test]
fn a_player_without_the_money_gets_no_draw() {
    let mut table = table().with_balance(99);
    let fault = spin(&mut table, &[json!({ "kind": "red", "stake": 100 })]).unwrap_err();
    assert_eq!(fault.data, Some(json!({ "refusal": "insufficient-funds" })));
    assert!(table.draws().is_empty());
}

#[test]
fn the_table_tells_its_limits() {
    let rules = table().call("table", json!({})).unwrap();
    let kinds = rules["kinds"].as_array().unwrap();
    assert_eq!(kinds.iter().map(|kind| kind["spots"].as_u64().unwrap()).sum::<u64>(), 157);
    let straight = json!({ "kind": "straight", "spots": 37, "pays_to_one": 35, "stake_min": 10, "stake_max": 10_000 });
    assert_eq!(kinds[0], straight);
}

#[test]
fn what_the_schema_states_as_examples_is_played() {
    let schema = &Roulette::descriptor().methods[0].params_schema;
    let examples = |part: &Value| part["examples"].as_array().cloned().unwrap_or_default();
    let bet = &schema["$defs"]["Bet"];
    let mut spins: Vec<Vec<Value>> =
        examples(schema).iter().map(|params| params["bets"].as_array().unwrap().clone()).collect();
    spins.extend(examples(bet).into_iter().map(|bet| vec![bet]));
    let mut stated = Vec::new();
    for variant in bet["oneOf"].as_array().unwrap() {
        let kind = &variant["properties"]["kind"]["const"];
        let members = &variant["properties"];
        for stake in examples(&members["stake"]) {
            for numbers in examples(&members["numbers"]) {
                stated.push(json!({ "kind": kind, "numbers": numbers, "stake": stake }));
            }
        }
    }
    assert_eq!(stated.len(), 3 * (60 + 12 + 2 + 22 + 11), "all spots that numbers tell apart, for each stake");
    spins.extend(stated.into_iter().map(|bet| vec![bet]));
    assert_eq!(spins.len(), 1 + Kind::ALL.len() + 321);
    for bets in spins {
        let spun = spin(&mut table(), &bets);
        assert!(spun.is_ok(), "{bets:?}: {spun:?}");
    }
}

proptest! {
    /// Any bets on the layout: the balance moves by payout less stake, and the payout is that of its parts.
    #[test]
    fn money_adds_up(bets in prop::collection::vec((0usize..157, 100u64..=10_000), 1..=50), seed in any::<u64>()) {
        let known = every_bet();
        let bets: Vec<_> = bets.into_iter().map(|(place, stake)| (&known[place], stake)).collect();
        let params: Vec<_> = bets.iter().map(|(known, stake)| known.bet(*stake)).collect();
        let staked: u64 = bets.iter().map(|(_, stake)| stake).sum();
        let mut table = table().with_seed(seed);
        match spin(&mut table, &params) {
            Ok(result) => {
                let number = result["number"].as_u64().unwrap();
                let payout: u64 = bets.iter().map(|(known, stake)| known.payout(*stake, number)).sum();
                prop_assert_eq!(table.draws(), &[Draw::Number(number)]);
                prop_assert_eq!((&result["stake"], &result["payout"]), (&json!(staked), &json!(payout)));
                prop_assert_eq!(table.balance(), BALANCE - staked + payout);
                prop_assert!(payout <= 36 * staked);
            }
            Err(fault) => {
                prop_assert_eq!(fault.code, 3, "only a spot's maximum can be passed: {}", fault);
                prop_assert!(table.draws().is_empty());
                prop_assert_eq!(table.balance(), BALANCE);
            }
        }
    }
}
