//! Exports and imports that do not come to their end, at any place: whatever comes next goes on, and in the end nothing
//! is lost and nothing is there twice.

use std::{
    fs,
    path::Path,
    process::Child,
    sync::{Arc, Mutex},
};

use croupier::store::{CommitError, Store, StoreError};
use tokio::sync::Semaphore;

use super::{
    Bucket,
    content::{Content, content, embedded, exported, imported, memory, resumed},
    run, spawn,
};
use crate::{
    harness::PATIENCE,
    steps::Unruly,
    stores::conformance::players::{Player, assert_proved},
};

/// Places in a file: around the ends of lines, and some between.
fn places(file: &[u8]) -> Vec<usize> {
    let ends = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let mut places: Vec<_> = ends.flat_map(|at| [at, at + 1, at + 2]).chain((0..file.len()).step_by(997)).collect();
    places.retain(|at| *at <= file.len());
    places.sort_unstable();
    places.dedup();
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_from_any_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = memory();
    Content { players: vec![vec![2], vec![3, 1], vec![1]], games: vec![2], carried: 1 }.fill(&*store).await;
    let (file, whole) = exported(&*store).await;
    let mut most = 0;
    for place in places(&file) {
        let (again, exported) = resumed(&*store, &file[..place], folder.path()).await.unwrap();
        assert!(again == file, "cut off at {place}");
        assert_eq!((exported.contents, exported.digest), (whole.contents, whole.digest));
        assert_eq!(exported.report, whole.report);
        most = most.max(exported.resumed);
    }
    assert_eq!(most, 3);
}

/// Whoever was played since is written anew: what is gone on with is never older than the store.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_also_where_games_were_played_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    for (played, kept) in [(0, 0), (2, 2), (3, 3)] {
        let store = memory();
        let mut players = content().fill(&*store).await;
        let (begun, _) = exported(&*store).await;
        players[played].step_on(&*store, 3).await;
        let (file, _) = exported(&*store).await;
        for place in places(&begun).into_iter().step_by(61) {
            let (again, exported) = resumed(&*store, &begun[..place], folder.path()).await.unwrap();
            assert!(again == file && exported.resumed <= kept, "cut off at {place}");
        }
        let (_, exported) = resumed(&*store, &begun, folder.path()).await.unwrap();
        assert_eq!(exported.resumed, kept);
        // Somebody has come who belongs between those who were written.
        Player::new("player-0-and-a-half").step_on(&*store, 2).await;
        let (newest, _) = super::content::exported(&*store).await;
        let (again, exported) = resumed(&*store, &file, folder.path()).await.unwrap();
        assert!(again == newest);
        assert_eq!(exported.resumed, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_was_begun_of_another_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (memory(), memory());
    content().fill(&*one).await;
    Content { players: vec![vec![9, 9]; 4], ..content() }.fill(&*other).await;
    let (file, _) = exported(&*one).await;
    let error = resumed(&*other, &file, folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("of another store (step") && error.contains("remove it to begin anew"), "{error}");
    assert_eq!(fs::read(folder.path().join("file.part")).unwrap(), file);
    let foreign = vec![b'x'; 100];
    let error = resumed(&*other, &foreign, folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("no file of 'croupier store export'"), "{error}");
    assert_eq!(fs::read(folder.path().join("file.part")).unwrap(), foreign);
}

