//! Careful activation: shares of players, and what is taken back.

use serde_json::{Value, json};

use super::{House, broken, digest, saying};
use crate::harness::reason;

const WATCHFUL: &str = "[activation]\nsteps_min = 5\nplayers_min = 2\nmalfunction_percent_max = 20\n";

#[test]
fn a_candidate_gets_a_share_of_the_players_and_keeps_it() {
    let mut house = House::saying("one");
    let players: Vec<_> = (0..60).map(|number| house.host.player(&format!("player-{number}"), 0)).collect();
    let candidate = saying("two");
    house.host.operator("game.publish", json!({ "component": data_encoding::BASE64.encode(&candidate) })).unwrap();
    let chosen = |house: &House| -> Vec<bool> { players.iter().map(|token| house.said(token) == "two").collect() };
    assert!(chosen(&house).iter().all(|chosen| !chosen), "published is not active");

    let activate = |house: &House, percent| {
        house.act("activate", json!({ "release": digest(&candidate), "percent": percent, "why": "a trial" })).unwrap()
    };
    let state = activate(&house, 30);
    assert_eq!(
        (&state["candidate"]["release"], &state["candidate"]["percent"]),
        (&json!(digest(&candidate)), &json!(30))
    );
    assert_eq!(state["active"], digest(&saying("one")));
    let some = chosen(&house);
    let count = |chosen: &[bool]| chosen.iter().filter(|chosen| **chosen).count();
    assert!((6..=30).contains(&count(&some)), "{} of 60", count(&some));
    house.restart();
    assert_eq!(chosen(&house), some);
    activate(&house, 70);
    let more = chosen(&house);
    assert!(some.iter().zip(&more).all(|(before, now)| !before || *now) && count(&more) > count(&some));
    house.act("rollback", json!({})).unwrap();
    assert_eq!(count(&chosen(&house)), 0);
    activate(&house, 100);
    assert_eq!(count(&chosen(&house)), 60);

    let newest = &house.history("handmade")[0];
    assert_eq!(
        (&newest["act"], &newest["by"], &newest["why"]),
        (&json!("activated"), &json!("operator"), &json!("a trial"))
    );
    assert_eq!(
        house.deeds(),
        ["activated", "rolled_back", "activated", "activated", "published", "activated", "published"]
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let house = House::saying("one");
    let cause = |result: Result<Value, Value>| result.unwrap_err()["data"]["cause"].as_str().unwrap().to_owned();
    let one = digest(&saying("one"));
    assert_eq!(cause(house.act("activate", json!({ "release": one, "percent": 5 }))), "nothing_beside");
    assert_eq!(cause(house.act("activate", json!({ "release": digest(b"another") }))), "unknown_release");
    assert_eq!(cause(house.act("rollback", json!({}))), "nothing_before");
    for act in ["activate", "rollback", "disable", "enable", "releases", "verify"] {
        let mut params = json!({ "game": "no-such-game" });
        if act == "activate" {
            params["release"] = one.clone().into();
        }
        assert_eq!(reason(&house.act(act, params).unwrap_err()), "game_not_found", "{act}");
    }
    for percent in [0, 101] {
        assert_eq!(house.act("activate", json!({ "release": one, "percent": percent })).unwrap_err()["code"], -32602);
    }
    let deeds = house.deeds();
    house.act("activate", json!({ "release": one })).unwrap();
    house.act("enable", json!({})).unwrap();
    assert_eq!(house.deeds(), deeds, "what is so already is no act");
}

/// Players call in turn until the game answers with this word, which it comes to do when the host has acted.
fn play_until_said(house: &House, tokens: &[String], word: &str) {
    let mut turns = tokens.iter().cycle().take(10_000);
    assert!(turns.any(|token| house.said(token) == word), "the game never said {word}");
}

#[test]
fn a_release_that_breaks_down_is_taken_back() {
    let house = House::open(WATCHFUL);
    house.host.publish(&saying("one")).unwrap();
    let [alice, bob] = ["alice", "bob"].map(|player| house.host.player(player, 0));
    house.host.publish(&broken()).unwrap();
    for _ in 0..30 {
        assert_eq!(reason(&house.said(&alice)), "game_trapped", "one player alone decides nothing");
    }
    play_until_said(&house, &[alice, bob], "one");
    let act = &house.history("handmade")[0];
    assert_eq!((&act["act"], &act["by"]), (&json!("rolled_back"), &json!("croupier")));
    assert_eq!((&act["from"], &act["to"]), (&json!(digest(&broken())), &json!(digest(&saying("one")))));
    let why = act["why"].as_str().unwrap();
    assert!(why.contains("steps broke down") && why.contains("game_trapped"), "{why}");
    house.host.wait_for_log(&["a release was taken back", &digest(&broken())]);
    assert_eq!(house.host.check_ledger()["aggregates"], 2);
}

#[test]
fn a_candidate_that_breaks_down_is_dropped() {
    let mut house = House::open(WATCHFUL);
    house.host.publish(&saying("one")).unwrap();
    let component = data_encoding::BASE64.encode(&broken());
    let params = json!({ "component": component, "activate": true, "percent": 50 });
    house.host.operator("game.publish", params).unwrap();
    // On probation for as long as it is a candidate, also after a restart.
    house.restart();
    let players = (0..).map(|number| house.host.player(&format!("player-{number}"), 0));
    let unlucky: Vec<_> = players.filter(|token| house.said(token) != "one").take(2).collect();
    play_until_said(&house, &unlucky, "one");
    assert_eq!(house.deeds()[0], "rolled_back");
    let states = house.host.operator("game.list", json!({})).unwrap();
    assert_eq!((&states[0]["candidate"], &states[0]["active"]), (&Value::Null, &json!(digest(&saying("one")))));
}

#[test]
fn a_first_release_that_breaks_down_stays_for_want_of_another() {
    let mut house = House::open(WATCHFUL);
    house.host.publish(&broken()).unwrap();
    let tokens = ["alice", "bob"].map(|player| house.host.player(player, 0));
    for token in tokens.iter().cycle().take(30) {
        assert_eq!(reason(&house.said(token)), "game_trapped");
    }
    assert_eq!(house.deeds(), ["activated", "published"]);
    let (_, log) = house.host.terminate();
    assert!(!log.contains("taken back"), "{log}");
}

#[test]
fn a_rollback_that_is_asked_for_again_leads_back_once() {
    let house = House::saying("one");
    house.host.publish(&saying("two")).unwrap();
    house.host.publish(&saying("three")).unwrap();
    let back = || house.act("rollback", json!({ "from": digest(&saying("three")) }));
    assert_eq!(back().unwrap()["active"], digest(&saying("two")));
    assert_eq!(back().unwrap_err()["data"]["cause"], "moved_on");
    let error = house.act("rollback", json!({ "idempotency_key": "k" })).unwrap_err();
    assert_eq!(error["data"]["pointer"], "/idempotency_key");
    assert_eq!(house.said(&house.host.player("alice", 0)), "two");
}
