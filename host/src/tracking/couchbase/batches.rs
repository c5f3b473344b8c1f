//! How facts are counted exactly once without transactions. Whatever a writer does is there for others to finish:
//!
//! 1. A batch of facts is inserted: the intent. One of a writer at a time.
//! 2. Its steps are claimed, each in the document of its aggregate's steps.
//! 3. The batch is replaced by the facts whose steps it has got, and the generations in which they count. From here on
//!    nothing about it changes; the batches are the facts that are kept.
//! 4. Each count that its facts concern is changed once, and remembers the batch for it.
//! 5. The writer's mark says that it is done. Only then claims are folded and counts may forget the batch.
//!
//! Anybody can go on from any place, and several at once: claims are taken by compare-and-swap; only one replaces the
//! intent, and whoever tries with claims that have been folded meanwhile finds it replaced; and whoever is about to
//! change a count looks first, after reading it, that the batch is not done. If that is so, the count has not forgotten
//! the batch when it was read, and should it be forgotten now, the compare-and-swap fails.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::{
    claims::{Claims, steps_of},
    counts::{Delta, Deltas, Mark, deltas},
    kinds::{self, BatchId, Kinds},
    plan::Plan,
};
use crate::{
    cluster::{Documents, Expected, Written},
    facts::Fact,
    store::StoreError,
};

/// Documents that are changed side by side.
pub(super) const AT_ONCE: usize = 32;

/// A batch as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Batch {
    /// What is to be counted, unless others were first.
    Intent(Vec<Fact>),
    /// What is counted, and in which generations.
    Fixed { facts: Vec<Fact>, generations: Vec<u64> },
    /// The writer is gone: nothing comes any more.
    Sealed,
}

/// How a batch was found by whoever wanted it finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    /// It is done, and so may others be that were ahead of it with some of its steps; these are to be finished too.
    Done {
        ahead: Vec<BatchId>,
    },
    Sealed,
    /// There is none.
    Missing,
}

/// All batches of all writers.
#[derive(Clone)]
pub(super) struct Batches {
    pub(super) documents: Documents,
    /// How far writers are known to be done; it is never less in truth.
    known_done: Arc<Mutex<HashMap<u64, u64>>>,
}

impl Batches {
    pub(super) fn new(documents: Documents) -> Self {
        Self { documents, known_done: Arc::default() }
    }

    pub(super) async fn get(&self, id: BatchId) -> Result<(Option<Batch>, Expected), StoreError> {
        Ok(self.documents.find(Kinds::Batches, &id.to_string()).await?)
    }

    /// Inserts a batch where there is none. Whether it is known to have been inserted; else there may be one now.
    pub(super) async fn insert(&self, id: BatchId, batch: &Batch) -> Result<Written, StoreError> {
        Ok(self.documents.write(Kinds::Batches, &id.to_string(), batch, Expected::Missing).await?)
    }

    pub(super) async fn plan(&self) -> Result<Plan, StoreError> {
        Ok(self.documents.read(Kinds::Index, kinds::PLAN).await?.unwrap_or_default())
    }

    /// Up to which number a writer's batches are done.
    pub(super) async fn done(&self, writer: u64) -> Result<u64, StoreError> {
        let done = self.documents.read(Kinds::Index, &kinds::done(writer)).await?.unwrap_or(0);
        self.know_done(writer, done);
        Ok(done)
    }

    fn know_done(&self, writer: u64, done: u64) {
        let mut known = self.known_done.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(writer).or_default();
        *known = done.max(*known);
    }

