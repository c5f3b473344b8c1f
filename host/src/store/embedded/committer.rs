//! The one thread that writes to the database. It takes whatever changes are waiting and makes them durable with one
//! fsync, and its check of a version cannot be overtaken.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use fjall::PersistMode;
use tokio::sync::watch;

use super::{
    AggregateCache, CommitError, StoreError,
    outbox::Added,
    requests::{self, Change, Receiver, Request, Sender, Steps},
    tables::{Tables, numbered_key, unavailable},
};
use crate::identity::{AggregateId, GameId};

/// How many versions the committer remembers, so that it need not read an aggregate to learn them.
const VERSIONS_REMEMBERED: usize = 1 << 20;

/// The running thread. Once this is dropped it finishes what waits and ends.
pub(super) struct Committer {
    requests: Sender,
    thread: JoinHandle<()>,
}

impl Committer {
    /// Beside it where its failure appears, if ever it has one.
    pub(super) fn start(
        tables: Tables,
        cache: Arc<AggregateCache>,
    ) -> io::Result<(Self, watch::Receiver<Option<StoreError>>)> {
        let next_place = tables.outbox.next_place().map_err(io::Error::other)?;
        let (requests, waiting) = requests::channel();
        let (fail, failure) = watch::channel(None);
        let versions = quick_cache::unsync::Cache::new(VERSIONS_REMEMBERED);
        let worker = Worker { tables, cache, versions, listings: HashMap::new(), next_place, fail };
        let thread = thread::Builder::new().name("store-committer".to_owned()).spawn(move || worker.run(&waiting))?;
        Ok((Self { requests, thread }, failure))
    }

    pub(super) fn submit(&self, request: Request) -> Result<(), StoreError> {
        self.requests.send(request)
    }

    /// Finishes what waits, and the thread with it.
    pub(super) async fn end(self) {
        let Self { requests, thread } = self;
        drop(requests);
        let ended = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the committer did not end in good order");
        }
    }
}

/// What the committer thread has.
pub(super) struct Worker {
    pub(super) tables: Tables,
    pub(super) cache: Arc<AggregateCache>,
    pub(super) versions: quick_cache::unsync::Cache<AggregateId, u64>,
    /// The versions of listings that were written.
    pub(super) listings: HashMap<GameId, u64>,
    /// The next place in the outbox.
    pub(super) next_place: u64,
    pub(super) fail: watch::Sender<Option<StoreError>>,
}

/// The versions that what was admitted to a group will have made.
#[derive(Default)]
struct Upcoming {
    aggregates: HashMap<AggregateId, u64>,
    listings: HashMap<GameId, u64>,
}

impl Worker {
    pub(super) fn run(mut self, waiting: &Receiver) {
        let mut failure = None;
        while let Some(group) = waiting.next_group() {
            if let Some(failure) = &failure {
                answer_all(group, &Err(CommitError::Store(StoreError::clone(failure))));
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
                self.remember(&group);
            }
            answer_all(group, &outcome.map_err(CommitError::Store));
        }
    }

    /// Those of the requests whose aggregate or listing has the version that they expect; the others are answered.
    fn admit(&mut self, requests: Vec<Request>) -> Vec<Request> {
        let mut upcoming = Upcoming::default();
        let mut admitted = Vec::new();
        for request in requests {
            match self.check(&request.change, &mut upcoming) {
                Ok(()) => admitted.push(request),
                Err(error) => answer(request, Err(error)),
            }
        }
        admitted
    }

    fn check(&self, change: &Change, upcoming: &mut Upcoming) -> Result<(), CommitError> {
        match change {
            Change::Steps(steps) => {
                let id = &steps.aggregate.id;
                let version = match upcoming.aggregates.get(id) {
                    Some(version) => *version,
                    None => self.version(id)?,
                };
                if version != steps.expected {
                    // Whoever loads it next must see what is stored.
                    self.cache.remove(id);
                    return Err(CommitError::Conflict);
                }
                upcoming.aggregates.insert(id.clone(), steps.aggregate.step);
            }
            Change::Acts { game, version, acts, .. } => {
                let before = match upcoming.listings.get(game) {
                    Some(version) => *version,
                    None => self.listing_version(game)?,
                };
                if acts.is_empty() || before.checked_add(acts.len() as u64) != Some(*version) {
                    return Err(CommitError::Conflict);
                }
                upcoming.listings.insert(game.clone(), *version);
            }
        }
        Ok(())
    }

    fn version(&self, id: &AggregateId) -> Result<u64, StoreError> {
        if let Some(version) = self.versions.get(id) {
            return Ok(*version);
        }
        Ok(self.tables.aggregate(id)?.map_or(0, |aggregate| aggregate.step))
    }

    fn listing_version(&self, game: &GameId) -> Result<u64, StoreError> {
        match self.listings.get(game) {
            Some(version) => Ok(*version),
            None => Ok(self.tables.listing(game)?.map_or(0, |listing| listing.version)),
        }
    }

    fn write(&mut self, group: &[Request]) -> Result<(), StoreError> {
        let tables = &self.tables;
        let mut added = Added::after(self.next_place);
        let mut batch = tables.database.batch().durability(Some(PersistMode::SyncData));
        for request in group {
            match &request.change {
                Change::Steps(Steps { aggregate, document, records, .. }) => {
                    batch.insert(&tables.aggregates, aggregate.id.as_str(), document.clone());
                    for record in records {
                        added.push(record);
                        batch.insert(&tables.records, record.key.clone(), record.bytes.clone());
                    }
                }
                Change::Acts { game, version, listing, acts } => {
                    batch.insert(&tables.listings, game.as_str(), listing.as_slice());
                    let numbers = version + 1 - acts.len() as u64..=*version;
                    for (number, act) in numbers.zip(acts) {
                        batch.insert(&tables.acts, numbered_key(game.as_str(), number), act.as_slice());
                    }
                }
            }
        }
        for (to, steps) in &added.steps {
            tables.outbox.add(&mut batch, *to, steps);
        }
        batch.commit().map_err(unavailable)?;
        for (to, steps) in added.steps {
            tables.outbox.has_grown(to, steps);
        }
        self.next_place = added.next_place;
        Ok(())
    }

    fn remember(&mut self, group: &[Request]) {
        for request in group {
            match &request.change {
                Change::Steps(Steps { aggregate, .. }) => {
                    self.versions.insert(aggregate.id.clone(), aggregate.step);
                    self.cache.insert(aggregate.id.clone(), aggregate.clone());
                }
                Change::Acts { game, version, .. } => {
                    self.listings.insert(game.clone(), *version);
                }
            }
        }
    }
}

fn answer_all(requests: Vec<Request>, outcome: &Result<(), CommitError>) {
    for request in requests {
        answer(request, outcome.clone());
    }
}

fn answer(request: Request, outcome: Result<(), CommitError>) {
    // Whoever asked may have gone; the change stands all the same.
    let _gone = request.answer.send(outcome);
}
