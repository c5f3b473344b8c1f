//! The Couchbase adapter: several hosts, one truth. One document for each aggregate, with its newest records inside,
//! committed with one compare-and-swap at the durability that was asked for; everything is found by key alone.

mod aggregates;
mod collections;
mod index;
mod journal;
mod lists;
mod outbox;
mod queues;
mod releases;
mod roster;
mod walk;

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::value::RawValue;
use tokio::{sync::RwLock, task::JoinHandle};

use self::{
    aggregates::Aggregates,
    collections::Collections,
    index::Index,
    journal::{Addition, Journals},
    outbox::Change,
    releases::Releases,
    roster::Roster,
};
use super::{Commit, CommitError, Store, StoreError, Waiting, Walk};
use crate::{
    aggregate::Aggregate,
    cluster::{self, Client, Cluster, ConnectError, DOCUMENT_BYTES_MAX, Safety, SetUp},
    identity::{AggregateId, GameId, ReleaseDigest},
    listing::{Act, Listing},
    record::Destination,
};

/// How often a host looks whether another one has changed what is played.
const PULSE_LOOK: Duration = Duration::from_millis(250);
/// How often it looks at everything.
const PULSE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often a host says that it lives, and does what was left for a quiet moment.
const ROUNDS_PAUSE: Duration = Duration::from_secs(1);
/// How long the end of a host may wait for the cluster. What is not done then, another host does.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(10);

/// What an operator may choose about the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub cluster: cluster::Settings,
    /// Memory for aggregates that were used lately.
    pub cache_bytes: u64,
    /// An aggregate's document.
    pub aggregate_bytes_max: usize,
}

/// A store in a Couchbase bucket.
pub struct Couchbase {
    inner: Arc<Inner>,
    /// What is done now and then; ends with the store.
    rounds: Mutex<Option<JoinHandle<()>>>,
    /// Held for as long as the store is: the connections are the cluster's.
    cluster: Cluster,
}

struct Inner {
    client: Arc<Client>,
    index: Index,
    aggregates: Aggregates,
    listings: Arc<Journals>,
    releases: Releases,
    roster: tokio::sync::Mutex<Roster>,
    /// The last beat of the pulse that this host has felt.
    felt: tokio::sync::Mutex<Option<Vec<u8>>>,
    /// Read by whoever changes something, for as long as it takes.
    is_open: RwLock<bool>,
}

impl Couchbase {
    /// Connects, within seconds or not at all, and checks or makes what must be there.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(settings: &Settings, set_up: SetUp) -> Result<Self, ConnectError> {
        let cluster = Cluster::connect(&settings.cluster, set_up, &Collections::ALL).await?;
        let unreachable = |error: StoreError| ConnectError::Unreachable {
            connection: settings.cluster.connection.clone(),
            reason: error.to_string(),
        };
        Self::new(cluster, settings).await.map_err(unreachable)
    }

    /// Finds out whether the bucket keeps what the settings ask for.
    ///
    /// # Errors
    /// [`ConnectError::Unsafe`], and where the cluster does not answer.
    pub async fn check_bucket(&self, settings: &cluster::Settings) -> Result<Safety, ConnectError> {
        self.cluster.check_bucket(settings).await
    }

    async fn new(cluster: Cluster, settings: &Settings) -> Result<Self, StoreError> {
        let client = cluster.client.clone();
        let host = rand::random();
        let inner = Arc::new(Inner {
            index: Index::new(client.clone()),
            aggregates: Aggregates::new(client.clone(), host, settings),
            listings: Arc::new(Journals::new(client.clone(), Collections::Listings, Collections::Acts)),
            releases: Releases::new(client.clone()),
            roster: tokio::sync::Mutex::new(Roster::new(client.clone(), host)),
            felt: tokio::sync::Mutex::default(),
            is_open: RwLock::new(true),
            client,
        });
        // Before anything else, so that what this host lists is found when it is gone.
        inner.round().await?;
        let rounds = tokio::spawn(rounds(Arc::downgrade(&inner)));
        Ok(Self { inner, rounds: Mutex::new(Some(rounds)), cluster })
    }

    /// Does something to its end, whether or not anybody waits for it, unless the store is closed.
    async fn change<T, E, C>(&self, change: impl FnOnce(Arc<Inner>) -> C) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        C: Future<Output = Result<T, E>> + Send + 'static,
    {
        let inner = self.inner.clone();
        let changing = change(inner.clone());
        let done = tokio::spawn(async move {
            let is_open = inner.is_open.read().await;
            if *is_open { changing.await } else { Err(closed().into()) }
        });
        done.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()).into()))
    }
}

