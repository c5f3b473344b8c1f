//! The relay over the embedded store, with a carrier that does what a test wants.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Mutex,
};

use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    aggregate::Aggregate,
    record::{Destinations, EncodedRecord},
    store::{Commit, Embedded, EmbeddedSettings},
};

/// Keeps what it is given, after a permit for each batch.
struct Keeper {
    gate: Semaphore,
    /// What to answer the next batches with.
    script: Mutex<VecDeque<Result<(), CarryError>>>,
    seen: watch::Sender<Vec<(String, u64)>>,
}

#[async_trait]
impl Carrier for Keeper {
    async fn carry(&self, steps: Vec<Waiting>) -> Result<(), CarryError> {
        self.gate.acquire().await.unwrap().forget();
        self.script.lock().unwrap().pop_front().unwrap_or(Ok(()))?;
        let steps = steps.iter().map(|step| (step.aggregate.to_string(), step.step));
        self.seen.send_modify(|seen| seen.extend(steps));
        Ok(())
    }
}

fn keeper(permits: usize) -> Arc<Keeper> {
    let seen = watch::channel(Vec::new()).0;
    Arc::new(Keeper { gate: Semaphore::new(permits), script: Mutex::default(), seen })
}

impl Keeper {
    /// Waits until it has seen so many different steps.
    async fn wait_for(&self, steps: usize) {
        let mut seen = self.seen.subscribe();
        seen.wait_for(|seen| seen.iter().collect::<BTreeSet<_>>().len() >= steps).await.unwrap();
    }
}

fn open(directory: &TempDir) -> Arc<Embedded> {
    let settings = EmbeddedSettings {
        directory: directory.path().join("store"),
        cache_bytes: 1 << 20,
        aggregate_bytes_max: 1 << 20,
        disk_reserve_bytes: 0,
    };
    Arc::new(Embedded::open(&settings).unwrap())
}

const TRACKING: Destinations = Destinations { notifications: false, tracking: true };
const BOTH: Destinations = Destinations { notifications: true, tracking: true };

async fn step(store: &Embedded, player: &str, step: u64, destinations: Destinations) {
    let mut aggregate = Aggregate::new(format!("player/{player}").parse().unwrap());
    aggregate.step = step;
    let record = EncodedRecord { step, destinations, bytes: b"{}".to_vec(), told: None };
    let commit = Commit { expected: step - 1, aggregate: Arc::new(aggregate), records: vec![record], under_way: 1 };
    store.commit(commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_carried_on_in_their_order_and_leave_the_outbox_of_their_destination_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    step(&store, "alice", 1, BOTH).await;
    step(&store, "bob", 1, Destinations::default()).await;
    let keeper = keeper(1000);
    let relay = Relay::start(store.clone(), Destination::Tracking, keeper.clone());
    keeper.wait_for(1).await;
    step(&store, "bob", 2, TRACKING).await;
    step(&store, "alice", 2, BOTH).await;
    keeper.wait_for(3).await;
    relay.stop().await;
    let seen = keeper.seen.borrow().clone();
    let seen: Vec<_> = seen.iter().map(|(id, step)| (id.as_str(), *step)).collect();
    assert_eq!(seen, [("player/alice", 1), ("player/bob", 2), ("player/alice", 2)]);
    assert_eq!(store.outbox(Destination::Tracking, 10, 1000).await.unwrap(), []);
    let messages = store.outbox(Destination::Notifications, 10, 1000).await.unwrap();
    assert_eq!(messages.iter().map(|waiting| waiting.step).collect::<Vec<_>>(), [1, 2]);
    // No more than was asked for, in steps and in bytes.
    assert_eq!(store.outbox(Destination::Notifications, 1, 1000).await.unwrap().len(), 1);
    assert_eq!(store.outbox(Destination::Notifications, 10, 1).await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_fails_or_hangs_is_behind_and_no_step_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let keeper = keeper(0);
    keeper.script.lock().unwrap().extend([Err(CarryError("no".to_owned())), Err(CarryError("not yet".to_owned()))]);
    let relay = Relay::start(store.clone(), Destination::Tracking, keeper.clone());
    // The carrier hangs, and these are committed and answered all the same.
    for number in 1..=50 {
        step(&store, "alice", number, TRACKING).await;
    }
    assert_eq!(store.outbox(Destination::Tracking, 100, 1000).await.unwrap().len(), 50);
    keeper.gate.add_permits(1000);
    keeper.wait_for(50).await;
    relay.stop().await;
    assert_eq!(keeper.seen.borrow().len(), 50, "none twice while nothing was lost");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_carried_on_waits_for_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    for number in 1..=3 {
        step(&store, "alice", number, TRACKING).await;
    }
    store.close().await;
    drop(store);
    let store = open(&directory);
    step(&store, "alice", 4, TRACKING).await;
    let keeper = keeper(1000);
    let relay = Relay::start(store.clone(), Destination::Tracking, keeper.clone());
    keeper.wait_for(4).await;
    relay.stop().await;
    let steps: Vec<_> = keeper.seen.borrow().iter().map(|(_, step)| *step).collect();
    assert_eq!(steps, [1, 2, 3, 4]);
    store.close().await;
}
