//! The committer: who wins a race for a version, what waits to be carried on, what a failure leaves behind, and that
//! closing loses nothing.

mod catalog;

use std::{collections::BTreeMap, fs};

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    committer::Worker,
    requests::{self, Group},
    *,
};
use crate::{
    identity::Digest,
    record::{Destinations, EncodedRecord},
};

fn settings(directory: &TempDir) -> Settings {
    Settings {
        directory: directory.path().join("store"),
        cache_bytes: 1 << 20,
        aggregate_bytes_max: 1 << 20,
        disk_reserve_bytes: 0,
    }
}

/// A worker without its thread, and the receiver of what it says when it fails.
fn worker(tables: &Tables) -> Worker {
    Worker {
        tables: tables.clone(),
        cache: Arc::new(Cache::with_weighter(100, 1 << 20, AggregateSize)),
        versions: quick_cache::unsync::Cache::new(100),
        listings: std::collections::HashMap::new(),
        next_place: 0,
        fail: watch::channel(None).0,
    }
}

/// A commit of `steps` steps of one player, marked so that it can be told from others.
fn commit(player: &str, expected: u64, steps: u64, mark: u8) -> Commit {
    let mut aggregate = Aggregate::new(format!("player/{player}").parse().unwrap());
    aggregate.step = expected + steps;
    aggregate.head = Digest::of(&[mark]);
    let records = (expected + 1..=aggregate.step).map(|step| EncodedRecord {
        step,
        destinations: destinations(mark),
        bytes: vec![mark],
        told: None,
    });
    Commit { expected, records: records.collect(), aggregate: Arc::new(aggregate), under_way: 1 }
}

fn destinations(mark: u8) -> Destinations {
    Destinations { notifications: mark.is_multiple_of(2), tracking: mark.is_multiple_of(3) }
}

type Answered = oneshot::Receiver<Result<(), CommitError>>;

fn request(commit: Commit) -> (Request, Answered) {
    request_of(Change::Steps(Steps::of(commit).unwrap()))
}

fn request_of(change: Change) -> (Request, Answered) {
    let (answer, answered) = oneshot::channel();
    (Request { change, answer }, answered)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn of_two_commits_on_one_version_in_one_group_the_first_wins() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::open(&settings(&directory).directory).unwrap();
    let (sent, waiting) = requests::channel();
    let commits = [
        commit("alice", 0, 2, 1),
        commit("alice", 0, 1, 2), // another one on the same version
        commit("alice", 2, 1, 3), // on what the first has made
        commit("bob", 1, 1, 4),   // on a version that is not there
        commit("bob", 0, 1, 5),
    ];
    let answers = commits.map(|commit| {
        let (request, answered) = request(commit);
        sent.send(request).unwrap();
        answered
    });
    drop(sent);
    // All of them wait before it begins: they are one group.
    worker(&tables).run(&waiting);
    let answers = answers.map(|answered| answered.blocking_recv().unwrap());
    let conflict = Err(CommitError::Conflict);
    assert_eq!(answers, [Ok(()), conflict.clone(), Ok(()), conflict, Ok(())]);
    let alice = "player/alice".parse().unwrap();
    assert_eq!(tables.records(&alice, 0..=u64::MAX).unwrap(), [(1, vec![1]), (2, vec![1]), (3, vec![3])]);
    assert_eq!(tables.aggregate(&alice).unwrap().unwrap().step, 3);
    let places = |to| tables.waiting(to, 10, 1000).unwrap().iter().map(|step| step.place).collect::<Vec<_>>();
    assert!(places(Destination::Notifications).is_empty());
    assert_eq!(places(Destination::Tracking), [0_u64], "only alice's third step has a mark of three");
}

#[test]
fn an_aggregate_that_grew_too_large_is_refused_and_others_are_not() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let settings = Settings { aggregate_bytes_max: 300, ..settings(&directory) };
        let store = Embedded::open(&settings).unwrap();
        store.commit(commit("alice", 0, 1, 1)).await.unwrap();
        let mut large = commit("alice", 1, 1, 2);
        let documents = BTreeMap::from([("key".to_owned(), crate::json::Json::of(&"x".repeat(300)).unwrap())]);
        Arc::make_mut(&mut large.aggregate).documents.insert("slots".parse().unwrap(), Arc::new(documents));
        assert!(matches!(store.commit(large).await, Err(CommitError::TooLarge { size_max: 300, .. })));
        store.commit(commit("alice", 1, 1, 3)).await.unwrap();
        store.close().await;
        let closed = Err(CommitError::Store(StoreError::Unavailable("it is closed".to_owned())));
        assert_eq!(store.commit(commit("alice", 2, 1, 4)).await, closed);
    });
}

