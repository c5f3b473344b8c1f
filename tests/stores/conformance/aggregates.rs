//! Aggregates as they are found: by id, and all of them page by page.

use std::collections::BTreeMap;

use croupier::{
    identity::{AggregateId, ReleaseDigest},
    store::Store,
};
use futures_util::future::join_all;

use super::{Subject, outbox, players::Player};

pub(crate) async fn nothing_is_found_where_nothing_was_stored(subject: &dyn Subject) {
    let store = subject.open().await;
    let (alice, dice) = ("player/alice".parse().unwrap(), "dice".parse().unwrap());
    assert_eq!(store.load(&alice).await, Ok(None));
    assert_eq!(store.stored(&alice).await, Ok(None));
    assert_eq!(store.records(&alice, 0..=u64::MAX).await, Ok(Vec::new()));
    assert_eq!(store.record_after(None).await, Ok(None));
    assert_eq!(store.record_after(Some((&alice, 3))).await, Ok(None));
    assert_eq!(store.aggregates_after(None, 10).await, Ok(Vec::new()));
    assert!(outbox::of_host(&*store).await.is_empty());
    assert_eq!(store.listings().await, Ok(Vec::new()));
    assert_eq!(store.listing(&dice).await, Ok(None));
    assert_eq!(store.acts(&dice, 0..=u64::MAX).await, Ok(Vec::new()));
    assert_eq!(store.release(&ReleaseDigest::of(b"release")).await, Ok(None));
}

/// Numbers in binary: many are prefixes of others.
fn names(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|number| format!("{number:b}"))
}

/// One step of each, all at once.
async fn players(store: &dyn Store, names: impl Iterator<Item = String>) -> BTreeMap<AggregateId, Player> {
    let players = join_all(names.map(|name| async move {
        let mut player = Player::new(&name);
        player.step_on(store, 1).await;
        player
    }));
    players.await.into_iter().map(|player| (player.id().clone(), player)).collect()
}

/// Pages through the store and finds these players once each.
async fn assert_paged(store: &dyn Store, players: &BTreeMap<AggregateId, Player>, count_max: usize) {
    let (mut found, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.aggregates_after(after.as_ref(), count_max).await.unwrap();
        assert!(page.len() <= count_max);
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for aggregate in page {
            let twice = found.insert(aggregate.id.clone(), aggregate);
            assert_eq!(twice, None, "pages of {count_max}");
        }
    }
    let expected = players.iter().map(|(id, player)| (id.clone(), player.aggregate.clone())).collect();
    assert_eq!(found, expected, "pages of {count_max}");
}

pub(crate) async fn pages_show_every_aggregate_once(subject: &dyn Subject) {
    let store = subject.open().await;
    let players = players(&*store, names(1000)).await;
    for count_max in [64, 999, 1000, 5000] {
        assert_paged(&*store, &players, count_max).await;
    }
}

pub(crate) async fn pages_may_be_of_any_size(subject: &dyn Subject) {
    let store = subject.open().await;
    let beside = ["A", "a", "a-", "a-1", "a.", "a_", "aa", "Z", "z"].map(str::to_owned);
    let players = players(&*store, names(20).chain(beside)).await;
    for count_max in (1..=players.len() + 1).chain([usize::MAX]) {
        assert_paged(&*store, &players, count_max).await;
    }
}

pub(crate) async fn newcomers_hide_nobody_from_pages(subject: &dyn Subject) {
    let store = subject.open().await;
    let there = players(&*store, names(50)).await;
    let (mut found, mut after) = (Vec::new(), None);
    for number in 0.. {
        let page = store.aggregates_after(after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        found.extend(page.into_iter().map(|aggregate| aggregate.id.clone()));
        if number < 30 {
            let newcomers = ["0", "10", "z"].map(|name| format!("{name}-{number}"));
            players(&*store, newcomers.into_iter()).await;
        }
    }
    let count = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), count, "some were shown twice");
    let missing: Vec<_> = there.keys().filter(|id| !found.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
