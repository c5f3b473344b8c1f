//! What services may ask of `/notify`, and what they may not.

use std::collections::BTreeSet;

use providers_stand_in::Faults;
use serde_json::{Value, json};

use super::{
    CRM_TOKEN, Providers, SHOP_TOKEN, all_delivered, batch, config, hello, number, queued, railgun, status,
    wait_for_state, wait_for_state_as,
};
use crate::harness::{Host, OPERATOR_TOKEN, Options, get, get_as, post, reason};

const HOUR_MS: u64 = 60 * 60 * 1000;

/// A host with games, and notifications beside them.
fn serving(providers: &Providers, railgun: &str) -> Host {
    Host::start_with(Options { config: config(providers, railgun, ""), ..Options::default() })
}

fn sent(host: &Host, params: Value) -> Value {
    host.notify(CRM_TOKEN, "notify.send", params).unwrap()
}

fn name(sent: &Value) -> &str {
    sent["notification"].as_str().unwrap()
}

/// With other params than [`hello`] has.
fn with(params: Value, others: Value) -> Value {
    let (Value::Object(mut params), Value::Object(others)) = (params, others) else { panic!("no objects") };
    params.extend(others);
    params.into()
}

fn code(error: &Value) -> i64 {
    error["code"].as_i64().unwrap()
}

#[test]
fn a_notification_is_accepted_once_and_delivered_and_known_to_its_sender() {
    let providers = Providers::with(100.0, Faults::default());
    let host = serving(&providers, "");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "notify.send", "params": hello("email", 1) }).to_string();
    let first = host.post("/notify", CRM_TOKEN, call.as_bytes()).unwrap();
    assert_eq!(first.0, 200);
    let answer: Value = serde_json::from_str(&first.1).unwrap();
    let accepted = name(&answer["result"]).to_owned();
    let delivered = wait_for_state(&host, &accepted, "delivered");
    assert_eq!((&delivered["sender"], &delivered["deliveries"]), (&json!({ "service": "crm" }), &json!(1)));
    assert_eq!(delivered["state"]["provider"], "sendgrid");
    // The same again, byte for byte, also after it was delivered; under the same key nothing else.
    assert_eq!(host.post("/notify", CRM_TOKEN, call.as_bytes()).unwrap(), first);
    let other = with(hello("email", 1), json!({ "data": { "name": "somebody else" } }));
    let error = host.notify(CRM_TOKEN, "notify.send", other).unwrap_err();
    assert_eq!((code(&error), reason(&error)), (-32005, "idempotency_conflict"));
    // A key is its service's own.
    let shops = host.notify(SHOP_TOKEN, "notify.send", hello("email", 1)).unwrap();
    assert_ne!(name(&shops), accepted);
    wait_for_state_as(&host, SHOP_TOKEN, name(&shops), "delivered");

    for (token, method) in [(SHOP_TOKEN, "notify.status"), (SHOP_TOKEN, "notify.cancel"), (CRM_TOKEN, "notify.kick")] {
        let error = host.notify(token, method, json!({ "notification": accepted })).unwrap_err();
        let expected = if token == SHOP_TOKEN { -32070 } else { -32074 };
        assert_eq!(code(&error), expected, "{method}: {error}");
    }
    // The operator sees everything and sends nothing.
    host.notify(OPERATOR_TOKEN, "notify.status", json!({ "notification": accepted })).unwrap();
    assert_eq!(code(&host.notify(OPERATOR_TOKEN, "notify.send", hello("email", 9)).unwrap_err()), -32001);
    for token in ["", "no-such-token-anywhere"] {
        assert_eq!(code(&host.notify(token, "notify.send", hello("email", 9)).unwrap_err()), -32001);
    }
    assert_eq!(providers.counts().email.accepted, 2);
}

#[test]
fn a_batch_is_accepted_as_a_whole_and_what_is_wrong_in_it_is_said_of_each() {
    let providers = Providers::with(100.0, Faults::default());
    let host = serving(&providers, "");
    let results = batch(&host, "notify.send", (0..1000).map(|number| hello("social", number)));
    let names: Vec<_> = results.iter().map(|sent| name(sent).to_owned()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 1000);
    assert_eq!(all_delivered(&host, &providers, &names), BTreeSet::new());

    let call =
        |id: u64, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": "notify.send", "params": params });
    let mixed = json!([
        call(0, hello("email", 0)),
        call(1, with(hello("email", 1), json!({ "template": "goodbye" }))),
        call(2, with(hello("email", 2), json!({ "data": {} }))),
        call(3, with(hello("email", 3), json!({ "channel": "pigeon" }))),
        call(4, with(hello("email", 4), json!({ "locale": "not a language" }))),
        call(5, with(hello("email", 5), json!({ "when": { "delay_ms": 40 * 24 * HOUR_MS } }))),
        call(6, with(hello("email", 6), json!({ "data": { "name": "x".repeat(100_000) } }))),
        call(7, hello("email", 7)),
    ]);
    let (_, answers) = post(host.address(), "/notify", CRM_TOKEN, mixed.to_string().as_bytes()).unwrap();
    let mut answers: Vec<Value> = serde_json::from_str(&answers).unwrap();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_i64().unwrap_or_default()).collect();
    assert_eq!(codes, [0, -32072, -32072, -32602, -32602, -32602, -32602, 0], "{answers:?}");
    assert_eq!(answers[5]["error"]["data"]["pointer"], "/when");

    let many: Vec<Value> = (0..1001).map(|number| call(number, hello("email", 0))).collect();
    let (_, refused) = post(host.address(), "/notify", CRM_TOKEN, Value::from(many).to_string().as_bytes()).unwrap();
    assert!(refused.contains("\"error\"") && !refused.contains("\"result\""), "{refused}");
}

