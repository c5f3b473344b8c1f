//! The store port: where aggregates and step records are kept, and the catalog's listings, acts and releases. An adapter
//! promises that a commit is whole or not at all, and durable once it is answered; it knows nothing of the rules of
//! games and listings, of money or of protocols.

mod couchbase;
mod embedded;
mod outbox;
mod space;
mod walk;

use std::{ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

pub use self::couchbase::{Couchbase, Settings as CouchbaseSettings};
pub use self::embedded::{Embedded, OpenError, Settings as EmbeddedSettings};
pub(crate) use self::{
    embedded::{TABLE_WRITERS, describe, unavailable},
    space::Space,
};
pub use self::{
    outbox::Outbox,
    walk::{Standing, Walk},
};
use crate::{
    aggregate::Aggregate,
    cluster::{ClusterError, NotWritten},
    identity::{AggregateId, GameId, ReleaseDigest},
    listing::{Act, Listing},
    record::{Destination, EncodedRecord, Told},
};

/// New steps of one aggregate.
#[derive(Debug)]
pub struct Commit {
    /// The version that the aggregate must still have; 0 where it must not exist yet.
    pub expected: u64,
    /// The aggregate after the newest of the steps.
    pub aggregate: Arc<Aggregate>,
    /// The steps' records in order, numbered from `expected + 1` to the aggregate's version.
    pub records: Vec<EncodedRecord>,
    /// Aggregates with requests under way on this host, this one among them: as many commits may come soon.
    /// For a store that gathers commits; it may be wrong and bind nobody.
    pub under_way: usize,
}

/// A step that waits to be carried on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose step it is.
    pub aggregate: AggregateId,
    /// Its number.
    pub step: u64,
    /// Its place in the outbox, where the store's order is not that of aggregates and steps; the store's own.
    pub place: u64,
    /// Its record.
    pub record: Bytes,
    /// What it tells, where this host has made it lately.
    pub told: Option<Arc<Told>>,
}

impl Waiting {
    /// What tells which step it is.
    #[must_use]
    pub fn without_record(&self) -> Self {
        let Self { aggregate, step, place, .. } = self;
        Self { aggregate: aggregate.clone(), step: *step, place: *place, record: Bytes::new(), told: None }
    }

    /// What it tells, read from its record where that is needed.
    ///
    /// # Errors
    /// Where that is no record, as far as it is looked at.
    pub fn told(&self) -> Result<Arc<Told>, serde_json::Error> {
        self.told.clone().map_or_else(|| Told::decode(&self.record).map(Arc::new), Ok)
    }
}

/// Why a commit was not made. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The aggregate or the listing has another version: load it again.
    #[error("it has another version by now")]
    Conflict,
    /// The aggregate's document is larger than the store takes.
    #[error("the aggregate has {size} bytes; {size_max} are allowed")]
    TooLarge {
        /// What it has.
        size: usize,
        /// What is allowed.
        size_max: usize,
    },
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store cannot do its work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No room; commits are taken again once there is some.
    #[error("the disk has no room left: {0}")]
    Full(String),
    /// It failed or is closed.
    #[error("the store has failed: {0}")]
    Unavailable(String),
    /// What is stored does not read back.
    #[error("the stored data is damaged: {0}")]
    Corrupt(String),
}

impl From<ClusterError> for StoreError {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::Unavailable(why) => Self::Unavailable(why),
            ClusterError::Corrupt(what) => Self::Corrupt(what),
        }
    }
}

impl From<NotWritten> for StoreError {
    fn from(not_written: NotWritten) -> Self {
        ClusterError::from(not_written).into()
    }
}

