//! The outbox: for each destination the steps that wait to be carried there, in the order in which they were committed.
//! A step has a place, which is a number, and is named by the key of its record. Steps of one commit share an entry, under
//! the place of its first: an entry for each step would cost the database as much as the step's record. What was carried
//! is removed, and the next look begins behind it: it need not pass by what the database has not yet forgotten. A carrier
//! that keeps up finds everything in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, Readable as _, Slice, Snapshot, UserKey,
    UserValue,
};
use tokio::sync::Notify;

use super::{
    StoreError,
    recent::{Recent, Seen, Step},
    requests::KeyedRecord,
    tables::unavailable,
};
use crate::record::Destination;

/// Steps come and go, and little of them need ever be written to a table.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// Steps that share an entry: it is written anew where only a part of them was carried.
const ENTRY_STEPS_MAX: usize = 256;

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
    /// Held while entries are removed or written anew.
    removing: Arc<Mutex<()>>,
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
            let (first, removing) = (Arc::default(), Arc::default());
            let (recent, grown) = (Arc::default(), Arc::default());
            Ok::<_, fjall::Error>(Queue { waiting, first, removing, recent, grown })
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
            if let Some(entry) = self.queue(to).waiting.last_key_value() {
                let entry = entry.value().map_err(unavailable)?;
                let entry = read_entry(&entry)?;
                next = entry.last().map_or(next, |(place, _)| next.max(place + 1));
            }
        }
        Ok(next)
    }

    /// Puts steps into the queue of a destination, behind all others.
    pub(super) fn add(&self, batch: &mut WriteBatch, to: Destination, steps: &[Step]) {
        for steps in steps.chunks(ENTRY_STEPS_MAX) {
            insert(batch, self.queue(to), steps.iter().map(|step| (step.place, &*step.key)));
        }
    }

    /// These steps are there, and whoever carries them may look.
    pub(super) fn has_grown(&self, to: Destination, added: Vec<Step>) {
        let queue = self.queue(to);
        let mut recent = queue.recent();
        added.into_iter().for_each(|step| recent.push(step));
        drop(recent);
        queue.grown.notify_one();
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

    pub(super) async fn grew(&self, to: Destination) {
        self.queue(to).grown.notified().await;
    }

    /// No entry that is there, or will be, has a place before this one.
    pub(super) fn first(&self, to: Destination) -> u64 {
        self.queue(to).first.load(Ordering::Relaxed)
    }

    /// Places and records' keys, oldest first. `first` was asked for before the snapshot was taken: in an older one an
    /// entry that was carried in part since lies before its new place.
    pub(super) fn oldest(
        &self,
        to: Destination,
        first: u64,
        snapshot: &Snapshot,
    ) -> impl Iterator<Item = Result<(u64, UserValue), StoreError>> + '_ {
        let queue = self.queue(to);
        let entries = snapshot.range(&queue.waiting, first.to_be_bytes()..).enumerate();
        flattened(entries.map(|(number, entry)| {
            let entry = owned(&read_entry(&entry.value().map_err(unavailable)?)?);
            if let (0, Some((place, _))) = (number, entry.first()) {
                // Places are given out in the order of commits, so nothing comes in before this one any more.
                queue.first.fetch_max(*place, Ordering::Relaxed);
            }
            Ok(entry)
        }))
    }

    /// The keys of all records that waited there when the snapshot was taken.
    pub(super) fn all(
        &self,
        to: Destination,
        snapshot: &Snapshot,
    ) -> impl Iterator<Item = Result<UserValue, StoreError>> + use<> {
        let entries = snapshot.iter(&self.queue(to).waiting);
        let steps = flattened(entries.map(|entry| Ok(owned(&read_entry(&entry.value().map_err(unavailable)?)?))));
        steps.map(|step| step.map(|(_, key)| key))
    }

    /// Removes the steps at these places.
    pub(super) fn remove(&self, database: &Database, to: Destination, places: &[u64]) -> Result<(), StoreError> {
        let mut carried = places.to_vec();
        carried.sort_unstable();
        let (Some(oldest), Some(newest)) = (carried.first(), carried.last()) else { return Ok(()) };
        let queue = self.queue(to);
        let removing = queue.removing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = database.snapshot();
        let mut batch = database.batch();
        // The oldest of these steps may have others before it in its entry.
        let first = self.first(to).min(*oldest);
        let before = snapshot.range(&queue.waiting, first.to_be_bytes()..=oldest.to_be_bytes()).next_back();
        let before = before.map(|entry| entry.key().map_err(unavailable)).transpose()?;
        let from = before.unwrap_or_else(|| UserKey::from(oldest.to_be_bytes()));
        for entry in snapshot.range(&queue.waiting, &*from..=&newest.to_be_bytes()) {
            let (key, value) = entry.into_inner().map_err(unavailable)?;
            let mut steps = read_entry(&value)?;
            let before = steps.len();
            steps.retain(|(place, _)| carried.binary_search(place).is_err());
            if steps.len() < before {
                batch.remove(&queue.waiting, key);
                insert(&mut batch, queue, steps.into_iter());
            }
        }
        batch.commit().map_err(unavailable)?;
        drop(removing);
        if let Some(first) = queue.recent().removed(places) {
            queue.first.fetch_max(first, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Steps that are being added, by destination, and the next place.
pub(super) struct Added {
    pub(super) next_place: u64,
    pub(super) steps: BTreeMap<Destination, Vec<Step>>,
}

impl Added {
    pub(super) fn after(next_place: u64) -> Self {
        Self { next_place, steps: BTreeMap::new() }
    }

    /// Adds a step of this record for its destinations.
    pub(super) fn push(&mut self, record: &KeyedRecord) {
        for to in record.destinations.iter() {
            let KeyedRecord { key, bytes, told, .. } = record.clone();
            let step = Step { place: self.next_place, key, record: bytes, told };
            self.steps.entry(to).or_default().push(step);
            self.next_place += 1;
        }
    }
}

/// Steps' places and the keys of their records.
type Entry<Key> = Vec<(u64, Key)>;

/// Writes an entry: for each step its place, the length of its record's key in two bytes, and the key. Nothing where
/// there is no step.
fn insert<'a>(batch: &mut WriteBatch, queue: &Queue, steps: impl Iterator<Item = (u64, &'a [u8])>) {
    let (mut first, mut entry) = (None, Vec::new());
    for (place, key) in steps {
        first.get_or_insert(place);
        // An aggregate's id is far shorter.
        let length = u16::try_from(key.len()).expect("a record's key is short");
        entry.extend(place.to_be_bytes());
        entry.extend(length.to_be_bytes());
        entry.extend(key);
    }
    if let Some(first) = first {
        batch.insert(&queue.waiting, first.to_be_bytes(), entry);
    }
}

fn read_entry(value: &[u8]) -> Result<Entry<&[u8]>, StoreError> {
    let damaged = || StoreError::Corrupt("an entry of the outbox does not read".to_owned());
    let (mut steps, mut at) = (Vec::new(), 0);
    while let Some((head, rest)) = value[at..].split_first_chunk::<10>() {
        let [place @ .., long, short] = *head;
        let length = usize::from(u16::from_be_bytes([long, short]));
        at += head.len();
        let key = rest.get(..length).ok_or_else(damaged)?;
        steps.push((u64::from_be_bytes(place), key));
        at += length;
    }
    if at == value.len() { Ok(steps) } else { Err(damaged()) }
}

fn owned(entry: &Entry<&[u8]>) -> Entry<Slice> {
    entry.iter().map(|(place, key)| (*place, Slice::from(*key))).collect()
}

/// The steps of entries, one after the other.
fn flattened(
    entries: impl Iterator<Item = Result<Entry<Slice>, StoreError>>,
) -> impl Iterator<Item = Result<(u64, Slice), StoreError>> {
    entries.flat_map(|entry| {
        let (steps, error) = match entry {
            Ok(steps) => (steps, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        steps.into_iter().map(Ok).chain(error)
    })
}
