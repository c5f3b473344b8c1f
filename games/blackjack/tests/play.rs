//! The game as a client meets it.

#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failed test, in its helpers too")]

use blackjack::{
    Blackjack,
    cards::{Card, Shoe},
    terms::{MAX_WIN_PPM, STAKE_MAX, STAKE_MIN},
};
use croupier_sdk::{Fault, testing::TestTable};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The draws that turn these cards one after the other.
fn turning(cards: &str) -> Vec<u64> {
    let mut seen: Vec<Card> = Vec::new();
    let mut draws = Vec::new();
    for card in cards.split(' ') {
        let card = Card::try_from(card.to_owned()).unwrap();
        let shoe = Shoe::without(seen.iter().copied());
        draws.extend((0..shoe.len()).find(|&position| shoe.card(position) == card));
        seen.push(card);
    }
    draws
}

fn table_turning(cards: &str) -> TestTable<Blackjack> {
    TestTable::new().with_balance(1_000).with_script(turning(cards))
}

fn fault(table: &mut TestTable<Blackjack>, method: &str) -> Fault {
    let fault = table.call(method, json!({})).unwrap_err();
    assert!(table.draws().is_empty(), "{method} drew before it was refused");
    fault
}

#[test]
fn a_split_round_from_deal_to_settlement() {
    let mut table = table_turning("8h Td 8s 3c Td Kc 9d");
    let dealt = table.call("deal", json!({ "stake": 100 })).unwrap();
    assert_eq!(
        dealt,
        json!({
            "dealer": { "cards": ["Td"], "total": 10, "soft": false },
            "hands": [{ "cards": ["8h", "8s"], "total": 16, "soft": false, "stake": 100 }],
            "turn": 0,
            "actions": ["hit", "stand", "double", "split"],
            "staked": 100,
        })
    );
    assert_eq!(
        table.documents()["state"],
        r#"{"round":{"stake":100,"dealer":["Td"],"hands":[{"cards":["8h","8s"]}]}}"#
    );

    table.call("split", json!({})).unwrap();
    let doubled = table.call("double", json!({})).unwrap();
    assert_eq!((&doubled["turn"], &doubled["staked"]), (&json!(1), &json!(300)));
    assert_eq!((table.balance(), table.staked()), (700, 300));

    let settled = table.call("stand", json!({})).unwrap();
    assert_eq!(
        settled,
        json!({
            "dealer": { "cards": ["Td", "9d"], "total": 19, "soft": false },
            "hands": [
                { "cards": ["8h", "3c", "Td"], "total": 21, "soft": false, "stake": 200,
                  "outcome": "win", "payout": 400, "refund": 0 },
                { "cards": ["8s", "Kc"], "total": 18, "soft": false, "stake": 100,
                  "outcome": "lose", "payout": 0, "refund": 0 },
            ],
            "actions": [],
            "staked": 300,
            "payout": 400,
        })
    );
    assert_eq!((table.balance(), table.round_open()), (1_100, false));
    assert_eq!(table.documents()["state"], "{}");
}

#[test]
fn a_dealers_blackjack_gives_the_double_back_and_pays_the_insurance() {
    let mut table = table_turning("5h Ad 6s 9c Kd");
    table.call("deal", json!({ "stake": 100 })).unwrap();
    assert_eq!(table.call("insure", json!({})).unwrap()["insurance"], json!({ "stake": 50 }));
    let settled = table.call("double", json!({})).unwrap();
    assert_eq!(settled["hands"][0]["refund"], json!(100));
    assert_eq!(settled["insurance"], json!({ "stake": 50, "payout": 150 }));
    assert_eq!((&settled["staked"], &settled["payout"]), (&json!(150), &json!(150)));
    assert_eq!(table.balance(), 1_000);
}

#[test]
fn an_interrupted_round_is_shown_and_goes_on() {
    let mut table = table_turning("Th 6d 5s Kd 9c");
    assert_eq!(table.call("table", json!({})).unwrap()["round"], Value::Null);
    let dealt = table.call("deal", json!({ "stake": 10 })).unwrap();
    let shown = table.call("table", json!({})).unwrap();
    assert_eq!(shown["round"], dealt);
    assert_eq!(shown["limits"], json!({ "stake_min": STAKE_MIN, "stake_max": STAKE_MAX, "stake_step": 2 }));
    assert_eq!(table.call("stand", json!({})).unwrap()["payout"], json!(20));
}

#[test]
fn faults_tell_what_can_be_done_instead() {
    let mut table = table_turning("5h 6d 6s");
    assert_eq!(fault(&mut table, "hit").code, 1);
    table.call("deal", json!({ "stake": 1_000 })).unwrap();

    let actions = Some(json!({ "actions": ["hit", "stand", "double"] }));
    let open = table.call("deal", json!({ "stake": 2 })).unwrap_err();
    assert_eq!((open.code, &open.data), (2, &actions));
    let not_a_pair = fault(&mut table, "split");
    assert_eq!((not_a_pair.code, &not_a_pair.data), (3, &actions));
    let broke = fault(&mut table, "double");
    assert_eq!((broke.code, broke.data), (Fault::REFUSED, Some(json!({ "refusal": "insufficient-funds" }))));
    assert_eq!((table.balance(), table.staked()), (0, 1_000));
}

