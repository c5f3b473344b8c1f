//! What a file has of a store, and a store of a file, without processes: any content, and stores of every kind.

use std::{fs, io::Cursor, path::Path, sync::Arc};

use croupier::{
    identity::ReleaseDigest,
    moving::{self, Exported, Imported, MovingError, Part},
    record::Destination,
    store::{Embedded, EmbeddedSettings, Standing, Store},
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    couchbase::Cluster,
    stores::{
        conformance::{acts, players::Player},
        memory::Memory,
    },
};

pub(super) const BYTES_MAX: usize = 1 << 20;

/// What is to be in a store.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// Of each player the steps of each commit.
    pub(super) players: Vec<Vec<u64>>,
    /// Of each game its acts.
    pub(super) games: Vec<u64>,
    /// How many steps were carried on, to each destination.
    pub(super) carried: usize,
}

fn contents() -> impl Strategy<Value = Content> {
    let players = prop::collection::vec(prop::collection::vec(1..12_u64, 1..4), 0..12);
    let games = prop::collection::vec(1..5_u64, 0..4);
    (players, games, 0..30_usize).prop_map(|(players, games, carried)| Content { players, games, carried })
}

/// Something of everything, and one player with more records than come in one frame.
pub(super) fn content() -> Content {
    Content { players: vec![vec![3, 4], vec![200, 200, 200], vec![1], vec![9, 1, 5]], games: vec![2, 1], carried: 5 }
}

impl Content {
    /// Fills an empty store: the players.
    pub(super) async fn fill(&self, store: &dyn Store) -> Vec<Player> {
        let mut players = Vec::new();
        for (number, commits) in self.players.iter().enumerate() {
            let mut player = Player::new(&format!("player-{number}"));
            for (mark, steps) in (0..).zip(commits) {
                player.commit(store, player.next(*steps, mark)).await;
            }
            players.push(player);
        }
        for to in Destination::ALL {
            let waiting = store.outbox(to, self.carried, usize::MAX).await.unwrap();
            store.carried(to, &waiting).await.unwrap();
        }
        for (number, version) in self.games.iter().enumerate() {
            let game = format!("game-{number}");
            let bytes = game.repeat(1000).into_bytes();
            store.put_release(&ReleaseDigest::of(&bytes), &bytes).await.unwrap();
            let (listing, _) = acts::listing(&game, *version);
            store.commit_acts(&listing, &acts::acts(&game, 1..=*version)).await.unwrap();
        }
        players
    }
}

/// A whole file of a store.
pub(super) async fn exported(store: &dyn Store) -> (Vec<u8>, Exported) {
    let mut file = Vec::new();
    let exported = Exported::to(store, &mut file, |_, _| {}).await.unwrap();
    assert_eq!(exported.bytes, file.len() as u64);
    (file, exported)
}

/// Goes on with what was begun of a file.
pub(super) async fn resumed(
    store: &dyn Store,
    begun: &[u8],
    folder: &Path,
) -> Result<(Vec<u8>, Exported), MovingError> {
    let file = folder.join("file");
    fs::write(folder.join("file.part"), begun).unwrap();
    let part = Part::open(&file)?;
    let exported = moving::export(store, &part, |_, _| {}).await?;
    part.finish()?;
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    Ok((bytes, exported))
}

pub(super) async fn imported(store: &Arc<dyn Store>, file: &[u8]) -> Result<Imported, MovingError> {
    moving::import(store.clone(), Cursor::new(file), |_, _| {}).await
}

pub(super) fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new(BYTES_MAX).host())
}

pub(super) fn embedded(directory: &Path) -> Arc<dyn Store> {
    let settings = EmbeddedSettings {
        directory: directory.join("store"),
        cache_bytes: 1 << 20,
        aggregate_bytes_max: BYTES_MAX,
        disk_reserve_bytes: 0,
    };
    Arc::new(Embedded::open(&settings).unwrap())
}

pub(super) async fn standings(store: &dyn Store) -> Vec<Standing> {
    let (mut walk, mut standings) = (store.walk(None), Vec::new());
    loop {
        let page = walk.next().await.unwrap();
        if page.is_empty() {
            return standings;
        }
        standings.extend(page);
    }
}

