//! Listings and acts: an act is there with the listing that it has made, and each on the version before it.

use std::ops::RangeInclusive;

use croupier::{
    listing::{Act, Actor, Listing, Motive},
    store::{CommitError, Store},
};
use futures_util::future::join_all;

use super::{Subject, open_hosts, reopened};

/// A game after so many acts, and the newest of them.
pub(crate) fn listing(game: &str, version: u64) -> (Listing, Act) {
    let (listing, mut acts) = history(game, version, "a reason");
    (listing, acts.pop().unwrap())
}

/// The acts with these numbers, as [`listing`] has them.
pub(crate) fn acts(game: &str, numbers: RangeInclusive<u64>) -> Vec<Act> {
    let (_, acts) = history(game, *numbers.end(), "a reason");
    acts.into_iter().filter(|act| numbers.contains(&act.number)).collect()
}

fn history(game: &str, version: u64, why: &str) -> (Listing, Vec<Act>) {
    let mut listing = Listing::new(game.parse().unwrap());
    let acts = (1..=version).map(|number| {
        let motive = Motive { by: Actor::Operator, at_ms: number, why: Some(why.to_owned()) };
        listing.set_disabled(number % 2 == 1, &motive).unwrap()
    });
    let acts = acts.collect();
    (listing, acts)
}

/// The store holds so many acts of the game, and the listing after the newest of them.
async fn assert_stored(store: &dyn Store, game: &str, version: u64) {
    let expected = (version > 0).then(|| listing(game, version).0);
    let id = game.parse().unwrap();
    assert_eq!(store.listing(&id).await.unwrap(), expected);
    let listings = store.listings().await.unwrap();
    assert_eq!(listings.into_iter().find(|listing| listing.game == id), expected);
    assert_eq!(store.acts(&id, 0..=u64::MAX).await.unwrap(), acts(game, 1..=version));
}

pub(crate) async fn an_act_needs_the_version_before_and_a_refused_one_leaves_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut stored = 0;
    for version in [2, 1, 1, 3, 2, 2, 1, 3, 5, 4, 4] {
        let (listing, act) = listing("dice", version);
        let answer = store.commit_acts(&listing, &[act]).await;
        if version == stored + 1 {
            assert_eq!(answer, Ok(()), "version {version}");
            stored = version;
        } else {
            assert_eq!(answer, Err(CommitError::Conflict), "version {version}");
        }
        assert_stored(&*store, "dice", stored).await;
    }
}

pub(crate) async fn acts_of_one_commit_are_there_together(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut stored = 0;
    for (first, last) in [(2, 3), (1, 3), (1, 3), (3, 4), (5, 9), (4, 9), (9, 10), (10, 10)] {
        let answer = store.commit_acts(&listing("dice", last).0, &acts("dice", first..=last)).await;
        if first == stored + 1 {
            assert_eq!(answer, Ok(()), "acts {first} to {last}");
            stored = last;
        } else {
            assert_eq!(answer, Err(CommitError::Conflict), "acts {first} to {last}");
        }
        assert_stored(&*store, "dice", stored).await;
    }
}

pub(crate) async fn of_acts_on_one_version_exactly_one_is_taken(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let dice = "dice".parse().unwrap();
    let (mut version, mut taken) = (0, Vec::new());
    for count in [2, 2, 20, 20] {
        let rivals = (0..count).map(|rival| {
            let store = hosts[rival % hosts.len()].clone();
            let (listing, mut acts) = history("dice", version + 1 + rival as u64 % 3, &format!("rival {rival}"));
            let acts = acts.split_off(usize::try_from(version).unwrap());
            tokio::spawn(async move { (store.commit_acts(&listing, &acts).await, listing, acts) })
        });
        let answers = join_all(rivals).await.into_iter().map(Result::unwrap);
        let (mut winners, refused): (Vec<_>, Vec<_>) = answers.partition(|(answer, ..)| answer.is_ok());
        assert!(refused.iter().all(|(answer, ..)| *answer == Err(CommitError::Conflict)), "{refused:?}");
        let Some((_, listing, acts)) = winners.pop() else { panic!("none of {count} was taken") };
        assert_eq!(winners, [], "of {count}");
        version = listing.version;
        taken.extend(acts);
        for store in &hosts {
            assert_eq!(store.listing(&dice).await.unwrap().as_ref(), Some(&listing));
            assert_eq!(store.acts(&dice, 0..=u64::MAX).await.unwrap(), taken);
        }
    }
}

pub(crate) async fn a_listing_that_is_seen_has_its_acts(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let (writer, reader) = (hosts[0].clone(), hosts[hosts.len() - 1].clone());
    let reading = tokio::spawn(async move {
        let (dice, mut version) = ("dice".parse().unwrap(), 0);
        while version < 300 {
            version = reader.listing(&dice).await.unwrap().map_or(0, |listing| listing.version);
            let acts = reader.acts(&dice, version..=version).await.unwrap();
            assert_eq!(acts.len(), usize::from(version > 0), "act {version}");
            tokio::task::yield_now().await;
        }
    });
    for version in (10..=300).step_by(10) {
        writer.commit_acts(&listing("dice", version).0, &acts("dice", version - 9..=version)).await.unwrap();
    }
    reading.await.unwrap();
}

pub(crate) async fn acts_are_read_by_number_and_game(subject: &dyn Subject) {
    let store = subject.open().await;
    // Names that begin alike, and numbers of more than one byte.
    for (game, counts) in [("dic", vec![2]), ("dice", vec![1, 2, 60, 1, 1, 100, 91, 44]), ("dice-2", vec![1, 1])] {
        let mut version = 0;
        for count in counts {
            let first = version + 1;
            version += count;
            store.commit_acts(&listing(game, version).0, &acts(game, first..=version)).await.unwrap();
        }
    }
    let dice = "dice".parse().unwrap();
    let all = acts("dice", 1..=300);
    let edges = [0, 1, 2, 3, 63, 64, 65, 163, 164, 255, 256, 257, 299, 300, 301, u64::MAX];
    for numbers in edges.iter().flat_map(|first| edges.iter().map(move |last| RangeInclusive::new(*first, *last))) {
        let expected: Vec<_> = all.iter().filter(|act| numbers.contains(&act.number)).cloned().collect();
        assert!(store.acts(&dice, numbers.clone()).await.unwrap() == expected, "{numbers:?}");
    }
    for game in ["dic", "dice-2"] {
        assert_stored(&*store, game, 2).await;
    }
    assert_eq!(store.acts(&"di".parse().unwrap(), 0..=u64::MAX).await, Ok(Vec::new()));
}

pub(crate) async fn listings_come_in_the_order_of_ids(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut games = ["slots", "dice-2", "b", "dice", "a-1", "a", "a1", "dice2", "dic"];
    for (game, version) in games.iter().zip(1..) {
        store.commit_acts(&listing(game, version).0, &acts(game, 1..=version)).await.unwrap();
    }
    games.sort_unstable();
    let listings = store.listings().await.unwrap();
    assert_eq!(listings.iter().map(|listing| listing.game.as_str()).collect::<Vec<_>>(), games);
}

pub(crate) async fn listings_and_acts_outlive_a_restart(subject: &dyn Subject) {
    let mut store = subject.open().await;
    for version in 1..5 {
        for game in ["dice", "slots"] {
            let (listing, act) = listing(game, version);
            store.commit_acts(&listing, &[act]).await.unwrap();
        }
        store = reopened(subject, store).await;
        for game in ["dice", "slots"] {
            assert_stored(&*store, game, version).await;
        }
    }
}