#[test]
fn a_stake_outside_the_limits_is_refused() {
    for stake in [0, 1, 3, STAKE_MAX + 1, STAKE_MAX + 2, u64::MAX] {
        let mut table = TestTable::<Blackjack>::new();
        let params = blackjack::DealParams { stake };
        let fault = table.play(|game, table| game.deal(table, params)).unwrap_err();
        assert_eq!(fault.code, 4, "{stake}");
        assert!(table.draws().is_empty());
    }
}

/// The operator may resolve an abandoned round; the player then starts afresh.
#[test]
fn a_round_the_host_no_longer_holds_is_forgotten() {
    let mut table = table_turning("5h 6d 6s");
    table.call("deal", json!({ "stake": 10 })).unwrap();
    let mut later = TestTable::new().with_state(&table.state());
    assert_eq!(fault(&mut later, "stand").code, 1);
    assert_eq!(later.call("table", json!({})).unwrap()["round"], Value::Null);
    later.call("deal", json!({ "stake": 10 })).unwrap();
}

fn cards(round: &Value) -> Vec<String> {
    let hands = round["hands"].as_array().unwrap().iter().map(|hand| &hand["cards"]);
    let dealer = if round["dealer"].is_array() { &round["dealer"] } else { &round["dealer"]["cards"] };
    let mut cards: Vec<String> = hands
        .chain([dealer])
        .flat_map(|cards| cards.as_array().unwrap())
        .map(|card| card.as_str().unwrap().to_owned())
        .collect();
    cards.sort_unstable();
    cards
}

/// What a settled round must pay by the outcomes it states.
fn payout(settled: &Value) -> u64 {
    let hand = |hand: &Value| {
        let plays = hand["stake"].as_u64().unwrap() - hand["refund"].as_u64().unwrap();
        let paid = match hand["outcome"].as_str().unwrap() {
            "blackjack" => plays * 5 / 2,
            "win" => plays * 2,
            "push" => plays,
            "lose" | "bust" => 0,
            "void" if plays == 0 => 0,
            other => panic!("{other} of {plays}"),
        };
        assert_eq!(hand["payout"], paid);
        paid
    };
    let hands: u64 = settled["hands"].as_array().unwrap().iter().map(hand).sum();
    hands + settled["insurance"]["payout"].as_u64().unwrap_or(0)
}

const METHODS: [&str; 7] = ["deal", "hit", "stand", "double", "split", "insure", "table"];

proptest! {
    /// Whatever a client calls: money adds up, every card was drawn in the call that first shows it, the state holds
    /// no others, no card is there more often than in six decks, and a refused call draws and changes nothing.
    #[test]
    fn any_sequence_of_calls(
        seed: u64,
        balance in 0u64..2_000,
        calls in prop::collection::vec((0..METHODS.len(), 1u64..300), 1..60),
    ) {
        let mut table = TestTable::<Blackjack>::new().with_seed(seed).with_balance(balance);
        let mut funds = balance;
        let mut seen = 0;
        for (method, half_stake) in calls {
            let method = METHODS[method];
            let before = (table.balance(), table.staked(), table.documents().clone());
            let params = if method == "deal" { json!({ "stake": 2 * half_stake }) } else { json!({}) };
            let result = table.call(method, params);

            let round = match result {
                Err(_) => {
                    prop_assert!(table.draws().is_empty());
                    prop_assert_eq!(before, (table.balance(), table.staked(), table.documents().clone()));
                    continue;
                }
                Ok(reply) if method == "table" => {
                    prop_assert!(table.draws().is_empty());
                    prop_assert_eq!(before, (table.balance(), table.staked(), table.documents().clone()));
                    prop_assert_eq!(reply["round"].is_object(), table.round_open());
                    continue;
                }
                Ok(reply) => reply,
            };
            let cards = cards(&round);
            prop_assert_eq!(cards.len() - seen, table.draws().len());
            prop_assert!(cards.chunk_by(|a, b| a == b).all(|same| same.len() <= 6));

            let state = serde_json::to_value(table.state()).unwrap();
            if table.round_open() {
                prop_assert_eq!(&self::cards(&state["round"]), &cards);
                prop_assert_eq!(round["dealer"]["cards"].as_array().unwrap().len(), 1);
                prop_assert_eq!(&round["staked"], &json!(table.staked()));
                prop_assert_eq!(table.balance(), funds - table.staked());
                seen = cards.len();
            } else {
                prop_assert_eq!(&state, &json!({}));
                prop_assert_eq!(&round["actions"], &json!([]));
                prop_assert_eq!(&round["payout"], &json!(payout(&round)));
                let staked = round["staked"].as_u64().unwrap();
                prop_assert!(payout(&round) * 1_000_000 <= staked * MAX_WIN_PPM);
                funds = funds - staked + payout(&round);
                prop_assert_eq!(table.balance(), funds);
                seen = 0;
            }
        }
    }
}