#[test]
fn a_notification_waits_for_its_time_and_can_be_cancelled_until_then() {
    let providers = Providers::with(100.0, Faults::default());
    let host = serving(&providers, "");
    let now_ms = name_of_now(&host);
    let later = sent(&host, with(hello("push", 1), json!({ "when": { "delay_ms": HOUR_MS } })));
    let then = sent(&host, with(hello("push", 2), json!({ "when": { "send_at_ms": now_ms + 2 * HOUR_MS } })));
    let past = sent(&host, with(hello("push", 3), json!({ "when": { "send_at_ms": 1 } })));
    let soon = sent(&host, with(hello("push", 4), json!({ "when": { "delay_ms": 300 } })));
    assert!(later["due_ms"].as_u64().unwrap() >= now_ms + HOUR_MS);
    assert_eq!(then["due_ms"], now_ms + 2 * HOUR_MS);
    for notification in [&past, &soon] {
        let delivered = wait_for_state(&host, name(notification), "delivered");
        assert!(delivered["state"]["at_ms"].as_u64() >= delivered["due_ms"].as_u64(), "{delivered}");
    }
    // Delivered before it is due, it would be there by now; cancelled it never will be.
    for notification in [&later, &then] {
        assert_eq!(status(&host, name(notification))["state"]["is"], "waiting");
        let params = json!({ "notification": name(notification) });
        for _ in 0..2 {
            let cancelled = host.notify(CRM_TOKEN, "notify.cancel", params.clone()).unwrap();
            assert_eq!(cancelled["state"]["is"], "cancelled");
        }
    }
    let error = host.notify(CRM_TOKEN, "notify.cancel", json!({ "notification": name(&past) })).unwrap_err();
    assert_eq!((code(&error), &error["data"]["state"]["is"]), (-32074, &json!("delivered")));
    assert_eq!(providers.counts().all.accepted, 2);
}

/// The host's time.
fn name_of_now(host: &Host) -> u64 {
    sent(host, with(hello("webhook", 0), json!({ "when": { "delay_ms": HOUR_MS } })))["due_ms"].as_u64().unwrap()
        - HOUR_MS
}

#[test]
fn what_is_over_its_time_is_not_delivered() {
    let providers = Providers::with(100.0, Faults::outage());
    let host = serving(&providers, "");
    let params = with(hello("email", 1), json!({ "expires_in_ms": 400 }));
    let short = sent(&host, params);
    assert_eq!(short["expires_ms"].as_u64().unwrap() - short["due_ms"].as_u64().unwrap(), 400);
    wait_for_state(&host, name(&short), "expired");
    providers.stand_in.set_faults(Faults::default());
    let long = sent(&host, hello("email", 2));
    wait_for_state(&host, name(&long), "delivered");
    assert_eq!(providers.counts().email.accepted, 1);
    assert!(number(&host, "expired_total", "email") > 0.0);
}

#[test]
fn contacts_say_where_and_in_which_language_a_player_is_reached() {
    let providers = Providers::with(100.0, Faults::default());
    let host = railgun(config(&providers, "", ""));
    let to_alice = |number: usize| with(hello("social", number), json!({ "recipient": { "player": "alice" } }));
    let unknown = sent(&host, to_alice(1));
    wait_for_state(&host, name(&unknown), "buried");
    let contacts = json!({ "social": "4711", "locale": "de-AT" });
    host.notify(CRM_TOKEN, "contacts.set", json!({ "player": "alice", "contacts": contacts })).unwrap();
    let alice = json!({ "player": "alice" });
    assert_eq!(host.notify(CRM_TOKEN, "contacts.get", alice.clone()).unwrap(), contacts);
    let known = sent(&host, to_alice(2));
    wait_for_state(&host, name(&known), "delivered");
    // A service that was not trusted with them neither sees nor changes them.
    for (method, params) in [
        ("contacts.get", alice.clone()),
        ("contacts.forget", alice.clone()),
        ("contacts.set", json!({ "player": "alice", "contacts": {} })),
    ] {
        let error = host.notify(SHOP_TOKEN, method, params).unwrap_err();
        assert_eq!(reason(&error), "unauthorized", "{error}");
    }
    assert_eq!(host.notify(OPERATOR_TOKEN, "contacts.get", alice.clone()).unwrap(), contacts);
    host.notify(CRM_TOKEN, "contacts.forget", alice.clone()).unwrap();
    assert_eq!(host.notify(CRM_TOKEN, "contacts.get", alice).unwrap(), json!({}));
    wait_for_state(&host, name(&sent(&host, to_alice(3))), "buried");

    let preview = |locale: &str, template: &str| {
        let params =
            json!({ "channel": "social", "locale": locale, "template": template, "data": { "name": "Alice" } });
        host.notify(CRM_TOKEN, "notify.preview", params)
    };
    assert_eq!(preview("de-AT", "hello").unwrap()["social"]["text"], "Hallo Alice!");
    assert_eq!(preview("fr", "hello").unwrap()["social"]["text"], "Hello Alice!");
    assert_eq!(reason(&preview("de", "goodbye").unwrap_err()), "template_refused");
    let templates = host.notify(CRM_TOKEN, "notify.templates", json!({})).unwrap();
    assert!(templates.as_array().unwrap().contains(&json!({ "template": "hello", "channel": "webhook" })));
}

