//! Walks through a whole store: every aggregate once, in the order of ids, with what of it waits.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use croupier::{
    identity::AggregateId,
    record::Destination,
    store::{Outbox, Standing, Store},
};

use super::{
    Subject, open_hosts,
    outbox::{carry, waiting},
    players::{Player, assert_proved},
    reopened,
};

/// Everything from behind this aggregate on.
async fn walked(store: &dyn Store, after: Option<&AggregateId>) -> Vec<Standing> {
    let (mut walk, mut all) = (store.walk(after), Vec::new());
    loop {
        let page = walk.next().await.unwrap();
        if page.is_empty() {
            assert_eq!(walk.next().await.unwrap(), [], "a walk that has ended has ended");
            return all;
        }
        all.extend(page);
    }
}

/// What waits where nothing of the first steps of a player was carried on.
fn all_of(player: &Player, steps: u64) -> Outbox {
    let mut outbox = Outbox::default();
    for to in Destination::ALL {
        player.steps_to(to).into_iter().filter(|step| *step <= steps).for_each(|step| outbox.insert(to, step));
    }
    outbox
}

/// As they should be found, in the order of ids.
fn standings<'a>(players: impl IntoIterator<Item = &'a Player>) -> Vec<Standing> {
    let standing =
        |player: &Player| Standing { aggregate: player.aggregate.clone(), waiting: all_of(player, player.step()) };
    let mut standings: Vec<_> = players.into_iter().map(standing).collect();
    standings.sort_by(|one, other| one.aggregate.id.cmp(&other.aggregate.id));
    standings
}

/// More than are read in one go; many names are prefixes of others.
async fn players(store: &dyn Store, count: u64) -> Vec<Player> {
    let mut players: Vec<_> = (1..=count).map(|number| Player::new(&format!("{number:b}"))).collect();
    for (number, player) in (0..).zip(&mut players) {
        player.commit(store, player.next(1 + number % 3, number)).await;
    }
    players
}

pub(crate) async fn an_empty_store_ends_at_once(subject: &dyn Subject) {
    assert_eq!(walked(&*subject.open().await, None).await, []);
}

pub(crate) async fn a_walk_shows_all_in_the_order_of_ids_with_what_waits(subject: &dyn Subject) {
    let store = subject.open().await;
    let players = players(&*store, 150).await;
    assert_eq!(walked(&*store, None).await, standings(&players));
    let store = reopened(subject, store).await;
    assert_eq!(walked(&*store, None).await, standings(&players), "after a restart");
    assert_proved(&*store, &players).await;
}

pub(crate) async fn a_walk_begins_behind_any_id(subject: &dyn Subject) {
    let store = subject.open().await;
    let expected = standings(&players(&*store, 70).await);
    for after in ["a/1", "player/0", "player/1", "player/101", "player/1011", "player/11", "player/2", "table/1"] {
        let after: AggregateId = after.parse().unwrap();
        let rest: Vec<_> = expected.iter().filter(|standing| standing.aggregate.id > after).cloned().collect();
        assert_eq!(walked(&*store, Some(&after)).await, rest, "{after}");
    }
}

pub(crate) async fn a_walk_shows_what_waits_with_whichever_host(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let mut players = ["alice", "bob", "carol"].map(Player::new);
    for (turn, host) in (0..8).zip(hosts.iter().cycle()) {
        for player in &mut players {
            player.commit(&**host, player.next(2, turn)).await;
        }
    }
    for host in &hosts {
        assert_eq!(walked(&**host, None).await, standings(&players));
    }
}

/// Never too little; too much only of what has waited once.
pub(crate) async fn what_was_not_carried_on_is_never_left_out(subject: &dyn Subject) {
    let mut store = subject.open().await;
    let mut alice = Player::new("alice");
    for turn in 0..12 {
        alice.commit(&*store, alice.next(3, turn)).await;
        for to in Destination::ALL {
            let portion = waiting(&*store, to, usize::try_from(turn % 4).unwrap()).await;
            carry(&*store, to, &portion).await;
        }
        if turn % 5 == 4 {
            store = reopened(subject, store).await;
        }
        let [standing] = <[_; 1]>::try_from(walked(&*store, None).await).unwrap();
        assert_eq!(standing.aggregate, alice.aggregate);
        let shown: BTreeSet<_> = standing.waiting.iter().collect();
        for to in Destination::ALL {
            for step in waiting(&*store, to, usize::MAX).await {
                assert!(shown.contains(&(to, step.step)), "step {} waits for {to:?}", step.step);
            }
        }
        let ever: BTreeSet<_> = all_of(&alice, alice.step()).iter().collect();
        assert!(shown.is_subset(&ever));
    }
}

/// An aggregate that is played on meanwhile is shown as it was at one instant, with what waited in it.
pub(crate) async fn a_walk_beside_a_writer_sees_whole_commits(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    alice.step_on(&*store, 1).await;
    let ended = AtomicBool::new(false);
    let writing = async {
        for _ in 0..40 {
            alice.step_on(&*store, 2).await;
            tokio::task::yield_now().await;
        }
        ended.store(true, Ordering::Relaxed);
        alice
    };
    let walking = async {
        let mut seen = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            seen.extend(walked(&*store, None).await);
            tokio::task::yield_now().await;
        }
        seen
    };
    let (alice, seen) = tokio::join!(writing, walking);
    assert!(!seen.is_empty());
    for Standing { aggregate, waiting } in seen {
        assert_eq!(aggregate.step % 2, 1, "a commit has two steps");
        assert_eq!(waiting, all_of(&alice, aggregate.step));
        let newest = store.records(&aggregate.id, aggregate.step..=aggregate.step).await.unwrap();
        assert_eq!(newest, alice.numbered(aggregate.step, aggregate.step));
    }
}
