//! The embedded adapter: `fjall`, with one committer thread that takes whatever steps are waiting and makes them
//! durable with one fsync. Only that thread writes, so its check of an aggregate's version cannot be overtaken.

use std::{
    collections::HashMap,
    ops::{Bound, RangeInclusive},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use quick_cache::{Weighter, sync::Cache};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use super::{Commit, CommitError, Store, StoreError, space::Space};
use crate::{aggregate::Aggregate, identity::AggregateId};

#[cfg(test)]
mod tests;

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

/// Commits that share one fsync.
const GROUP_COMMITS_MAX: usize = 1024;
/// How long a group waits for commits that are known to be under way. An fsync costs the processor as much as several
/// steps: on a busy host fewer of them make everything faster, and on an idle one nobody is waited for.
const GATHER_WAIT_MAX: Duration = Duration::from_millis(2);
/// How often a waiting group looks whether it is complete.
const GATHER_LOOK: Duration = Duration::from_micros(250);
/// Memtables larger than the default: fewer flushes, and aggregates that change often are written to tables once.
const MEMTABLE_BYTES: u64 = 128 << 20;
/// Records are written once and never changed: their values stay where they were first written, outside of compaction.
const RECORD_SEPARATION_BYTES: u32 = 128;
/// How many versions the committer remembers, so that it need not read an aggregate to learn them.
const VERSIONS_REMEMBERED: usize = 1 << 20;

/// The embedded store.
pub struct Embedded {
    tables: Tables,
    cache: Arc<Cache<AggregateId, Arc<Aggregate>, AggregateSize>>,
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

#[derive(Clone)]
struct Tables {
    database: Database,
    aggregates: Keyspace,
    records: Keyspace,
    /// Steps with effects that wait to be carried on; the effects themselves are in the records.
    outbox: Keyspace,
}

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

struct Committer {
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

struct Request {
    commit: Commit,
    document: Vec<u8>,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

impl Embedded {
    /// Opens the store, or makes it.
    ///
    /// # Errors
    /// Where the files cannot be read or written, or another process has them.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let open_error = |reason: String| OpenError { directory: settings.directory.clone(), reason };
        let tables = Tables::open(&settings.directory).map_err(|error| open_error(describe(&error)))?;
        let cache = Arc::new(Cache::with_weighter(
            usize::try_from(settings.cache_bytes / 2048).unwrap_or(usize::MAX),
            settings.cache_bytes,
            AggregateSize,
        ));
        let (requests, waiting) = mpsc::channel();
        let (fail, failure) = watch::channel(None);
        let worker = Worker {
            tables: tables.clone(),
            cache: cache.clone(),
            versions: quick_cache::unsync::Cache::new(VERSIONS_REMEMBERED),
            fail,
        };
        let thread = thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || worker.run(&waiting))
            .map_err(|error| open_error(error.to_string()))?;
        let space = Space::new(&settings.directory, settings.disk_reserve_bytes);
        let committer = Mutex::new(Some(Committer { requests, thread }));
        Ok(Self { tables, cache, aggregate_bytes_max: settings.aggregate_bytes_max, space, committer, failure })
    }

    fn submit(&self, request: Request) -> Result<(), StoreError> {
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = || StoreError::Unavailable("it is closed".to_owned());
        committer.as_ref().ok_or_else(closed)?.requests.send(request).map_err(|_| closed())
    }
}

#[async_trait]
impl Store for Embedded {
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        if let Some(aggregate) = self.cache.get(id) {
            return Ok(Some(aggregate));
        }
        let aggregate = tokio::task::block_in_place(|| self.tables.aggregate(id))?.map(Arc::new);
        if let Some(aggregate) = &aggregate {
            self.cache.insert(id.clone(), aggregate.clone());
        }
        Ok(aggregate)
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.space.check()?;
        let document = encode(&commit.aggregate)?;
        if document.len() > self.aggregate_bytes_max {
            return Err(CommitError::TooLarge { size: document.len(), size_max: self.aggregate_bytes_max });
        }
        let (answer, answered) = oneshot::channel();
        self.submit(Request { commit, document, answer })?;
        let lost = |_| StoreError::Unavailable("the committer ended".to_owned());
        answered.await.map_err(lost)?
    }

    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        tokio::task::block_in_place(|| self.tables.records(id, steps))
    }

    async fn record_after(&self, step: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError> {
        tokio::task::block_in_place(|| self.tables.record_after(step))
    }

    async fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        tokio::task::block_in_place(|| self.tables.aggregates_after(after, count_max))
    }

    async fn outbox(&self, count_max: usize) -> Result<Vec<(AggregateId, u64)>, StoreError> {
        tokio::task::block_in_place(|| self.tables.outbox(count_max))
    }

    fn health(&self) -> Result<(), StoreError> {
        if let Some(failure) = self.failure.borrow().as_ref() {
            return Err(failure.clone());
        }
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
        let Some(Committer { requests, thread }) = committer else { return };
        drop(requests);
        let ended = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the committer did not end in good order");
        }
    }
}

