//! Releases whose bytes are no longer what was published.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::{
    House, digest, marked,
    rounds::{finish_hand, open_hand},
    saying, shipped,
};
use crate::harness::reason;

impl House {
    /// Where the store keeps a release.
    fn kept(&self, component: &[u8]) -> PathBuf {
        self.host.data().join("store/releases").join(format!("{}.wasm", digest(component)))
    }
}

#[test]
fn a_changed_byte_takes_a_release_out_of_service_until_it_is_published_again() {
    let house = House::saying("one");
    house.host.publish(&shipped("roulette")).unwrap();
    let token = house.host.player("alice", 10_000);
    let intact = house.host.operator("game.verify", json!({})).unwrap();
    assert_eq!(intact.as_array().unwrap().len(), 2);
    assert!(intact.as_array().unwrap().iter().all(|row| row["intact"] == true), "{intact}");

    let component = saying("one");
    let mut bytes = component.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(house.kept(&component), &bytes).unwrap();
    let rows = house.act("verify", json!({})).unwrap();
    assert_eq!((&rows[0]["intact"], &rows[0]["release"]), (&json!(false), &json!(digest(&component))));
    assert!(rows[0]["reason"].as_str().unwrap().contains("its bytes have changed"), "{rows}");

    assert_eq!(reason(&house.said(&token)), "release_unavailable");
    let states = house.host.operator("game.list", json!({})).unwrap();
    assert!(states[0]["problem"].as_str().unwrap().contains("its bytes have changed"), "{states}");
    let error = house.act("activate", json!({ "release": digest(&component) })).unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("its bytes have changed"), "{error}");
    let bets = json!({ "bets": [{ "kind": "red", "stake": 100 }] });
    house.host.call(&token, "roulette.spin", bets).unwrap();

    house.host.publish(&component).unwrap();
    assert_eq!(house.said(&token), "one");
    assert_eq!(fs::read(house.kept(&component)).unwrap(), component);
    assert_eq!(house.deeds(), ["published", "withdrawn", "activated", "published"]);
}

#[test]
fn bytes_that_are_right_again_come_back_into_service() {
    let house = House::saying("one");
    let token = house.host.player("alice", 0);
    let component = saying("one");
    fs::remove_file(house.kept(&component)).unwrap();
    assert_eq!(house.act("verify", json!({})).unwrap()[0]["intact"], false);
    assert_eq!(reason(&house.said(&token)), "release_unavailable");
    fs::write(house.kept(&component), &component).unwrap();
    assert_eq!(house.act("verify", json!({})).unwrap()[0]["intact"], true);
    assert_eq!(house.said(&token), "one");
    assert_eq!(house.deeds(), ["reinstated", "withdrawn", "activated", "published"]);
}

#[test]
fn a_rollback_passes_over_a_release_whose_damage_nobody_has_seen_yet() {
    let mut house = House::saying("one");
    let token = house.host.player("alice", 0);
    for word in ["two", "three"] {
        house.host.publish(&saying(word)).unwrap();
    }
    // Not in memory any more, and not yet verified.
    house.restart();
    house.host.wait_for_log(&["releases were verified"]);
    fs::write(house.kept(&saying("two")), b"something else").unwrap();
    let state = house.act("rollback", json!({ "from": digest(&saying("three")) })).unwrap();
    assert_eq!(state["active"], digest(&saying("one")));
    assert_eq!(house.said(&token), "one");
    assert_eq!(house.deeds()[..2], ["rolled_back", "withdrawn"]);
}

#[test]
fn a_round_on_a_release_that_is_gone_waits_until_it_is_back() {
    let mut house = House::open("");
    let (a, b) = (shipped("blackjack"), marked(&shipped("blackjack"), "b"));
    house.host.publish(&a).unwrap();
    let token = house.host.player("alice", 1_000_000);
    open_hand(&house.host, &token);
    house.host.publish(&b).unwrap();
    let (status, log) = house.host.terminate();
    assert!(status.success(), "{log}");
    fs::remove_file(house.kept(&a)).unwrap();
    house.host.restart();
    let balance = house.host.balance(&token);
    let error = house.host.call(&token, "blackjack.stand", json!({})).unwrap_err();
    assert_eq!((reason(&error), &error["data"]["release"]), ("release_unavailable", &json!(digest(&a))));
    assert_eq!(house.host.balance(&token), balance);
    let upload = json!({ "component": data_encoding::BASE64.encode(&a) });
    house.host.operator("game.publish", upload).unwrap();
    finish_hand(&house.host, &token);
    open_hand(&house.host, &token);
    assert_eq!(house.host.check_ledger()["aggregates"], 1);
}

#[test]
fn releases_are_verified_at_start() {
    let mut house = House::saying("one");
    house.host.publish(&saying("two")).unwrap();
    let token = house.host.player("alice", 0);
    let (status, log) = house.host.terminate();
    assert!(status.success(), "{log}");
    // The active one has changed, and one that was active before is gone.
    fs::write(house.kept(&saying("two")), b"something else").unwrap();
    fs::remove_file(house.kept(&saying("one"))).unwrap();
    house.host.restart();
    for (word, reason) in [("one", "its bytes are gone"), ("two", "its bytes have changed")] {
        house.host.wait_for_log(&["the catalog has changed", "Withdrawn", &digest(&saying(word)), reason]);
    }
    assert_eq!(reason(&house.said(&token)), "release_unavailable");
    let error = house.act("rollback", json!({})).unwrap_err();
    assert_eq!(error["data"]["cause"], "nothing_before");
    house.host.publish(&saying("three")).unwrap();
    assert_eq!(house.said(&token), "three");
}
