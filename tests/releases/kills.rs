//! kill -9 in the middle of acts: the catalog is the one before or the one after, and so are players' documents.

use std::{
    fs,
    sync::{Condvar, Mutex},
    thread,
};

use data_encoding::BASE64;
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{House, digest, saying};
use crate::{
    harness::{Host, OPERATOR_TOKEN, PATIENCE, get, post, unique},
    migration::{savings, unversioned},
};

const KILLS: u32 = 25;

/// How much was acknowledged.
#[derive(Default)]
struct Count {
    count: Mutex<usize>,
    grown: Condvar,
}

impl Count {
    fn add(&self) {
        *self.count.lock().unwrap() += 1;
        self.grown.notify_all();
    }

    fn wait_for(&self, count: usize) {
        let few = |counted: &mut usize| *counted < count;
        let (counted, waited) = self.grown.wait_timeout_while(self.count.lock().unwrap(), PATIENCE, few).unwrap();
        assert!(!waited.timed_out(), "only {counted} of {count}");
    }
}

/// Calls a method; `None` where the connection broke.
fn call(address: &str, path: &str, token: &str, method: &str, params: &Value) -> Option<Result<Value, Value>> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let (_, answer) = post(address, path, token, body.as_bytes()).ok()?;
    let mut answer: Value = serde_json::from_str(&answer).ok()?;
    Some(if answer["error"].is_null() { Ok(answer["result"].take()) } else { Err(answer["error"].take()) })
}

/// An operator who acts without pause, and what they were told.
struct Busy {
    random: ChaCha8Rng,
    /// Published releases.
    releases: Vec<String>,
    /// The game after the newest act that was acknowledged, and its history.
    told: (Value, Vec<Value>),
}

fn state(house: &House) -> (Value, Vec<Value>) {
    (house.host.operator("game.list", json!({})).unwrap()[0].take(), house.history("handmade"))
}

impl Busy {
    fn act(&mut self, address: &str) -> Option<()> {
        let operator = |method: &str, params: &Value| call(address, "/operator", OPERATOR_TOKEN, method, params);
        let mut published = None;
        let (method, params) = match self.random.random_range(0..6) {
            0 | 1 => {
                let component = saying(&unique("release"));
                published = Some(digest(&component));
                let activate = self.random.random_bool(0.5);
                ("game.publish", json!({ "component": BASE64.encode(&component), "activate": activate }))
            }
            2 | 3 => {
                let release = self.releases.choose(&mut self.random);
                let percent = self.random.random_bool(0.3).then_some(30);
                ("game.activate", json!({ "game": "handmade", "release": release, "percent": percent }))
            }
            4 => ("game.rollback", json!({ "game": "handmade" })),
            _ if self.told.0["disabled"] == true => ("game.enable", json!({ "game": "handmade" })),
            _ => ("game.disable", json!({ "game": "handmade" })),
        };
        match operator(method, &params)? {
            Ok(_) => self.releases.extend(published),
            // Nothing to go back to, or beside: that can be.
            Err(refused) => assert_eq!(refused["data"]["reason"], "act_refused", "{refused}"),
        }
        let state = operator("game.list", &json!({}))?.unwrap()[0].take();
        let mut releases = operator("game.releases", &json!({ "game": "handmade", "limit": 1000 }))?.unwrap();
        self.told = (state, serde_json::from_value(releases["history"].take()).unwrap());
        Some(())
    }
}

/// What one act, or the two of a publication with activation, makes of a game.
fn after(before: &Value, acts: &[Value]) -> Value {
    let mut game = before.clone();
    for act in acts.iter().rev() {
        match act["act"].as_str().unwrap() {
            "published" => game["releases"] = (game["releases"].as_u64().unwrap() + 1).into(),
            "activated" if act["percent"].is_u64() => {
                let since = if game["candidate"]["release"] == act["to"] {
                    game["candidate"]["since_ms"].clone()
                } else {
                    act["at_ms"].clone()
                };
                game["candidate"] = json!({ "release": act["to"], "percent": act["percent"], "since_ms": since });
            }
            "activated" | "rolled_back" => {
                game["active"] = act["to"].clone();
                game["candidate"] = Value::Null;
            }
            "disabled" => game["disabled"] = true.into(),
            "enabled" => game["disabled"] = false.into(),
            other => panic!("nobody has {other}"),
        }
    }
    game
}

