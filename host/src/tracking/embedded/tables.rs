//! What lies where in the database, and how it is read.

use std::path::Path;

use fjall::{
    Database, Guard, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, Readable as _, Snapshot,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::keys;
use crate::{
    facts::Fact,
    identity::{Digest, ViewName},
    store::{self, StoreError, TABLE_WRITERS, unavailable},
};

/// Less memory than the default, and lookups in less of it are faster.
const MEMTABLE_BYTES: u64 = 16 << 20;

/// Facts that are kept under one key: reading some of them is reading that many.
const FACTS_TOGETHER: usize = 1000;

/// The keyspace of facts that were kept under a key each, by builds that were never released.
const EACH_FACT_BY_ITSELF: &str = "facts";

/// Room for most of what is kept: one that grew to its size would be copied on the way.
const USUAL_BYTES: usize = 512;

#[derive(Clone)]
pub(super) struct Tables {
    pub(super) database: Database,
    /// Facts in the order in which they have come, some together, under the number of those before them.
    pub(super) batches: Keyspace,
    /// Which steps have come.
    pub(super) taken: Keyspace,
    pub(super) counts: Keyspace,
    /// How far the roll-ups and each view are counted.
    pub(super) states: Keyspace,
}

/// How far something is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Of its definition.
    pub(super) digest: Digest,
    pub(super) phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Older counts are being removed, and nothing is counted.
    Clearing,
    /// So many facts are counted, those that came first.
    Counting { facts: u64 },
    /// All facts are counted.
    Whole,
}

impl Tables {
    pub(super) fn open(directory: &Path) -> Result<Self, String> {
        let described = |error: fjall::Error| store::describe(&error);
        let database = Database::builder(directory).worker_threads(TABLE_WRITERS).open().map_err(described)?;
        if database.keyspace_exists(EACH_FACT_BY_ITSELF) {
            return Err("it is of a build before 0.1.0, which kept facts in another form: move it away, and counting \
                        begins again from there"
                .to_owned());
        }
        let keyspace =
            |name, options: fn() -> KeyspaceCreateOptions| database.keyspace(name, options).map_err(described);
        let (batches, taken) = (keyspace("batches", of_batches)?, keyspace("taken", of_small)?);
        let (counts, states) = (keyspace("counts", of_small)?, keyspace("states", KeyspaceCreateOptions::default)?);
        Ok(Self { database, batches, taken, counts, states })
    }

    /// How many facts there are.
    pub(super) fn facts(&self) -> Result<u64, StoreError> {
        let Some(last) = self.batches.last_key_value() else { return Ok(0) };
        let (before, facts) = read_batch(last)?;
        Ok(before + facts.len() as u64)
    }

    /// Adds facts to those that are there, of which there are so many.
    pub(super) fn add_facts(
        &self,
        batch: &mut OwnedWriteBatch,
        before: u64,
        facts: &[&Fact],
    ) -> Result<(), StoreError> {
        for (number, facts) in facts.chunks(FACTS_TOGETHER).enumerate() {
            let before = before + (number * FACTS_TOGETHER) as u64;
            batch.insert(&self.batches, before.to_be_bytes(), encode(&facts)?);
        }
        Ok(())
    }

    /// The facts behind so many, as many as some batches have, batch by batch. None of them is passed over unseen.
    pub(super) fn facts_after(&self, mut facts: u64) -> impl Iterator<Item = Result<Vec<Fact>, StoreError>> {
        self.batches.range(facts.to_be_bytes()..).map(move |batch| {
            let (before, batch) = read_batch(batch)?;
            if before != facts {
                return Err(StoreError::Corrupt(format!("the tracking store lacks facts {facts} to {before}")));
            }
            facts += batch.len() as u64;
            Ok(batch)
        })
    }

    pub(super) fn state(&self, view: Option<&ViewName>) -> Result<Option<State>, StoreError> {
        let state = self.states.get(keys::scope(view)).map_err(unavailable)?;
        state.map(|state| decode(&state)).transpose()
    }

    /// Everything as it is at one moment.
    pub(super) fn look(&self) -> Result<Look<'_>, StoreError> {
        Ok(Look { tables: self, snapshot: self.database.snapshot() })
    }
}

/// Everything as it was at one moment.
pub(super) struct Look<'a> {
    pub(super) tables: &'a Tables,
    pub(super) snapshot: Snapshot,
}

impl Look<'_> {
    /// Whether the roll-ups, or a view, are counted as a whole; `None` where there is no such view.
    pub(super) fn is_whole(&self, view: Option<&ViewName>) -> Result<Option<bool>, StoreError> {
        let state = self.snapshot.get(&self.tables.states, keys::scope(view)).map_err(unavailable)?;
        let state = state.map(|state| decode::<State>(&state)).transpose()?;
        Ok(state.map(|state| state.phase == Phase::Whole))
    }

    pub(super) fn count<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let count = self.snapshot.get(&self.tables.counts, key).map_err(unavailable)?;
        count.map(|count| decode(&count)).transpose()
    }
}

fn of_batches() -> KeyspaceCreateOptions {
    // They are never changed, and large: apart from their keys they are not copied when tables are merged.
    KeyspaceCreateOptions::default().with_kv_separation(Some(KvSeparationOptions::default()))
}

fn of_small() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
}

fn read_batch(entry: Guard) -> Result<(u64, Vec<Fact>), StoreError> {
    let (key, facts) = entry.into_inner().map_err(unavailable)?;
    let before = key.as_ref().try_into().map(u64::from_be_bytes);
    let before = before.map_err(|_| StoreError::Corrupt("the key of facts, in the tracking store".to_owned()))?;
    Ok((before, decode(&facts)?))
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|error| StoreError::Corrupt(format!("in the tracking store: {error}")))
}
