//! What lies where in the database, and how it is read.

use std::path::Path;

use data_encoding::HEXLOWER;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, Readable as _, Snapshot};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _};

use super::keys;
use crate::{
    facts::{Fact, What},
    identity::{Digest, ViewName},
    store::{StoreError, TABLE_WRITERS, unavailable},
};

/// A new table has facts of all players, and is merged with the tables before it, which have too: the larger each is, the
/// less is merged.
const FACTS_MEMTABLE_BYTES: u64 = 64 << 20;
/// Less memory than the default, and lookups in less of it are faster.
const COUNTS_MEMTABLE_BYTES: u64 = 16 << 20;
/// Facts are written once and never changed: their values stay out of compaction, and are too small to be compressed.
const FACT_SEPARATION_BYTES: u32 = 128;

/// Room for most of what is kept: one that grew to its size would be copied on the way.
const USUAL_BYTES: usize = 512;

#[derive(Clone)]
pub(super) struct Tables {
    pub(super) database: Database,
    pub(super) facts: Keyspace,
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
    /// The facts up to and with this one are counted.
    Counting {
        through: Option<FactKey>,
        /// How many they are.
        facts: u64,
    },
    /// All facts are counted.
    Whole,
}

/// The key of a fact, as hexadecimal digits where it is JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FactKey(pub(super) Vec<u8>);

impl Serialize for FactKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HEXLOWER.encode(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FactKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        HEXLOWER.decode(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

impl State {
    /// Whether a new fact is counted now. Where it is not, it will be met among the facts.
    pub(super) fn counts(&self, key: &[u8]) -> bool {
        match &self.phase {
            Phase::Clearing => false,
            Phase::Counting { through, .. } => through.as_ref().is_some_and(|through| key <= through.0.as_slice()),
            Phase::Whole => true,
        }
    }
}

impl Tables {
    pub(super) fn open(directory: &Path) -> Result<Self, fjall::Error> {
        let database = Database::builder(directory).worker_threads(TABLE_WRITERS).open()?;
        let facts = database.keyspace("facts", || {
            let separation = KvSeparationOptions::default()
                .separation_threshold(FACT_SEPARATION_BYTES)
                .compression(CompressionType::None);
            KeyspaceCreateOptions::default()
                .max_memtable_size(FACTS_MEMTABLE_BYTES)
                .with_kv_separation(Some(separation))
        })?;
        let counts = database
            .keyspace("counts", || KeyspaceCreateOptions::default().max_memtable_size(COUNTS_MEMTABLE_BYTES))?;
        let states = database.keyspace("states", KeyspaceCreateOptions::default)?;
        Ok(Self { database, facts, counts, states })
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

/// A fact as it is kept: without its id, which its key tells.
pub(super) fn encode_fact(fact: &Fact) -> Result<Vec<u8>, StoreError> {
    #[derive(Serialize)]
    struct Kept<'a> {
        at_ms: u64,
        what: &'a What,
    }
    let Fact { at_ms, what, .. } = fact;
    encode(&Kept { at_ms: *at_ms, what })
}

/// See [`encode_fact`].
pub(super) fn decode_fact(key: &[u8], kept: &[u8]) -> Result<Fact, StoreError> {
    #[derive(Deserialize)]
    struct Kept {
        at_ms: u64,
        what: What,
    }
    let id = keys::read_fact(key).ok_or_else(|| {
        StoreError::Corrupt(format!("a fact's key, in the tracking store, is {}", String::from_utf8_lossy(key)))
    })?;
    let Kept { at_ms, what } = decode(kept)?;
    Ok(Fact { id, at_ms, what })
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|error| StoreError::Corrupt(format!("in the tracking store: {error}")))
}