#[test]
fn a_catalog_is_the_one_before_or_the_one_after() {
    let mut house = House::saying("one");
    let token = house.host.player("alice", 0);
    let mut busy =
        Busy { random: ChaCha8Rng::seed_from_u64(3), releases: vec![digest(&saying("one"))], told: state(&house) };
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut done = 0;
    for _ in 0..KILLS {
        let count = Count::default();
        let enough = random.random_range(1..12);
        let address = house.host.address().to_owned();
        thread::scope(|scope| {
            scope.spawn(|| {
                while busy.act(&address).is_some() {
                    count.add();
                }
            });
            count.wait_for(enough);
            // Somewhere in the act that has just begun.
            for _ in 0..random.random_range(0..60) {
                get(&address, "/healthz");
            }
            house.host.kill();
        });
        house.host.restart();
        let (game, history) = state(&house);
        let (told, known) = &busy.told;
        assert!(history.ends_with(known), "what was acknowledged is forgotten: {known:?}, {history:?}");
        let new = &history[..history.len() - known.len()];
        let deeds: Vec<_> = new.iter().map(|act| act["act"].as_str().unwrap()).collect();
        assert!(new.len() <= 1 || deeds == ["activated", "published"], "more than one request was cut off: {deeds:?}");
        assert_eq!(game, after(told, new));
        done += new.len();
        let verified = house.host.operator("game.verify", json!({})).unwrap();
        let verified = verified.as_array().unwrap();
        assert!(verified.iter().all(|row| row["intact"] == true), "{verified:?}");
        let listed: Vec<_> = verified.iter().map(|row| row["release"].as_str().unwrap().to_owned()).collect();
        assert!(busy.releases.iter().all(|release| listed.contains(release)), "a release is forgotten");
        busy.releases = listed;
        if game["disabled"] == false {
            assert!(house.said(&token).is_string(), "{}", house.said(&token));
        }
        busy.told = (game, history);
    }
    let acts = busy.told.1.len();
    println!("{acts} acts over {KILLS} kills; {done} of those that were cut off had been done");
}

#[test]
fn a_file_is_live_after_a_kill_however_far_it_had_come() {
    let mut house = House::saying("one");
    let token = house.host.player("alice", 0);
    let mut random = ChaCha8Rng::seed_from_u64(6);
    for number in 0..KILLS / 2 {
        let word = format!("file {number}");
        fs::write(house.games.path().join("handmade.wasm"), saying(&word)).unwrap();
        for _ in 0..random.random_range(0..60) {
            get(house.host.address(), "/healthz");
        }
        house.host.kill();
        house.host.restart();
        assert_eq!(house.said(&token), word);
    }
}

#[test]
fn a_players_documents_are_those_before_a_migration_or_those_after() {
    const PLAYERS: usize = 60;
    let mut house = House::open("");
    house.host.publish(&unversioned()).unwrap();
    let tokens: Vec<_> = (0..PLAYERS).map(|number| house.host.player(&format!("player-{number}"), 1000)).collect();
    for token in &tokens {
        house.host.call(token, "savings.save", json!({})).unwrap();
    }
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for (component, expected) in [(savings(1), json!([7])), (savings(2), json!({ "coins": [7], "total": 7 }))] {
        house.host.publish(&component).unwrap();
        let mut players = tokens.iter();
        while players.len() > 0 {
            let count = Count::default();
            let enough = random.random_range(1..12.min(players.len() + 1));
            let address = house.host.address().to_owned();
            thread::scope(|scope| {
                let (players, count, expected) = (&mut players, &count, &expected);
                scope.spawn(move || {
                    for token in players {
                        match call(&address, "/rpc", token, "savings.show", &json!({})) {
                            Some(shown) => assert_eq!(shown.as_ref(), Ok(expected)),
                            None => return,
                        }
                        count.add();
                    }
                });
                count.wait_for(enough);
                house.host.kill();
            });
            house.host.restart();
            // Whole chains: documents are what the migrations in the records have made of them.
            assert_eq!(house.host.check_ledger()["aggregates"], PLAYERS);
        }
        show_all(&house.host, &tokens, &expected);
    }
}

fn show_all(host: &Host, tokens: &[String], expected: &Value) {
    for token in tokens {
        assert_eq!(host.call(token, "savings.show", json!({})).as_ref(), Ok(expected));
    }
}
