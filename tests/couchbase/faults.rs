//! Every operation, every fault: a step is whole or has not happened, and whoever is told that it has can rely on it.

use couchbase_node::{Fault, Operation};
use croupier::store::{CommitError, Store, StoreError};

use super::{commit, node, open, player};

/// The marks of an aggregate's records, in order.
async fn marks(store: &dyn Store, name: &str) -> Vec<String> {
    let records = store.records(&player(name), 1..=u64::MAX).await.unwrap();
    let numbers: Vec<_> = records.iter().map(|(step, _)| *step).collect();
    assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>());
    let mark =
        |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["mark"].as_str().unwrap().to_owned();
    records.iter().map(|(_, bytes)| mark(bytes)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_kept_and_found() {
    let node = node().await;
    let store = open(&node).await;
    let mut expected = Vec::new();
    for number in 0..40 {
        let mark = format!("m{number}");
        store.commit(commit(&player("alice"), number, 1, &mark)).await.unwrap();
        expected.push(mark);
    }
    assert_eq!(marks(&*store, "alice").await, expected);
    let other = open(&node).await;
    assert_eq!(marks(&*other, "alice").await, expected);
    assert_eq!(other.load(&player("alice")).await.unwrap().unwrap().step, 40);
    assert_eq!(store.commit(commit(&player("alice"), 39, 1, "late")).await, Err(CommitError::Conflict));
}

/// What became of a step, as its host was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Done,
    Refused,
}

async fn step(store: &dyn Store, expected: u64, mark: &str) -> Told {
    match store.commit(commit(&player("alice"), expected, 1, mark)).await {
        Ok(()) => Told::Done,
        Err(CommitError::Store(StoreError::Unavailable(_))) => Told::Refused,
        Err(error) => panic!("{mark}: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_a_write_the_step_is_there_once_or_not_at_all() {
    type Make = fn() -> Fault;
    let faults: [(&str, Make); 8] = [
        ("dropped before", Fault::drop_before),
        ("dropped after", Fault::drop_after),
        ("temporary failure", Fault::temporary_failure),
        ("out of memory", Fault::out_of_memory),
        ("not my vbucket", Fault::not_my_vbucket),
        ("ambiguous and written", || Fault::ambiguous(true)),
        ("ambiguous and not written", || Fault::ambiguous(false)),
        ("never answered", Fault::hold_answer),
    ];
    for (operation, before) in [(Operation::Insert, 0), (Operation::Replace, 3)] {
        for (words, fault) in &faults {
            let node = node().await;
            let store = open(&node).await;
            let mut expected = Vec::new();
            for number in 0..before {
                let mark = format!("m{number}");
                assert_eq!(step(&*store, number, &mark).await, Told::Done);
                expected.push(mark);
            }
            let id = node.faults().add(fault().on(operation).key("player/alice"));
            let told = step(&*store, before, words).await;
            assert_eq!(node.faults().struck(id), 1, "{operation:?}, {words}");
            node.faults().clear();
            let other = open(&node).await;
            let found = marks(&*other, "alice").await;
            if told == Told::Done || found.len() as u64 > before {
                expected.push((*words).to_owned());
            }
            assert_eq!(found, expected, "{operation:?}, {words}: {told:?}");
            // And it goes on, on either host.
            let next = expected.len() as u64;
            assert_eq!(step(&*other, next, "next").await, Told::Done, "{operation:?}, {words}");
            expected.push("next".to_owned());
            assert_eq!(marks(&*store, "alice").await, expected);
            println!("{operation:?}, {words}: {told:?}");
        }
    }
}
