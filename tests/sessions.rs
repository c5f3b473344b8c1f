//! Sessions and the operator's payments: who may call, for how long, and what money may do.

use serde_json::{Value, json};

use crate::harness::{Host, OPERATOR_TOKEN, reason, unique};

fn open(host: &Host, params: Value) -> (String, String) {
    let session = host.operator("session.open", params).unwrap();
    (session["token"].as_str().unwrap().to_owned(), session["session"].as_str().unwrap().to_owned())
}

/// The reason why a token is refused, or `open`.
fn standing(host: &Host, token: &str) -> String {
    match host.call(token, "session.info", json!({})) {
        Ok(_) => "open".to_owned(),
        Err(error) => reason(&error).to_owned(),
    }
}

fn pay(host: &Host, method: &str, currency: &str, amount: u64) -> Result<Value, Value> {
    let key = unique("payment");
    let params = json!({ "player": "alice", "currency": currency, "amount": amount, "idempotency_key": key });
    host.operator(method, params)
}

#[test]
fn only_tokens_of_this_host_open_its_door() {
    let host = Host::start();
    let other = Host::start();
    let token = host.player("alice", 1000);
    let foreign = other.player("alice", 1000);
    assert_eq!(standing(&host, &token), "open");
    for wrong in [foreign.as_str(), "", "x", OPERATOR_TOKEN, &token[1..], &token.replace("alice", "alicf")] {
        assert_eq!(standing(&host, wrong), "unauthorized", "{wrong}");
    }
    // The two endpoints do not take each other's tokens.
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"player.get","params":{"player":"alice"}}"#;
    let (_, answer) = host.post("/operator", &token, body).unwrap();
    assert!(answer.contains("unauthorized"), "{answer}");
    assert_eq!(host.balance(&token), 1000);
}

#[test]
fn tokens_outlive_a_restart_and_closed_sessions_do_not_come_back() {
    let mut host = Host::start();
    let (kept, closed) = (host.player("alice", 1000), host.session("alice"));
    host.call(&closed, "session.close", json!({})).unwrap();
    host.kill();
    host.restart();
    assert_eq!((standing(&host, &kept).as_str(), standing(&host, &closed).as_str()), ("open", "session_ended"));
}

#[test]
fn a_session_ends_when_player_or_operator_closes_it_or_when_its_time_is_up() {
    let host = Host::start();
    let by_player = host.player("alice", 1000);
    let spin = json!({ "line_stake": 1 });
    assert_eq!(host.call(&by_player, "session.close", json!({})).unwrap()["closed"], true);
    assert_eq!(reason(&host.call(&by_player, "fruit-slots.spin", spin.clone()).unwrap_err()), "session_ended");

    let (by_operator, session) = open(&host, json!({ "player": "alice", "currency": "EUR" }));
    let close = json!({ "player": "alice", "session": session });
    assert_eq!(host.operator("session.close", close.clone()).unwrap()["closed"], true);
    assert_eq!(host.operator("session.close", close).unwrap()["closed"], false);
    assert_eq!(reason(&host.call(&by_operator, "fruit-slots.spin", spin.clone()).unwrap_err()), "session_ended");

    let (expired, _) = open(&host, json!({ "player": "alice", "currency": "EUR", "ttl_s": 0 }));
    assert_eq!(reason(&host.call(&expired, "fruit-slots.spin", spin).unwrap_err()), "session_ended");
    for token in [by_player, by_operator, expired] {
        for method in ["session.info", "wallet.balance", "wallet.history", "round.list"] {
            assert_eq!(reason(&host.call(&token, method, json!({})).unwrap_err()), "session_ended", "{method}");
        }
    }
    assert_eq!(host.balance(&host.session("alice")), 1000);
}

#[test]
fn the_ninth_session_closes_the_one_that_expires_first() {
    let host = Host::start();
    host.operator("player.create", json!({ "player": "alice" })).unwrap();
    // Opened third, it has the least time left.
    let times = [900, 800, 100, 700, 600, 500, 400, 300];
    let open = |ttl_s: u64| open(&host, json!({ "player": "alice", "currency": "EUR", "ttl_s": ttl_s })).0;
    let tokens: Vec<_> = times.into_iter().map(open).collect();
    assert!(tokens.iter().all(|token| standing(&host, token) == "open"));
    let ninth = open(1000);
    for (index, token) in tokens.iter().enumerate() {
        let expected = if index == 2 { "session_ended" } else { "open" };
        assert_eq!(standing(&host, token), expected, "session {index}");
    }
    assert_eq!(standing(&host, &ninth), "open");
}

/// Deals until a round waits for its player: what lies on the table.
fn deal(host: &Host, token: &str) -> Value {
    loop {
        let dealt = host.call(token, "blackjack.deal", json!({ "stake": 100 })).unwrap();
        if dealt["turn"].is_u64() {
            return dealt;
        }
    }
}

#[test]
fn an_open_round_belongs_to_its_currency() {
    let host = Host::start();
    let token = host.player("alice", 1_000_000);
    pay(&host, "wallet.deposit", "USD", 1000).unwrap();
    deal(&host, &token);
    let (dollars, _) = open(&host, json!({ "player": "alice", "currency": "USD" }));
    for (method, params) in [("stand", json!({})), ("deal", json!({ "stake": 100 })), ("table", json!({}))] {
        let error = host.call(&dollars, &format!("blackjack.{method}"), params).unwrap_err();
        assert_eq!((&error["code"], reason(&error)), (&json!(-32008), "currency_mismatch"));
        assert_eq!(error["data"]["currency"], "EUR");
    }
    assert_eq!(host.balance(&dollars), 1000);
    // Other games are free.
    host.call(&dollars, "fruit-slots.spin", json!({ "line_stake": 1 })).unwrap();
    host.call(&token, "blackjack.stand", json!({})).unwrap();
    deal(&host, &dollars);
    host.check_ledger();
}

