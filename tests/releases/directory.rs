//! The watched directory.

use std::{fs, os::unix::fs::symlink, process::Command};

use croupier::signing::SecretKey;
use serde_json::json;

use super::{House, digest, saying};
use crate::harness::{Host, Options};

#[test]
fn a_file_that_comes_is_played_and_one_that_goes_changes_nothing() {
    let house = House::open("");
    let token = house.host.player("alice", 0);
    let file = house.games.path().join("handmade.wasm");
    fs::write(&file, saying("one")).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&saying("one"))]);
    assert_eq!(house.said(&token), "one");

    // Written beside and renamed, as careful deployments do.
    let beside = house.games.path().join("handmade.new");
    fs::write(&beside, saying("two")).unwrap();
    fs::rename(&beside, &file).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&saying("two"))]);
    assert_eq!(house.said(&token), "two");

    // Half of it, and later the rest.
    let three = saying("three");
    fs::write(&file, &three[..three.len() / 2]).unwrap();
    house.host.wait_for_log(&["a file is refused", "handmade.wasm", "it cannot be compiled"]);
    assert_eq!(house.said(&token), "two");
    fs::write(&file, &three).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&three)]);
    assert_eq!(house.said(&token), "three");

    fs::remove_file(&file).unwrap();
    fs::write(house.games.path().join("another.wasm"), b"no component").unwrap();
    house.host.wait_for_log(&["a file is refused", "another.wasm"]);
    assert_eq!(house.said(&token), "three");
    let history = house.history("handmade");
    assert_eq!((&history[0]["by"], &history[0]["why"]), (&json!("directory"), &json!("the file handmade.wasm")));
}

#[test]
fn a_rollback_outlives_a_restart_with_the_file_still_there() {
    let mut house = House::saying("one");
    let token = house.host.player("alice", 0);
    let file = house.games.path().join("handmade.wasm");
    fs::write(&file, saying("two")).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&saying("two"))]);
    house.act("rollback", json!({})).unwrap();
    house.restart();
    assert_eq!(house.said(&token), "one");
    // A file that comes again is somebody's word again.
    fs::write(&file, saying("two")).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&saying("two"))]);
    assert_eq!(house.said(&token), "two");
}

#[test]
fn a_directory_that_goes_and_comes_again_is_watched_again() {
    let house = House::saying("one");
    let token = house.host.player("alice", 0);
    let away = house.games.path().with_extension("away");
    fs::rename(house.games.path(), &away).unwrap();
    house.host.wait_for_log(&["the directory of games has gone"]);
    fs::write(away.join("handmade.wasm"), saying("two")).unwrap();
    fs::rename(&away, house.games.path()).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&saying("two"))]);
    assert_eq!(house.said(&token), "two");
    house.host.wait_for_log(&["the directory of games is there again"]);
    fs::write(house.games.path().join("handmade.wasm"), saying("three")).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&saying("three"))]);
}

#[test]
fn what_is_no_file_is_refused_and_troubles_nobody() {
    let mut house = House::saying("one");
    let token = house.host.player("alice", 0);
    fs::create_dir(house.games.path().join("folder.wasm")).unwrap();
    symlink("/dev/zero", house.games.path().join("endless.wasm")).unwrap();
    let made = Command::new("mkfifo").arg(house.games.path().join("pipe.wasm")).status().unwrap();
    assert!(made.success());
    fs::File::create(house.games.path().join("huge.wasm")).unwrap().set_len(1 << 40).unwrap();
    // As they come, and as they are there at start.
    for _ in 0..2 {
        for (name, words) in [
            ("folder.wasm", "it is no file"),
            ("endless.wasm", "it is no file"),
            ("pipe.wasm", "it is no file"),
            ("huge.wasm", "at most 33554432 are allowed"),
        ] {
            house.host.wait_for_log(&["a file is refused", name, words]);
        }
        assert_eq!(house.said(&token), "one");
        house.restart();
    }
}

#[test]
fn of_files_that_wait_at_start_the_newest_is_played() {
    let games = tempfile::tempdir().unwrap();
    for (name, word) in [("z", "older"), ("a", "newer")] {
        let path = games.path().join(format!("{name}.wasm"));
        fs::write(&path, saying(word)).unwrap();
        let age = if word == "older" { 100 } else { 50 };
        let modified = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    }
    let host = Host::start_with(Options { games: Some(games.path().to_owned()), ..Options::default() });
    let token = host.player("alice", 0);
    assert_eq!(host.call(&token, "handmade.play", json!({})).unwrap(), "newer");
    host.operator("game.rollback", json!({ "game": "handmade" })).unwrap();
    assert_eq!(host.call(&token, "handmade.play", json!({})).unwrap(), "older");
}

#[test]
fn a_signature_lies_beside_its_file() {
    let key = SecretKey::from_entropy(&[7; 32]);
    let house = House::open(&format!("[publishing]\nrequire_signed = true\nkeys = [\"acme={}\"]\n", key.public_key()));
    let file = house.games.path().join("handmade.wasm");
    let component = saying("one");
    fs::write(&file, &component).unwrap();
    house.host.wait_for_log(&["a file is refused", "it has no signature"]);
    let signature = key.sign(&digest(&component).parse().unwrap()).to_string();
    fs::write(house.games.path().join("handmade.wasm.sig"), signature).unwrap();
    house.host.wait_for_log(&["a file is live", &digest(&component)]);
    let states = house.host.operator("game.list", json!({})).unwrap();
    assert_eq!(states[0]["owner"], "acme");
}
