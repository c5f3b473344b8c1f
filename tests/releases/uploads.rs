//! What must not become a release is refused with its reason, by either way in, and what was played goes on.

use std::fs;

use croupier::signing::SecretKey;
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{House, broken, digest, saying, shipped};
use crate::{
    harness::{OPERATOR_TOKEN, reason},
    hostile::components::{BALANCE, Handmade, LOOP},
};

/// Uploads, with the cause of their refusal and words of its reason.
fn hostile() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let honest = shipped("roulette");
    let handmade = |game: Handmade| game.component();
    let describing = |describe| handmade(Handmade { describe, ..Handmade::default() });
    let named = |id: &str| handmade(Handmade { id: id.to_owned(), ..Handmade::default() });
    let methods = |names: &[&str]| {
        handmade(Handmade { methods: names.iter().map(|name| (*name).to_owned()).collect(), ..Handmade::default() })
    };
    let params = |schema: &str| handmade(Handmade { params_schema: schema.to_owned(), ..Handmade::default() });
    let clock = Handmade {
        world: Some(
            "package wasi:clocks@0.2.0; interface wall-clock { now: func() -> u64; }
             world hostile { include croupier:game/casino-game@0.1.0; import wall-clock; }",
        ),
        imports: r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func (result i64)))"#,
        ..Handmade::default()
    };
    let asking = Handmade { imports: BALANCE, describe: "(drop (call $balance))", ..Handmade::default() };
    let deep = Handmade { items: "(func $deeper (call $deeper))", describe: "(call $deeper)", ..Handmade::default() };
    let random: Vec<u8> = (0..5000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    vec![
        (honest[..honest.len() / 2].to_vec(), "not_compiled", "it cannot be compiled"),
        (honest[..6].to_vec(), "not_a_component", "it does not begin like WebAssembly"),
        (random.clone(), "not_a_component", "it does not begin like WebAssembly"),
        ([&honest[..8], &random].concat(), "not_compiled", "it cannot be compiled"),
        (Vec::new(), "not_a_component", "it does not begin like WebAssembly"),
        (b"\0asm\x01\0\0\0".to_vec(), "not_a_component", "it is a core module"),
        (vec![0; (1 << 20) + 1], "too_large", "at most 1048576 are allowed"),
        (handmade(clock), "forbidden_import", "it imports 'wasi:clocks/wall-clock@0.2.0'"),
        (handmade(Handmade::built_against("0.2.0")), "incompatible_contract", "rebuild the game"),
        (describing(LOOP), "describe_failed", "it computed longer than a step may"),
        (describing("(unreachable)"), "describe_failed", "it trapped"),
        (describing("(drop (memory.grow (i32.const 10000)))"), "describe_failed", "it wanted more memory"),
        (handmade(deep), "describe_failed", "its call stack ran out"),
        (handmade(asking), "describe_failed", "it called an import outside of a call"),
        (named("wallet"), "bad_descriptor", "'wallet' is the host's own"),
        (named("../etc"), "bad_descriptor", "is no game id"),
        (methods(&[]), "bad_descriptor", "it has no methods"),
        (methods(&["play", "play"]), "bad_descriptor", "method 'play' is there twice"),
        (params(r#"{"type":"no such type"}"#), "bad_descriptor", "a schema of 'play'"),
        (params(r##"{"$ref":"http://elsewhere.example/schema"}"##), "bad_descriptor", "a schema of 'play'"),
        (params("{"), "bad_descriptor", "the params schema of 'play' is not JSON"),
    ]
}

#[test]
fn hostile_uploads_are_refused_and_the_old_release_goes_on() {
    let mut house = House::saying("one");
    // One MiB, so that what is too large need not be huge.
    house.host.set_prelude("export CROUPIER_GAMES_COMPONENT_MIB_MAX=1;");
    house.restart();
    let token = house.host.player("alice", 0);
    let deeds = house.deeds();
    for (component, cause, words) in hostile() {
        let error = house.host.publish(&component).unwrap_err();
        assert_eq!((reason(&error), &error["data"]["cause"]), ("release_refused", &json!(cause)), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "'{message}' does not say '{words}'");
        assert_eq!(house.said(&token), "one", "{words}");
    }
    for (number, (component, _, words)) in hostile().into_iter().enumerate() {
        let name = format!("upload-{number}.wasm");
        fs::write(house.games.path().join(&name), component).unwrap();
        house.host.wait_for_log(&["a file is refused", &name, words]);
    }
    assert_eq!(house.said(&token), "one");
    assert_eq!(house.deeds(), deeds);
    let states = house.host.operator("game.list", json!({})).unwrap();
    assert_eq!(states.as_array().unwrap().len(), 1, "{states}");
    let error = house.host.operator("game.publish", json!({ "component": "not Base64!" })).unwrap_err();
    assert_eq!(error["data"]["pointer"], "/component");
    let component = BASE64.encode(&saying("two"));
    let error = house.host.operator("game.publish", json!({ "component": component, "percent": 5 })).unwrap_err();
    assert_eq!(error["data"]["pointer"], "/percent");
}

/// A body as large as a component is read from nobody but the operator.
#[test]
fn only_the_operator_may_send_much() {
    let house = House::saying("one");
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"game.list","params":{{"x":"{}"}}}}"#, "x".repeat(2 << 20));
    for (path, token, status) in [("/operator", OPERATOR_TOKEN, 200), ("/operator", "nobody's", 413), ("/rpc", "", 413)]
    {
        assert_eq!(house.host.post(path, token, body.as_bytes()).unwrap().0, status, "{path}");
    }
}

/// Uploads a component with the text of a signature.
fn publish_signed(house: &House, component: &[u8], signature: &str) -> Result<Value, Value> {
    let params = json!({ "component": BASE64.encode(component), "signature": signature, "activate": true });
    house.host.operator("game.publish", params)
}

#[test]
fn a_game_is_its_owners() {
    let [acme, other, stranger] = [1, 2, 3].map(|number| SecretKey::from_entropy(&[number; 32]));
    let keys = format!("keys = [\"acme={}\", \"other={}\"]", acme.public_key(), other.public_key());
    let mut house = House::open(&format!("[publishing]\n{keys}\n"));
    let sign = |key: &SecretKey, component: &[u8]| key.sign(&digest(component).parse().unwrap()).to_string();
    let (one, two) = (saying("one"), saying("two"));
    let published = publish_signed(&house, &one, &sign(&acme, &one)).unwrap();
    assert_eq!(published["owner"], "acme");
    let token = house.host.player("alice", 0);

    let forged = {
        let mut signature: Value = serde_json::from_str(&sign(&acme, &two)).unwrap();
        signature["signature"] = "0".repeat(128).into();
        signature.to_string()
    };
    for (signature, cause, words) in [
        (sign(&acme, &one), "wrong_signature", "the signature is for another release"),
        (forged, "wrong_signature", "the signature does not verify"),
        ("{}".to_owned(), "wrong_signature", "this is no signature"),
        (sign(&stranger, &two), "unknown_key", "which is no known publisher's key"),
        (sign(&other, &two), "other_owner", "handmade is owned by 'acme', and this release is signed by 'other'"),
    ] {
        let error = publish_signed(&house, &two, &signature).unwrap_err();
        assert_eq!((reason(&error), &error["data"]["cause"]), ("release_refused", &json!(cause)), "{error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
    let error = house.host.publish(&two).unwrap_err();
    assert_eq!(error["data"]["cause"], "other_owner", "not signed: {error}");
    house.restart();
    assert_eq!(house.host.publish(&broken()).unwrap_err()["data"]["cause"], "other_owner");
    assert_eq!(house.said(&token), "one");
    publish_signed(&house, &two, &sign(&acme, &two)).unwrap();
    assert_eq!(house.said(&token), "two");

    house.host.publish(&shipped("roulette")).unwrap();
    house.restart_with(&format!("[publishing]\nrequire_signed = true\n{keys}\n"));
    assert_eq!(house.host.publish(&shipped("roulette")).unwrap_err()["data"]["cause"], "unsigned");
    assert_eq!(house.said(&token), "two");
    let activate = |house: &House, game: &str, component: &[u8]| {
        let activated = house.act("activate", json!({ "game": game, "release": digest(component) }));
        activated.unwrap_err()["data"]["cause"].clone()
    };
    assert_eq!(activate(&house, "roulette", &shipped("roulette")), "unsigned");
    // A key that counts no more: what it has signed plays on, and is not activated again.
    house.restart_with("");
    assert_eq!(activate(&house, "handmade", &one), "unknown_key");
    assert_eq!(house.said(&token), "two");
}

#[test]
fn publishing_again_is_safe() {
    let house = House::saying("one");
    let again = house.host.publish(&saying("one")).unwrap();
    assert_eq!((&again["new"], &again["active"], &again["owner"]), (&json!(false), &json!(true), &Value::Null));
    assert_eq!(house.deeds(), ["activated", "published"]);
    // A candidate has nothing to stand beside here: refused as a whole, and so not published either.
    let params = json!({ "component": BASE64.encode(&shipped("roulette")), "activate": true, "percent": 5 });
    let error = house.host.operator("game.publish", params).unwrap_err();
    assert_eq!(error["data"]["cause"], "nothing_beside");
    assert_eq!(reason(&house.act("releases", json!({ "game": "roulette" })).unwrap_err()), "game_not_found");
}
