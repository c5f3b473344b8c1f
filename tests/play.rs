//! Players play the shipped games.

use serde_json::json;

use crate::harness::{Host, reason};

#[test]
fn a_player_spins_and_sees_it_in_balance_history_and_rounds() {
    let host = Host::start();
    let token = host.player("alice", 10_000);
    let spin = host.call(&token, "fruit-slots.spin", json!({ "line_stake": 5 })).unwrap();
    let paid = spin["payout"].as_u64().unwrap();
    assert_eq!(host.balance(&token), 10_000 - 100 + paid);

    let rounds = host.call(&token, "round.list", json!({})).unwrap();
    let round = &rounds["rows"][0];
    assert_eq!((&round["staked"], &round["paid"]), (&json!(100), &json!(paid)));
    let round = host.call(&token, "round.get", json!({ "round": round["round"] })).unwrap();
    let call = &round["calls"][0];
    assert_eq!(call["reply"]["result"], spin);
    let stops: Vec<_> = call["draws"].as_array().unwrap().iter().map(|draw| draw["below"][1].clone()).collect();
    assert_eq!(json!(stops), spin["stops"]);

    let history = host.call(&token, "wallet.history", json!({})).unwrap();
    let kinds: Vec<_> = history["rows"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    let expected: &[&str] = if paid > 0 { &["payout", "stake", "deposit"] } else { &["stake", "deposit"] };
    assert_eq!(kinds, expected);
    assert_eq!(host.check_ledger()["aggregates"], 1);
}

#[test]
fn the_same_key_gives_the_same_bytes_also_after_a_restart() {
    let mut host = Host::start();
    let token = host.player("alice", 10_000);
    let body =
        br#"{"jsonrpc":"2.0","id":7,"method":"fruit-slots.spin","params":{"line_stake":5,"idempotency_key":"k"}}"#;
    let first = host.post("/rpc", &token, body).unwrap();
    let balance = host.balance(&token);
    assert_eq!(host.post("/rpc", &token, body).unwrap(), first);
    let (status, log) = host.terminate();
    assert!(status.success(), "{log}");
    host.restart();
    // The same params written differently are the same params.
    let reordered =
        br#"{"id":7,"method":"fruit-slots.spin","jsonrpc":"2.0","params":{ "idempotency_key":"k", "line_stake":5.0}}"#;
    assert_eq!(host.post("/rpc", &token, reordered).unwrap(), first);
    assert_eq!(host.balance(&token), balance);
    let other = host.call(&token, "fruit-slots.spin", json!({ "line_stake": 6, "idempotency_key": "k" })).unwrap_err();
    assert_eq!(reason(&other), "idempotency_conflict");
}