#[test]
fn a_flush_that_fails_in_the_background_fails_the_store_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory);
    let tables_of_records = |store: &Embedded| store.tables.records.path().join("tables");
    let moved = directory.path().join("moved");
    runtime().block_on(async {
        let store = Embedded::open(&settings).unwrap();
        store.commit(commit("alice", 0, 1, 1)).await.unwrap();
        let folder = tables_of_records(&store);
        fs::rename(&folder, &moved).unwrap();
        fs::write(&folder, "not a folder").unwrap();
        store.tables.records.rotate_memtable().unwrap();
        // The flush happens some time after; commits are answered until then and refused from then on.
        let mut step = 1;
        let failure = loop {
            match store.commit(commit("alice", step, 1, 1)).await {
                Ok(()) => step += 1,
                Err(CommitError::Store(failure)) => break failure,
                Err(other) => panic!("{other}"),
            }
        };
        assert!(matches!(failure, StoreError::Unavailable(_)), "{failure}");
        assert_eq!(store.failed().await, failure);
        assert_eq!(store.health(), Err(failure.clone()));
        assert_eq!(store.commit(commit("bob", 0, 1, 1)).await, Err(CommitError::Store(failure.clone())));
        let (listing, act) = catalog::listing("dice", 1);
        assert_eq!(store.commit_acts(&listing, &[act]).await, Err(CommitError::Store(failure.clone())));
        assert_eq!(store.put_release(&ReleaseDigest::of(b"release"), b"release").await, Err(failure));
        assert_eq!(store.load(&"player/alice".parse().unwrap()).await.unwrap().unwrap().step, step);
        store.close().await;
        drop(store);

        fs::remove_file(&folder).unwrap();
        fs::rename(&moved, &folder).unwrap();
        let store = Embedded::open(&settings).unwrap();
        let alice = "player/alice".parse().unwrap();
        assert_eq!(store.load(&alice).await.unwrap().unwrap().step, step);
        assert_eq!(store.records(&alice, 1..=u64::MAX).await.unwrap().len(), usize::try_from(step).unwrap());
        store.commit(commit("alice", step, 1, 1)).await.unwrap();
        store.close().await;
    });
}