impl Tables {
    fn open(directory: &Path) -> Result<Self, fjall::Error> {
        let database = Database::builder(directory).worker_threads(2).open()?;
        let aggregates = database.keyspace("aggregates", || {
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).expect_point_read_hits(true)
        })?;
        let records = database.keyspace("records", || {
            let separation = KvSeparationOptions::default().separation_threshold(RECORD_SEPARATION_BYTES);
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).with_kv_separation(Some(separation))
        })?;
        let outbox = database.keyspace("outbox", KeyspaceCreateOptions::default)?;
        Ok(Self { database, aggregates, records, outbox })
    }

    fn aggregate(&self, id: &AggregateId) -> Result<Option<Aggregate>, StoreError> {
        let document = self.aggregates.get(id.as_str()).map_err(unavailable)?;
        document.map(|document| decode(id.as_str(), &document)).transpose()
    }

    fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let range = self.records.range(step_key(id, *steps.start())..=step_key(id, *steps.end()));
        range
            .map(|entry| {
                let (key, record) = entry.into_inner().map_err(unavailable)?;
                let (_, step) = read_step_key(&key)?;
                Ok((step, record.to_vec()))
            })
            .collect()
    }

    fn record_after(&self, step: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError> {
        let start = step.map_or(Bound::Unbounded, |(id, step)| Bound::Excluded(step_key(id, step)));
        let first = self.records.range((start, Bound::Unbounded)).next();
        first.map(|entry| read_step_key(&entry.key().map_err(unavailable)?)).transpose()
    }

    fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str().as_bytes()));
        let range = self.aggregates.range::<&[u8], _>((start, Bound::Unbounded));
        let aggregates = range.take(count_max).map(|entry| {
            let (key, document) = entry.into_inner().map_err(unavailable)?;
            decode(&String::from_utf8_lossy(&key), &document).map(Arc::new)
        });
        aggregates.collect()
    }

    fn outbox(&self, count_max: usize) -> Result<Vec<(AggregateId, u64)>, StoreError> {
        let entries = self.outbox.iter().take(count_max);
        entries.map(|entry| read_step_key(&entry.key().map_err(unavailable)?)).collect()
    }
}

/// What the committer thread has.
struct Worker {
    tables: Tables,
    cache: Arc<Cache<AggregateId, Arc<Aggregate>, AggregateSize>>,
    versions: quick_cache::unsync::Cache<AggregateId, u64>,
    fail: watch::Sender<Option<StoreError>>,
}

impl Worker {
    fn run(mut self, waiting: &Receiver<Request>) {
        let mut failure = None;
        while let Ok(first) = waiting.recv() {
            let group = gather(first, waiting);
            if let Some(failure) = &failure {
                answer_all(group.into_iter(), &Err(CommitError::Store(StoreError::clone(failure))));
                continue;
            }
            let group = self.admit(group);
            let outcome = self.write(&group);
            if let Err(error) = &outcome {
                // A store that failed to write cannot tell what is on its disk; opening it anew can.
                tracing::error!(%error, "the store has failed; commits are refused from here on");
                self.fail.send_replace(Some(error.clone()));
                failure = Some(error.clone());
            } else {
                for request in &group {
                    let aggregate = &request.commit.aggregate;
                    self.versions.insert(aggregate.id.clone(), aggregate.step);
                    self.cache.insert(aggregate.id.clone(), aggregate.clone());
                }
            }
            answer_all(group.into_iter(), &outcome.map_err(CommitError::Store));
        }
    }

