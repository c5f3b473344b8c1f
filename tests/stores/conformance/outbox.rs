//! The outbox: every step with effects waits in it until it was carried on.

use croupier::{identity::AggregateId, store::Store};

use super::{
    Subject,
    players::{Deed, Player, assert_proved, next},
    reopened,
};

/// A step that waits.
pub(crate) type Waiting = (AggregateId, u64);

/// What waits, in the store's order.
pub(crate) async fn waiting(store: &dyn Store, count_max: usize) -> Vec<Waiting> {
    store.outbox(count_max).await.unwrap()
}

pub(crate) async fn carry(store: &dyn Store, steps: &[Waiting]) {
    store.carried(steps).await.unwrap();
}

/// All that waits, in the order of aggregates and steps.
pub(crate) async fn sorted(store: &dyn Store) -> Vec<Waiting> {
    let mut waiting = waiting(store, usize::MAX).await;
    waiting.sort();
    waiting
}

/// What waits where nothing of these players was carried on.
pub(crate) fn of<'a>(players: impl IntoIterator<Item = &'a Player>) -> Vec<Waiting> {
    let steps = |player: &'a Player| player.waiting.iter().map(|step| (player.id().clone(), *step));
    let mut waiting: Vec<_> = players.into_iter().flat_map(steps).collect();
    waiting.sort();
    waiting
}

/// Players with steps with effects and without.
async fn played(store: &dyn Store) -> [Player; 3] {
    let mut players = ["bob", "alice", "alice-2"].map(Player::new);
    for turn in 0..12 {
        for player in &mut players {
            player.commit(store, player.next(1 + turn % 4, turn)).await;
        }
    }
    assert!(of(&players).len() > 10);
    players
}

pub(crate) async fn effects_wait_until_they_were_carried(subject: &dyn Subject) {
    let store = subject.open().await;
    let players = played(&*store).await;
    let mut expected = of(&players);
    assert_eq!(sorted(&*store).await, expected);
    // Carried on in any order, some of them twice.
    let there = waiting(&*store, usize::MAX).await;
    for number in 0..there.len() {
        let step = &there[number * 7 % there.len()];
        for _ in 0..=number % 2 {
            carry(&*store, std::slice::from_ref(step)).await;
        }
        expected.retain(|other| other != step);
        assert_eq!(sorted(&*store).await, expected);
    }
    carry(&*store, &there).await;
    carry(&*store, &[]).await;
    assert_eq!(sorted(&*store).await, []);
    assert_proved(&*store, &players).await;
}

pub(crate) async fn what_waits_is_handed_out_in_portions(subject: &dyn Subject) {
    let store = subject.open().await;
    let players = played(&*store).await;
    for count_max in [1, 3] {
        let portion = waiting(&*store, count_max).await;
        assert!((1..=count_max).contains(&portion.len()), "{portion:?}");
    }
    let mut carried = Vec::new();
    for count_max in [1, 2, 5].into_iter().cycle() {
        let portion = waiting(&*store, count_max).await;
        if portion.is_empty() {
            break;
        }
        assert!(portion.len() <= count_max);
        carry(&*store, &portion).await;
        carried.extend(portion);
    }
    for player in &players {
        let steps = carried.iter().filter(|(id, _)| id == player.id()).map(|(_, step)| *step);
        assert_eq!(steps.collect::<Vec<_>>(), player.waiting, "each once, in the player's order");
    }
    assert_eq!(carried.len(), of(&players).len());
}

pub(crate) async fn what_waits_outlives_a_restart(subject: &dyn Subject) {
    let mut store = subject.open().await;
    let players = played(&*store).await;
    let mut expected = of(&players);
    loop {
        store = reopened(subject, store).await;
        assert_eq!(sorted(&*store).await, expected);
        if expected.is_empty() {
            break;
        }
        let portion = waiting(&*store, 8).await;
        carry(&*store, &portion).await;
        expected.retain(|step| !portion.contains(step));
    }
    assert_proved(&*store, &players).await;
}

pub(crate) async fn carrying_on_is_no_step(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    let playing = Deed::Play { kept: String::new(), answer: String::new(), has_effect: true };
    for _ in 0..20 {
        alice.commit(&*store, next(&alice.aggregate, [playing.clone()])).await;
        let there = waiting(&*store, usize::MAX).await;
        assert_eq!(there.len(), 1);
        carry(&*store, &there).await;
        assert_eq!(store.is_current(&alice.aggregate).await, Ok(true));
    }
    assert_proved(&*store, [&alice]).await;
}