#[test]
fn an_open_round_is_played_on_in_another_session_and_after_a_restart() {
    let mut host = Host::start();
    let first = host.player("alice", 1_000_000);
    let dealt = deal(&host, &first);
    host.call(&first, "session.close", json!({})).unwrap();
    let second = host.session("alice");
    let shown = host.call(&second, "blackjack.table", json!({})).unwrap();
    assert_eq!(shown["round"], dealt);
    host.kill();
    host.restart();
    assert_eq!(host.call(&second, "blackjack.table", json!({})).unwrap(), shown);
    let open = host.call(&second, "round.list", json!({})).unwrap()["rows"][0].clone();
    assert_eq!((&open["open"], &open["staked"]), (&json!(true), &json!(100)));
    let stood = host.call(&second, "blackjack.stand", json!({})).unwrap();
    assert_eq!(stood["actions"], json!([]));
    let round = host.call(&second, "round.get", json!({ "round": open["round"] })).unwrap();
    let methods: Vec<_> = round["calls"].as_array().unwrap().iter().map(|call| call["method"].clone()).collect();
    assert_eq!(methods, ["deal", "stand"]);
    assert_eq!(round["summary"]["open"], false);
    let escrow = &host.check_ledger()["accounts"]["escrow"]["EUR"];
    assert_eq!(escrow, &json!(0));
}

#[test]
fn a_retry_gets_its_first_reply_also_when_its_session_is_over() {
    let host = Host::start();
    let token = host.player("alice", 1000);
    let spin = json!({ "line_stake": 1, "idempotency_key": "last-spin" });
    let first = host.call(&token, "fruit-slots.spin", spin.clone()).unwrap();
    host.call(&token, "session.close", json!({ "idempotency_key": "close" })).unwrap();
    assert_eq!(host.call(&token, "fruit-slots.spin", spin.clone()).unwrap(), first);
    assert_eq!(host.call(&token, "session.close", json!({ "idempotency_key": "close" })).unwrap()["closed"], true);
    // The key belongs to the player, not to the session.
    assert_eq!(host.call(&host.session("alice"), "fruit-slots.spin", spin).unwrap(), first);
    let new = json!({ "line_stake": 1, "idempotency_key": "new" });
    assert_eq!(reason(&host.call(&token, "fruit-slots.spin", new).unwrap_err()), "session_ended");
}

#[test]
fn payments_move_what_they_say_once_or_nothing() {
    const AMOUNT_MAX: u64 = (1 << 53) - 1;
    let host = Host::start();
    let token = host.player("alice", 1000);
    let steps = || host.operator("player.get", json!({ "player": "alice" })).unwrap()["steps"].clone();
    let before = steps();

    let over = pay(&host, "wallet.withdraw", "EUR", 1001).unwrap_err();
    assert_eq!((reason(&over), &over["data"]["balance"]), ("insufficient_funds", &json!(1000)));
    assert_eq!(reason(&pay(&host, "wallet.withdraw", "USD", 1).unwrap_err()), "insufficient_funds");
    assert_eq!(reason(&pay(&host, "wallet.deposit", "EUR", AMOUNT_MAX).unwrap_err()), "amount_too_large");
    for amount in [json!(0), json!(-1), json!(AMOUNT_MAX + 1), json!(1.5), json!("1"), json!(null)] {
        let params = json!({ "player": "alice", "currency": "EUR", "amount": amount, "idempotency_key": "k" });
        let refused = host.operator("wallet.deposit", params).unwrap_err();
        assert_eq!((&refused["code"], &refused["data"]["pointer"]), (&json!(-32602), &json!("/amount")), "{amount}");
    }
    for method in ["wallet.deposit", "wallet.withdraw"] {
        let unkeyed = host.operator(method, json!({ "player": "alice", "currency": "EUR", "amount": 5 })).unwrap_err();
        assert_eq!(unkeyed["data"]["pointer"], "/idempotency_key");
    }
    assert_eq!((steps(), host.balance(&token)), (before, 1000));

    let payment = json!({ "player": "alice", "currency": "EUR", "amount": 5, "idempotency_key": "once" });
    let paid = host.operator("wallet.deposit", payment.clone()).unwrap();
    assert_eq!(host.operator("wallet.deposit", payment.clone()).unwrap(), paid);
    // Another payment, or another kind of it, under the same key is another request.
    assert_eq!(reason(&host.operator("wallet.withdraw", payment.clone()).unwrap_err()), "idempotency_conflict");
    let mut other = payment;
    other["amount"] = 6.into();
    assert_eq!(reason(&host.operator("wallet.deposit", other).unwrap_err()), "idempotency_conflict");
    assert_eq!(host.balance(&token), 1005);

    pay(&host, "wallet.deposit", "EUR", AMOUNT_MAX - 1005).unwrap();
    assert_eq!(reason(&pay(&host, "wallet.deposit", "EUR", 1).unwrap_err()), "amount_too_large");
    assert_eq!(pay(&host, "wallet.withdraw", "EUR", AMOUNT_MAX).unwrap()["balance"], 0);
    assert_eq!(host.balance(&token), 0);
    host.check_ledger();

    let nobody = host
        .operator("wallet.deposit", json!({ "player": "bob", "currency": "EUR", "amount": 5, "idempotency_key": "k" }));
    assert_eq!(reason(&nobody.unwrap_err()), "player_not_found");
}
