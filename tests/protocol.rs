//! JSON-RPC over real sockets: what HTTP adds, and what only shows with real methods behind it.

use std::{collections::BTreeSet, thread};

use serde_json::{Value, json};

use crate::{
    harness::{Host, OPERATOR_TOKEN, Options, get, post, reason},
    load::history,
};

fn call(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn batch(host: &Host, token: &str, calls: &[Value]) -> Vec<Value> {
    let (status, body) = host.post("/rpc", token, Value::from(calls).to_string().as_bytes()).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn http_says_what_json_rpc_cannot() {
    let prelude = "export CROUPIER_SERVER_BODY_BYTES_MAX=2000 CROUPIER_SERVER_BATCH_ENTRIES_MAX=4;".to_owned();
    let host = Host::start_with(Options { prelude, ..Options::default() });
    let token = host.player("alice", 1000);
    assert_eq!(get(host.address(), "/rpc").0, 405);
    assert_eq!(get(host.address(), "/operator").0, 405);
    assert_eq!(get(host.address(), "/nowhere").0, 404);
    assert_eq!(post(host.address(), "/rpc/", &token, b"{}").unwrap().0, 404);
    assert_eq!(get(host.address(), "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(host.address(), "/readyz"), (200, "ready\n".to_owned()));

    // One byte too much, and far too much: the answer comes all the same.
    for size in [2001, 5_000_000] {
        let (status, body) = host.post("/rpc", &token, &vec![b' '; size]).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, reason(&body["error"]), &body["id"]), (413, "body_too_large", &json!(null)));
    }
    let mut fitting = call(1, "wallet.balance", json!({})).to_string().into_bytes();
    fitting.resize(2000, b' ');
    assert_eq!(host.post("/rpc", &token, &fitting).unwrap().0, 200);

    let spin = json!({ "jsonrpc": "2.0", "method": "fruit-slots.spin", "params": { "line_stake": 1 } });
    let (status, body) = host.post("/rpc", &token, spin.to_string().as_bytes()).unwrap();
    assert_eq!((status, body.as_str()), (204, ""));
    assert_eq!(history(&host, &token, 0).0.iter().filter(|row| row["kind"] == "stake").count(), 1);
    let (status, body) = host.post("/rpc", &token, json!([spin, spin]).to_string().as_bytes()).unwrap();
    assert_eq!((status, body.as_str()), (204, ""));

    let too_many = vec![call(1, "wallet.balance", json!({})); 5];
    let (status, body) = host.post("/rpc", &token, Value::from(too_many).to_string().as_bytes()).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["error"]["code"]), (200, &json!(-32600)), "{body}");
    assert_eq!(body["id"], Value::Null);
}

#[test]
fn a_batch_keeps_the_order_of_its_players_calls() {
    let host = Host::start();
    let token = host.player("alice", 100_000);
    let bets = json!({ "bets": [{ "kind": "straight", "number": 7, "stake": 100 }] });
    let calls: Vec<_> = (0..50)
        .flat_map(|turn| {
            [call(2 * turn, "roulette.spin", bets.clone()), call(2 * turn + 1, "wallet.balance", json!({}))]
        })
        .collect();
    let mut balance = 100_000;
    for pair in batch(&host, &token, &calls).chunks(2) {
        balance = balance - 100 + pair[0]["result"]["payout"].as_u64().unwrap();
        assert_eq!(pair[1]["result"]["balance"], balance);
    }
    assert_eq!(host.balance(&token), balance);
}

#[test]
fn one_key_twice_in_a_batch_is_one_stake() {
    let host = Host::start();
    let token = host.player("alice", 1000);
    let spin =
        |id, line_stake| call(id, "fruit-slots.spin", json!({ "line_stake": line_stake, "idempotency_key": "twice" }));
    let answers = batch(&host, &token, &[spin(1, 1), spin(2, 1), spin(3, 2)]);
    assert_eq!(answers[0]["result"], answers[1]["result"]);
    assert!(answers[0]["result"].is_object());
    assert_eq!(reason(&answers[2]["error"]), "idempotency_conflict");
    assert_eq!(host.balance(&token), 1000 - 20 + answers[0]["result"]["payout"].as_u64().unwrap());
    assert_eq!(history(&host, &token, 0).0.iter().filter(|row| row["kind"] == "stake").count(), 1);
}

