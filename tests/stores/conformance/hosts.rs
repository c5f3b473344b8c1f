//! Several hosts on one store: what one of them does, the others find out.

use std::sync::Arc;

use croupier::{
    aggregate::Aggregate,
    identity::ReleaseDigest,
    record::Destination,
    store::{CommitError, Store},
};
use futures_util::FutureExt as _;

use super::{
    Subject, acts, open_hosts, outbox,
    players::{Deed, Player, assert_proved, next},
};

async fn two_hosts(subject: &dyn Subject) -> Option<[Arc<dyn Store>; 2]> {
    open_hosts(subject).await.try_into().ok()
}

pub(crate) async fn what_nobody_took_further_is_current(subject: &dyn Subject) {
    for store in open_hosts(subject).await {
        let nobody = Aggregate::new("player/nobody".parse().unwrap());
        assert_eq!(store.is_current(&nobody).await, Ok(true));
        let mut alice = match store.stored(&"player/alice".parse().unwrap()).await.unwrap() {
            Some(_) => Player::new("alice-2"),
            None => Player::new("alice"),
        };
        for _ in 0..3 {
            alice.step_on(&*store, 2).await;
            assert_eq!(store.is_current(&alice.aggregate).await, Ok(true));
            let loaded = store.load(alice.id()).await.unwrap().unwrap();
            assert_eq!(store.is_current(&loaded).await, Ok(true));
        }
        assert_eq!(store.load(&nobody.id).await, Ok(None), "to ask makes nothing");
    }
}

pub(crate) async fn what_another_host_took_further_is_not_current(subject: &dyn Subject) {
    let Some([one, other]) = two_hosts(subject).await else { return };
    let mut alice = Player::new("alice");
    for _ in 0..5 {
        // The first time there is none to load.
        let seen = one.load(alice.id()).await.unwrap();
        assert_eq!(seen.as_ref().map_or(0, |seen| seen.step), alice.step());
        alice.step_on(&*other, 1).await;
        let seen = seen.unwrap_or_else(|| Player::new("alice").aggregate);
        assert_eq!(one.is_current(&seen).await, Ok(false));
        assert_eq!(one.load(alice.id()).await.unwrap(), Some(alice.aggregate.clone()));
        assert_eq!(one.is_current(&alice.aggregate).await, Ok(true));
    }
}

pub(crate) async fn what_one_host_stores_the_other_sees(subject: &dyn Subject) {
    let Some([one, other]) = two_hosts(subject).await else { return };
    let mut players = ["alice", "bob"].map(Player::new);
    let (dice, release) = ("dice".parse().unwrap(), ReleaseDigest::of(b"release"));
    for version in 1..6 {
        for player in &mut players {
            player.step_on(&*one, 6).await;
        }
        let (listing, act) = acts::listing("dice", version);
        one.commit_acts(&listing, &[act]).await.unwrap();
        one.put_release(&release, &version.to_le_bytes()).await.unwrap();
        assert_proved(&*other, &players).await;
        assert_eq!(outbox::of_hosts([&*one, &*other]).await, outbox::of(&players));
        assert_eq!(other.listing(&dice).await.unwrap(), Some(listing.clone()));
        assert_eq!(other.listings().await.unwrap(), [listing]);
        assert_eq!(other.acts(&dice, 0..=u64::MAX).await.unwrap(), acts::acts("dice", 1..=version));
        assert_eq!(other.release(&release).await.unwrap().unwrap(), version.to_le_bytes());
    }
    // Carried on by the one, waiting nowhere.
    for to in Destination::ALL {
        let waiting = outbox::waiting(&*one, to, usize::MAX).await;
        outbox::carry(&*one, to, &waiting).await;
    }
    assert!(outbox::of_hosts([&*one, &*other]).await.is_empty());
    other.close().await;
    players[0].step_on(&*one, 1).await;
    assert_proved(&*one, &players).await;
}

pub(crate) async fn what_one_host_acts_the_other_is_told(subject: &dyn Subject) {
    let Some([one, other]) = two_hosts(subject).await else { return };
    for version in 1..4 {
        let told = other.acts_elsewhere();
        tokio::pin!(told);
        assert_eq!(told.as_mut().now_or_never(), None);
        let (listing, act) = acts::listing("dice", version);
        one.commit_acts(&listing, &[act]).await.unwrap();
        told.await;
    }
}

pub(crate) async fn hosts_that_take_turns_make_one_chain(subject: &dyn Subject) {
    let Some(hosts) = two_hosts(subject).await else { return };
    let mut alice = Player::new("alice");
    for turn in 0..60 {
        let store = &hosts[turn % 2];
        let seen = store.load(alice.id()).await.unwrap().unwrap_or_else(|| Player::new("alice").aggregate);
        if seen.step < alice.step() {
            let old = next(&seen, [Deed::Deposit(1)]);
            assert_eq!(store.commit(old).await, Err(CommitError::Conflict));
            assert_eq!(store.load(alice.id()).await.unwrap(), Some(alice.aggregate.clone()));
        }
        alice.step_on(&**store, 1 + turn as u64 % 3).await;
    }
    assert_proved(&*hosts[0], [&alice]).await;
    assert_proved(&*hosts[1], [&alice]).await;
}
