//! A store in memory, for tests: any number of hosts on the same data, each with a memory of its own of what it has seen.
//! Nothing outlives the process.

use std::{
    collections::BTreeMap,
    future,
    ops::{Bound, RangeInclusive},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use croupier::{
    aggregate::Aggregate,
    identity::{AggregateId, GameId, ReleaseDigest},
    listing::{Act, Listing},
    record::Destination,
    store::{Commit, CommitError, Outbox, Standing, Store, StoreError, Waiting, Walk},
};
use tokio::sync::Notify;

/// The data, on which hosts are opened.
#[derive(Clone)]
pub(crate) struct Memory {
    data: Arc<Mutex<Data>>,
    acted: Arc<Notify>,
    aggregate_bytes_max: usize,
}

#[derive(Default)]
struct Data {
    aggregates: BTreeMap<AggregateId, Arc<Aggregate>>,
    records: BTreeMap<(AggregateId, u64), Vec<u8>>,
    outbox: BTreeMap<(Destination, u64), (AggregateId, u64)>,
    places: u64,
    listings: BTreeMap<GameId, Listing>,
    acts: BTreeMap<(GameId, u64), Act>,
    releases: BTreeMap<ReleaseDigest, Vec<u8>>,
}

/// The store as one host has it.
struct Host {
    memory: Memory,
    grown: [Notify; 2],
    /// What it has seen last; nothing once it is closed.
    seen: Mutex<Option<BTreeMap<AggregateId, Arc<Aggregate>>>>,
}

impl Memory {
    pub(crate) fn new(aggregate_bytes_max: usize) -> Self {
        Self { data: Arc::default(), acted: Arc::default(), aggregate_bytes_max }
    }

    /// One more host.
    pub(crate) fn host(&self) -> impl Store + use<> {
        Host { memory: self.clone(), grown: Default::default(), seen: Mutex::new(Some(BTreeMap::new())) }
    }
}

impl Host {
    fn data(&self) -> MutexGuard<'_, Data> {
        self.memory.data.lock().unwrap()
    }

    fn grown(&self, to: Destination) -> &Notify {
        match to {
            Destination::Notifications => &self.grown[0],
            Destination::Tracking => &self.grown[1],
        }
    }

    /// Remembers an aggregate, or forgets it.
    fn saw(&self, id: &AggregateId, aggregate: Option<&Arc<Aggregate>>) {
        if let Some(seen) = &mut *self.seen.lock().unwrap() {
            match aggregate {
                Some(aggregate) => seen.insert(id.clone(), aggregate.clone()),
                None => seen.remove(id),
            };
        }
    }
}