/// A store whose commits fail after so many.
fn failing(directory: &Path, commits: usize) -> Arc<dyn Store> {
    let gone = || Err(CommitError::Store(StoreError::Unavailable("gone".to_owned())));
    let script = (0..commits).map(|_| Ok(())).chain((0..1000).map(|_| gone())).collect();
    Arc::new(Unruly {
        store: embedded(directory),
        script: Mutex::new(script),
        offered: Mutex::default(),
        gate: Semaphore::new(1_000_000),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_after_any_commit() {
    let from = memory();
    let players = content().fill(&*from).await;
    let (file, _) = exported(&*from).await;
    let mut completed = 0;
    for commits in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let store = failing(directory.path(), commits);
        let outcome = imported(&store, &file).await;
        store.close().await;
        drop(store);
        let store = embedded(directory.path());
        let imported = imported(&store, &file).await.unwrap();
        completed = completed.max(imported.were_there);
        assert_proved(&*store, &players).await;
        assert!(exported(&*store).await.0 == file, "after {commits} commits");
        store.close().await;
        if outcome.is_ok() {
            // Three of one frame, and one of three.
            assert_eq!((commits, completed), (6, 4));
            return;
        }
    }
}

/// Bytes that a process has written.
fn written_by(child: &Child) -> u64 {
    let counts = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
    let written = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Kills a process once this is so; whether it was killed, and had not ended before.
fn kill_once(mut child: Child, is_so: impl Fn(&Child) -> bool) -> bool {
    let begun = std::time::Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if is_so(&child) {
            child.kill().unwrap();
            return !child.wait().unwrap().success();
        }
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

/// A directory of a host with so many players.
fn filled(players: usize) -> (tempfile::TempDir, Vec<Player>) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let players = runtime.block_on(async {
        let store = embedded(directory.path());
        let content = Content { players: vec![vec![6]; players], games: vec![2], carried: 10 };
        let players = content.fill(&*store).await;
        store.close().await;
        players
    });
    (directory, players)
}

#[test]
fn killed_exports_and_imports_lose_and_double_nothing() {
    const KILLS: u64 = 5;
    let (data, players) = filled(400);
    let from = ["--data", data.path().to_str().unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let (whole, file) = (folder.path().join("whole"), folder.path().join("file"));
    run("export", &whole, &from).printed();
    let bytes = fs::metadata(&whole).unwrap().len();

    let mut kills = 0;
    for kill in 1..=KILLS {
        let exporting = spawn("export", &file, &from);
        kills += u64::from(kill_once(exporting, |child| written_by(child) > bytes * kill / (KILLS + 1)));
        if file.exists() {
            break;
        }
    }
    assert!(kills > 0, "every export was too quick");
    if !file.exists() {
        run("export", &file, &from).printed();
    }
    assert!(fs::read(&file).unwrap() == fs::read(&whole).unwrap());
    assert!(!folder.path().join("file.part").exists());

    let moved = folder.path().join("moved");
    let to = ["--data", moved.to_str().unwrap()];
    let mut kills = 0;
    for kill in 1..=KILLS {
        let importing = spawn("import", &file, &to);
        kills += u64::from(kill_once(importing, |child| written_by(child) > bytes * kill / (KILLS + 1)));
    }
    assert!(kills > 0, "every import was too quick");
    run("import", &file, &to).printed();
    assert_moved(&moved, &players, &file);
}

#[test]
fn imports_into_a_cluster_that_are_killed_go_on() {
    let (data, players) = filled(120);
    let folder = tempfile::tempdir().unwrap();
    let (file, again) = (folder.path().join("file"), folder.path().join("again"));
    run("export", &file, &["--data", data.path().to_str().unwrap()]).printed();
    let bucket = Bucket::new();
    let config = bucket.config();
    let cluster = ["--config", config.to_str().unwrap()];
    let watcher = bucket.runtime.block_on(crate::couchbase::open_within(&bucket.node, crate::harness::PATIENCE));
    let mut kills = 0;
    for player in players.iter().step_by(40) {
        let importing = spawn("import", &file, &cluster);
        let is_there = |_: &Child| bucket.runtime.block_on(watcher.stored(player.id())).unwrap().is_some();
        kills += usize::from(kill_once(importing, is_there));
    }
    assert!(kills > 0, "every import was too quick");
    run("import", &file, &cluster).printed();
    run("export", &again, &cluster).printed();
    assert!(fs::read(&file).unwrap() == fs::read(&again).unwrap());
    bucket.runtime.block_on(async {
        assert_proved(&*watcher, &players).await;
        watcher.close().await;
    });
}

/// The embedded store has these players, each once, and what waits of them; its export is the file.
fn assert_moved(directory: &Path, players: &[Player], file: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = embedded(directory);
        assert_proved(&*store, players).await;
        for to in croupier::record::Destination::ALL {
            let waiting = store.outbox(to, usize::MAX, usize::MAX).await.unwrap();
            let mut names: Vec<_> = waiting.iter().map(|step| (&step.aggregate, step.step)).collect();
            names.sort();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "nothing waits twice");
            assert_eq!(count, players.iter().map(|player| player.steps_to(to).len()).sum::<usize>() - 10);
        }
        assert!(exported(&*store).await.0 == fs::read(file).unwrap());
        store.close().await;
    });
}
