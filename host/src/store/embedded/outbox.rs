//! The outbox: for each destination the steps that wait to be carried there, in the order in which they were committed.
//! An entry is a number and the key of a record. What was carried is removed, and the next look begins behind it: it
//! need not pass by what the database has not yet forgotten. A carrier that keeps up finds everything in memory.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, Readable as _, Slice, Snapshot, UserValue,
};
use tokio::sync::Notify;

use super::{
    StoreError,
    recent::{Recent, Seen, Step},
    tables::unavailable,
};
use crate::record::{Destination, Destinations};

/// Steps come and go, and little of them need ever be written to a table.
const MEMTABLE_BYTES: u64 = 16 << 20;

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
    recent: Arc<Mutex<Recent>>,
    grown: Arc<Notify>,
}

impl Queue {
    fn recent(&self) -> MutexGuard<'_, Recent> {
        // Nothing in the lock's reach can panic halfway through a change.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    pub(super) fn open(database: &Database) -> Result<Self, fjall::Error> {
        let queue = |name| {
            let waiting =
                database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))?;
            let (first, recent, grown) = (Arc::default(), Arc::default(), Arc::default());
            Ok::<_, fjall::Error>(Queue { waiting, first, recent, grown })
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
    pub(super) fn add(
        &self,
        batch: &mut WriteBatch,
        to: Destinations,
        (key, record): (&Slice, &Slice),
        added: &mut Added,
    ) {
        for destination in Destination::ALL.into_iter().filter(|destination| to.contains(*destination)) {
            let place = added.next_place;
            batch.insert(&self.queue(destination).waiting, place.to_be_bytes(), key.clone());
            added.steps.push((destination, Step { place, key: key.clone(), record: record.clone() }));
            added.next_place += 1;
        }
    }

    /// What was added is there.
    pub(super) fn has_grown(&self, added: Vec<(Destination, Step)>) {
        let [mut notifications, mut tracking] = [self.notifications.recent(), self.tracking.recent()];
        for (to, step) in added {
            match to {
                Destination::Notifications => notifications.push(step),
                Destination::Tracking => tracking.push(step),
            }
        }
        drop((notifications, tracking));
        for to in Destination::ALL {
            self.queue(to).grown.notify_one();
        }
    }

    /// The oldest steps, if all that wait are in memory.
    pub(super) fn recent(&self, to: Destination, steps_max: usize, bytes_max: usize) -> Option<Vec<Step>> {
        self.queue(to).recent().oldest(steps_max, bytes_max)
    }

    /// What is in memory before a look into the database.
    pub(super) fn seen(&self, to: Destination) -> Seen {
        self.queue(to).recent().seen()
    }

    /// The database was looked into, and this was the oldest place in it.
    pub(super) fn looked(&self, to: Destination, seen: &Seen, oldest: Option<u64>) {
        self.queue(to).recent().looked(seen, oldest);
    }

    /// These steps are in the database no more.
    pub(super) fn removed(&self, to: Destination, places: &[u64]) {
        let queue = self.queue(to);
        if let Some(first) = queue.recent().removed(places) {
            queue.first.fetch_max(first, Ordering::Relaxed);
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

/// Steps that are being added, and the next place.
pub(super) struct Added {
    pub(super) next_place: u64,
    pub(super) steps: Vec<(Destination, Step)>,
}

fn read_place(key: &[u8]) -> Result<u64, StoreError> {
    let place = key.try_into().map(u64::from_be_bytes);
    place.map_err(|_| StoreError::Corrupt("a key of the outbox is no number".to_owned()))
}
