//! Every operation, every fault: what a host does is whole or has not happened, whoever is told that it has can rely on
//! it, and nothing that waits is forgotten.

use std::{sync::Arc, time::Instant};

use couchbase_node::{Fault, Node, Operation};
use croupier::{
    identity::ReleaseDigest,
    record::Destination,
    store::{Commit, CommitError, Couchbase, Store, StoreError},
};

use super::{node, open_within};
use crate::{
    harness::PATIENCE,
    stores::conformance::{
        acts, outbox,
        players::{Player, assert_proved},
    },
};

/// How long a host waits for the node here. Whatever takes longer is a fault like the others.
const TIMEOUT: std::time::Duration = std::time::Duration::from_millis(500);

type Make = fn() -> Fault;

const FAULTS: [(&str, Make); 11] = [
    ("dropped before", Fault::drop_before),
    ("dropped after", Fault::drop_after),
    ("slow", || Fault::delay(2 * TIMEOUT)),
    ("answered slowly", || Fault::delay_answer(2 * TIMEOUT)),
    ("held", Fault::hold),
    ("never answered", Fault::hold_answer),
    ("temporary failure", Fault::temporary_failure),
    ("out of memory", Fault::out_of_memory),
    ("not my vbucket", Fault::not_my_vbucket),
    ("ambiguous and written", || Fault::ambiguous(true)),
    ("ambiguous and not written", || Fault::ambiguous(false)),
];

/// A host and what it has done.
struct House {
    store: Arc<Couchbase>,
    alice: Player,
    bob: Player,
    /// What it carries on.
    carries: Vec<Destination>,
    /// How often somebody was told that it could not be done.
    refused: u32,
}

impl House {
    async fn open(node: &Node) -> Self {
        let store = open_within(node, TIMEOUT).await;
        Self {
            store,
            alice: Player::new("alice"),
            bob: Player::new("bob"),
            carries: vec![Destination::Notifications],
            refused: 0,
        }
    }

    /// Something of everything that hosts do.
    async fn act(&mut self) {
        for number in 0..6 {
            let steps = 1 + number % 3;
            self.alice = self.commit(self.alice.clone(), |alice| alice.next(steps, 2 * number)).await;
            let is_current = self.store.is_current(&self.alice.aggregate).await;
            assert_ne!(is_current, Ok(false), "nobody else has played");
            self.carry().await;
        }
        self.bob = self.commit(self.bob.clone(), |bob| bob.next(3, 6)).await;
        for version in 1..=2 {
            self.publish(version).await;
        }
        self.carry().await;
        self.store.close().await;
    }

    /// Commits until it is known to be done.
    async fn commit(&mut self, before: Player, next: impl Fn(&Player) -> Commit) -> Player {
        let after = before.after(&next(&before));
        let begun = Instant::now();
        loop {
            match self.store.commit(next(&before)).await {
                Ok(()) => return after,
                Err(CommitError::Conflict) => {
                    let stored = self.until(async |store| store.stored(after.id()).await).await;
                    assert_eq!(stored, Some(after.aggregate.clone()), "only our own step can be in the way");
                    return after;
                }
                Err(CommitError::Store(StoreError::Unavailable(_))) => self.refused += 1,
                Err(error) => panic!("{error}"),
            }
            let stored = self.until(async |store| store.stored(after.id()).await).await;
            if stored.as_ref() == Some(&after.aggregate) {
                return after;
            }
            assert_eq!(stored.map_or(0, |stored| stored.step), before.step(), "it is whole or not there");
            assert!(begun.elapsed() < PATIENCE, "it is never done");
        }
    }

    async fn carry(&self) {
        for to in &self.carries {
            // What cannot be read now is carried on later.
            if let Ok(waiting) = self.store.outbox(*to, 10, usize::MAX).await {
                self.store.carried(*to, &waiting).await.unwrap();
            }
        }
    }

