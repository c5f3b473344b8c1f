//! The end of a store: what was answered stands, what comes later is refused.

use std::future::poll_fn;

use croupier::{
    identity::ReleaseDigest,
    record::Destination,
    store::{CommitError, Store, StoreError},
};
use futures_util::{FutureExt as _, future::join_all};

use super::{
    Subject, acts, outbox,
    players::{Player, assert_proved},
    reopened,
};

pub(crate) async fn an_open_store_is_healthy(subject: &dyn Subject) {
    let store = subject.open().await;
    assert_eq!(store.health(), Ok(()));
    Player::new("alice").step_on(&*store, 1).await;
    assert_eq!(store.health(), Ok(()));
    assert_eq!(store.failed().now_or_never(), None);
}

pub(crate) async fn a_closed_store_refuses_changes(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    alice.step_on(&*store, 7).await;
    let waiting = outbox::waiting(&*store, Destination::Tracking, usize::MAX).await;
    assert!(!waiting.is_empty());
    let release = ReleaseDigest::of(b"release");
    // To close once more does nothing.
    for _ in 0..2 {
        store.close().await;
        let (listing, act) = acts::listing("dice", 1);
        for refused in [store.commit(alice.next(1, 1)).await, store.commit_acts(&listing, &[act]).await] {
            assert!(matches!(refused, Err(CommitError::Store(StoreError::Unavailable(_)))), "{refused:?}");
        }
        let carried = store.carried(Destination::Tracking, &waiting).await;
        for refused in [carried, store.put_release(&release, b"release").await, store.health()] {
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        }
    }
    let store = reopened(subject, store).await;
    assert_proved(&*store, [&alice]).await;
    assert_eq!(outbox::of_host(&*store).await, outbox::of([&alice]));
    assert_eq!(store.listings().await, Ok(Vec::new()));
    assert_eq!(store.release(&release).await, Ok(None));
}

pub(crate) async fn closing_loses_nothing_that_was_answered(subject: &dyn Subject) {
    let store = subject.open().await;
    let writers = (0..30).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut player = Player::new(&format!("p{writer}"));
            loop {
                let commit = player.next(1 + writer % 3, writer);
                let after = player.after(&commit);
                match store.commit(commit).await {
                    Ok(()) => player = after,
                    Err(CommitError::Store(StoreError::Unavailable(_))) => return player,
                    Err(error) => panic!("{error}"),
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    // Until all of them are at it.
    while everybody(&*store).await < 30 {
        tokio::task::yield_now().await;
    }
    store.close().await;
    let players: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    let store = reopened(subject, store).await;
    assert_proved(&*store, &players).await;
}

async fn everybody(store: &dyn Store) -> usize {
    let (mut count, mut last) = (0, None);
    loop {
        let page = store.aggregates_after(last.as_ref(), 30).await.unwrap();
        let Some(aggregate) = page.last() else { return count };
        (count, last) = (count + page.len(), Some(aggregate.id.clone()));
    }
}

pub(crate) async fn a_commit_that_nobody_waits_for_is_whole_or_not_there(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut players: Vec<_> = (0..20).map(|number| Player::new(&format!("p{number}"))).collect();
    for player in &mut players {
        player.step_on(&*store, 1).await;
    }
    let mut offers = Vec::new();
    for (player, polls) in players.iter().zip((0..4).cycle()) {
        let commit = player.next(3, 6);
        let after = player.after(&commit);
        let mut answer = store.commit(commit);
        for _ in 0..polls {
            let is_ready = poll_fn(|context| std::task::Poll::Ready(answer.poll_unpin(context).is_ready())).await;
            if is_ready {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(answer);
        offers.push(after);
    }
    let store = reopened(subject, store).await;
    for (player, offer) in players.iter_mut().zip(offers) {
        let stored = store.stored(player.id()).await.unwrap().unwrap();
        if stored.step != player.step() {
            *player = offer;
        }
        player.assert_stored(&*store).await;
        player.step_on(&*store, 2).await;
    }
    assert_proved(&*store, &players).await;
    assert_eq!(outbox::of_host(&*store).await, outbox::of(&players));
}