#[async_trait]
impl Store for Host {
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        let seen = self.seen.lock().unwrap().as_ref().and_then(|seen| seen.get(id).cloned());
        if seen.is_some() {
            return Ok(seen);
        }
        let data = self.data();
        let aggregate = data.aggregates.get(id).cloned();
        self.saw(id, aggregate.as_ref());
        Ok(aggregate)
    }

    async fn stored(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        Ok(self.data().aggregates.get(id).cloned())
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.health()?;
        let Commit { expected, aggregate, records, .. } = commit;
        let id = &aggregate.id;
        let (size, size_max) = (serde_json::to_vec(&*aggregate).unwrap().len(), self.memory.aggregate_bytes_max);
        if size > size_max {
            return Err(CommitError::TooLarge { size, size_max });
        }
        let mut data = self.data();
        if data.aggregates.get(id).map_or(0, |stored| stored.step) != expected {
            self.saw(id, None);
            return Err(CommitError::Conflict);
        }
        for record in records {
            let key = (id.clone(), record.step);
            for to in record.destinations.iter() {
                let place = data.places;
                data.places += 1;
                data.outbox.insert((to, place), key.clone());
                self.grown(to).notify_one();
            }
            data.records.insert(key, record.bytes);
        }
        self.saw(id, Some(&aggregate));
        data.aggregates.insert(id.clone(), aggregate);
        Ok(())
    }

    async fn is_current(&self, aggregate: &Aggregate) -> Result<bool, StoreError> {
        let data = self.data();
        let stored = data.aggregates.get(&aggregate.id);
        self.saw(&aggregate.id, stored);
        Ok(stored.map_or(0, |stored| stored.step) == aggregate.step)
    }

    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let data = self.data();
        let records = numbered(&data.records, id, steps);
        Ok(records.map(|((_, step), bytes)| (*step, bytes.clone())).collect())
    }

    async fn record_after(&self, step: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError> {
        let after = |key: &&(AggregateId, u64)| step.is_none_or(|(id, step)| (&key.0, key.1) > (id, step));
        Ok(self.data().records.keys().find(after).cloned())
    }

    async fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        let data = self.data();
        let rest = data.aggregates.values().filter(|aggregate| after.is_none_or(|after| aggregate.id > *after));
        Ok(rest.take(count_max).cloned().collect())
    }

    fn walk<'a>(&'a self, after: Option<&AggregateId>) -> Box<dyn Walk + 'a> {
        Box::new(Walking { host: self, after: after.cloned() })
    }

    async fn outbox(&self, to: Destination, steps_max: usize, bytes_max: usize) -> Result<Vec<Waiting>, StoreError> {
        let data = self.data();
        let (mut waiting, mut bytes) = (Vec::new(), 0);
        for ((_, place), (aggregate, step)) in data.outbox.range((to, 0)..=(to, u64::MAX)).take(steps_max) {
            if bytes >= bytes_max {
                break;
            }
            let record = data.records[&(aggregate.clone(), *step)].clone();
            bytes += record.len();
            let (aggregate, step, place) = (aggregate.clone(), *step, *place);
            waiting.push(Waiting { aggregate, step, place, record: record.into(), told: None });
        }
        Ok(waiting)
    }

    async fn carried(&self, to: Destination, steps: &[Waiting]) -> Result<(), StoreError> {
        self.health()?;
        let mut data = self.data();
        for step in steps {
            data.outbox.remove(&(to, step.place));
        }
        Ok(())
    }

    async fn outbox_grew(&self, to: Destination) {
        self.grown(to).notified().await;
    }

    async fn listings(&self) -> Result<Vec<Listing>, StoreError> {
        Ok(self.data().listings.values().cloned().collect())
    }

    async fn listing(&self, game: &GameId) -> Result<Option<Listing>, StoreError> {
        Ok(self.data().listings.get(game).cloned())
    }

    async fn commit_acts(&self, listing: &Listing, acts: &[Act]) -> Result<(), CommitError> {
        self.health()?;
        let mut data = self.data();
        let before = data.listings.get(&listing.game).map_or(0, |stored| stored.version);
        if acts.is_empty() || before + acts.len() as u64 != listing.version {
            return Err(CommitError::Conflict);
        }
        data.listings.insert(listing.game.clone(), listing.clone());
        data.acts.extend(acts.iter().map(|act| ((listing.game.clone(), act.number), act.clone())));
        self.memory.acted.notify_waiters();
        Ok(())
    }

    async fn acts(&self, game: &GameId, numbers: RangeInclusive<u64>) -> Result<Vec<Act>, StoreError> {
        Ok(numbered(&self.data().acts, game, numbers).map(|(_, act)| act.clone()).collect())
    }

    async fn acts_elsewhere(&self) {
        self.memory.acted.notified().await;
    }

    async fn put_release(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError> {
        self.health()?;
        self.data().releases.insert(*release, bytes.to_vec());
        Ok(())
    }

    async fn release(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.data().releases.get(release).cloned())
    }

    fn health(&self) -> Result<(), StoreError> {
        let is_open = self.seen.lock().unwrap().is_some();
        if is_open { Ok(()) } else { Err(StoreError::Unavailable("it is closed".to_owned())) }
    }

    async fn failed(&self) -> StoreError {
        future::pending().await
    }

    async fn close(&self) {
        *self.seen.lock().unwrap() = None;
    }
}

/// A walk, one aggregate at a time.
struct Walking<'a> {
    host: &'a Host,
    after: Option<AggregateId>,
}

#[async_trait]
impl Walk for Walking<'_> {
    async fn next(&mut self) -> Result<Vec<Standing>, StoreError> {
        let data = self.host.data();
        let start = self.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let next = data.aggregates.range((start, Bound::Unbounded)).next();
        let Some((_, aggregate)) = next else { return Ok(Vec::new()) };
        let mut waiting = Outbox::default();
        for ((to, _), (_, step)) in data.outbox.iter().filter(|(_, (id, _))| *id == aggregate.id) {
            waiting.insert(*to, *step);
        }
        self.after = Some(aggregate.id.clone());
        Ok(vec![Standing { aggregate: aggregate.clone(), waiting }])
    }
}

/// What belongs to one id and has these numbers.
fn numbered<'a, I: Ord + Clone, T>(
    of_all: &'a BTreeMap<(I, u64), T>,
    id: &I,
    numbers: RangeInclusive<u64>,
) -> impl Iterator<Item = (&'a (I, u64), &'a T)> {
    let range = (!numbers.is_empty()).then(|| (id.clone(), *numbers.start())..=(id.clone(), *numbers.end()));
    range.map(|range| of_all.range(range)).into_iter().flatten()
}
