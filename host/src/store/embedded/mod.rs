//! The embedded adapter: a database of `fjall`, which one thread writes, and beside it the releases as files.

mod committer;
mod outbox;
mod recent;
mod releases;
mod requests;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use std::{
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use quick_cache::{Weighter, sync::Cache};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot, watch};

pub(crate) use self::tables::{TABLE_WRITERS, describe, unavailable};
use self::{
    committer::Committer,
    releases::Releases,
    requests::{Change, Request, Steps},
    tables::{Tables, encode},
};
use super::{Commit, CommitError, Store, StoreError, Waiting, Walk, space::Space};
use crate::{
    aggregate::Aggregate,
    identity::{AggregateId, GameId, ReleaseDigest},
    listing::{Act, Listing},
    record::Destination,
};

/// What an operator may choose about the embedded store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its files are.
    pub directory: PathBuf,
    /// Memory for aggregates that were used lately.
    pub cache_bytes: u64,
    /// An aggregate's document.
    pub aggregate_bytes_max: usize,
    /// Room on the disk below which steps are refused.
    pub disk_reserve_bytes: u64,
}

/// The embedded store.
pub struct Embedded {
    tables: Tables,
    cache: Arc<AggregateCache>,
    /// Turns at reading the database.
    reads: Arc<Semaphore>,
    releases: Releases,
    aggregate_bytes_max: usize,
    space: Space,
    committer: Mutex<Option<Committer>>,
    failure: watch::Receiver<Option<StoreError>>,
}

/// The store's files cannot be used.
#[derive(Debug, Error)]
#[error("the store in {directory} cannot be opened: {reason}")]
pub struct OpenError {
    directory: PathBuf,
    reason: String,
}

/// Reads at once. Each takes a thread; without a bound, a rush of players who are not in memory would start hundreds of them.
const READS_MAX: usize = 16;

type AggregateCache = Cache<AggregateId, Arc<Aggregate>, AggregateSize>;

#[derive(Clone)]
struct AggregateSize;

impl Weighter<AggregateId, Arc<Aggregate>> for AggregateSize {
    /// A rough size in memory: what dominates is the documents.
    fn weight(&self, _id: &AggregateId, aggregate: &Arc<Aggregate>) -> u64 {
        let documents = aggregate.documents.values().flat_map(|documents| documents.iter());
        let documents: usize = documents.map(|(key, value)| 100 + key.len() + value.as_str().len()).sum();
        1500 + 150 * aggregate.sessions.len() as u64 + documents as u64
    }
}