/// Where aggregates and records, listings and releases are kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The aggregate after its newest committed step, or as this host has seen it last: never older than what this host
    /// has loaded or committed before. A commit on an older one than is stored is a conflict, after which this answers
    /// with what is stored.
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError>;

    /// The aggregate as it is stored now, and never as this host remembers it. A check of the whole store asks; for a
    /// request there is `load`.
    async fn stored(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError>;

    /// Stores the steps if the aggregate still has the expected version. Durable once this returns. A caller that goes
    /// away before leaves all of it or nothing.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// Whether no other host has taken a further step than this aggregate has, which is what this host has loaded or
    /// committed last (one without steps where there was none to load). A request that commits nothing asks, so that it
    /// is not answered from the past; where it is no longer so, the next load answers with what is stored.
    async fn is_current(&self, aggregate: &Aggregate) -> Result<bool, StoreError>;

    /// The records of the committed steps in this range, byte for byte and in order, each with its step's number; none
    /// where the range is empty. Beside a commit it shows all of its records or none.
    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// The first step after this one that has a record, in an order of the store's own in which the steps of an aggregate
    /// follow each other; the very first without one. A check of the whole store asks, so that no record goes unseen. A
    /// store that finds records by their aggregates alone always answers that there is none.
    async fn record_after(&self, step: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError>;

    /// At most `count_max` aggregates as they are stored, in an order of the store's own, after `after`, which was the
    /// last of the page before. Whoever asks until a page is empty sees each once that was there from the beginning;
    /// fewer than `count_max` are not the end yet.
    async fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError>;

    /// A walk over all aggregates in the order of ids, which is the same in every store, from behind this one on. It
    /// shows each once that was there when the walk began; one that changes meanwhile as it was before or after a
    /// commit. How much memory it takes does not depend on how many aggregates there are.
    fn walk<'a>(&'a self, after: Option<&AggregateId>) -> Box<dyn Walk + 'a>;

    /// Steps that wait to be carried there and that this host is to see to: those that it has committed itself, and those
    /// that a host has left that is gone; perhaps some that another host sees to as well. Those of one aggregate that a
    /// host has committed come in their order. At most `steps_max`, none after `bytes_max` bytes of records, and none at
    /// all only where no more wait. What waits for one destination is in no other's way.
    async fn outbox(&self, to: Destination, steps_max: usize, bytes_max: usize) -> Result<Vec<Waiting>, StoreError>;

    /// These steps of this host's outbox were carried there. No version changes by it. It may be forgotten in a crash, and
    /// unknown to a host that looks after another which is gone: then they are carried on again, which their ids make
    /// harmless.
    async fn carried(&self, to: Destination, steps: &[Waiting]) -> Result<(), StoreError>;

    /// Waits until more may be in a destination's outbox than at the last look. One asks at a time.
    async fn outbox_grew(&self, to: Destination);

    /// Every game's listing, in the order of ids.
    async fn listings(&self) -> Result<Vec<Listing>, StoreError>;

    /// A game's listing after its newest act.
    async fn listing(&self, game: &GameId) -> Result<Option<Listing>, StoreError>;

    /// Stores acts and the listing that they have made, all or none, if the stored listing has the version before the
    /// first of them (0: there is none). Durable once this returns.
    async fn commit_acts(&self, listing: &Listing, acts: &[Act]) -> Result<(), CommitError>;

    /// The acts of a game with these numbers, as far as there are such, in order.
    async fn acts(&self, game: &GameId, numbers: RangeInclusive<u64>) -> Result<Vec<Act>, StoreError>;

    /// Waits until another host may have committed acts. A store of one host waits for ever.
    async fn acts_elsewhere(&self);

    /// Keeps a release's bytes under its digest, in the place of what may be kept there. Durable once this returns.
    /// Whether they are what the digest says is for the caller to prove, here and at every reading: a disk may change
    /// them in between, and then they are put again.
    async fn put_release(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError>;

    /// A release's bytes as they are kept.
    async fn release(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether commits can be expected to succeed.
    fn health(&self) -> Result<(), StoreError>;

    /// Waits until the store has failed for good. Nothing that was answered is lost, but only a restart helps.
    async fn failed(&self) -> StoreError;

    /// Finishes what was begun and closes the files. Changes that are asked for later are refused as
    /// [`StoreError::Unavailable`], and `health` says so; questions may be answered still.
    async fn close(&self);
}
