//! The Couchbase adapter: several hosts, one truth. One document for each aggregate, with its newest records inside,
//! committed with one compare-and-swap at the durability that was asked for; everything is found by key alone.

mod client;
mod index;
mod journal;
mod releases;
mod set_up;

use std::{
    fmt,
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use couchbase::{cluster::Cluster, durability_level::DurabilityLevel};
use quick_cache::{Weighter, sync::Cache};
use serde_json::value::RawValue;

pub use self::set_up::{ConnectError, SetUp};
use self::{
    client::{Client, Collections},
    index::Index,
    journal::{Journal, Journals},
    releases::Releases,
};
use super::{Commit, CommitError, Store, StoreError};
use crate::{
    aggregate::Aggregate,
    identity::{AggregateId, GameId, ReleaseDigest},
    listing::{Act, Listing},
};

/// The largest document that the cluster takes, with room for what is around it.
const DOCUMENT_BYTES_MAX: usize = 19 << 20;
/// Records that ride in an aggregate's document, beside the aggregate itself.
const TAIL_BYTES_MAX: usize = 8 << 20;

/// How often a host looks whether another one has changed what is played.
const PULSE_LOOK: Duration = Duration::from_millis(250);
/// How often it looks at everything.
const PULSE_WAIT_MAX: Duration = Duration::from_secs(10);

/// What an operator may choose about the cluster.
#[derive(Clone)]
pub struct Settings {
    /// `couchbase://host` or `couchbases://host`, several hosts between commas.
    pub connection: String,
    /// Who the host is to the cluster.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The bucket.
    pub bucket: String,
    /// The scope in it.
    pub scope: String,
    /// Certificates in PEM of whoever signs the cluster's, for `couchbases://`; those of the system if none.
    pub certificates: Option<PathBuf>,
    /// How many copies a step is kept in before it is answered.
    pub durability: Durability,
    /// How long one call may take.
    pub timeout: Duration,
    /// Memory for aggregates that were used lately.
    pub cache_bytes: u64,
    /// An aggregate's document.
    pub aggregate_bytes_max: usize,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, user, bucket, scope, .. } = self;
        f.debug_struct("Settings")
            .field("connection", connection)
            .field("user", user)
            .field("bucket", bucket)
            .field("scope", scope)
            .finish_non_exhaustive()
    }
}

/// How many copies a step is kept in before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// In the memory of the active node alone: for experiments on one node without replicas.
    None,
    /// In the memory of a majority of nodes.
    #[default]
    Majority,
    /// There, and on the disk of the active node.
    MajorityAndPersistActive,
    /// On the disks of a majority of nodes.
    PersistToMajority,
}

impl Durability {
    fn level(self) -> DurabilityLevel {
        match self {
            Self::None => DurabilityLevel::NONE,
            Self::Majority => DurabilityLevel::MAJORITY,
            Self::MajorityAndPersistActive => DurabilityLevel::MAJORITY_AND_PERSIST_ACTIVE,
            Self::PersistToMajority => DurabilityLevel::PERSIST_TO_MAJORITY,
        }
    }
}

/// A store in a Couchbase bucket.
pub struct Couchbase {
    client: Arc<Client>,
    index: Index,
    aggregates: Arc<Journals>,
    listings: Arc<Journals>,
    releases: Releases,
    cache: Cache<AggregateId, Arc<Known>, KnownSize>,
    aggregate_bytes_max: usize,
    /// Held for as long as the store is: the connections are the cluster's.
    _cluster: Cluster,
}

/// An aggregate as this host knows it.
struct Known {
    aggregate: Arc<Aggregate>,
    journal: Journal,
}

#[derive(Clone)]
struct KnownSize;

impl Weighter<AggregateId, Arc<Known>> for KnownSize {
    /// As text and as what was read from it.
    fn weight(&self, _id: &AggregateId, known: &Arc<Known>) -> u64 {
        1000 + 3 * known.journal.bytes() as u64
    }
}

impl Couchbase {
    fn new(cluster: Cluster, client: Client, settings: &Settings) -> Self {
        let client = Arc::new(client);
        let journals = |heads, chunks| Arc::new(Journals::new(client.clone(), heads, chunks));
        Self {
            index: Index::new(client.clone()),
            aggregates: journals(Collections::Aggregates, Collections::Records),
            listings: journals(Collections::Listings, Collections::Acts),
            releases: Releases::new(client.clone()),
            cache: Cache::with_weighter(
                usize::try_from(settings.cache_bytes / 8192).unwrap_or(usize::MAX),
                settings.cache_bytes,
                KnownSize,
            ),
            aggregate_bytes_max: settings.aggregate_bytes_max,
            client,
            _cluster: cluster,
        }
    }

    /// An aggregate as this host knows it, else as it is stored.
    async fn known(&self, id: &AggregateId) -> Result<Option<Arc<Known>>, StoreError> {
        match self.cache.get(id) {
            Some(known) => Ok(Some(known)),
            None => self.read(id).await,
        }
    }

    async fn read(&self, id: &AggregateId) -> Result<Option<Arc<Known>>, StoreError> {
        let Some(journal) = self.aggregates.get(id.as_str()).await? else { return Ok(None) };
        let known = Arc::new(Known { aggregate: Arc::new(decode(id.as_str(), &journal.head)?), journal });
        self.cache.insert(id.clone(), known.clone());
        Ok(Some(known))
    }

