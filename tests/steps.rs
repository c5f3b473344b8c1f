//! Steps over a store that misbehaves: conflicts, failures and slowness, in process.

use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use croupier::{
    aggregate::Aggregate,
    catalog::{self, Catalog},
    engine::{Engine, Settings},
    fairness::FairGames,
    identity::{AggregateId, GameId, ReleaseDigest, SessionId},
    json::Json,
    ledger,
    listing::{self, Listing},
    money::Amount,
    record::{Act, Destination, Destinations, Play, Record},
    steps::{Outcome, PaymentRequest, PlayRequest, Request, SessionRequest, Steps, View},
    store::{Commit, CommitError, Embedded, EmbeddedSettings, Store, StoreError, Waiting, Walk},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::GAMES;

/// A store that answers some commits its own way, and keeps what was offered to it.
pub(crate) struct Unruly {
    pub(crate) store: Arc<dyn Store>,
    /// What to answer the next commits with; `Ok` passes them on.
    pub(crate) script: Mutex<VecDeque<Result<(), CommitError>>>,
    pub(crate) offered: Mutex<Vec<Vec<Record>>>,
    /// Commits wait for a permit each.
    pub(crate) gate: Semaphore,
}

#[async_trait]
impl Store for Unruly {
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        self.store.load(id).await
    }

    async fn stored(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        self.store.stored(id).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.gate.acquire().await.unwrap().forget();
        let records = commit.records.iter().map(|record| Record::decode(&record.bytes).unwrap()).collect();
        self.offered.lock().unwrap().push(records);
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Ok(()));
        match answer {
            Ok(()) => self.store.commit(commit).await,
            refused => refused,
        }
    }

    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.store.records(id, steps).await
    }

    async fn record_after(&self, step: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError> {
        self.store.record_after(step).await
    }

    async fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        self.store.aggregates_after(after, count_max).await
    }

    fn walk<'a>(&'a self, after: Option<&AggregateId>) -> Box<dyn Walk + 'a> {
        self.store.walk(after)
    }

    async fn is_current(&self, aggregate: &Aggregate) -> Result<bool, StoreError> {
        self.store.is_current(aggregate).await
    }

    async fn carried(&self, to: Destination, steps: &[Waiting]) -> Result<(), StoreError> {
        self.store.carried(to, steps).await
    }

    async fn outbox(&self, to: Destination, steps_max: usize, bytes_max: usize) -> Result<Vec<Waiting>, StoreError> {
        self.store.outbox(to, steps_max, bytes_max).await
    }

    async fn outbox_grew(&self, to: Destination) {
        self.store.outbox_grew(to).await;
    }

    async fn listings(&self) -> Result<Vec<Listing>, StoreError> {
        self.store.listings().await
    }

    async fn listing(&self, game: &GameId) -> Result<Option<Listing>, StoreError> {
        self.store.listing(game).await
    }

    async fn commit_acts(&self, listing: &Listing, acts: &[listing::Act]) -> Result<(), CommitError> {
        self.store.commit_acts(listing, acts).await
    }

    async fn acts(&self, game: &GameId, numbers: RangeInclusive<u64>) -> Result<Vec<listing::Act>, StoreError> {
        self.store.acts(game, numbers).await
    }

    async fn acts_elsewhere(&self) {
        self.store.acts_elsewhere().await;
    }

    async fn put_release(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.put_release(release, bytes).await
    }

    async fn release(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.release(release).await
    }

    fn health(&self) -> Result<(), StoreError> {
        self.store.health()
    }

    async fn failed(&self) -> StoreError {
        self.store.failed().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

/// A player with money and a session, over an unruly store.
struct House {
    steps: Steps,
    store: Arc<Unruly>,
    player: AggregateId,
    session: SessionId,
}

impl House {
    async fn open(directory: &Path) -> Self {
        let settings = EmbeddedSettings {
            directory: directory.to_owned(),
            cache_bytes: 1 << 20,
            aggregate_bytes_max: 1 << 20,
            disk_reserve_bytes: 0,
        };
        let store = Arc::new(Unruly {
            store: Arc::new(Embedded::open(&settings).unwrap()),
            script: Mutex::default(),
            offered: Mutex::default(),
            gate: Semaphore::new(1_000_000),
        });
        let engine = Arc::new(Engine::start(Settings::default()).unwrap());
        let catalog = Catalog::open(engine.clone(), store.clone(), catalog::Settings::default()).await.unwrap();
        drop(catalog.watch(&GAMES).await.unwrap());
        let steps =
            Steps::new(store.clone(), engine, catalog, Destinations::default(), Arc::default(), FairGames::none());
        let player: AggregateId = "player/alice".parse().unwrap();
        steps.submit(&player, Request::Create, None).await.unwrap();
        steps.submit(&player, deposit(100_000), None).await.unwrap();
        let session =
            SessionRequest { currency: "EUR".parse().unwrap(), locale: "en".parse().unwrap(), ttl_ms: 86_400_000 };
        let opened = steps.submit(&player, Request::OpenSession(session), None).await.unwrap();
        let session = value(&opened)["session"].as_str().unwrap().parse().unwrap();
        store.offered.lock().unwrap().clear();
        Self { steps, store, player, session }
    }

    fn script(&self, answers: impl IntoIterator<Item = Result<(), CommitError>>) {
        self.store.script.lock().unwrap().extend(answers);
    }

    fn spin(&self) -> impl Future<Output = Outcome> + use<> {
        self.steps.submit(&self.player, self.spin_request(), None)
    }

    fn spin_request(&self) -> Request {
        let params = json!({ "bets": [{ "kind": "red", "stake": 100 }] });
        Request::Play(PlayRequest {
            session: self.session.clone(),
            game: "roulette".parse().unwrap(),
            method: "spin".to_owned(),
            params,
        })
    }

    async fn balance(&self) -> u64 {
        let view = Request::View(View::Balance(self.session.clone()));
        value(&self.steps.submit(&self.player, view, None).await.unwrap())["balance"].as_u64().unwrap()
    }
}

fn deposit(amount: u64) -> Request {
    let amount = Amount::new(amount).unwrap();
    Request::Deposit(PaymentRequest { currency: "EUR".parse().unwrap(), amount, reason: None })
}

fn value(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap()
}

fn reason(outcome: Outcome) -> String {
    value(&outcome.unwrap_err().data.unwrap())["reason"].as_str().unwrap().to_owned()
}

fn play(record: &Record) -> &Play {
    match &record.act {
        Act::Played(play) => play,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_conflicts_is_run_again_with_the_same_chance() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    house.script([Err(CommitError::Conflict), Err(CommitError::Conflict)]);
    house.spin().await.unwrap();
    let offered = house.store.offered.lock().unwrap();
    assert_eq!(offered.len(), 3);
    let first = play(&offered[0][0]);
    assert!(!first.draws.is_empty());
    for attempt in &offered[1..] {
        assert_eq!((play(&attempt[0]).seed, &play(&attempt[0]).draws), (first.seed, &first.draws));
        assert_eq!(attempt[0].reply, offered[0][0].reply);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_conflicts_are_given_up_with_nothing_changed() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    house.script((0..100).map(|_| Err(CommitError::Conflict)));
    assert_eq!(reason(house.spin().await), "contended");
    house.store.script.lock().unwrap().clear();
    assert_eq!(house.balance().await, 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_changes_nothing_and_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    let failures = [
        (StoreError::Full("no room".to_owned()), "store_full"),
        (StoreError::Unavailable("gone".to_owned()), "store_unavailable"),
    ];
    for (failure, expected) in failures {
        house.script([Err(CommitError::Store(failure))]);
        assert_eq!(reason(house.spin().await), expected);
        assert_eq!(house.balance().await, 100_000);
    }
    house.spin().await.unwrap();
    ledger::check(&*house.store, |_| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_a_lane_is_committed_together_in_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    house.store.gate.forget_permits(1_000_000);
    let first = tokio::spawn(house.spin());
    let key = |number: u32| Some(format!("key-{number}").parse().unwrap());
    let rest: Vec<_> = (0..10)
        .map(|number| tokio::spawn(house.steps.submit(&house.player, deposit(1 + u64::from(number)), key(number))))
        .collect();
    let again = tokio::spawn(house.steps.submit(&house.player, deposit(1), key(0)));
    house.store.gate.add_permits(1_000_000);
    first.await.unwrap().unwrap();
    let mut replies = Vec::new();
    for reply in rest {
        replies.push(reply.await.unwrap().unwrap());
    }
    assert_eq!(again.await.unwrap().unwrap(), replies[0], "a key that is answered in the same group is answered once");
    let balances: Vec<_> = replies.iter().map(|reply| value(reply)["balance"].as_u64().unwrap()).collect();
    let steps: Vec<_> = replies.iter().map(|reply| value(reply)["step"].as_u64().unwrap()).collect();
    assert!(balances.windows(2).all(|pair| pair[0] < pair[1]), "{balances:?}");
    assert!(steps.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{steps:?}");
    let commits: Vec<_> = house.store.offered.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(commits.iter().sum::<usize>(), 11);
    assert!(commits.len() < 11, "every step had a commit of its own: {commits:?}");
    ledger::check(&*house.store, |_| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_is_still_a_whole_step() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    for _ in 0..50 {
        drop(house.spin());
    }
    house.steps.drained().await;
    let rounds = house.store.load(&house.player).await.unwrap().unwrap();
    assert_eq!(rounds.step, 3 + 50);
    ledger::check(&*house.store, |_| {}).await.unwrap();
}
