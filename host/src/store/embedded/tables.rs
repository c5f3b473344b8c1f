//! What lies where in the database: its keyspaces, their keys, and how they are read. Only the committer writes.

use std::{
    fmt,
    ops::{Bound, RangeInclusive},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, Readable as _};
use serde::{Serialize, de::DeserializeOwned};

use super::{StoreError, Waiting, outbox::Outbox, recent::Step};
use crate::{
    aggregate::Aggregate,
    identity::{AggregateId, GameId},
    listing::{Act, Listing},
    record::Destination,
};

/// Memtables larger than the default: fewer flushes, and aggregates that change often are written to tables once.
const MEMTABLE_BYTES: u64 = 128 << 20;
/// Threads that write and merge a database's tables. A single one would wait for itself once a long merge has let the requests
/// of commits fill its queue, and write no table ever after. Of two, one leaves every merge to the other, and turns round and
/// round while that is merging.
pub(crate) const TABLE_WRITERS: usize = 3;
/// Records are written once and never changed: their values stay where they were first written, outside of compaction.
/// They are not compressed: each would be by itself, for a quarter of its size, and that costs as much as encoding it.
const RECORD_SEPARATION_BYTES: u32 = 128;

/// Room for most documents: one that grew to its size would be copied three times on the way.
const USUAL_BYTES: usize = 1024;

#[derive(Clone)]
pub(super) struct Tables {
    pub(super) database: Database,
    pub(super) aggregates: Keyspace,
    pub(super) records: Keyspace,
    pub(super) outbox: Outbox,
    pub(super) listings: Keyspace,
    pub(super) acts: Keyspace,
}

impl Tables {
    pub(super) fn open(directory: &Path) -> Result<Self, fjall::Error> {
        let database = Database::builder(directory).worker_threads(TABLE_WRITERS).open()?;
        let aggregates = database.keyspace("aggregates", || {
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).expect_point_read_hits(true)
        })?;
        let records = database.keyspace("records", || {
            let separation = KvSeparationOptions::default()
                .separation_threshold(RECORD_SEPARATION_BYTES)
                .compression(CompressionType::None);
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).with_kv_separation(Some(separation))
        })?;
        let outbox = Outbox::open(&database)?;
        let listings = database.keyspace("listings", KeyspaceCreateOptions::default)?;
        let acts = database.keyspace("acts", KeyspaceCreateOptions::default)?;
        Ok(Self { database, aggregates, records, outbox, listings, acts })
    }

    /// Of a commit that is being made a look at a keyspace itself, even a range of it, shows one thing before the other.
    fn get(&self, keyspace: &Keyspace, key: &str) -> Result<Option<fjall::UserValue>, StoreError> {
        self.database.snapshot().get(keyspace, key).map_err(unavailable)
    }

    pub(super) fn aggregate(&self, id: &AggregateId) -> Result<Option<Aggregate>, StoreError> {
        let document = self.get(&self.aggregates, id.as_str())?;
        document.map(|document| decode_aggregate(id.as_str(), &document)).transpose()
    }

    pub(super) fn records(
        &self,
        id: &AggregateId,
        steps: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let id = id.as_str();
        let range = self
            .database
            .snapshot()
            .range(&self.records, numbered_key(id, *steps.start())..=numbered_key(id, *steps.end()));
        range
            .map(|entry| {
                let (key, record) = entry.into_inner().map_err(unavailable)?;
                let (_, step) = read_step_key(&key)?;
                Ok((step, record.to_vec()))
            })
            .collect()
    }

    pub(super) fn record_after(
        &self,
        step: Option<(&AggregateId, u64)>,
    ) -> Result<Option<(AggregateId, u64)>, StoreError> {
        let start = step.map_or(Bound::Unbounded, |(id, step)| Bound::Excluded(numbered_key(id.as_str(), step)));
        let first = self.database.snapshot().range(&self.records, (start, Bound::Unbounded)).next();
        first.map(|entry| read_step_key(&entry.key().map_err(unavailable)?)).transpose()
    }

    pub(super) fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str().as_bytes()));
        let range = self.database.snapshot().range::<&[u8], _>(&self.aggregates, (start, Bound::Unbounded));
        let aggregates = range.take(count_max).map(|entry| {
            let (key, document) = entry.into_inner().map_err(unavailable)?;
            decode_aggregate(&String::from_utf8_lossy(&key), &document).map(Arc::new)
        });
        aggregates.collect()
    }

    /// The oldest steps that wait for a destination, with their records.
    pub(super) fn waiting(
        &self,
        to: Destination,
        steps_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Waiting>, StoreError> {
        if let Some(steps) = self.outbox.recent(to, steps_max, bytes_max) {
            let waiting = steps.into_iter().map(|Step { place, key, record, told }| {
                let (aggregate, step) = match &told {
                    Some(told) => (told.aggregate.clone(), told.step),
                    None => read_step_key(&key)?,
                };
                Ok(Waiting { aggregate, step, place, record: Bytes::from_owner(record), told })
            });
            return waiting.collect();
        }
        let mut waiting = Vec::new();
        let mut bytes = 0;
        let (seen, first) = (self.outbox.seen(to), self.outbox.first(to));
        let snapshot = self.database.snapshot();
        for entry in self.outbox.oldest(to, first, &snapshot).take(steps_max) {
            let (place, key) = entry?;
            let (aggregate, step) = read_step_key(&key)?;
            let record = snapshot.get(&self.records, &key).map_err(unavailable)?;
            let missing = || StoreError::Corrupt(format!("the record of step {step} of {aggregate} is missing"));
            let record = Bytes::from_owner(record.ok_or_else(missing)?);
            bytes += record.len();
            waiting.push(Waiting { aggregate, step, place, record, told: None });
            if bytes >= bytes_max {
                break;
            }
        }
        self.outbox.looked(to, &seen, waiting.first().map(|step| step.place));
        Ok(waiting)
    }

    /// Beside the committer: no version depends on it, and no fsync is waited for.
    pub(super) fn carried(&self, to: Destination, places: &[u64]) -> Result<(), StoreError> {
        self.outbox.remove(&self.database, to, places)
    }

    pub(super) fn listings(&self) -> Result<Vec<Listing>, StoreError> {
        let listings = self.database.snapshot().iter(&self.listings).map(|entry| {
            let (game, document) = entry.into_inner().map_err(unavailable)?;
            decode(&String::from_utf8_lossy(&game), &document)
        });
        listings.collect()
    }

    pub(super) fn listing(&self, game: &GameId) -> Result<Option<Listing>, StoreError> {
        let document = self.get(&self.listings, game.as_str())?;
        document.map(|document| decode(game.as_str(), &document)).transpose()
    }

    pub(super) fn acts(&self, game: &GameId, numbers: RangeInclusive<u64>) -> Result<Vec<Act>, StoreError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let game = game.as_str();
        let range = self
            .database
            .snapshot()
            .range(&self.acts, numbered_key(game, *numbers.start())..=numbered_key(game, *numbers.end()));
        range.map(|entry| decode(game, &entry.value().map_err(unavailable)?)).collect()
    }
}