/// Goes on for as long as the store is there.
async fn rounds(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(ROUNDS_PAUSE).await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = inner.round().await {
            tracing::debug!(%error, "a round among the hosts failed; the next one comes soon");
        }
    }
}

impl Inner {
    /// Says that this host lives, takes over from hosts that are gone, and brings to an end what can wait.
    async fn round(&self) -> Result<(), StoreError> {
        let mut roster = self.roster.lock().await;
        roster.beat().await?;
        for gone in roster.to_look_after() {
            let is_left = self.aggregates.adopt_from(gone).await?;
            roster.looked(gone);
            if !is_left && roster.may_be_forgotten(gone) {
                self.aggregates.forget_lists_of(gone).await?;
                roster.forget(gone).await?;
            }
        }
        drop(roster);
        self.aggregates.refresh(false).await.map(drop)
    }

    async fn leave(&self) -> Result<(), StoreError> {
        let is_empty = self.aggregates.refresh(true).await?;
        let mut roster = self.roster.lock().await;
        if is_empty {
            self.aggregates.forget_lists_of(roster.host()).await?;
        }
        roster.leave(is_empty).await
    }

    async fn commit_acts(&self, listing: &Listing, acts: &[Act]) -> Result<(), CommitError> {
        let game = listing.game.as_str();
        let before = self.listings.get(game).await?;
        let version = before.as_ref().map_or(0, |journal| journal.last);
        if acts.is_empty() || version + acts.len() as u64 != listing.version {
            return Err(CommitError::Conflict);
        }
        if before.is_none() {
            self.index.add_game(game).await?;
        }
        let entries = acts.iter().map(|act| encode(game, act)).collect::<Result<_, _>>()?;
        let addition = Addition::new(encode(game, listing)?, entries, Change::default());
        let after = self.listings.append(game, before.as_ref(), addition, DOCUMENT_BYTES_MAX).await?;
        self.listings.move_entries_beside(game, &after);
        if let Err(error) = self.index.pulse().await {
            tracing::warn!(game, %error, "other hosts learn of an act late");
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Couchbase {
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        Ok(self.inner.aggregates.known(id).await?.map(|known| known.aggregate.clone()))
    }

    async fn stored(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        Ok(self.inner.aggregates.read(id).await?.map(|known| known.aggregate.clone()))
    }

    async fn is_current(&self, aggregate: &Aggregate) -> Result<bool, StoreError> {
        self.inner.aggregates.is_current(aggregate).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.change(|inner| async move { inner.aggregates.commit(commit).await }).await
    }

    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.inner.aggregates.records(id, steps).await
    }

    /// Records are found by their aggregates alone.
    async fn record_after(&self, _: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError> {
        Ok(None)
    }

    async fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        self.inner.aggregates.after(after, count_max).await
    }

    fn walk<'a>(&'a self, after: Option<&AggregateId>) -> Box<dyn Walk + 'a> {
        Box::new(walk::Walk::new(&self.inner.index, &self.inner.aggregates, after))
    }

    async fn outbox(&self, to: Destination, steps_max: usize, bytes_max: usize) -> Result<Vec<Waiting>, StoreError> {
        self.inner.aggregates.outbox(to, steps_max, bytes_max).await
    }

    async fn carried(&self, to: Destination, steps: &[Waiting]) -> Result<(), StoreError> {
        let is_open = self.inner.is_open.read().await;
        if !*is_open {
            return Err(closed());
        }
        self.inner.aggregates.carried(to, steps);
        Ok(())
    }

    async fn outbox_grew(&self, to: Destination) {
        self.inner.aggregates.outbox_grew(to).await;
    }

    async fn listings(&self) -> Result<Vec<Listing>, StoreError> {
        let mut listings = Vec::new();
        for game in self.inner.index.games().await? {
            if let Some(journal) = self.inner.listings.get(&game).await? {
                listings.push(decode(&game, &journal.head)?);
            }
        }
        Ok(listings)
    }

    async fn listing(&self, game: &GameId) -> Result<Option<Listing>, StoreError> {
        let journal = self.inner.listings.get(game.as_str()).await?;
        journal.map(|journal| decode(game.as_str(), &journal.head)).transpose()
    }

    async fn commit_acts(&self, listing: &Listing, acts: &[Act]) -> Result<(), CommitError> {
        let (listing, acts) = (listing.clone(), acts.to_vec());
        self.change(|inner| async move { inner.commit_acts(&listing, &acts).await }).await
    }

    async fn acts(&self, game: &GameId, numbers: RangeInclusive<u64>) -> Result<Vec<Act>, StoreError> {
        let entries = self.inner.listings.entries(game.as_str(), numbers).await?;
        let read = |(number, bytes): (u64, Vec<u8>)| {
            serde_json::from_slice(&bytes)
                .map_err(|error| StoreError::Corrupt(format!("act {number} of {game}: {error}")))
        };
        entries.into_iter().map(read).collect()
    }

    /// Told by the pulse, and now and then without it: whoever acts may be gone before it beats.
    async fn acts_elsewhere(&self) {
        let begun = Instant::now();
        let mut felt = self.inner.felt.lock().await;
        loop {
            // What has come since the last time is not waited for.
            let beat = self.inner.index.beat().await;
            if begun.elapsed() > PULSE_WAIT_MAX || beat.as_ref().is_ok_and(|beat| *beat != *felt) {
                *felt = beat.unwrap_or_default();
                return;
            }
            tokio::time::sleep(PULSE_LOOK).await;
        }
    }

    async fn put_release(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError> {
        let (release, bytes) = (*release, bytes.to_vec());
        self.change(|inner| async move { inner.releases.put(&release, &bytes).await }).await
    }

    async fn release(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.releases.get(release).await
    }

    fn health(&self) -> Result<(), StoreError> {
        // Whoever holds it for writing is closing the store.
        match self.inner.is_open.try_read() {
            Ok(is_open) if *is_open => Ok(self.inner.client.health()?),
            _ => Err(closed()),
        }
    }

    /// A cluster that does not answer may answer again.
    async fn failed(&self) -> StoreError {
        std::future::pending().await
    }

    async fn close(&self) {
        let mut is_open = self.inner.is_open.write().await;
        if !std::mem::replace(&mut *is_open, false) {
            return;
        }
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(rounds) = rounds {
            rounds.abort();
        }
        let left = tokio::time::timeout(CLOSE_WAIT_MAX, self.inner.leave()).await;
        let left = left.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("not done in {CLOSE_WAIT_MAX:?}"))));
        if let Err(error) = left {
            tracing::warn!(%error, "another host will find out what this one has left to carry on");
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".to_owned())
}

fn encode(id: &str, value: &impl serde::Serialize) -> Result<Box<RawValue>, StoreError> {
    serde_json::value::to_raw_value(value).map_err(|error| StoreError::Corrupt(format!("{id}: {error}")))
}

fn decode<T: for<'a> serde::Deserialize<'a>>(id: &str, value: &RawValue) -> Result<T, StoreError> {
    serde_json::from_str(value.get()).map_err(|error| StoreError::Corrupt(format!("{id}: {error}")))
}

fn raw(id: &str, bytes: Vec<u8>) -> Result<Box<RawValue>, StoreError> {
    let text = String::from_utf8(bytes).map_err(|error| StoreError::Corrupt(format!("{id}: {error}")))?;
    RawValue::from_string(text).map_err(|error| StoreError::Corrupt(format!("{id}: {error}")))
}