    fn is_known_done(&self, id: BatchId) -> bool {
        let known = self.known_done.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&id.writer).is_some_and(|done| *done >= id.number)
    }

    async fn is_done(&self, id: BatchId) -> Result<bool, StoreError> {
        Ok(self.is_known_done(id) || self.done(id.writer).await? >= id.number)
    }

    /// Brings a batch to its end, from wherever it is.
    pub(super) async fn finish(&self, id: BatchId) -> Result<Finished, StoreError> {
        let mut ahead = Vec::new();
        for _ in self.documents.tries() {
            match self.get(id).await? {
                (None, _) => return Ok(Finished::Missing),
                (Some(Batch::Sealed), _) => return Ok(Finished::Sealed),
                (Some(Batch::Intent(facts)), found) => ahead = self.fix(id, facts, found).await?,
                (Some(Batch::Fixed { facts, generations }), _) => {
                    self.count(id, facts, &generations).await?;
                    return Ok(Finished::Done { ahead });
                }
            }
        }
        Err(self.documents.contended(Kinds::Batches, &id.to_string()).into())
    }

    /// Claims the steps of an intent, and replaces it by what was claimed, unless somebody else has. Batches that were
    /// ahead of it.
    pub(super) async fn fix(&self, id: BatchId, facts: Vec<Fact>, found: Expected) -> Result<Vec<BatchId>, StoreError> {
        let steps = steps_of(&facts);
        let claiming = steps.into_iter().map(|(key, steps)| {
            let batches = self.clone();
            async move {
                let claims = batches.claim(id, &key, &steps).await?;
                Ok::<_, StoreError>((key, claims.of(id), claims.ahead(id, &steps)))
            }
        });
        let claims: Vec<_> = stream::iter(claiming).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut ahead: Vec<_> = claims.iter().flat_map(|(_, _, ahead)| ahead.clone()).collect();
        ahead.sort_unstable();
        ahead.dedup();
        let claimed: BTreeMap<_, _> = claims.into_iter().map(|(key, claimed, _)| (key, claimed)).collect();
        let is_ours = |fact: &Fact| claimed[&kinds::claims(&fact.id)].contains(&fact.id.step);
        let facts = distinct(facts.into_iter().filter(is_ours));
        // The intent was there when this is read: that is what counting anew relies on.
        let generations = self.plan().await?.generations().map(|generation| generation.number).collect();
        let fixed = Batch::Fixed { facts, generations };
        // Where it was not written, somebody else has, or it will be tried again.
        self.documents.write(Kinds::Batches, &id.to_string(), &fixed, found).await?;
        Ok(ahead)
    }

    async fn claim(&self, id: BatchId, key: &str, steps: &[u64]) -> Result<Claims, StoreError> {
        for _ in self.documents.tries() {
            let (found, expected) = self.documents.find::<Claims>(Kinds::Claims, key).await?;
            let claims = found.unwrap_or_default();
            for open in claims.open() {
                self.is_done(open).await?;
            }
            let Some(claiming) = claims.claiming(id, steps, |open| self.is_known_done(open)) else { return Ok(claims) };
            if self.documents.write(Kinds::Claims, key, &claiming, expected).await? == Written::Yes {
                return Ok(claiming);
            }
        }
        Err(self.documents.contended(Kinds::Claims, key).into())
    }

    /// Counts what is fixed, in those of its generations that are still wanted.
    async fn count(&self, id: BatchId, facts: Vec<Fact>, generations: &[u64]) -> Result<(), StoreError> {
        if self.is_done(id).await? {
            return Ok(());
        }
        // Read now, it has every generation of the batch but those that nobody will ask any more.
        let plan = self.plan().await?;
        let wanted: Vec<_> =
            plan.generations().filter(|generation| generations.contains(&generation.number)).cloned().collect();
        // Facts of a thousand steps are some milliseconds of work, which no player's call should wait for.
        let deltas = tokio::task::spawn_blocking(move || deltas(&facts, &wanted)).await;
        let deltas = deltas.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.apply(deltas, Mark::Batch(id)).await?;
        let done = |found: Option<u64>| found.is_none_or(|found| found < id.number).then_some(id.number);
        self.documents.change(Kinds::Index, &kinds::done(id.writer), done).await?;
        self.know_done(id.writer, id.number);
        Ok(())
    }

    /// Changes every count once for this mark.
    pub(super) async fn apply(&self, deltas: Deltas, mark: Mark) -> Result<(), StoreError> {
        let Deltas { games, tallies, groups, group_tallies } = deltas;
        self.documents.list(Kinds::Index, kinds::GAMES, &games).await?;
        let listing = groups.into_iter().map(|(list, keys)| {
            let documents = self.documents.clone();
            async move { documents.list(Kinds::Index, &list, &keys).await }
        });
        stream::iter(listing).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        self.apply_all(tallies, mark).await?;
        self.apply_all(group_tallies, mark).await
    }

    async fn apply_all<T: Delta + 'static>(&self, deltas: BTreeMap<String, T>, mark: Mark) -> Result<(), StoreError> {
        let applying = deltas.into_iter().map(|(key, delta)| {
            let batches = self.clone();
            async move { batches.apply_one(&key, &delta, mark).await }
        });
        stream::iter(applying).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Whether a batch is done, as it is now: what is remembered may be too old to say that it is not.
    pub(super) async fn is_done_now(&self, id: BatchId) -> Result<bool, StoreError> {
        self.is_done(id).await
    }

    /// Learns of these whether they are done.
    pub(super) async fn which_are_done(&self, ids: &[BatchId]) -> Result<Vec<BatchId>, StoreError> {
        let mut done = Vec::new();
        for id in ids {
            if self.is_done(*id).await? {
                done.push(*id);
            }
        }
        Ok(done)
    }
}

/// A fact that came twice in one batch is one fact.
fn distinct(facts: impl Iterator<Item = Fact>) -> Vec<Fact> {
    let mut met = std::collections::HashSet::new();
    facts.filter(|fact| met.insert(fact.id.clone())).collect()
}
