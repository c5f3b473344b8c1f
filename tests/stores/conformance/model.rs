//! Any sequence of deeds of several hosts, against a model that is trivially right: what a store answers and what it
//! holds in the end is what the model says.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use croupier::{
    aggregate::Aggregate,
    identity::ReleaseDigest,
    ledger,
    record::Destination,
    store::{self, Commit, CommitError, Store},
};
use futures_util::{FutureExt as _, future::join_all};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Handle;

use super::{
    Subject, acts, open_hosts,
    outbox::{self, Step as Waiting},
    players::{Deed as Step, Player, next},
};
use crate::harness::PATIENCE;

const CASES: u32 = 40;
const DEEDS_MAX: usize = 30;
/// Where the store allows only one host, they are clients of one, each with what it has seen.
const HOSTS: usize = 3;
const PLAYERS: usize = 3;
const GAMES: usize = 2;
const RELEASES: usize = 2;

/// What hosts do.
#[derive(Clone, Debug)]
enum Deed {
    Load {
        host: usize,
        player: usize,
    },
    IsCurrent {
        host: usize,
        player: usize,
    },
    /// Commits on what each of the hosts has seen last of a player, all at once: the host, and how many steps.
    Commit {
        player: usize,
        offers: Vec<(usize, u64)>,
    },
    /// Carries on so many of the steps that wait.
    Carry {
        host: usize,
        count: usize,
    },
    /// One more act, of each of these hosts at once.
    Act {
        game: usize,
        hosts: Vec<usize>,
    },
    Put {
        host: usize,
        release: usize,
        bytes: Vec<u8>,
    },
    Restart {
        host: usize,
    },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let offers = prop::collection::vec((0..HOSTS, 1..5_u64), 1..6);
    let bytes = prop::collection::vec(any::<u8>(), 0..2000);
    let deed = prop_oneof![
        4 => (0..HOSTS, 0..PLAYERS).prop_map(|(host, player)| Deed::Load { host, player }),
        4 => (0..HOSTS, 0..PLAYERS).prop_map(|(host, player)| Deed::IsCurrent { host, player }),
        10 => (0..PLAYERS, offers).prop_map(|(player, offers)| Deed::Commit { player, offers }),
        2 => (0..HOSTS, 0..5_usize).prop_map(|(host, count)| Deed::Carry { host, count }),
        3 => (0..GAMES, prop::collection::vec(0..HOSTS, 1..4)).prop_map(|(game, hosts)| Deed::Act { game, hosts }),
        1 => (0..HOSTS, 0..RELEASES, bytes).prop_map(|(host, release, bytes)| Deed::Put { host, release, bytes }),
        1 => (0..HOSTS).prop_map(|host| Deed::Restart { host }),
    ];
    prop::collection::vec(deed, 1..DEEDS_MAX)
}

pub(crate) async fn any_sequence_of_deeds_leaves_what_the_model_says(subject: &dyn Subject) {
    let cases = AtomicUsize::new(0);
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) });
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&deeds(), |deeds| {
            // All cases share a place: each has names of its own.
            let case = World::new(subject, cases.fetch_add(1, Ordering::Relaxed));
            Handle::current().block_on(async { case.await.run(deeds).await });
            Ok(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let store = subject.open().await;
    ledger::check(&*store, |_| {}).await.unwrap();
}

struct World<'a> {
    subject: &'a dyn Subject,
    stores: Vec<Arc<dyn Store>>,
    case: String,
    players: Vec<Known>,
    games: [u64; GAMES],
    releases: BTreeMap<ReleaseDigest, Vec<u8>>,
    waiting: BTreeSet<Waiting>,
    /// What was carried on and may be handed out once more: by a host that looks after another that is gone, and has not
    /// been told.
    carried: BTreeSet<Waiting>,
    /// Tells every commit from the others.
    mark: u64,
}

/// A player, and how it is known.
struct Known {
    player: Player,
    /// All that it was after a commit.
    history: Vec<Arc<Aggregate>>,
    /// What each host has seen last.
    seen: [Arc<Aggregate>; HOSTS],
}

