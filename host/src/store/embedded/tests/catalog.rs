//! What the catalog keeps: an act is there with the listing that it has made, and releases trouble no steps.

use std::path::Path;

use super::*;
use crate::listing::{Actor, Motive};

/// A game after so many acts, and the newest of them.
pub(super) fn listing(game: &str, version: u64) -> (Listing, Act) {
    let mut listing = Listing::new(game.parse().unwrap());
    let acts = (1..=version).map(|number| {
        let motive = Motive { by: Actor::Operator, at_ms: number, why: Some("a reason".repeat(10)) };
        listing.set_disabled(number % 2 == 1, &motive).unwrap()
    });
    let newest = acts.last().unwrap();
    (listing, newest)
}

fn acts(game: &str, numbers: RangeInclusive<u64>) -> Vec<Act> {
    numbers.map(|number| listing(game, number).1).collect()
}

fn act_request(game: &str, version: u64) -> (Request, Answered) {
    let (listing, act) = listing(game, version);
    let (game, listing, act) = (listing.game.clone(), encode(&game, &listing).unwrap(), encode(&game, &act).unwrap());
    request_of(Change::Acts { game, version, listing, acts: vec![act] })
}

#[test]
fn an_act_needs_the_version_before_and_a_refused_one_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = Embedded::open(&settings(&directory)).unwrap();
        let dice = "dice".parse().unwrap();
        assert_eq!(store.listing(&dice).await, Ok(None));
        // The versions that are offered, and whether they are taken.
        for (version, is_taken) in [(2, false), (1, true), (1, false), (3, false), (2, true), (2, false), (3, true)] {
            let before = store.listing(&dice).await.unwrap();
            let (listing, act) = listing("dice", version);
            let answer = store.commit_acts(&listing, &[act]).await;
            assert_eq!(answer, if is_taken { Ok(()) } else { Err(CommitError::Conflict) }, "version {version}");
            let after = if is_taken { Some(listing) } else { before };
            assert_eq!(store.listing(&dice).await.unwrap(), after);
            let count = after.map_or(0, |listing| listing.version);
            assert_eq!(store.acts(&dice, 0..=u64::MAX).await.unwrap(), acts("dice", 1..=count));
        }
        let nothing_done = Listing::new("slots".parse().unwrap());
        let act = Act { number: 0, ..acts("slots", 1..=1).remove(0) };
        assert_eq!(store.commit_acts(&nothing_done, &[act]).await, Err(CommitError::Conflict));
        store.close().await;
    });
}

#[test]
fn acts_of_one_commit_are_there_together() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = Embedded::open(&settings(&directory)).unwrap();
        let dice = "dice".parse().unwrap();
        let (after_three, _) = listing("dice", 3);
        assert_eq!(store.commit_acts(&after_three, &acts("dice", 2..=3)).await, Err(CommitError::Conflict));
        store.commit_acts(&after_three, &acts("dice", 1..=3)).await.unwrap();
        assert_eq!(store.acts(&dice, 0..=u64::MAX).await.unwrap(), acts("dice", 1..=3));
        assert_eq!(store.listing(&dice).await.unwrap(), Some(after_three));
        store.close().await;
    });
}

#[test]
fn acts_and_steps_share_a_group() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::open(&settings(&directory).directory).unwrap();
    let (sent, waiting) = requests::channel();
    let requests = [
        act_request("dice", 1),
        request(commit("alice", 0, 1, 1)),
        act_request("dice", 1),  // another one on the same version
        act_request("dice", 2),  // on what the first has made
        act_request("slots", 2), // on a version that is not there
        request(commit("alice", 0, 1, 2)),
        act_request("slots", 1),
        request(commit("alice", 1, 1, 3)),
    ];
    let answers = requests.map(|(request, answered)| {
        sent.send(request).unwrap();
        answered
    });
    drop(sent);
    worker(&tables).run(&waiting);
    let taken = answers.map(|answered| answered.blocking_recv().unwrap().is_ok());
    assert_eq!(taken, [true, true, false, true, false, false, true, true]);
    let games = tables.listings().unwrap();
    assert_eq!(games, [listing("dice", 2).0, listing("slots", 1).0]);
    assert_eq!(tables.acts(&games[0].game, 0..=u64::MAX).unwrap(), acts("dice", 1..=2));
    assert_eq!(tables.aggregate(&"player/alice".parse().unwrap()).unwrap().unwrap().step, 2);
}