impl Embedded {
    /// Opens the store, or makes it.
    ///
    /// # Errors
    /// Where the files cannot be read or written, or another process has them.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let open_error = |reason: String| OpenError { directory: settings.directory.clone(), reason };
        let tables = Tables::open(&settings.directory).map_err(|error| open_error(describe(&error)))?;
        // Not before the database is open: its lock is the folder's too.
        let releases = Releases::open(&settings.directory);
        let releases = releases.map_err(|error| open_error(format!("its releases: {error}")))?;
        let cache = Arc::new(Cache::with_weighter(
            usize::try_from(settings.cache_bytes / 2048).unwrap_or(usize::MAX),
            settings.cache_bytes,
            AggregateSize,
        ));
        let (committer, failure) =
            Committer::start(tables.clone(), cache.clone()).map_err(|error| open_error(error.to_string()))?;
        Ok(Self {
            tables,
            cache,
            reads: Arc::new(Semaphore::new(READS_MAX)),
            releases,
            aggregate_bytes_max: settings.aggregate_bytes_max,
            space: Space::new(&settings.directory, settings.disk_reserve_bytes, "steps are refused"),
            committer: Mutex::new(Some(committer)),
            failure,
        })
    }

    /// Away from the threads that answer players: it may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.reads.clone().acquire_owned().await.map_err(|_| closed())?;
        let tables = self.tables.clone();
        let done = tokio::task::spawn_blocking(move || {
            // It lasts as long as the read, also where nobody waits for that any more.
            let _turn = turn;
            read(&tables)
        });
        done.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    /// Durable once this returns.
    async fn make(&self, change: Change) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Request { change, answer })?;
        let lost = |_| StoreError::Unavailable("the committer ended".to_owned());
        answered.await.map_err(lost)?
    }

    fn submit(&self, request: Request) -> Result<(), StoreError> {
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        committer.as_ref().ok_or_else(closed)?.submit(request)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        committer.as_ref().map(drop).ok_or_else(closed)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        if let Some(aggregate) = self.cache.get(id) {
            return Ok(Some(aggregate));
        }
        let (cache, id) = (self.cache.clone(), id.clone());
        // What the committer stores meanwhile stays in the cache, and what is read here goes past it.
        let read = move |tables: &Tables| {
            let aggregate = || match tables.aggregate(&id) {
                Ok(Some(aggregate)) => Ok(Arc::new(aggregate)),
                nothing => Err(nothing.map(|_| None)),
            };
            cache.get_or_insert_with(&id, aggregate).map_or_else(|nothing| nothing, |aggregate| Ok(Some(aggregate)))
        };
        self.read(read).await
    }

    async fn stored(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        let id = id.clone();
        Ok(self.read(move |tables| tables.aggregate(&id)).await?.map(Arc::new))
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.space.check()?;
        let steps = Steps::of(commit)?;
        let (size, size_max) = (steps.document.len(), self.aggregate_bytes_max);
        if size > size_max {
            return Err(CommitError::TooLarge { size, size_max });
        }
        self.make(Change::Steps(steps)).await
    }

    /// Only this process writes, and its cache is never behind what it has written.
    async fn is_current(&self, _: &Aggregate) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let id = id.clone();
        self.read(move |tables| tables.records(&id, steps)).await
    }

    async fn record_after(&self, step: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError> {
        let step = step.map(|(id, step)| (id.clone(), step));
        self.read(move |tables| tables.record_after(step.as_ref().map(|(id, step)| (id, *step)))).await
    }

    async fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        let after = after.cloned();
        self.read(move |tables| tables.aggregates_after(after.as_ref(), count_max)).await
    }

    fn walk<'a>(&'a self, after: Option<&AggregateId>) -> Box<dyn Walk + 'a> {
        Box::new(walk::Walk::new(&self.tables, after))
    }

    /// On a thread of its own: it may read a thousand records, and players' calls must not wait for that.
    async fn outbox(&self, to: Destination, steps_max: usize, bytes_max: usize) -> Result<Vec<Waiting>, StoreError> {
        let tables = self.tables.clone();
        let read = tokio::task::spawn_blocking(move || tables.waiting(to, steps_max, bytes_max));
        read.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    async fn carried(&self, to: Destination, steps: &[Waiting]) -> Result<(), StoreError> {
        self.check_open()?;
        let tables = self.tables.clone();
        let places: Vec<_> = steps.iter().map(|step| step.place).collect();
        let removed = tokio::task::spawn_blocking(move || tables.carried(to, &places));
        removed.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    async fn outbox_grew(&self, to: Destination) {
        self.tables.outbox.grew(to).await;
    }

    async fn listings(&self) -> Result<Vec<Listing>, StoreError> {
        self.read(Tables::listings).await
    }

    async fn listing(&self, game: &GameId) -> Result<Option<Listing>, StoreError> {
        let game = game.clone();
        self.read(move |tables| tables.listing(&game)).await
    }

    async fn commit_acts(&self, listing: &Listing, acts: &[Act]) -> Result<(), CommitError> {
        self.space.check()?;
        let newest = acts.last().map(|act| act.number);
        debug_assert_eq!(newest, Some(listing.version), "these acts have not made this listing");
        let game = &listing.game;
        let acts = acts.iter().map(|act| encode(game, act)).collect::<Result<Vec<_>, _>>()?;
        let document = encode(game, listing)?;
        self.make(Change::Acts { game: game.clone(), version: listing.version, listing: document, acts }).await
    }

    async fn acts(&self, game: &GameId, numbers: RangeInclusive<u64>) -> Result<Vec<Act>, StoreError> {
        let game = game.clone();
        self.read(move |tables| tables.acts(&game, numbers)).await
    }

    async fn acts_elsewhere(&self) {
        std::future::pending().await
    }

    async fn put_release(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError> {
        self.health()?;
        self.releases.put(release, bytes).await
    }

    async fn release(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.releases.get(release).await
    }

    fn health(&self) -> Result<(), StoreError> {
        if let Some(failure) = self.failure.borrow().as_ref() {
            return Err(failure.clone());
        }
        self.check_open()?;
        self.space.check()
    }

    async fn failed(&self) -> StoreError {
        let mut failure = self.failure.clone();
        let failed = failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        match failed {
            Some(failure) => failure,
            // The committer ended in good order: the store is closed, which is no failure.
            None => std::future::pending().await,
        }
    }

    async fn close(&self) {
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            committer.end().await;
        }
        self.releases.close().await;
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".to_owned())
}