impl<'a> World<'a> {
    async fn new(subject: &'a dyn Subject, case: usize) -> Self {
        let case = format!("c{case}");
        let known = |number| {
            let player = Player::new(&format!("{case}-{number}"));
            let aggregate = player.aggregate.clone();
            let seen = std::array::from_fn(|_| aggregate.clone());
            Known { player, history: vec![aggregate], seen }
        };
        let players = (0..PLAYERS).map(known).collect();
        let stores = open_hosts(subject).await;
        let (releases, waiting, carried) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { subject, stores, case, players, games: [0; GAMES], releases, waiting, carried, mark: 0 }
    }

    async fn run(mut self, deeds: Vec<Deed>) {
        let work = async {
            for deed in deeds {
                self.act(deed).await;
            }
            self.assert_stored().await;
        };
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        // Also after a failure: the next case opens the same place.
        for store in self.stores {
            for to in Destination::ALL {
                let waiting = outbox::waiting(&*store, to, usize::MAX).await;
                outbox::carry(&*store, to, &waiting).await;
            }
            store.close().await;
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    }

    fn store(&self, host: usize) -> Arc<dyn Store> {
        self.stores[host % self.stores.len()].clone()
    }

    async fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Load { host, player } => {
                self.load(host, player).await;
            }
            Deed::IsCurrent { host, player } => self.is_current(host, player).await,
            Deed::Commit { player, offers } => self.commit(player, offers).await,
            Deed::Carry { host, count } => self.carry(host, count).await,
            Deed::Act { game, hosts } => self.act_on(game, &hosts).await,
            Deed::Put { host, release, bytes } => {
                let release = ReleaseDigest::of(format!("{}-{release}", self.case).as_bytes());
                self.store(host).put_release(&release, &bytes).await.unwrap();
                self.releases.insert(release, bytes);
            }
            Deed::Restart { host } => {
                let place = host % self.stores.len();
                self.stores.remove(place).close().await;
                self.stores.insert(place, self.subject.open().await);
                self.assert_stored().await;
            }
        }
    }

    /// What a host loads was once committed, and is no older than what it has seen before.
    async fn load(&mut self, host: usize, player: usize) -> u64 {
        let known = &self.players[player];
        let loaded = self.store(host).load(known.player.id()).await.unwrap();
        let loaded = loaded.unwrap_or_else(|| known.history[0].clone());
        assert!(known.history.contains(&loaded), "step {} was never committed so", loaded.step);
        assert!(loaded.step >= known.seen[host].step, "a host sees what it has seen before");
        if self.stores.len() == 1 {
            assert_eq!(loaded.step, known.player.step(), "there is nobody else");
        }
        let step = loaded.step;
        self.players[player].seen[host] = loaded;
        step
    }

    async fn load_newest(&mut self, host: usize, player: usize) {
        let step = self.load(host, player).await;
        assert_eq!(step, self.players[player].player.step());
    }

    async fn is_current(&mut self, host: usize, player: usize) {
        let known = &self.players[player];
        let is_newest = known.seen[host].step == known.player.step();
        let is_current = self.store(host).is_current(&known.seen[host]).await.unwrap();
        if is_newest || self.stores.len() > 1 {
            assert_eq!(is_current, is_newest);
        }
        if !is_current {
            self.load_newest(host, player).await;
        }
    }

    async fn commit(&mut self, player: usize, offers: Vec<(usize, u64)>) {
        let newest = self.players[player].player.clone();
        let mut answers = Vec::new();
        for (host, steps) in &offers {
            let commit = self.offer(player, *host, *steps);
            let after = (commit.expected == newest.step()).then(|| newest.after(&commit));
            let store = self.store(*host);
            answers.push(async move { (store.commit(commit).await, after) });
        }
        let mut taken = None;
        let mut is_possible = false;
        for (answer, after) in join_all(answers).await {
            is_possible |= after.is_some();
            match answer {
                Ok(()) => {
                    let after = after.expect("a commit on an old version was taken");
                    assert!(taken.replace(after).is_none(), "two commits on one version were taken");
                }
                Err(error) => assert_eq!(error, CommitError::Conflict),
            }
        }
        assert_eq!(taken.is_some(), is_possible, "one of those on the newest version is taken");
        if let Some(after) = taken {
            let mut new = outbox::of([&after]);
            new.retain(|(_, _, step)| *step > newest.step());
            self.waiting.extend(new);
            self.players[player].history.push(after.aggregate.clone());
            self.players[player].player = after;
        }
        // Each of them has either committed or met with a conflict.
        for (host, _) in offers {
            self.load_newest(host, player).await;
        }
    }

    fn offer(&mut self, player: usize, host: usize, steps: u64) -> Commit {
        self.mark += 1;
        let mark = self.mark;
        let deeds = (0..steps).map(|step| match (mark + step) % 3 {
            0 => Step::Deposit(mark),
            1 => Step::Withdraw(1),
            _ => Step::Play { kept: format!("{mark}"), answer: "x".repeat(300), has_effect: mark.is_multiple_of(2) },
        });
        // The first one tells.
        next(&self.players[player].seen[host], [Step::Deposit(mark)].into_iter().chain(deeds))
    }

    async fn carry(&mut self, host: usize, count: usize) {
        let to = Destination::ALL[count % 2];
        let name = |step: &store::Waiting| (to, step.aggregate.clone(), step.step);
        let mut waiting = outbox::waiting(&*self.store(host), to, usize::MAX).await;
        waiting.retain(|step| self.waiting.contains(&name(step)));
        waiting.truncate(count);
        outbox::carry(&*self.store(host), to, &waiting).await;
        for step in waiting {
            self.waiting.remove(&name(&step));
            if self.stores.len() > 1 {
                self.carried.insert(name(&step));
            }
        }
    }

    async fn act_on(&mut self, game: usize, hosts: &[usize]) {
        let name = self.game(game);
        let (listing, act) = acts::listing(&name, self.games[game] + 1);
        let answers = hosts.iter().map(|host| {
            let (store, listing, act) = (self.store(*host), listing.clone(), act.clone());
            async move { store.commit_acts(&listing, &[act]).await }
        });
        let answers = join_all(answers).await;
        let refused = answers.iter().filter(|answer| **answer == Err(CommitError::Conflict)).count();
        let taken = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!((taken, refused), (1, hosts.len() - 1), "{answers:?}");
        self.games[game] += 1;
    }

    fn game(&self, game: usize) -> String {
        format!("{}-{game}", self.case)
    }

    /// Every host finds in the store what the model says.
    async fn assert_stored(&self) {
        self.assert_waiting().await;
        for store in &self.stores {
            for known in &self.players {
                known.player.assert_stored(&**store).await;
            }
            self.assert_aggregates(&**store).await;
            self.assert_games(&**store).await;
            for (release, bytes) in &self.releases {
                assert_eq!(store.release(release).await.unwrap().as_ref(), Some(bytes));
            }
        }
    }

    /// What a host has left that was restarted, one of the others finds soon.
    async fn assert_waiting(&self) {
        let is_ours = |(_, id, _): &Waiting| self.players.iter().any(|known| known.player.id() == id);
        let begun = Instant::now();
        loop {
            let waiting = outbox::of_hosts(self.stores.iter().map(|store| &**store)).await;
            let waiting = waiting.into_iter().filter(|step| is_ours(step) && !self.carried.contains(step)).collect();
            if self.waiting == waiting {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{waiting:?} instead of {:?}", self.waiting);
            tokio::task::yield_now().await;
        }
    }

    async fn assert_aggregates(&self, store: &dyn Store) {
        let mut found = BTreeMap::new();
        let mut page = store.aggregates_after(None, 7).await.unwrap();
        while let Some(last) = page.last().map(|last| last.id.clone()) {
            found.extend(page.into_iter().map(|aggregate| (aggregate.id.clone(), aggregate)));
            page = store.aggregates_after(Some(&last), 7).await.unwrap();
        }
        for Known { player, .. } in &self.players {
            assert_eq!(found.get(player.id()), (player.step() > 0).then_some(&player.aggregate));
        }
    }

    async fn assert_games(&self, store: &dyn Store) {
        let listings = store.listings().await.unwrap();
        for (number, version) in self.games.iter().enumerate() {
            let name = self.game(number);
            let game = name.parse().unwrap();
            let expected = (*version > 0).then(|| acts::listing(&name, *version).0);
            assert_eq!(listings.iter().find(|listing| listing.game == game), expected.as_ref());
            assert_eq!(store.listing(&game).await.unwrap(), expected);
            assert_eq!(store.acts(&game, 0..=u64::MAX).await.unwrap(), acts::acts(&name, 1..=*version));
        }
    }
}