    /// Those of the requests whose aggregate has the version that they expect; the others are answered.
    fn admit(&mut self, requests: Vec<Request>) -> Vec<Request> {
        let mut versions_in_group = HashMap::new();
        let mut admitted = Vec::new();
        for request in requests {
            let aggregate = &request.commit.aggregate;
            let version = match versions_in_group.get(&aggregate.id) {
                Some(version) => Ok(*version),
                None => self.version(&aggregate.id),
            };
            match version {
                Ok(version) if version == request.commit.expected => {
                    versions_in_group.insert(aggregate.id.clone(), aggregate.step);
                    admitted.push(request);
                }
                Ok(_) => {
                    // Whoever loads it next must see what is stored.
                    self.cache.remove(&aggregate.id);
                    answer(request, Err(CommitError::Conflict));
                }
                Err(error) => answer(request, Err(error.into())),
            }
        }
        admitted
    }

    fn version(&mut self, id: &AggregateId) -> Result<u64, StoreError> {
        if let Some(version) = self.versions.get(id) {
            return Ok(*version);
        }
        Ok(self.tables.aggregate(id)?.map_or(0, |aggregate| aggregate.step))
    }

    fn write(&self, group: &[Request]) -> Result<(), StoreError> {
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::SyncData));
        for Request { commit, document, .. } in group {
            let id = &commit.aggregate.id;
            batch.insert(&self.tables.aggregates, id.as_str(), document.as_slice());
            for record in &commit.records {
                let key = step_key(id, record.step);
                if record.has_effects {
                    batch.insert(&self.tables.outbox, key.as_slice(), []);
                }
                batch.insert(&self.tables.records, key, record.bytes.as_slice());
            }
        }
        batch.commit().map_err(unavailable)
    }
}

/// What waits, and what is known to come soon.
fn gather(first: Request, waiting: &Receiver<Request>) -> Vec<Request> {
    let begun = Instant::now();
    let mut group = vec![first];
    loop {
        group.extend(waiting.try_iter().take(GROUP_COMMITS_MAX - group.len()));
        let under_way = group.last().map_or(0, |newest| newest.commit.under_way);
        if group.len() >= under_way.min(GROUP_COMMITS_MAX) || begun.elapsed() >= GATHER_WAIT_MAX {
            return group;
        }
        thread::sleep(GATHER_LOOK);
    }
}

fn answer_all(requests: impl Iterator<Item = Request>, outcome: &Result<(), CommitError>) {
    for request in requests {
        answer(request, outcome.clone());
    }
}

fn answer(request: Request, outcome: Result<(), CommitError>) {
    // Whoever asked may have gone; the step stands all the same.
    let _gone = request.answer.send(outcome);
}

/// The id, a zero byte that no id has, and the step in big-endian order: an aggregate's records lie in step order.
fn step_key(id: &AggregateId, step: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.as_str().len() + 9);
    key.extend(id.as_str().as_bytes());
    key.push(0);
    key.extend(step.to_be_bytes());
    key
}

fn read_step_key(key: &[u8]) -> Result<(AggregateId, u64), StoreError> {
    let parts = key.split_last_chunk::<8>().and_then(|(id, step)| {
        let id = std::str::from_utf8(id.strip_suffix(&[0])?).ok()?.parse().ok()?;
        Some((id, u64::from_be_bytes(*step)))
    });
    parts.ok_or_else(|| StoreError::Corrupt(format!("a record's key is {}", String::from_utf8_lossy(key))))
}

fn encode(aggregate: &Aggregate) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(aggregate).map_err(|error| StoreError::Corrupt(format!("{}: {error}", aggregate.id)))
}

fn decode(id: &str, document: &[u8]) -> Result<Aggregate, StoreError> {
    serde_json::from_slice(document).map_err(|error| StoreError::Corrupt(format!("{id}: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(error: fjall::Error) -> StoreError {
    StoreError::Unavailable(describe(&error))
}

fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Locked => "another process is using it".to_owned(),
        fjall::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
