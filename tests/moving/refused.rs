//! What is not moved, and what is said then: damaged files, stores that have something else, and mistakes at the prompt.

use std::fs;

use croupier::store::Store;

use super::{
    Bucket, Said,
    content::{Content, content, embedded, exported, imported, memory, standings},
    run,
};
use crate::{harness::Host, stores::conformance::players::Player};

/// Nothing of a file that is not whole is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_off_or_damaged_anywhere_is_refused_with_the_place() {
    let from = memory();
    Content { players: vec![vec![2], vec![3, 1]], games: vec![1], carried: 1 }.fill(&*from).await;
    let (file, _) = exported(&*from).await;
    let to = memory();
    for place in (0..file.len()).step_by(7) {
        let error = imported(&to, &file[..place]).await.unwrap_err().to_string();
        assert!(error.contains("cut off at byte ") || error.contains("no file of"), "{place}: {error}");
        let mut damaged = file.clone();
        damaged[place] ^= 1 << (place % 8);
        let error = imported(&to, &damaged).await.unwrap_err().to_string();
        let told = ["at byte ", "no file of", "version "];
        assert!(told.iter().any(|told| error.contains(told)), "{place}: {error}");
    }
    let mut longer = file.clone();
    longer.extend(b"more");
    imported(&to, &longer).await.unwrap_err();
    assert!(standings(&*to).await.is_empty() && to.listings().await.unwrap().is_empty());
    imported(&to, &file).await.unwrap();
}

/// Of a file of one content a store that holds another one takes nothing.
async fn assert_left_alone(there: &dyn Store, refused: &str, error: String) {
    assert!(error.contains(refused), "{error}");
    assert_eq!(standings(there).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_has_something_else_is_left_as_it_is() {
    let from = memory();
    let players = content().fill(&*from).await;
    let (file, _) = exported(&*from).await;
    // Somebody whom the file does not know, before, between and behind those whom it does.
    for name in ["a", "player-1-and-a-half", "zoe"] {
        let there = memory();
        Player::new(name).step_on(&*there, 2).await;
        let error = imported(&there, &file).await.unwrap_err().to_string();
        assert_left_alone(&*there, &format!("it holds player/{name}, which is not in the file"), error).await;
    }
    // The same player, played on.
    let there = memory();
    imported(&there, &file).await.unwrap();
    let mut ahead = players[2].clone();
    ahead.step_on(&*there, 1).await;
    let error = imported(&there, &file).await.unwrap_err().to_string();
    assert!(error.contains("player/player-2 is in the store already, and has step 2"), "{error}");
    ahead.assert_stored(&*there).await;
    // The same name and another past: whose first step was another.
    for (steps, mark) in [(3, 1), (1, 3)] {
        let there = memory();
        let mut other = Player::new("player-0");
        other.commit(&*there, other.next(steps, mark)).await;
        let error = imported(&there, &file).await.unwrap_err().to_string();
        assert!(error.contains("player/player-0 is in the store already, and its record 1 is another"), "{error}");
        other.assert_stored(&*there).await;
    }
    // A game that the file does not know, or knows otherwise.
    for (game, told) in [("dice", "the game dice, which is not"), ("game-0", "the game game-0 is in the store already")]
    {
        let there = memory();
        Content { players: Vec::new(), games: Vec::new(), carried: 0 }.fill(&*there).await;
        let (listing, act) = crate::stores::conformance::acts::listing(game, 1);
        there.commit_acts(&listing, &[act]).await.unwrap();
        let error = imported(&there, &file).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(standings(&*there).await.is_empty());
    }
}

/// A newer file of the same store brings one up to date that has an older.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_file_continues_an_older_one() {
    let (from, there) = (memory(), memory());
    let mut players = content().fill(&*from).await;
    imported(&there, &exported(&*from).await.0).await.unwrap();
    for player in &mut players {
        player.step_on(&*from, 300).await;
    }
    let (file, _) = exported(&*from).await;
    imported(&there, &file).await.unwrap();
    for player in &players {
        player.assert_stored(&*there).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_prove_is_not_exported() {
    let store = memory();
    let mut alice = Player::new("alice");
    alice.step_on(&*store, 3).await;
    let mut commit = alice.next(2, 0);
    commit.records[0].bytes.push(b' ');
    store.commit(commit).await.unwrap();
    let mut file = Vec::new();
    let error = croupier::moving::Exported::to(&*store, &mut file, |_, _| {}).await.unwrap_err().to_string();
    assert!(error.contains("record 5 of player/alice is broken"), "{error}");
}

fn refused(said: Said, told: &[&str]) {
    let complaint = said.complaint();
    for told in told {
        assert!(complaint.contains(told), "{told}: {complaint}");
    }
}

#[test]
fn mistakes_are_told_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let data = folder.path().join("data");
    let store = ["--data", data.to_str().unwrap()];
    refused(run("import", &file, &store), &["file", "No such file"]);
    refused(run("export", &file, &store), &["holds no embedded store"]);
    refused(run("import", folder.path(), &store), &["is no file"]);
    fs::write(&file, "croupier-store 7\n").unwrap();
    refused(run("import", &file, &store), &["version 7", "version 1"]);
    fs::write(&file, "something else entirely").unwrap();
    refused(run("import", &file, &store), &["no file of 'croupier store export'"]);
    // A store was made by then.
    refused(run("export", &file, &store), &["file is not written", "there already"]);
    fs::write(folder.path().join("other.part"), "croupier-store 7\n").unwrap();
    refused(run("export", &folder.path().join("other"), &store), &["version 7"]);
    refused(run("export", &folder.path().join("absent/file"), &store), &["absent/file is not written", "No such file"]);

    let bucket = Bucket::new();
    let config = bucket.config();
    let both = ["--config", config.to_str().unwrap(), store[0], store[1]];
    refused(run("export", &folder.path().join("new"), &both), &["--data", "couchbase"]);
    bucket.runtime.block_on(bucket.node.stop());
    refused(run("export", &folder.path().join("new"), &both[..2]), &["cannot be reached"]);

    let host = Host::start();
    let running = host.data();
    let running = ["--data", running.to_str().unwrap()];
    refused(run("export", &folder.path().join("new"), &running), &["stop the host first", "in use"]);
    refused(run("import", &file, &running), &["stop the host first", "in use"]);
}

#[test]
fn a_file_that_finds_no_room_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = embedded(directory.path());
        Content { players: vec![vec![100]; 30], ..content() }.fill(&*store).await;
        store.close().await;
    });
    let store = ["--data", directory.path().to_str().unwrap()];
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = Said::of(super::command("export", std::path::Path::new("-"), &store).stdout(full).output().unwrap());
    refused(said, &["no room left for the file", "run the same command again"]);
}
