//! Commits: whole or not at all, and each on the version that it expects.

use std::sync::Arc;

use croupier::{
    limits::GROUP_STEPS_MAX,
    store::{CommitError, Store},
};
use futures_util::future::join_all;

use super::{
    Subject, open_hosts,
    players::{Deed, Player, assert_proved, next},
};

pub(crate) async fn the_first_commit_expects_that_nothing_is_there(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    for version in 1..4 {
        let ahead = alice.after(&alice.next(version, 1));
        assert_eq!(store.commit(ahead.next(1, 2)).await, Err(CommitError::Conflict), "version {version}");
        alice.assert_stored(&*store).await;
    }
    alice.commit(&*store, alice.next(1, 1)).await;
    alice.assert_stored(&*store).await;
    assert_eq!(store.commit(Player::new("alice").next(1, 2)).await, Err(CommitError::Conflict));
    assert_proved(&*store, [&alice]).await;
}

pub(crate) async fn a_commit_on_another_version_is_a_conflict_and_leaves_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    let mut past = Vec::new();
    for steps in [1, 3, 1, 2] {
        past.push(alice.clone());
        alice.step_on(&*store, steps).await;
    }
    let future = [1, 2].map(|steps| alice.after(&alice.next(steps, 1)));
    for other in past.iter().chain(&future) {
        // Some would end on the version that is stored.
        for steps in 1..4 {
            assert_eq!(store.commit(other.next(steps, 1000)).await, Err(CommitError::Conflict), "on {}", other.step());
        }
        assert_proved(&*store, [&alice]).await;
    }
    alice.step_on(&*store, 1).await;
    assert_proved(&*store, [&alice]).await;
}

pub(crate) async fn of_commits_on_one_version_exactly_one_is_taken(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let mut alice = Player::new("alice");
    for count in [2, 2, 10, 50, 50] {
        let rivals = (0..count).map(|rival| {
            let store = hosts[rival % hosts.len()].clone();
            let commit = alice.next(1 + rival as u64 % 3, rival as u64);
            let after = alice.after(&commit);
            tokio::spawn(async move { (store.commit(commit).await, after) })
        });
        let answers = join_all(rivals).await.into_iter().map(Result::unwrap);
        let (taken, refused): (Vec<_>, Vec<_>) = answers.partition(|(answer, _)| answer.is_ok());
        assert!(refused.iter().all(|(answer, _)| *answer == Err(CommitError::Conflict)), "{refused:?}");
        assert_eq!(taken.len(), 1, "of {count}");
        alice = taken.into_iter().next().unwrap().1;
        alice.assert_stored(&*hosts[0]).await;
    }
    assert_proved(&*hosts[0], [&alice]).await;
}

pub(crate) async fn groups_of_steps_are_stored_whole(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut players = ["alice", "bob", "carol"].map(Player::new);
    for steps in [1, 2, 7, GROUP_STEPS_MAX as u64, 3, GROUP_STEPS_MAX as u64] {
        join_all(players.iter_mut().map(|player| player.step_on(&*store, steps))).await;
        assert_proved(&*store, &players).await;
    }
}

pub(crate) async fn an_aggregate_that_grew_too_large_is_refused_and_leaves_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let size_max = subject.aggregate_bytes_max();
    let playing = |bytes: usize| Deed::Play { kept: "x".repeat(bytes), answer: String::new(), has_effect: true };
    let mut alice = Player::new("alice");
    for _ in 0..2 {
        let answer = store.commit(next(&alice.aggregate, [Deed::Deposit(1), playing(size_max)])).await;
        let Err(CommitError::TooLarge { size, size_max: told }) = answer else { panic!("{answer:?}") };
        assert!(size > size_max && told == size_max, "{size} of {told}");
        assert_proved(&*store, [&alice]).await;
        // What is large and allowed is taken.
        alice.commit(&*store, next(&alice.aggregate, [playing(size_max - 10_000)])).await;
        assert_proved(&*store, [&alice]).await;
    }
}

pub(crate) async fn after_a_conflict_what_is_stored_is_loaded(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let (mut alice, id) = (Player::new("alice"), "player/alice".parse().unwrap());
    for round in 0..10 {
        let before = alice.clone();
        for store in &hosts {
            store.load(&id).await.unwrap();
        }
        let writer = &hosts[round % hosts.len()];
        alice.step_on(&**writer, 2).await;
        assert_eq!(writer.load(&id).await.unwrap(), Some(alice.aggregate.clone()), "whoever commits has seen it");
        for store in &hosts {
            assert_eq!(store.commit(before.next(1, 1000)).await, Err(CommitError::Conflict));
            assert_eq!(store.load(&id).await.unwrap(), Some(alice.aggregate.clone()));
        }
    }
}

/// Others load all the time, and with their commits on old versions see to it that there is something to read again.
pub(crate) async fn what_was_answered_is_loaded_whoever_else_loads(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    alice.step_on(&*store, 1).await;
    let old = Player::new("alice");
    let others: Vec<_> = (0..3).map(|_| tokio::spawn(disturb(store.clone(), old.clone()))).collect();
    for _ in 0..200 {
        alice.step_on(&*store, 1).await;
        let loaded = store.load(alice.id()).await.unwrap().unwrap();
        assert_eq!(loaded.step, alice.step());
    }
    for other in others {
        other.abort();
        assert!(other.await.unwrap_err().is_cancelled());
    }
    assert_proved(&*store, [&alice]).await;
}

async fn disturb(store: Arc<dyn Store>, old: Player) {
    loop {
        assert_eq!(store.commit(old.next(1, 1)).await, Err(CommitError::Conflict));
        store.load(old.id()).await.unwrap();
        tokio::task::yield_now().await;
    }
}
