//! The outbox: every step that somebody wants to know of waits in it, once for each destination, until it was carried
//! there.

use std::{collections::BTreeSet, sync::Arc};

use croupier::{
    identity::AggregateId,
    record::Destination,
    store::{Store, Waiting},
};

use super::{
    Subject,
    players::{Deed, Player, assert_proved, next},
    reopened,
};

/// A step that waits, by name.
pub(crate) type Step = (Destination, AggregateId, u64);

/// What a host has to carry there, in its order.
pub(crate) async fn waiting(store: &dyn Store, to: Destination, steps_max: usize) -> Vec<Waiting> {
    store.outbox(to, steps_max, usize::MAX).await.unwrap()
}

pub(crate) async fn carry(store: &dyn Store, to: Destination, steps: &[Waiting]) {
    store.carried(to, steps).await.unwrap();
}

/// Everything that a host has to carry.
pub(crate) async fn of_host(store: &dyn Store) -> BTreeSet<Step> {
    of_hosts([store]).await
}

/// Everything that hosts have to carry between them. Each of it is shown with its record.
pub(crate) async fn of_hosts<'a>(hosts: impl IntoIterator<Item = &'a dyn Store>) -> BTreeSet<Step> {
    let mut steps = BTreeSet::new();
    for host in hosts {
        for to in Destination::ALL {
            for Waiting { aggregate, step, record, .. } in waiting(host, to, usize::MAX).await {
                assert_eq!(host.records(&aggregate, step..=step).await.unwrap(), [(step, record.to_vec())]);
                steps.insert((to, aggregate, step));
            }
        }
    }
    steps
}

/// What waits where nothing of these players was carried on.
pub(crate) fn of<'a>(players: impl IntoIterator<Item = &'a Player>) -> BTreeSet<Step> {
    let steps =
        |player: &'a Player, to| player.steps_to(to).into_iter().map(move |step| (to, player.id().clone(), step));
    let of_player = |player| Destination::ALL.into_iter().flat_map(move |to| steps(player, to));
    players.into_iter().flat_map(of_player).collect()
}

fn name(to: Destination, step: &Waiting) -> Step {
    (to, step.aggregate.clone(), step.step)
}

/// Players with steps for every destination and without.
async fn played(store: &dyn Store) -> [Player; 3] {
    let mut players = ["bob", "alice", "alice-2"].map(Player::new);
    for turn in 0..12 {
        for player in &mut players {
            player.commit(store, player.next(1 + turn % 4, turn)).await;
        }
    }
    assert!(of(&players).len() > 20);
    players
}

pub(crate) async fn effects_wait_until_they_were_carried(subject: &dyn Subject) {
    let store = subject.open().await;
    let players = played(&*store).await;
    let mut expected = of(&players);
    assert_eq!(of_host(&*store).await, expected);
    for to in Destination::ALL {
        // Carried on in any order, some of them twice.
        let there = waiting(&*store, to, usize::MAX).await;
        for number in 0..there.len() {
            let step = &there[number * 7 % there.len()];
            for _ in 0..=number % 2 {
                carry(&*store, to, std::slice::from_ref(step)).await;
            }
            expected.remove(&name(to, step));
            assert_eq!(of_host(&*store).await, expected);
        }
        carry(&*store, to, &there).await;
        carry(&*store, to, &[]).await;
        assert_eq!(of_host(&*store).await, expected, "what waits for others waits still");
    }
    assert!(expected.is_empty());
    assert_proved(&*store, &players).await;
}

pub(crate) async fn what_waits_is_handed_out_in_portions(subject: &dyn Subject) {
    let store = subject.open().await;
    let players = played(&*store).await;
    for to in Destination::ALL {
        let all = waiting(&*store, to, usize::MAX).await;
        for bytes_max in [1, 2000] {
            let portion = store.outbox(to, usize::MAX, bytes_max).await.unwrap();
            let bytes: usize = portion.iter().map(|step| step.record.len()).sum();
            let last = portion.last().unwrap().record.len();
            assert!(bytes - last < bytes_max && portion.len() < all.len(), "{bytes} bytes");
        }
        let mut carried = Vec::new();
        for steps_max in [1, 2, 5].into_iter().cycle() {
            let portion = waiting(&*store, to, steps_max).await;
            if portion.is_empty() {
                break;
            }
            assert!(portion.len() <= steps_max);
            carry(&*store, to, &portion).await;
            carried.extend(portion);
        }
        for player in &players {
            let steps = carried.iter().filter(|step| step.aggregate == *player.id()).map(|step| step.step);
            assert_eq!(steps.collect::<Vec<_>>(), player.steps_to(to), "each once, in the player's order");
        }
        assert_eq!(carried.len(), all.len());
    }
}

pub(crate) async fn what_waits_outlives_a_restart(subject: &dyn Subject) {
    let mut store = subject.open().await;
    let players = played(&*store).await;
    let mut expected = of(&players);
    for to in Destination::ALL.into_iter().cycle() {
        store = reopened(subject, store).await;
        assert_eq!(of_host(&*store).await, expected);
        if expected.is_empty() {
            break;
        }
        let portion = waiting(&*store, to, 8).await;
        carry(&*store, to, &portion).await;
        for step in &portion {
            expected.remove(&name(to, step));
        }
    }
    assert_proved(&*store, &players).await;
}

/// Whoever waits is woken by a step that comes later, or was told already of one that has come before.
pub(crate) async fn who_waits_for_steps_is_woken(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    for _ in 0..5 {
        let waiter: Arc<dyn Store> = store.clone();
        let woken = tokio::spawn(async move {
            while waiting(&*waiter, Destination::Notifications, 1).await.is_empty() {
                waiter.outbox_grew(Destination::Notifications).await;
            }
        });
        tokio::task::yield_now().await;
        let playing = Deed::Play { kept: String::new(), answer: String::new(), has_effect: true };
        alice.commit(&*store, next(&alice.aggregate, [playing])).await;
        woken.await.unwrap();
        let there = waiting(&*store, Destination::Notifications, usize::MAX).await;
        carry(&*store, Destination::Notifications, &there).await;
    }
}

pub(crate) async fn carrying_on_is_no_step(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    let playing = Deed::Play { kept: String::new(), answer: String::new(), has_effect: true };
    for _ in 0..20 {
        alice.commit(&*store, next(&alice.aggregate, [playing.clone()])).await;
        for to in Destination::ALL {
            let there = waiting(&*store, to, usize::MAX).await;
            assert_eq!(there.len(), 1);
            carry(&*store, to, &there).await;
        }
        assert_eq!(store.is_current(&alice.aggregate).await, Ok(true));
    }
    assert_proved(&*store, [&alice]).await;
}
