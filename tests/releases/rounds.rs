//! A round stays on the release that opened it, whatever becomes active meanwhile.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{House, digest, marked, saying, shipped};
use crate::{
    harness::{Host, reason},
    load::{Acknowledged, Ended, Player},
};

/// Deals until a hand is not decided at once; the round.
pub(super) fn open_hand(host: &Host, token: &str) -> Value {
    loop {
        let hand = host.call(token, "blackjack.deal", json!({ "stake": 100 })).unwrap();
        if hand["actions"].as_array().unwrap().iter().any(|action| action == "stand") {
            return host.call(token, "round.list", json!({ "limit": 1 })).unwrap()["rows"][0]["round"].clone();
        }
    }
}

/// Stands until the hand is decided.
pub(super) fn finish_hand(host: &Host, token: &str) {
    while host.call(token, "blackjack.stand", json!({})).unwrap()["actions"] != json!([]) {}
}

/// The release of every call of a round.
fn releases_of(host: &Host, token: &str, round: &Value) -> Vec<Value> {
    let round = host.call(token, "round.get", json!({ "round": round })).unwrap();
    round["calls"].as_array().unwrap().iter().map(|call| call["release"].clone()).collect()
}

#[test]
fn a_hand_is_finished_on_the_release_that_dealt_it() {
    let mut house = House::open("");
    let (a, b) = (shipped("blackjack"), marked(&shipped("blackjack"), "b"));
    let file = house.games.path().join("blackjack.wasm");
    fs::write(&file, &a).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&a)]);
    let [alice, bob] = ["alice", "bob"].map(|player| house.host.player(player, 1_000_000));
    let round = open_hand(&house.host, &alice);

    house.host.publish(&b).unwrap();
    fs::remove_file(&file).unwrap();
    let other = open_hand(&house.host, &bob);
    house.restart();
    finish_hand(&house.host, &alice);
    finish_hand(&house.host, &bob);
    let releases = releases_of(&house.host, &alice, &round);
    assert!(releases.len() >= 2 && releases.iter().all(|release| *release == digest(&a)), "{releases:?}");
    let releases = releases_of(&house.host, &bob, &other);
    assert!(releases.iter().all(|release| *release == digest(&b)), "{releases:?}");

    let next = open_hand(&house.host, &alice);
    assert_eq!(releases_of(&house.host, &alice, &next), [digest(&b)]);
    assert_eq!(house.host.check_ledger()["aggregates"], 2);
}

#[test]
fn a_disabled_game_takes_no_new_rounds_and_lets_open_ones_finish() {
    let mut house = House::open("");
    house.host.publish(&shipped("blackjack")).unwrap();
    house.host.publish(&saying("one")).unwrap();
    let [alice, bob] = ["alice", "bob"].map(|player| house.host.player(player, 1_000_000));
    open_hand(&house.host, &alice);
    let state = house.act("disable", json!({ "game": "blackjack", "why": "a complaint" })).unwrap();
    assert_eq!(state["disabled"], true);
    house.restart();
    let error = house.host.call(&bob, "blackjack.deal", json!({ "stake": 100 })).unwrap_err();
    assert_eq!(reason(&error), "game_disabled");
    let listed = house.host.call(&bob, "game.list", json!({})).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    finish_hand(&house.host, &alice);
    assert_eq!(house.said(&bob), "one");
    let error = house.host.call(&alice, "blackjack.deal", json!({ "stake": 100 })).unwrap_err();
    assert_eq!(reason(&error), "game_disabled");
    house.act("enable", json!({ "game": "blackjack" })).unwrap();
    open_hand(&house.host, &bob);
}

/// How many of a player's newest hands were open when something happened.
fn rounds_over(host: &Host, token: &str, happened: &[u64]) -> usize {
    let rounds = host.call(token, "round.list", json!({ "limit": 100 })).unwrap();
    let hands = rounds["rows"].as_array().unwrap().iter().filter(|row| row["game"] == "blackjack");
    let spans = hands.filter_map(|row| Some((row["opened_at_ms"].as_u64()?, row["closed_at_ms"].as_u64()?)));
    spans.filter(|(opened, closed)| happened.iter().any(|at| (opened + 1..*closed).contains(at))).count()
}

/// Players play without pause while the releases of all their games are swapped: no call fails, and no round changes
/// its release, which the ledger proves.
#[test]
fn a_thousand_swaps_under_load_fail_no_call() {
    const SWAPS: usize = 1000;
    const CLIENTS: u64 = 3;
    const PLAYERS_PER_CLIENT: u64 = 3;
    let games = ["blackjack", "fruit-slots", "roulette"];
    let host = Host::start();
    let releases = games.map(|game| {
        let (one, other) = (shipped(game), marked(&shipped(game), "other"));
        host.publish(&other).unwrap();
        [digest(&one), digest(&other)]
    });
    let mut clients: Vec<Vec<Player>> = (0..CLIENTS)
        .map(|client| {
            let seeds = client * PLAYERS_PER_CLIENT..(client + 1) * PLAYERS_PER_CLIENT;
            seeds.map(|seed| Player::new(&host, format!("player-{seed}"), ChaCha8Rng::seed_from_u64(seed))).collect()
        })
        .collect();
    let acknowledged = Acknowledged::default();
    let swapped = AtomicBool::new(false);
    thread::scope(|scope| {
        for players in &mut clients {
            let (host, acknowledged, swapped) = (&host, &acknowledged, &swapped);
            scope.spawn(move || {
                while !swapped.load(Ordering::Relaxed) {
                    for player in &mut *players {
                        assert_eq!(player.act(host.address(), acknowledged), Ended::Answered);
                    }
                }
            });
        }
        for swap in 0..SWAPS {
            let (game, release) = (swap % games.len(), (swap / games.len()) % 2);
            let params = json!({ "game": games[game], "release": releases[game][release] });
            let state = host.operator("game.activate", params).unwrap();
            assert_eq!(state["active"], releases[game][release]);
        }
        acknowledged.wait_for(1000);
        swapped.store(true, Ordering::Relaxed);
    });
    host.check_ledger();
    for player in clients.iter_mut().flatten() {
        player.prove(&host, &acknowledged);
    }
    let acts = host.operator("game.releases", json!({ "game": "blackjack", "limit": 1000 })).unwrap();
    let swaps: Vec<_> = acts["history"].as_array().unwrap().iter().map(|act| act["at_ms"].as_u64().unwrap()).collect();
    assert!(swaps.len() > SWAPS / games.len(), "swaps that were none: {acts}");
    let spanning: usize = clients.iter().flatten().map(|player| rounds_over(&host, player.token(), &swaps)).sum();
    assert!(spanning > 0, "no round was open during a swap");
    println!("{} calls acknowledged during {SWAPS} swaps, {spanning} hands open over one", acknowledged.count());
}

#[test]
fn what_is_live_can_be_discovered() {
    let house = House::saying("one");
    let methods = |house: &House| -> Vec<String> {
        let document = house.host.call("", "rpc.discover", json!({})).unwrap();
        let methods = document["methods"].as_array().unwrap().iter();
        let names = methods.map(|method| method["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with("handmade.")).collect()
    };
    assert_eq!(methods(&house), ["handmade.play"]);
    let more = crate::hostile::components::Handmade {
        methods: vec!["play".to_owned(), "win".to_owned()],
        ..Default::default()
    };
    house.host.publish(&more.component()).unwrap();
    assert_eq!(methods(&house), ["handmade.play", "handmade.win"]);
    house.act("rollback", json!({})).unwrap();
    assert_eq!(methods(&house), ["handmade.play"]);
}