#[test]
fn a_group_waits_for_three_quarters_of_the_steps_and_not_for_acts() {
    // An act, or a commit of steps with so many under way.
    const ACT: Option<usize> = None;
    let (one, three, four) = (Some(1), Some(3), Some(4));
    let groups: [(&[Option<usize>], bool); 12] = [
        (&[ACT], true),
        (&[ACT, ACT], true),
        (&[one], true),
        (&[Some(0)], true),
        (&[Some(2)], true),
        (&[three], false),
        (&[three, ACT], false),
        (&[three, ACT, three], true),
        (&[ACT, three, three], true),
        (&[three, one], true),
        (&[four, four], false),
        (&[four, four, four], true),
    ];
    for (group, complete) in groups {
        let requests = group.iter().map(|under_way| match under_way {
            None => act_request("dice", 1).0,
            Some(under_way) => request(Commit { under_way: *under_way, ..commit("alice", 0, 1, 1) }).0,
        });
        let mut gathered = Group::default();
        requests.for_each(|request| gathered.add(request));
        assert_eq!(gathered.is_complete(), complete, "{group:?}");
    }
}

/// Whether the committer is awake when they come, waits for more of them or has long had nothing to do.
#[test]
fn a_group_that_nobody_completes_is_committed_all_the_same() {
    let (sent, waiting) = requests::channel();
    let (took, taken) = std::sync::mpsc::channel();
    let receiver = std::thread::spawn(move || {
        while let Some(group) = waiting.next_group() {
            took.send(group.len()).unwrap();
        }
    });
    for number in 0..200 {
        let count = 1 + number % 3;
        for _ in 0..count {
            let (request, _) = request(Commit { under_way: 1 + 100 * (number % 2), ..commit("alice", 0, 1, 1) });
            sent.send(request).unwrap();
        }
        let mut left = count;
        while left > 0 {
            left -= taken.recv().unwrap();
        }
    }
    drop(sent);
    receiver.join().unwrap();
}

#[test]
fn acts_are_read_by_number_and_game() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = Embedded::open(&settings(&directory)).unwrap();
        // Names that begin alike, and numbers of more than one byte.
        for (game, count) in [("dice", 300), ("dice-2", 2), ("dic", 2)] {
            for version in 1..=count {
                let (request, answered) = act_request(game, version);
                store.submit(request).unwrap();
                // Those before the newest are there as well then.
                if version == count {
                    answered.await.unwrap().unwrap();
                }
            }
        }
        let dice = "dice".parse().unwrap();
        for (numbers, expected) in [
            (0..=0, Vec::new()),
            (0..=2, acts("dice", 1..=2)),
            (254..=258, acts("dice", 254..=258)),
            (300..=u64::MAX, acts("dice", 300..=300)),
            (301..=u64::MAX, Vec::new()),
            (RangeInclusive::new(3, 2), Vec::new()),
        ] {
            assert_eq!(store.acts(&dice, numbers.clone()).await.unwrap(), expected, "{numbers:?}");
        }
        assert_eq!(store.acts(&"slots".parse().unwrap(), 0..=u64::MAX).await, Ok(Vec::new()));
        let games = store.listings().await.unwrap();
        assert_eq!(games.iter().map(|listing| listing.game.as_str()).collect::<Vec<_>>(), ["dic", "dice", "dice-2"]);
        store.close().await;
    });
}

