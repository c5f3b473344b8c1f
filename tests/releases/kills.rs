//! kill -9 in the middle of acts: the catalog is the one before or the one after, and so are players' documents.

use std::{
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
    /// Published releases, as far as is known.
    releases: Vec<String>,
    /// The state of the game after the newest acknowledged act.
    told: Value,
}

impl Busy {
    fn act(&mut self, address: &str) -> Option<()> {
        let (method, params) = match self.random.random_range(0..6) {
            0 | 1 => {
                let component = saying(&unique("release"));
                self.releases.push(digest(&component));
                let activate = self.random.random_bool(0.5);
                ("game.publish", json!({ "component": BASE64.encode(&component), "activate": activate }))
            }
            2 | 3 => {
                let release = self.releases.choose(&mut self.random);
                let percent = self.random.random_bool(0.3).then_some(30);
                ("game.activate", json!({ "game": "handmade", "release": release, "percent": percent }))
            }
            4 => ("game.rollback", json!({ "game": "handmade" })),
            _ if self.told["disabled"] == true => ("game.enable", json!({ "game": "handmade" })),
            _ => ("game.disable", json!({ "game": "handmade" })),
        };
        match call(address, "/operator", OPERATOR_TOKEN, method, &params)? {
            Ok(_) => {}
            // Nothing to go back to, or beside: that can be.
            Err(refused) => assert_eq!(refused["data"]["reason"], "act_refused", "{refused}"),
        }
        self.told = call(address, "/operator", OPERATOR_TOKEN, "game.list", &json!({}))?.unwrap()[0].take();
        Some(())
    }
}

#[test]
fn a_catalog_is_the_one_before_or_the_one_after() {
    let mut house = House::saying("one");
    let token = house.host.player("alice", 0);
    let mut busy = Busy {
        random: ChaCha8Rng::seed_from_u64(3),
        releases: vec![digest(&saying("one"))],
        told: house.host.operator("game.list", json!({})).unwrap()[0].take(),
    };
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let (mut acts, mut after) = (0, 0);
    for _ in 0..KILLS {
        let count = Count::default();
        let enough = random.random_range(1..12);
        let known = house.history("handmade");
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
        let history = house.history("handmade");
        assert!(history.ends_with(&known), "what was done is not forgotten");
        acts += history.len() - known.len();
        for (number, act) in history.iter().rev().enumerate() {
            assert_eq!(act["number"], number + 1);
        }
        // It is what was told last, or one act further (two, where a release was published and activated).
        let state = house.host.operator("game.list", json!({})).unwrap()[0].take();
        let further = state != busy.told;
        after += u32::from(further);
        if further {
            let newest = &history[0];
            assert!(
                newest["act"] == "published"
                    || newest["to"] == state["active"]
                    || newest["to"] == state["candidate"]["release"]
                    || state["disabled"] == (newest["act"] == "disabled"),
                "{newest} does not lead to {state}"
            );
        }
        busy.told = state;
        let verified = house.host.operator("game.verify", json!({})).unwrap();
        assert!(verified.as_array().unwrap().iter().all(|row| row["intact"] == true), "{verified}");
        busy.releases =
            verified.as_array().unwrap().iter().map(|row| row["release"].as_str().unwrap().to_owned()).collect();
        if busy.told["disabled"] == false {
            assert!(house.said(&token).is_string(), "{}", house.said(&token));
        }
    }
    println!("{acts} acts over {KILLS} kills; {after} times the act that was cut off had been done");
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