/// Both hold the same, to the byte, and what waited waits.
async fn assert_same(one: &dyn Store, other: &dyn Store) {
    let found = standings(one).await;
    assert_eq!(found, standings(other).await);
    for Standing { aggregate, .. } in found {
        let all = 0..=u64::MAX;
        assert_eq!(
            one.records(&aggregate.id, all.clone()).await.unwrap(),
            other.records(&aggregate.id, all).await.unwrap()
        );
    }
    let listings = one.listings().await.unwrap();
    assert_eq!(listings, other.listings().await.unwrap());
    for listing in listings {
        let all = 0..=u64::MAX;
        assert_eq!(one.acts(&listing.game, all.clone()).await, other.acts(&listing.game, all).await);
    }
}

#[test]
fn any_content_arrives_as_it_was() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&contents(), |content| {
        runtime.block_on(async {
            let (from, to) = (memory(), memory());
            let players = content.fill(&*from).await;
            let (file, exported) = exported(&*from).await;
            let imported = imported(&to, &file).await.unwrap();
            assert_same(&*from, &*to).await;
            assert_eq!((imported.contents, imported.digest), (exported.contents, exported.digest));
            assert_eq!((imported.of_file, &imported.of_store), (exported.report.clone(), &exported.report));
            assert_eq!(exported.contents.aggregates, players.len() as u64);
            assert_eq!(exported.contents.acts, content.games.iter().sum::<u64>());
            assert_eq!(super::content::exported(&*to).await.0, file);
        });
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_store_makes_the_same_file() {
    let content = content();
    let directory = tempfile::tempdir().unwrap();
    let other_directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start().await;
    let memory = memory();
    content.fill(&*memory).await;
    let (file, _) = exported(&*memory).await;
    let mut before = memory;
    let couchbase: Arc<dyn Store> = Arc::new(cluster.open(BYTES_MAX).await);
    for store in [embedded(directory.path()), couchbase, embedded(other_directory.path())] {
        imported(&store, &file).await.unwrap();
        assert_same(&*before, &*store).await;
        let (again, _) = exported(&*store).await;
        assert!(again == file, "{} bytes instead of {}", again.len(), file.len());
        before.close().await;
        before = store;
    }
}

/// What waits in a store is handed out there, and nothing else of what has arrived.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_after_the_move_is_what_waited_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (memory(), embedded(directory.path()));
    content().fill(&*from).await;
    imported(&to, &exported(&*from).await.0).await.unwrap();
    for destination in Destination::ALL {
        let names = |steps: Vec<croupier::store::Waiting>| {
            let mut names: Vec<_> = steps.into_iter().map(|step| (step.aggregate, step.step, step.record)).collect();
            names.sort();
            names
        };
        let before = names(from.outbox(destination, usize::MAX, usize::MAX).await.unwrap());
        assert!(before.len() > 10);
        assert_eq!(names(to.outbox(destination, usize::MAX, usize::MAX).await.unwrap()), before);
    }
}

/// How fast it goes, for whoever wants to know: `cargo test --release --test system moves -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn it_moves_so_fast() {
    let directory = tempfile::tempdir().unwrap();
    let players = 5_000;
    let from = memory();
    Content { players: vec![vec![8, 8]; players], games: vec![1], carried: usize::MAX }.fill(&*from).await;
    let (file, _) = exported(&*from).await;
    let cluster = Cluster::start().await;
    let couchbase: Arc<dyn Store> = Arc::new(cluster.open(BYTES_MAX).await);
    for (name, store) in [("embedded", embedded(directory.path())), ("couchbase", couchbase)] {
        let begun = std::time::Instant::now();
        imported(&store, &file).await.unwrap();
        let arrived = begun.elapsed();
        let begun = std::time::Instant::now();
        exported(&*store).await;
        let left = begun.elapsed();
        let per_second = |time: std::time::Duration| players as f64 / time.as_secs_f64();
        println!(
            "{name}: {players} aggregates of 16 records, {} MB: import {:.0}/s, export {:.0}/s",
            file.len() / 1_000_000,
            per_second(arrived),
            per_second(left)
        );
    }
}
