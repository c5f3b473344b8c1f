//! The outbox: for each destination the steps that wait to be carried there, in the order in which they were committed.
//! An entry is a number and the key of a record. What was carried is removed, and the next look begins behind it: it
//! need not pass by what the database has not yet forgotten.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, Readable as _, Snapshot, UserValue,
};
use tokio::sync::Notify;

use super::{StoreError, tables::unavailable};
use crate::record::{Destination, Destinations};

#[derive(Clone)]
pub(super) struct Outbox {
    notifications: Queue,
    tracking: Queue,
}

#[derive(Clone)]
struct Queue {
    waiting: Keyspace,
    /// No entry has a place before this one.
    first: Arc<AtomicU64>,
    grown: Arc<Notify>,
}

impl Outbox {
    pub(super) fn open(database: &Database) -> Result<Self, fjall::Error> {
        let queue = |name| {
            let waiting = database.keyspace(name, KeyspaceCreateOptions::default)?;
            Ok::<_, fjall::Error>(Queue { waiting, first: Arc::default(), grown: Arc::default() })
        };
        Ok(Self { notifications: queue("outbox-notifications")?, tracking: queue("outbox-tracking")? })
    }

    fn queue(&self, to: Destination) -> &Queue {
        match to {
            Destination::Notifications => &self.notifications,
            Destination::Tracking => &self.tracking,
        }
    }

    /// Behind everything that waits.
    pub(super) fn next_place(&self) -> Result<u64, StoreError> {
        let mut next = 0;
        for to in Destination::ALL {
            if let Some(last) = self.queue(to).waiting.last_key_value() {
                next = next.max(read_place(&last.key().map_err(unavailable)?)? + 1);
            }
        }
        Ok(next)
    }

    /// Puts a step, named by its record's key, into the queues of these destinations.
    pub(super) fn add(&self, batch: &mut WriteBatch, to: Destinations, key: &[u8], next_place: &mut u64) {
        for destination in Destination::ALL.into_iter().filter(|destination| to.contains(*destination)) {
            batch.insert(&self.queue(destination).waiting, next_place.to_be_bytes(), key);
            *next_place += 1;
        }
    }

    /// What was added is there.
    pub(super) fn has_grown(&self) {
        for to in Destination::ALL {
            self.queue(to).grown.notify_one();
        }
    }

    pub(super) async fn grew(&self, to: Destination) {
        self.queue(to).grown.notified().await;
    }

    /// Places and records' keys, oldest first.
    pub(super) fn oldest(
        &self,
        to: Destination,
        snapshot: &Snapshot,
    ) -> impl Iterator<Item = Result<(u64, UserValue), StoreError>> + '_ {
        let queue = self.queue(to);
        let first = queue.first.load(Ordering::Relaxed);
        let entries = snapshot.range(&queue.waiting, first.to_be_bytes()..);
        entries.enumerate().map(|(number, entry)| {
            let (key, value) = entry.into_inner().map_err(unavailable)?;
            let place = read_place(&key)?;
            if number == 0 {
                // Places are given out in the order of commits, so nothing comes in before this one any more.
                queue.first.fetch_max(place, Ordering::Relaxed);
            }
            Ok((place, value))
        })
    }

    /// The keys of all records that waited there when the snapshot was taken.
    pub(super) fn all(
        &self,
        to: Destination,
        snapshot: &Snapshot,
    ) -> impl Iterator<Item = Result<UserValue, StoreError>> + use<> {
        snapshot.iter(&self.queue(to).waiting).map(|entry| entry.value().map_err(unavailable))
    }

    pub(super) fn remove(&self, batch: &mut WriteBatch, to: Destination, places: &[u64]) {
        for place in places {
            batch.remove(&self.queue(to).waiting, place.to_be_bytes());
        }
    }
}

fn read_place(key: &[u8]) -> Result<u64, StoreError> {
    let place = key.try_into().map(u64::from_be_bytes);
    place.map_err(|_| StoreError::Corrupt("a key of the outbox is no number".to_owned()))
}