/// An aggregate that is what its key says.
pub(super) fn decode_aggregate(key: &str, document: &[u8]) -> Result<Aggregate, StoreError> {
    let aggregate: Aggregate = decode(key, document)?;
    if aggregate.id.as_str() != key {
        return Err(StoreError::Corrupt(format!("{key}: it is {}", aggregate.id)));
    }
    Ok(aggregate)
}

/// The id, a zero byte that no id has, and the number of a step or an act in big-endian order: what belongs to one id
/// lies in the order of numbers.
pub(super) fn numbered_key(id: &str, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 9);
    key.extend(id.as_bytes());
    key.push(0);
    key.extend(number.to_be_bytes());
    key
}

pub(super) fn read_step_key(key: &[u8]) -> Result<(AggregateId, u64), StoreError> {
    let parts = key.split_last_chunk::<8>().and_then(|(id, step)| {
        let id = std::str::from_utf8(id.strip_suffix(&[0])?).ok()?.parse().ok()?;
        Some((id, u64::from_be_bytes(*step)))
    });
    parts.ok_or_else(|| StoreError::Corrupt(format!("a record's key is {}", String::from_utf8_lossy(key))))
}

pub(super) fn encode(id: &impl fmt::Display, document: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, document).map_err(|error| StoreError::Corrupt(format!("{id}: {error}")))?;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(id: &str, document: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(document).map_err(|error| StoreError::Corrupt(format!("{id}: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(crate) fn unavailable(error: fjall::Error) -> StoreError {
    StoreError::Unavailable(describe(&error))
}

/// What an operator is told of it.
pub(crate) fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Locked => "another process is using it".to_owned(),
        fjall::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