#[test]
fn a_channel_that_nobody_delivers_is_refused() {
    let service = format!("[[railgun.services]]\nname = \"crm\"\ntoken = \"{CRM_TOKEN}\"\n");
    let templates = &*super::TEMPLATES;
    let host = railgun(format!("[railgun]\nlisten = \"127.0.0.1:0\"\ntemplates = {templates:?}\n{service}"));
    let error = host.notify(CRM_TOKEN, "notify.send", hello("email", 1)).unwrap_err();
    assert_eq!((code(&error), reason(&error)), (-32071, "channel_unavailable"));
    assert_eq!(get(host.address(), "/readyz").0, 200);
}

#[test]
fn a_service_is_held_to_its_rate() {
    let providers = Providers::with(100.0, Faults::default());
    let slow = config(&providers, "", "").replace(SHOP_TOKEN, &format!("{SHOP_TOKEN}\"\nper_second = 5 #"));
    let host = railgun(slow);
    let calls =
        (0..50).map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "notify.send", "params": hello("push", id) }));
    let body = Value::from(calls.collect::<Vec<_>>()).to_string();
    let (_, answers) = post(host.address(), "/notify", SHOP_TOKEN, body.as_bytes()).unwrap();
    let answers: Vec<Value> = serde_json::from_str(&answers).unwrap();
    let limited: Vec<_> = answers.iter().filter_map(|answer| answer.get("error")).collect();
    assert!(limited.len() >= 20 && limited.len() <= 45, "{} of 50 refused", limited.len());
    assert!(limited.iter().all(|error| code(error) == -32073 && error["data"]["retry_after_ms"].as_u64() > Some(0)));
    // Others are none the worse for it.
    batch(&host, "notify.send", (0..50).map(|number| hello("push", number)));
}

#[test]
fn methods_and_numbers_are_documented_and_for_those_who_may_see_them() {
    let providers = Providers::with(100.0, Faults::default());
    let host = serving(&providers, "");
    let names: Vec<_> = batch(&host, "notify.send", (0..40).map(|number| hello("social", number)));
    let names: Vec<_> = names.iter().map(|sent| name(sent).to_owned()).collect();
    all_delivered(&host, &providers, &names);
    assert_eq!(queued(&host), 0);
    for token in ["", CRM_TOKEN] {
        assert_eq!(get_as(token, host.address(), "/metrics").0, 401);
    }
    for (metric, labels, expected) in [
        ("accepted_total", "social", 40.0),
        ("delivered_total", "meta", 40.0),
        ("call_seconds_count", "meta", 40.0),
        ("in_flight", "meta", 0.0),
        ("ready", "social", 0.0),
        ("leased", "social", 0.0),
    ] {
        let found = number(&host, metric, labels);
        assert!((found - expected).abs() < 0.5, "{metric}: {found}");
    }
    assert!(get_as(OPERATOR_TOKEN, host.address(), "/metrics").1.ends_with("# EOF\n"));

    let document = host.notify(CRM_TOKEN, "rpc.discover", json!({})).unwrap();
    assert_eq!(document["openrpc"].as_str().map(|version| version.starts_with("1.")), Some(true));
    let methods = document["methods"].as_array().unwrap();
    let listed: BTreeSet<_> = methods.iter().map(|method| method["name"].as_str().unwrap()).collect();
    for method in ["notify.send", "notify.status", "notify.cancel", "notify.buried", "notify.kick", "notify.remove"] {
        assert!(listed.contains(method), "{listed:?}");
    }
    for method in methods {
        assert!(method["params"].is_array() && method["result"]["schema"].is_object(), "{method}");
        for param in method["params"].as_array().unwrap() {
            assert!(param["name"].is_string() && param["schema"].is_object() | param["schema"].is_boolean(), "{param}");
        }
    }
}