#[test]
fn wherever_a_crash_cuts_the_journal_a_listing_is_there_with_its_acts() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory);
    let dice = "dice".parse().unwrap();
    runtime().block_on(async {
        let store = Embedded::open(&settings).unwrap();
        for version in 1..=5 {
            let (listing, act) = listing("dice", version);
            store.commit_acts(&listing, &[act]).await.unwrap();
        }
        store.close().await;
    });
    let journal = fs::read_dir(&settings.directory).unwrap().map(|entry| entry.unwrap().path());
    let journal = journal.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    let [journal] = journal.collect::<Vec<_>>().try_into().unwrap();
    let whole = fs::read(&journal).unwrap();
    let bytes = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut counts = Vec::new();
    for part in (0..=30).rev() {
        fs::write(&journal, &whole[..bytes * part / 30]).unwrap();
        let tables = Tables::open(&settings.directory).unwrap();
        let listing = tables.listing(&dice).unwrap();
        let count = listing.as_ref().map_or(0, |listing| listing.version);
        assert_eq!(listing, (count > 0).then(|| self::listing("dice", count).0));
        assert_eq!(tables.acts(&dice, 0..=u64::MAX).unwrap(), acts("dice", 1..=count));
        counts.push(count);
    }
    counts.dedup();
    assert_eq!(counts, [5, 4, 3, 2, 1, 0]);
}

#[test]
fn listings_acts_and_releases_outlive_the_store_that_took_them() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory);
    let (dice, release) = ("dice".parse().unwrap(), ReleaseDigest::of(b"release"));
    runtime().block_on(async {
        let store = Embedded::open(&settings).unwrap();
        store.put_release(&release, b"release").await.unwrap();
        let (first, act) = listing("dice", 1);
        store.commit_acts(&first, &[act]).await.unwrap();
        store.close().await;
        let closed = StoreError::Unavailable("it is closed".to_owned());
        let (second, act) = listing("dice", 2);
        assert_eq!(
            store.commit_acts(&second, std::slice::from_ref(&act)).await,
            Err(CommitError::Store(closed.clone()))
        );
        assert_eq!(store.put_release(&release, b"late").await, Err(closed));
        drop(store);

        let store = Embedded::open(&settings).unwrap();
        assert_eq!(store.listings().await.unwrap(), [first]);
        assert_eq!(store.acts(&dice, 0..=u64::MAX).await.unwrap(), acts("dice", 1..=1));
        assert_eq!(store.release(&release).await.unwrap().unwrap(), b"release");
        assert_eq!(store.release(&ReleaseDigest::of(b"other")).await, Ok(None));
        store.commit_acts(&second, std::slice::from_ref(&act)).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_release_that_cannot_be_written_does_not_fail_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory);
    let release = ReleaseDigest::of(b"release");
    let folder = settings.directory.join("releases");
    let moved = directory.path().join("moved");
    runtime().block_on(async {
        let store = Embedded::open(&settings).unwrap();
        fs::rename(&folder, &moved).unwrap();
        let failure = store.put_release(&release, b"release").await.unwrap_err();
        assert!(matches!(&failure, StoreError::Unavailable(reason) if names(reason, &folder)), "{failure}");
        assert_eq!(store.health(), Ok(()));
        store.commit(commit("alice", 0, 1, 1)).await.unwrap();
        let (listing, act) = listing("dice", 1);
        store.commit_acts(&listing, &[act]).await.unwrap();
        fs::rename(&moved, &folder).unwrap();
        store.put_release(&release, b"release").await.unwrap();
        assert_eq!(store.release(&release).await.unwrap().unwrap(), b"release");
        store.close().await;
    });
}

fn names(reason: &str, path: &Path) -> bool {
    reason.contains(path.to_str().unwrap())
}

#[test]
fn too_little_room_refuses_acts_and_releases() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = Embedded::open(&Settings { disk_reserve_bytes: u64::MAX, ..settings(&directory) }).unwrap();
        let (listing, act) = listing("dice", 1);
        let answer = store.commit_acts(&listing, &[act]).await;
        assert!(matches!(answer, Err(CommitError::Store(StoreError::Full(_)))), "{answer:?}");
        let release = ReleaseDigest::of(b"release");
        let answer = store.put_release(&release, b"release").await;
        assert!(matches!(answer, Err(StoreError::Full(_))), "{answer:?}");
        assert_eq!(store.listings().await, Ok(Vec::new()));
        assert_eq!(store.release(&release).await, Ok(None));
        store.close().await;
    });
}
