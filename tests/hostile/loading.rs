//! Components that must not become releases: each is refused with its reason, and the host stays as it is.

use std::{fs, sync::Arc, time::Duration};

use croupier::{
    catalog::Playable,
    engine::{Engine, LoadError, Settings},
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    GAMES,
    components::{BALANCE, Handmade, LOOP},
    misbehaving,
    observation::step,
};
use crate::harness::{Host, Options};

fn engine() -> Arc<Engine> {
    let settings = Settings { step_compute_max: Duration::from_millis(20), ..Settings::default() };
    Arc::new(Engine::start(settings).unwrap())
}

async fn refusal(engine: &Arc<Engine>, component: Vec<u8>) -> String {
    Playable::load(engine, component).await.map(|playable| format!("{playable:?}")).unwrap_err().to_string()
}

/// What is wrong with a game, in words that its refusal must have.
fn wrong() -> Vec<(Handmade, &'static str)> {
    let contract = Handmade::default().contract;
    let id = |id: &str| Handmade { id: id.to_owned(), ..Handmade::default() };
    let methods = |names: &[&str]| Handmade {
        methods: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Handmade::default()
    };
    let params = |schema: &str| Handmade { params_schema: schema.to_owned(), ..Handmade::default() };
    vec![
        (
            Handmade {
                world: Some(
                    "package wasi:clocks@0.2.0; interface wall-clock { now: func() -> u64; }
                     world hostile { include croupier:game/casino-game@0.1.0; import wall-clock; }",
                ),
                imports: r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func (result i64)))"#,
                ..Handmade::default()
            },
            "it imports 'wasi:clocks/wall-clock@0.2.0', which is no part of the contract",
        ),
        (
            Handmade {
                contract: contract.replace("interface wallet {", "interface wallet { rob: func() -> u64;"),
                imports: r#"(import "croupier:game/wallet@0.1.0" "rob" (func (result i64)))"#,
                ..Handmade::default()
            },
            "it does not fit the contract croupier:game@0.1: ",
        ),
        (
            Handmade {
                contract: contract.replace("balance: func() -> amount;", "balance: func() -> u32;"),
                imports: r#"(import "croupier:game/wallet@0.1.0" "balance" (func (result i32)))"#,
                ..Handmade::default()
            },
            "it does not fit the contract croupier:game@0.1: ",
        ),
        (
            Handmade { items: "(func $start (unreachable)) (start $start)", ..Handmade::default() },
            "it broke down while describing itself: it trapped: ",
        ),
        (
            Handmade { items: "(func $start (loop $l (br $l))) (start $start)", ..Handmade::default() },
            "it broke down while describing itself: it computed longer than a step may",
        ),
        (
            Handmade { describe: LOOP, ..Handmade::default() },
            "it broke down while describing itself: it computed longer than a step may",
        ),
        (
            Handmade { describe: "(unreachable)", ..Handmade::default() },
            "it broke down while describing itself: it trapped",
        ),
        (
            Handmade { imports: BALANCE, describe: "(drop (call $balance))", ..Handmade::default() },
            "it broke down while describing itself: it called an import outside of a call",
        ),
        (
            Handmade {
                imports: r#"(import "croupier:game/log@0.1.0" "write" (func $log (param i32 i32 i32 i32)))"#,
                describe: "(call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
                ..Handmade::default()
            },
            "it broke down while describing itself: it called an import outside of a call",
        ),
        (
            Handmade { describe: "(drop (memory.grow (i32.const 1000)))", ..Handmade::default() },
            "it broke down while describing itself: it wanted more memory than a step may have",
        ),
        (Handmade { descriptor_offset: 0x7fff_0000, ..Handmade::default() }, "it broke down while describing itself: "),
        (Handmade { descriptor_offset: 1, ..Handmade::default() }, "it broke down while describing itself: "),
        (Handmade { memory: "1000", ..Handmade::default() }, "memory"),
        (Handmade { items: "(table 30000 funcref)", ..Handmade::default() }, "table"),
        (
            Handmade {
                items: "(table 0 funcref) (table 0 funcref) (table 0 funcref) (table 0 funcref)",
                ..Handmade::default()
            },
            "table",
        ),
        (Handmade { items: "(memory $more 1)", ..Handmade::default() }, "it cannot be compiled: "),
        (
            Handmade {
                items: "(func (param v128) (result v128) (f32x4.relaxed_min (local.get 0) (local.get 0)))",
                ..Handmade::default()
            },
            "it cannot be compiled: ",
        ),
        (id(""), "is no game id"),
        (id("Fruit Slots"), "is no game id"),
        (id("../../etc/passwd"), "is no game id"),
        (id(&"a".repeat(65)), "is no game id"),
        (methods(&[]), "it has no methods"),
        (methods(&["play", "spin", "play"]), "method 'play' is there twice"),
        (methods(&["Play"]), "'Play' is no method name"),
        (methods(&["a.b"]), "'a.b' is no method name"),
        (methods(&[""]), "'' is no method name"),
        (params("{"), "the params schema of 'play' is not JSON"),
        (params("true"), "a schema of 'play': "),
        (params("[]"), "a schema of 'play': "),
        (params(r#"{"type":"nonsense"}"#), "a schema of 'play': "),
        (params(r#"{"$ref":"https://example.com/schema.json"}"#), "a schema of 'play': "),
        (params(r##"{"$ref":"#"}"##), "a schema of 'play': "),
        (params(r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}"##), "a schema of 'play': "),
        (params(r#"{"properties":{"a":{"pattern":"(?=a)b"}}}"#), "a schema of 'play': "),
        (
            params(&format!("{}{}{}", r#"{"not":"#.repeat(500), "{}", "}".repeat(500))),
            "the params schema of 'play' is not JSON",
        ),
        (Handmade { result_schema: "7".to_owned(), ..Handmade::default() }, "a schema of 'play': "),
    ]
}

#[tokio::test]
async fn a_component_that_is_wrong_is_refused_with_its_reason() {
    let engine = engine();
    for (game, words) in wrong() {
        let refused = refusal(&engine, game.component()).await;
        assert!(refused.contains(words), "'{refused}' does not say '{words}'");
        assert!(!refused.contains("panic"), "{refused}");
    }
    // After all that, an honest game loads and plays.
    let release = engine.load(Handmade::default().component()).await.unwrap();
    assert!(engine.run(&release, step("handmade", "play")).await.unwrap().answer.is_ok());
}

/// A game must not be taken for the host: `wallet.balance` is the host's to answer.
#[tokio::test]
async fn a_game_cannot_take_the_place_of_the_hosts_methods() {
    let engine = engine();
    let host = Host::start_with(Options { games: Some(GAMES.clone()), ..Options::default() });
    let token = host.player("alice", 0);
    let documents = [
        host.call(&token, "rpc.discover", serde_json::json!({})),
        host.operator("rpc.discover", serde_json::json!({})),
    ];
    let games = host.call(&token, "game.list", serde_json::json!({})).unwrap();
    let mut tried = std::collections::BTreeSet::from(["rpc".to_owned()]);
    for document in documents {
        let document = document.unwrap();
        for method in document["methods"].as_array().unwrap() {
            let (prefix, _) = method["name"].as_str().unwrap().split_once('.').unwrap();
            if !games.as_array().unwrap().iter().any(|game| game["game"] == prefix) {
                tried.insert(prefix.to_owned());
            }
        }
    }
    assert!(tried.len() > 5, "{tried:?}");
    for id in tried {
        let refused = refusal(&engine, Handmade { id: id.clone(), ..Handmade::default() }.component()).await;
        assert!(refused.contains(&format!("'{id}' is the host's own")), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let engine = engine();
    let core_module = wat::parse_str("(module)").unwrap();
    for (bytes, words) in [
        (core_module, "it is a core module"),
        (Vec::new(), "it does not begin like WebAssembly"),
        (b"#!/bin/sh\nrm -rf /\n".to_vec(), "it does not begin like WebAssembly"),
        (b"\0asm\x0e\0\x01\0".to_vec(), "its version is unknown"),
        (b"\0asm\x0d\0\x01\0".to_vec(), "it does not fit the contract"),
        (wat::parse_str("(component)").unwrap(), "it does not fit the contract"),
    ] {
        let refused = refusal(&engine, bytes).await;
        assert!(refused.contains(words), "'{refused}' does not say '{words}'");
    }
    let small = Engine::start(Settings { component_bytes_max: 1000, ..Settings::default() }).unwrap();
    assert!(small.check_size(1000).is_ok());
    let refused = small.check_size(1001).unwrap_err().to_string();
    assert_eq!(refused, "it has 1001 bytes; at most 1000 are allowed");
}

#[tokio::test]
async fn a_truncated_component_is_refused_wherever_it_was_cut() {
    let engine = engine();
    let honest = Handmade::default().component();
    let cuts = (0..honest.len()).step_by(7);
    let large = misbehaving();
    let cuts_of_large = (1..large.len()).step_by(large.len() / 20);
    for component in cuts.map(|cut| &honest[..cut]).chain(cuts_of_large.map(|cut| &large[..cut])) {
        let refused = refusal(&engine, component.to_vec()).await;
        assert!(!refused.contains("panic"), "{refused}");
    }
}

/// Bytes of a component that are changed, and whatever follows the first bytes of one.
#[test]
fn arbitrary_bytes_are_refused_or_load_and_never_harm_the_host() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = engine();
    let honest = Handmade::default().component();
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changed = prop::collection::vec(change, 1..4).prop_map({
        let honest = honest.clone();
        move |changes| {
            let mut bytes = honest.clone();
            for (index, byte) in changes {
                bytes[index.index(honest.len())] = byte;
            }
            bytes
        }
    });
    let random =
        prop::collection::vec(any::<u8>(), 0..400).prop_map(|bytes| [b"\0asm\x0d\0\x01\0".as_slice(), &bytes].concat());
    let anything = prop::collection::vec(any::<u8>(), 0..100);
    let bytes = prop_oneof![4 => changed, 2 => random, 1 => anything];
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&bytes, |bytes| {
        runtime.block_on(async {
            match Playable::load(&engine, bytes).await {
                Ok(playable) => {
                    // Whatever it is now, it can be played, and ends.
                    let method = playable.release.descriptor().methods[0].name.clone();
                    let played = engine.run(&playable.release, step("handmade", &method)).await;
                    prop_assert!(played.is_ok());
                }
                Err(refused) => {
                    prop_assert!(
                        !matches!(&refused, LoadError::NotCompiled(words) if words.contains("panic")),
                        "{refused}"
                    );
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

#[test]
fn a_file_that_is_refused_is_named_with_the_reason_and_the_others_are_played() {
    let (forbidden, words) = wrong().swap_remove(0);
    let whole = Handmade::default().component();
    let games = tempfile::tempdir().unwrap();
    fs::write(games.path().join("a-good-game.wasm"), &whole).unwrap();
    fs::write(games.path().join("clockwork.wasm"), forbidden.component()).unwrap();
    fs::write(games.path().join("truncated.wasm"), &whole[..whole.len() / 2]).unwrap();
    let host = Host::start_with(Options { games: Some(games.path().to_owned()), ..Options::default() });
    host.wait_for_log(&["clockwork.wasm", words]);
    host.wait_for_log(&["truncated.wasm", "it cannot be compiled"]);
    assert_eq!(host.call(&host.player("alice", 0), "handmade.play", serde_json::json!({})).unwrap(), "played");
}

/// Whoever brings a game that panics in `describe` reads why.
#[tokio::test]
async fn a_panic_in_describe_is_told() {
    let game = Handmade {
        imports: r#"(import "croupier:game/log@0.1.0" "write" (func $log (param i32 i32 i32 i32)))"#,
        items: r#"(data (i32.const 64000) "panicno title yet")"#,
        describe: "(call $log (i32.const 64000) (i32.const 5) (i32.const 64005) (i32.const 12)) (unreachable)",
        ..Handmade::default()
    };
    let refused = refusal(&engine(), game.component()).await;
    assert!(refused.contains("no title yet"), "{refused}");
}