    async fn publish(&mut self, version: u64) {
        let (listing, act) = acts::listing("dice", version);
        let release = ReleaseDigest::of(&version.to_le_bytes());
        self.until(async |store| store.put_release(&release, &version.to_le_bytes()).await).await;
        let begun = Instant::now();
        loop {
            match self.store.commit_acts(&listing, std::slice::from_ref(&act)).await {
                Ok(()) => return,
                Err(CommitError::Conflict) => {
                    let stored = self.until(async |store| store.listing(&listing.game).await).await;
                    assert_eq!(stored, Some(listing), "only our own act can be in the way");
                    return;
                }
                Err(CommitError::Store(StoreError::Unavailable(_))) => self.refused += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(begun.elapsed() < PATIENCE, "it is never done");
        }
    }

    async fn until<T>(&mut self, ask: impl AsyncFn(&Couchbase) -> Result<T, StoreError>) -> T {
        let begun = Instant::now();
        loop {
            match ask(&self.store).await {
                Ok(answer) => return answer,
                Err(StoreError::Unavailable(_)) => self.refused += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(begun.elapsed() < PATIENCE, "it is never answered");
            tokio::task::yield_now().await;
        }
    }

    /// Another host finds everything, and nothing that it should not.
    async fn prove(&self, node: &Node) {
        let other = open_within(node, PATIENCE).await;
        assert_proved(&*other, [&self.alice, &self.bob]).await;
        let dice = "dice".parse().unwrap();
        assert_eq!(other.listing(&dice).await.unwrap(), Some(acts::listing("dice", 2).0));
        assert_eq!(other.acts(&dice, 0..=u64::MAX).await.unwrap(), acts::acts("dice", 1..=2));
        for version in 1..=2_u64 {
            let bytes = version.to_le_bytes();
            assert_eq!(other.release(&ReleaseDigest::of(&bytes)).await.unwrap().unwrap(), bytes);
        }
        let mut wanted = outbox::of([&self.alice, &self.bob]);
        wanted.retain(|(to, _, _)| !self.carries.contains(to));
        let begun = Instant::now();
        // It looks after the host that is gone, also where that could not say farewell.
        while !wanted.is_subset(&outbox::of_host(&*other).await) {
            assert!(begun.elapsed() < PATIENCE, "what waits was forgotten");
            tokio::task::yield_now().await;
        }
    }
}

/// Each fault strikes an operation of this kind once: the first, and one later.
async fn every_fault_of(operation: Operation) {
    for (words, fault) in FAULTS {
        for turn in [1, 3] {
            let node = node().await;
            let mut house = House::open(&node).await;
            if operation == Operation::Remove {
                // Only a host that leaves nothing behind removes anything.
                house.carries.push(Destination::Tracking);
            }
            let id = node.faults().add(fault().on(operation).nth(turn));
            house.act().await;
            assert_eq!(node.faults().struck(id), 1, "{operation:?} {turn}, {words}");
            node.faults().clear();
            house.prove(&node).await;
            println!("{operation:?} {turn}, {words}: refused {} times", house.refused);
        }
    }
}

macro_rules! matrix {
    ($($name:ident: $operation:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            every_fault_of(Operation::$operation).await;
        })*
    };
}

matrix! {
    whatever_befalls_an_insert_it_is_done_once_or_not_at_all: Insert,
    whatever_befalls_a_replace_it_is_done_once_or_not_at_all: Replace,
    whatever_befalls_an_upsert_it_is_done_once_or_not_at_all: Upsert,
    whatever_befalls_a_get_nothing_is_lost: Get,
    whatever_befalls_a_look_nothing_is_lost: LookupIn,
    whatever_befalls_a_removal_nothing_is_lost: Remove,
}

/// Many things go wrong, again and again, whatever is asked.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_where_everything_goes_wrong_now_and_then() {
    for seed in 0..6 {
        let node = node().await;
        let mut house = House::open(&node).await;
        for (number, (_, fault)) in (0..).zip(FAULTS) {
            node.faults().add(fault().chance(0.02, 100 * seed + number));
        }
        house.act().await;
        node.faults().clear();
        house.prove(&node).await;
        println!("seed {seed}: refused {} times", house.refused);
    }
}

/// A node that says nothing is not waited for, once it is known; and it is asked again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_holds_everything_is_named_and_found_again() {
    let node = node().await;
    let mut house = House::open(&node).await;
    house.alice = house.commit(Player::new("alice"), |alice| alice.next(2, 0)).await;
    let id = node.faults().add(Fault::hold().always());
    let before = house.alice.clone();
    // Nothing is answered before the fault is cleared: every answer here is the host's own.
    while house.store.health().is_ok() {
        let refused = house.store.commit(before.next(1, 1)).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    }
    let struck = node.faults().struck(id);
    for _ in 0..1000 {
        let refused = house.store.is_current(&before.aggregate).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    let asked = node.faults().struck(id) - struck;
    assert!(asked < 500, "of 1,000 calls {asked} were made to a node that is gone");
    node.faults().clear();
    let begun = Instant::now();
    while house.store.health().is_err() {
        assert!(begun.elapsed() < PATIENCE, "the host has not found the node again");
        tokio::task::yield_now().await;
    }
    // What was refused may have been done all the same, once the node goes on.
    house.alice = house.commit(before, |before| before.next(1, 1)).await;
    house.act().await;
    house.prove(&node).await;
}

/// A step is one write, and nothing is read: older records are moved beside it, eight at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_player_whom_the_host_knows_is_one_round_trip() {
    const STEPS: u64 = 200;
    let node = node().await;
    let mut house = House::open(&node).await;
    house.alice = house.commit(Player::new("alice"), |alice| alice.next(1, 0)).await;
    let before = node.counts();
    for mark in 0..STEPS {
        house.alice = house.commit(house.alice.clone(), |alice| alice.next(1, mark)).await;
    }
    let counts = node.counts().since(&before);
    println!("{STEPS} steps: {counts:?}");
    // The host says once a second that it lives, which is a read and a write.
    let beats = counts.of(Operation::Get);
    assert!(beats < STEPS / 10, "{counts:?}");
    assert!((STEPS..=STEPS + beats).contains(&counts.of(Operation::Replace)), "{counts:?}");
    assert!(counts.of(Operation::Upsert) <= STEPS / 8 + 1, "{counts:?}");
    assert_eq!(counts.documents(), beats + counts.of(Operation::Replace) + counts.of(Operation::Upsert), "{counts:?}");
}