    /// Older records find their own documents beside what is played.
    fn move_records(&self, known: Arc<Known>) {
        if known.journal.full_chunks().is_empty() {
            return;
        }
        let aggregates = self.aggregates.clone();
        tokio::spawn(async move {
            let id = known.aggregate.id.as_str();
            if let Err(error) = aggregates.move_entries(id, &known.journal).await {
                tracing::debug!(aggregate = id, %error, "records are moved later");
            }
        });
    }
}

#[async_trait]
impl Store for Couchbase {
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        Ok(self.known(id).await?.map(|known| known.aggregate.clone()))
    }

    async fn is_current(&self, aggregate: &Aggregate) -> Result<bool, StoreError> {
        let is_current = self.aggregates.last(aggregate.id.as_str()).await? == aggregate.step;
        if !is_current {
            self.cache.remove(&aggregate.id);
        }
        Ok(is_current)
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let Commit { expected, aggregate, records, .. } = commit;
        let id = &aggregate.id;
        let before = self.known(id).await?;
        if before.as_ref().map_or(0, |known| known.journal.last) != expected {
            self.cache.remove(id);
            return Err(CommitError::Conflict);
        }
        let head = encode(id.as_str(), &*aggregate)?;
        if head.get().len() > self.aggregate_bytes_max {
            return Err(CommitError::TooLarge { size: head.get().len(), size_max: self.aggregate_bytes_max });
        }
        let entries = records.into_iter().map(|record| raw(id.as_str(), record.bytes)).collect::<Result<_, _>>()?;
        if before.is_none() {
            self.index.add_aggregate(id.as_str()).await?;
        }
        // What is known is not so any more, whatever comes of this.
        self.cache.remove(id);
        let journal = before.as_ref().map(|known| &known.journal);
        let bytes_max = (self.aggregate_bytes_max + TAIL_BYTES_MAX).min(DOCUMENT_BYTES_MAX);
        let journal = self.aggregates.append(id.as_str(), journal, head, entries, bytes_max).await?;
        if journal.is_known() {
            let known = Arc::new(Known { aggregate: aggregate.clone(), journal });
            self.cache.insert(id.clone(), known.clone());
            self.move_records(known);
        }
        Ok(())
    }

    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.aggregates.entries(id.as_str(), steps).await
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
        let mut after = after.map(|after| after.as_str().to_owned());
        loop {
            let ids = self.index.aggregates_after(after.as_deref()).await?;
            let mut aggregates = Vec::new();
            for id in ids.iter().take(count_max) {
                let id: AggregateId = id.parse().map_err(|_| StoreError::Corrupt(format!("'{id}' is no aggregate")))?;
                // An id may have been listed whose first step was never taken.
                if let Some(journal) = self.aggregates.get(id.as_str()).await? {
                    aggregates.push(Arc::new(decode(id.as_str(), &journal.head)?));
                }
            }
            if !aggregates.is_empty() || ids.is_empty() {
                return Ok(aggregates);
            }
            after = ids.into_iter().take(count_max).last();
        }
    }

    async fn outbox(&self, _: usize) -> Result<Vec<(AggregateId, u64)>, StoreError> {
        Ok(Vec::new())
    }

    async fn carried(&self, _: &[(AggregateId, u64)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn listings(&self) -> Result<Vec<Listing>, StoreError> {
        let mut listings = Vec::new();
        for game in self.index.games().await? {
            if let Some(journal) = self.listings.get(&game).await? {
                listings.push(decode(&game, &journal.head)?);
            }
        }
        Ok(listings)
    }

    async fn listing(&self, game: &GameId) -> Result<Option<Listing>, StoreError> {
        let journal = self.listings.get(game.as_str()).await?;
        journal.map(|journal| decode(game.as_str(), &journal.head)).transpose()
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
        let head = encode(game, listing)?;
        let after = self.listings.append(game, before.as_ref(), head, entries, DOCUMENT_BYTES_MAX).await?;
        if let Err(error) = self.listings.move_entries(game, &after).await {
            tracing::debug!(game, %error, "acts are moved later");
        }
        if let Err(error) = self.index.pulse().await {
            tracing::warn!(game, %error, "other hosts learn of an act late");
        }
        Ok(())
    }

    async fn acts(&self, game: &GameId, numbers: RangeInclusive<u64>) -> Result<Vec<Act>, StoreError> {
        let entries = self.listings.entries(game.as_str(), numbers).await?;
        let read = |(number, bytes): (u64, Vec<u8>)| {
            serde_json::from_slice(&bytes)
                .map_err(|error| StoreError::Corrupt(format!("act {number} of {game}: {error}")))
        };
        entries.into_iter().map(read).collect()
    }

    /// Told by the pulse, and now and then without it: whoever acts may be gone before it beats.
    async fn acts_elsewhere(&self) {
        let begun = Instant::now();
        let first = self.index.beat().await;
        loop {
            tokio::time::sleep(PULSE_LOOK).await;
            if begun.elapsed() > PULSE_WAIT_MAX || self.index.beat().await != first {
                return;
            }
        }
    }

    async fn put_release(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError> {
        self.releases.put(release, bytes).await
    }

    async fn release(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.releases.get(release).await
    }

    fn health(&self) -> Result<(), StoreError> {
        self.client.health()
    }

    /// A cluster that does not answer may answer again.
    async fn failed(&self) -> StoreError {
        std::future::pending().await
    }

    async fn close(&self) {}
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