#[test]
fn without_a_valid_token_only_the_lists_are_answered() {
    let host = Host::start();
    let methods =
        ["fruit-slots.spin", "wallet.balance", "session.info", "no.such", "nothing", "rpc.discover", "game.list"];
    let calls: Vec<_> = methods.iter().zip(0..).map(|(method, id)| call(id, method, json!({}))).collect();
    for answer in batch(&host, "not-a-token", &calls) {
        let method = methods[usize::try_from(answer["id"].as_u64().unwrap()).unwrap()];
        if ["rpc.discover", "game.list"].contains(&method) {
            assert!(answer["result"].is_object() || answer["result"].is_array(), "{answer}");
        } else {
            assert_eq!(reason(&answer["error"]), "unauthorized", "{method}");
        }
    }
    let body = call(1, "rpc.discover", json!({})).to_string();
    let (_, answer) = host.post("/operator", "not-the-token", body.as_bytes()).unwrap();
    assert!(answer.contains("unauthorized"), "{answer}");
}

#[test]
fn errors_point_at_what_is_wrong() {
    let host = Host::start();
    let token = host.player("alice", 1000);
    let red = |stake: Value| json!({ "kind": "red", "stake": stake });
    let players: &[(&str, Value, &str)] = &[
        ("fruit-slots.spin", json!({ "line_stake": "1" }), "/line_stake"),
        ("fruit-slots.spin", json!({ "line_stake": 0 }), "/line_stake"),
        ("fruit-slots.spin", json!({ "line_stake": 1, "more": 1 }), "/more"),
        ("roulette.spin", json!({ "bets": [red(json!(100)), red(json!("x"))] }), "/bets/1/stake"),
        ("fruit-slots.spin", json!({ "line_stake": 1, "idempotency_key": 1 }), "/idempotency_key"),
        ("fruit-slots.spin", json!({ "line_stake": 1, "idempotency_key": "" }), "/idempotency_key"),
        ("wallet.history", json!({ "limit": 101 }), "/limit"),
        ("wallet.history", json!({ "limit": 0 }), "/limit"),
        ("wallet.balance", json!({ "x": 1 }), "/x"),
        ("blackjack.stand", json!({ "x": 1 }), "/x"),
        ("round.get", json!([]), ""),
    ];
    let operators: &[(&str, Value, &str)] = &[
        ("player.create", json!({ "player": 1 }), "/player"),
        ("session.open", json!({ "player": "alice", "currency": "euro" }), "/currency"),
        ("session.open", json!({ "player": "alice", "currency": "EUR", "ttl_s": -1 }), "/ttl_s"),
    ];
    let cases = players.iter().map(|case| ("/rpc", case)).chain(operators.iter().map(|case| ("/operator", case)));
    for (path, (method, params, pointer)) in cases {
        let token = if path == "/rpc" { token.as_str() } else { OPERATOR_TOKEN };
        let body = call(1, method, params.clone()).to_string();
        let (_, answer) = host.post(path, token, body.as_bytes()).unwrap();
        let error = serde_json::from_str::<Value>(&answer).unwrap()["error"].take();
        assert_eq!(error["code"], -32602, "{method} {params}: {answer}");
        assert_eq!(error["data"]["pointer"], *pointer, "{method} {params}: {answer}");
    }
    for unknown in ["no-such-game.spin", "fruit-slots.no_such", "fruit-slots.", ".spin", "nothing", "Bad Game.spin", ""]
    {
        let error = host.call(&token, unknown, json!({})).unwrap_err();
        assert_eq!((&error["code"], reason(&error)), (&json!(-32601), "method_not_found"), "{unknown}");
        let error = host.operator(unknown, json!({})).unwrap_err();
        assert_eq!(reason(&error), "method_not_found", "{unknown}");
    }
    assert_eq!(host.balance(&token), 1000);
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(reference) if name == "$ref" => found.push(reference.clone()),
                    _ => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn check_openrpc(document: &Value) -> BTreeSet<String> {
    assert!(document["openrpc"].as_str().unwrap().starts_with("1."));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut names = BTreeSet::new();
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert!(!method["summary"].as_str().unwrap().is_empty(), "{name}");
        assert_eq!(method["paramStructure"], "by-name", "{name}");
        assert!(method["result"]["name"].is_string() && !method["result"]["schema"].is_null(), "{name}");
        let params = method["params"].as_array().unwrap();
        let param_names: BTreeSet<_> = params.iter().map(|param| param["name"].as_str().unwrap()).collect();
        assert_eq!(param_names.len(), params.len(), "{name}");
        assert!(params.iter().all(|param| !param["schema"].is_null()), "{name}");
        // Required ones come first.
        assert!(params.is_sorted_by_key(|param| param["required"] != true), "{name}");
        let codes = method["errors"].as_array().unwrap().iter().map(|error| error["code"].as_i64().unwrap());
        let codes: Vec<_> = codes.collect();
        assert_eq!(codes.len(), codes.iter().collect::<BTreeSet<_>>().len(), "{name}");
    }
    let mut found = Vec::new();
    references(document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    names
}

#[test]
fn the_documents_of_both_endpoints_describe_what_can_be_called() {
    let host = Host::start();
    let token = host.player("alice", 1000);
    let players = check_openrpc(&host.call("", "rpc.discover", json!({})).unwrap());
    let games = host.call("", "game.list", json!({})).unwrap();
    assert_eq!(games.as_array().unwrap().len(), 3);
    for game in games.as_array().unwrap() {
        for method in game["methods"].as_array().unwrap() {
            let name = format!("{}.{}", game["game"].as_str().unwrap(), method.as_str().unwrap());
            assert!(players.contains(&name), "{name}");
        }
    }
    let operators = check_openrpc(&host.operator("rpc.discover", json!({})).unwrap());
    let states = host.operator("game.list", json!({})).unwrap();
    let of = |rows: &Value, members: [&str; 2]| -> Vec<[Value; 2]> {
        rows.as_array().unwrap().iter().map(|row| members.map(|member| row[member].clone())).collect()
    };
    assert_eq!(of(&states, ["game", "active"]), of(&games, ["game", "release"]));
    // What is described is there: whatever else is wrong with the call, the method is found.
    for (names, path, token) in [(players, "/rpc", token.as_str()), (operators, "/operator", OPERATOR_TOKEN)] {
        assert!(names.contains("rpc.discover"));
        for name in names.into_iter().filter(|name| name != "session.close") {
            let body = call(1, &name, json!({ "no such member": 1 })).to_string();
            let (_, answer) = host.post(path, token, body.as_bytes()).unwrap();
            assert!(!answer.contains("method_not_found"), "{name}: {answer}");
        }
    }
}

#[test]
fn calls_for_one_player_on_many_connections_are_all_answered_one_after_the_other() {
    const CONNECTIONS: usize = 16;
    const CALLS: usize = 40;
    let host = Host::start();
    let token = host.player("alice", 10_000_000);
    let gains: Vec<i64> = thread::scope(|scope| {
        let clients = (0..CONNECTIONS).map(|_| {
            let (host, token) = (&host, &token);
            scope.spawn(move || {
                let bets = json!({ "bets": [{ "kind": "red", "stake": 100 }] });
                let spins = (0..CALLS).map(|_| host.call(token, "roulette.spin", bets.clone()).unwrap());
                spins.map(|spin| spin["payout"].as_i64().unwrap() - 100).sum()
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(i64::try_from(host.balance(&token)).unwrap(), 10_000_000 + gains.iter().sum::<i64>());
    let (rows, _) = history(&host, &token, 0);
    let stakes: BTreeSet<_> =
        rows.iter().filter(|row| row["kind"] == "stake").map(|row| row["step"].as_u64()).collect();
    assert_eq!(stakes.len(), CONNECTIONS * CALLS);
    // Each movement starts from the balance that the one before has left.
    let balance = |row: &Value| row["balance"].as_i64().unwrap();
    for pair in rows.windows(2) {
        assert_eq!(balance(&pair[1]) + pair[0]["change"].as_i64().unwrap(), balance(&pair[0]));
    }
    assert_eq!(host.check_ledger()["records"], 3 + CONNECTIONS * CALLS);
}
