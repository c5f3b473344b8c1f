//! The rows on disk: one for each job, and what the queue is known by.

use std::path::Path;

use data_encoding::HEXLOWER;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use serde::{Deserialize, Serialize};

use super::super::body::Body;
use crate::{
    notifications::Channel,
    store::{StoreError, TABLE_WRITERS, unavailable},
};

const INCARNATION: &str = "incarnation";

pub(super) struct Tables {
    pub(super) database: Database,
    /// By a job's number in the queue, in big-endian order.
    pub(super) jobs: Keyspace,
}

/// A job as it is kept. Leases are not: those of another process are over.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) channel: Channel,
    pub(super) job: Body,
    /// Unix milliseconds.
    pub(super) ready_ms: u64,
    pub(super) buried: bool,
}

impl Tables {
    /// Beside them what the queue is known by: a random name that was made with the directory.
    pub(super) fn open(directory: &Path) -> Result<(Self, String), StoreError> {
        let database = Database::builder(directory).worker_threads(TABLE_WRITERS).open().map_err(unavailable)?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default).map_err(unavailable);
        let (jobs, about) = (keyspace("jobs")?, keyspace("about")?);
        let known = database.snapshot().get(&about, INCARNATION).map_err(unavailable)?;
        let incarnation = match known {
            Some(known) => String::from_utf8_lossy(&known).into_owned(),
            None => {
                let made = HEXLOWER.encode(&rand::random::<[u8; 8]>());
                let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
                batch.insert(&about, INCARNATION, made.as_str());
                batch.commit().map_err(unavailable)?;
                made
            }
        };
        Ok((Self { database, jobs }, incarnation))
    }

    /// Every job with its number, in the order of putting.
    pub(super) fn rows(&self) -> impl Iterator<Item = Result<(u64, Row), StoreError>> {
        self.database.snapshot().iter(&self.jobs).map(|entry| {
            let (key, row) = entry.into_inner().map_err(unavailable)?;
            let number = key.as_ref().try_into().map(u64::from_be_bytes);
            let number = number.map_err(|_| StoreError::Corrupt("the key of a job".to_owned()))?;
            let row =
                serde_json::from_slice(&row).map_err(|error| StoreError::Corrupt(format!("job {number}: {error}")))?;
            Ok((number, row))
        })
    }
}