/// Somebody looks who was kept between two others: they find what was there, and hide nothing from those who come after.
#[test]
fn an_old_look_at_the_outbox_hides_nothing_from_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory);
    runtime().block_on(async {
        let store = Embedded::open(&settings).unwrap();
        let (tables, to) = (&store.tables, Destination::Tracking);
        for (player, steps) in [("alice", 5), ("bob", 3)] {
            store.commit(commit(player, 0, steps, 3)).await.unwrap();
        }
        let (first, old) = (tables.outbox.first(to), tables.database.snapshot());
        let places = |steps: &[Waiting]| steps.iter().map(|step| step.place).collect::<Vec<_>>();
        let carried = tables.waiting(to, 2, usize::MAX).unwrap();
        tables.carried(to, &places(&carried)).unwrap();
        // A look raises the hint, which must not be past what is there.
        assert_eq!(places(&tables.waiting(to, 10, usize::MAX).unwrap()), [2, 3, 4, 5, 6, 7]);
        let seen = tables.outbox.oldest(to, first, &old).map(|step| step.unwrap().0);
        assert_eq!(seen.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
        let first = tables.outbox.first(to);
        let seen = tables.outbox.oldest(to, first, &tables.database.snapshot()).map(|step| step.unwrap().0);
        assert_eq!(seen.collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
        store.close().await;
    });
}

/// What is done to a store.
#[derive(Clone, Debug)]
enum Deed {
    /// Commits on the versions that were known at the time, all at once: (player, steps, how far off the version is).
    Commit(Vec<(u8, u64, u64)>),
    /// A look, which fills the cache.
    Load(u8),
    /// Of what waits there, every step was carried whose place in the row has its bit here.
    Carry(Destination, u8),
    /// Closed and opened again.
    Reopen,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let one = (0..3u8, 1..4u64, prop_oneof![4 => Just(0u64), 1 => 1..3u64]);
    let deed = prop_oneof![
        8 => prop::collection::vec(one, 1..6).prop_map(Deed::Commit),
        3 => (0..3u8).prop_map(Deed::Load),
        4 => (prop::sample::select(&Destination::ALL), any::<u8>()).prop_map(|(to, mask)| Deed::Carry(to, mask)),
        1 => Just(Deed::Reopen),
    ];
    prop::collection::vec(deed, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Against a model: each commit is taken exactly if it is on the version that is then the newest, and its steps wait
    /// in the order of commits until they were carried on, in whatever portions.
    #[test]
    fn any_interleaving_of_commits_carrying_and_reopenings_keeps_exactly_what_was_acknowledged(deeds in deeds()) {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(&directory);
        let mut model: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        let mut waiting: BTreeMap<Destination, Vec<(AggregateId, u64)>> = BTreeMap::new();
        let id = |player: u8| -> AggregateId { format!("player/{player}").parse().unwrap() };
        runtime().block_on(async {
            let mut store = Embedded::open(&settings).unwrap();
            let mut mark = 0u8;
            for deed in deeds {
                match deed {
                    Deed::Commit(commits) => {
                        let known: BTreeMap<u8, u64> = model.iter().map(|(player, records)| (*player, records.len() as u64)).collect();
                        let mut answers = Vec::new();
                        let mut sent = Vec::new();
                        for (player, steps, off) in commits {
                            mark = mark.wrapping_add(1);
                            let expected = known.get(&player).copied().unwrap_or(0) + off;
                            let (request, answered) = request(commit(&player.to_string(), expected, steps, mark));
                            store.submit(request).unwrap();
                            answers.push(answered);
                            sent.push((player, expected, steps, mark));
                        }
                        for (answered, (player, expected, steps, mark)) in answers.into_iter().zip(sent) {
                            let records = model.entry(player).or_default();
                            if records.len() as u64 == expected {
                                prop_assert_eq!(answered.await.unwrap(), Ok(()));
                                records.extend((0..steps).map(|_| mark));
                                for to in destinations(mark).iter() {
                                    let steps = (expected + 1..=expected + steps).map(|step| (id(player), step));
                                    waiting.entry(to).or_default().extend(steps);
                                }
                            } else {
                                prop_assert_eq!(answered.await.unwrap(), Err(CommitError::Conflict));
                            }
                        }
                    }
                    Deed::Load(player) => {
                        let step = store.load(&id(player)).await.unwrap().map_or(0, |aggregate| aggregate.step);
                        prop_assert_eq!(step, model.get(&player).map_or(0, |records| records.len() as u64));
                    }
                    Deed::Carry(to, mask) => {
                        let there = store.outbox(to, usize::MAX, usize::MAX).await.unwrap();
                        let is_carried = |position: usize| mask >> (position % 8) & 1 == 1;
                        let carried = there.into_iter().enumerate().filter(|(position, _)| is_carried(*position));
                        store.carried(to, &carried.map(|(_, step)| step).collect::<Vec<_>>()).await.unwrap();
                        let mut positions = 0..;
                        waiting.entry(to).or_default().retain(|_| !positions.next().is_some_and(is_carried));
                    }
                    Deed::Reopen => {
                        store.close().await;
                        drop(store);
                        store = Embedded::open(&settings).unwrap();
                    }
                }
                for (player, expected) in &model {
                    let records = store.records(&id(*player), 1..=u64::MAX).await.unwrap();
                    let expected: Vec<_> = (1..).zip(expected.iter().map(|mark| vec![*mark])).collect();
                    prop_assert_eq!(records, expected);
                }
                for to in Destination::ALL {
                    let there = store.outbox(to, usize::MAX, usize::MAX).await.unwrap();
                    let there: Vec<_> = there.into_iter().map(|step| (step.aggregate, step.step)).collect();
                    prop_assert_eq!(&there, waiting.entry(to).or_default());
                }
            }
            store.close().await;
            Ok(())
        })?;
    }
}
