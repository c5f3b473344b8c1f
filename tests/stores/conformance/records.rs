//! Records: read back byte for byte, by range, however they were committed.

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::{
    Subject, open_hosts, outbox,
    players::{Deed, Player, assert_proved, next},
    reopened,
};

/// Sizes of commits, 500 steps in all.
const COMMITS: [u64; 15] = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 100, 61, 100, 7];
const STEPS: u64 = 500;

/// Where ranges begin and end.
const EDGES: [u64; 20] = [0, 1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 65, 128, 255, 256, 257, 499, 500, 501, u64::MAX];

pub(crate) async fn any_range_is_read_byte_for_byte(subject: &dyn Subject) {
    let store = subject.open().await;
    // Names that begin alike.
    let mut players = ["ali", "alice", "alice-2"].map(Player::new);
    for player in &mut players {
        player.step_on(&*store, 3).await;
    }
    let mut alice = players[1].clone();
    for steps in COMMITS {
        alice.step_on(&*store, steps).await;
        alice.assert_stored(&*store).await;
    }
    assert_eq!(alice.step(), 3 + STEPS);
    let ranges = EDGES.iter().flat_map(|first| EDGES.iter().map(move |last| RangeInclusive::new(*first, *last)));
    for steps in ranges {
        let records = store.records(alice.id(), steps.clone()).await.unwrap();
        assert!(records == alice.numbered(*steps.start(), *steps.end()), "{steps:?}");
    }
    players[1] = alice;
    assert_proved(&*store, &players).await;
}

pub(crate) async fn large_records_are_read_byte_for_byte(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut alice = Player::new("alice");
    for (steps, bytes) in [(1, 1_000_000), (40, 50_000), (1, 10), (100, 15_000), (3, 1_000_000)] {
        let playing = Deed::Play { kept: String::new(), answer: "\u{e9}".repeat(bytes / 2), has_effect: false };
        alice.commit(&*store, next(&alice.aggregate, vec![playing; steps])).await;
    }
    assert_proved(&*store, [&alice]).await;
    for step in 1..=alice.step() {
        assert!(store.records(alice.id(), step..=step).await.unwrap() == alice.numbered(step, step), "step {step}");
    }
}

pub(crate) async fn records_outlive_a_restart(subject: &dyn Subject) {
    let mut store = subject.open().await;
    let mut players = ["alice", "bob"].map(Player::new);
    for steps in [1, 30, 100, 2, 60] {
        for player in &mut players {
            player.step_on(&*store, steps).await;
        }
        store = reopened(subject, store).await;
        assert_proved(&*store, &players).await;
        for player in &players {
            assert_eq!(store.load(player.id()).await.unwrap(), Some(player.aggregate.clone()));
        }
    }
}

pub(crate) async fn a_reader_beside_a_writer_sees_whole_commits(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let (writer, reader) = (hosts[0].clone(), hosts[hosts.len() - 1].clone());
    let mut alice = Player::new("alice");
    let (answered, step) = tokio::sync::watch::channel(alice.step());
    let id = alice.id().clone();
    let reading = tokio::spawn(async move {
        let (mut seen, mut counts) = (Vec::new(), BTreeSet::new());
        while seen.len() < 400 {
            let before = *step.borrow();
            let records = reader.records(&id, 1..=u64::MAX).await.unwrap();
            assert!(records.len() as u64 >= before, "{} of {before}", records.len());
            assert!(records.starts_with(&seen), "what was read once is there again");
            counts.insert(records.len() as u64);
            seen = records;
            tokio::task::yield_now().await;
        }
        (seen, counts)
    });
    let mut versions = BTreeSet::from([0]);
    for steps in [1, 20, 3].into_iter().cycle() {
        alice.step_on(&*writer, steps).await;
        answered.send_replace(alice.step());
        versions.insert(alice.step());
        if alice.step() >= 400 {
            break;
        }
    }
    let (seen, counts) = reading.await.unwrap();
    assert!(alice.numbered(1, u64::MAX) == seen);
    assert!(counts.is_subset(&versions), "{counts:?}");
}

pub(crate) async fn a_step_that_is_seen_has_its_record(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let (writer, reader) = (hosts[0].clone(), hosts[hosts.len() - 1].clone());
    let id = Player::new("alice").id().clone();
    let reading = tokio::spawn(async move {
        let mut step = 0;
        while step < 2000 {
            step = reader.stored(&id).await.unwrap().map_or(0, |stored| stored.step);
            let records = reader.records(&id, step..=step).await.unwrap();
            assert_eq!(records.len(), usize::from(step > 0), "of step {step}");
            // Which looks for the records too.
            outbox::of_host(&*reader).await;
            tokio::task::yield_now().await;
        }
    });
    let mut alice = Player::new("alice");
    for mark in 0..20 {
        // Effects are at the end of commits.
        alice.commit(&*writer, alice.next(99, 2 * mark + 1)).await;
        alice.commit(&*writer, alice.next(1, 6 * mark)).await;
        tokio::task::yield_now().await;
    }
    reading.await.unwrap();
    assert_proved(&*writer, [&alice]).await;
}

pub(crate) async fn all_records_are_listed_or_none(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut expected = BTreeSet::new();
    for (name, steps) in [("b", 4), ("a", 2), ("ab", 1), ("c", 70)] {
        let mut player = Player::new(name);
        player.step_on(&*store, steps).await;
        expected.extend((1..=steps).map(|step| (player.id().clone(), step)));
    }
    let mut listed = Vec::new();
    while let Some(next) = store.record_after(listed.last().map(|(id, step)| (id, *step))).await.unwrap() {
        listed.push(next);
        assert!(listed.len() <= expected.len(), "{listed:?}");
    }
    if listed.is_empty() {
        return;
    }
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
    let follows = |pair: &&[(_, u64)]| pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1;
    let begins = listed.windows(2).filter(|pair| !follows(pair)).count();
    assert_eq!(begins, 3, "each aggregate's steps are together and in order: {listed:?}");
}
