//! What lies where in the database, and how it is read.

use std::{ops::Bound, path::Path};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, Readable as _};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    identity::PlayerId,
    notifications::{Contacts, Entry, NotificationId, Putting, State},
    store::{StoreError, TABLE_WRITERS, unavailable},
};

/// The key of the queue's incarnation.
const QUEUE: &str = "queue";
/// Of a notification.
const NAME_BYTES: usize = 16;

#[derive(Clone)]
pub(super) struct Tables {
    pub(super) database: Database,
    /// By name.
    pub(super) entries: Keyspace,
    /// Names, each with how often it was kicked, of those that are not known to be in the queue.
    pub(super) unput: Keyspace,
    /// Names of those that are not settled.
    pub(super) unsettled: Keyspace,
    /// When it was buried, and its name.
    pub(super) buried: Keyspace,
    /// When it was over, and its name: what is forgotten some day.
    pub(super) over: Keyspace,
    /// By player.
    pub(super) contacts: Keyspace,
    pub(super) about: Keyspace,
}

impl Tables {
    pub(super) fn open(directory: &Path) -> Result<Self, fjall::Error> {
        let database = Database::builder(directory).worker_threads(TABLE_WRITERS).open()?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        Ok(Self {
            entries: keyspace("entries")?,
            unput: keyspace("unput")?,
            unsettled: keyspace("unsettled")?,
            buried: keyspace("buried")?,
            over: keyspace("over")?,
            contacts: keyspace("contacts")?,
            about: keyspace("about")?,
            database,
        })
    }

    pub(super) fn entry(&self, id: &NotificationId) -> Result<Option<Entry>, StoreError> {
        self.value(&self.entries, id.as_bytes())
    }

    pub(super) fn contacts_of(&self, player: &PlayerId) -> Result<Option<Contacts>, StoreError> {
        self.value(&self.contacts, player.as_str().as_bytes())
    }

    pub(super) fn queue(&self) -> Result<Option<String>, StoreError> {
        self.value(&self.about, QUEUE.as_bytes())
    }

    pub(super) fn set_queue(&self, batch: &mut OwnedWriteBatch, incarnation: &str) -> Result<(), StoreError> {
        batch.insert(&self.about, QUEUE, encode(&incarnation)?);
        Ok(())
    }

    /// The entries whose names begin the keys of this keyspace, after one.
    pub(super) fn named(
        &self,
        names: &Keyspace,
        after: Option<NotificationId>,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let snapshot = self.database.snapshot();
        let mut entries = Vec::new();
        let last = |after| unput_key(Putting { notification: after, kicks: u32::MAX });
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(last(after)));
        for key in snapshot.range(names, (from, Bound::Unbounded)).take(count_max) {
            let key = key.key().map_err(unavailable)?;
            let name = key.get(..NAME_BYTES).ok_or_else(no_notification)?;
            let entry = snapshot.get(&self.entries, name).map_err(unavailable)?;
            let entry =
                entry.ok_or_else(|| StoreError::Corrupt("a notification is listed and not there".to_owned()))?;
            entries.push(decode(&entry)?);
        }
        Ok(entries)
    }

    pub(super) fn buried(
        &self,
        before: Option<(u64, NotificationId)>,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let snapshot = self.database.snapshot();
        let end = before.map_or(vec![u8::MAX; 25], |(at_ms, id)| timed(at_ms, &id));
        let mut entries = Vec::new();
        for place in snapshot.range(&self.buried, ..end).rev().take(count_max) {
            let place = place.key().map_err(unavailable)?;
            if let Some(entry) = snapshot.get(&self.entries, &place[8..]).map_err(unavailable)? {
                entries.push(decode(&entry)?);
            }
        }
        Ok(entries)
    }

    /// What was over before an instant.
    pub(super) fn over_before(&self, before_ms: u64, count_max: usize) -> Result<Vec<NotificationId>, StoreError> {
        let snapshot = self.database.snapshot();
        let places = snapshot.range(&self.over, ..before_ms.to_be_bytes().to_vec()).take(count_max);
        places.map(|place| id_of(&place.key().map_err(unavailable)?)).collect()
    }

    /// Writes an entry where there was this one, or removes it, and lists it where its state belongs.
    pub(super) fn write(
        &self,
        batch: &mut OwnedWriteBatch,
        id: &NotificationId,
        before: Option<&Entry>,
        now: Option<&Entry>,
    ) -> Result<(), StoreError> {
        let was = before.map(place);
        let is = now.map(place);
        let is_elsewhere = was != is;
        match now {
            Some(entry) => batch.insert(&self.entries, id.as_bytes(), encode(entry)?),
            None => batch.remove(&self.entries, id.as_bytes()),
        }
        if let Some((list, key)) = was.filter(|_| is_elsewhere) {
            batch.remove(self.list(list), key);
        }
        if let Some((list, key)) = is.filter(|_| is_elsewhere) {
            batch.insert(self.list(list), key, []);
        }
        Ok(())
    }

    pub(super) fn set_unput(&self, batch: &mut OwnedWriteBatch, putting: Putting, is_unput: bool) {
        if is_unput {
            batch.insert(&self.unput, unput_key(putting), []);
        } else {
            batch.remove(&self.unput, unput_key(putting));
        }
    }

    pub(super) fn set_contacts(
        &self,
        batch: &mut OwnedWriteBatch,
        player: &PlayerId,
        contacts: Option<&Contacts>,
    ) -> Result<(), StoreError> {
        match contacts {
            Some(contacts) => batch.insert(&self.contacts, player.as_str(), encode(contacts)?),
            None => batch.remove(&self.contacts, player.as_str()),
        }
        Ok(())
    }

    fn list(&self, list: List) -> &Keyspace {
        match list {
            List::Unsettled => &self.unsettled,
            List::Buried => &self.buried,
            List::Over => &self.over,
        }
    }

    fn value<T: DeserializeOwned>(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<T>, StoreError> {
        let value = self.database.snapshot().get(keyspace, key).map_err(unavailable)?;
        value.map(|value| decode(&value)).transpose()
    }
}

/// What an entry is listed in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Unsettled,
    Buried,
    Over,
}

/// Where an entry is listed.
fn place(entry: &Entry) -> (List, Vec<u8>) {
    let id = &entry.notification.id;
    match &entry.state {
        State::Waiting { .. } | State::UnderWay { .. } => (List::Unsettled, id.as_bytes().to_vec()),
        State::Buried { at_ms, .. } => (List::Buried, timed(*at_ms, id)),
        State::Delivered { at_ms, .. } | State::Expired { at_ms } | State::Cancelled { at_ms } => {
            (List::Over, timed(*at_ms, id))
        }
    }
}

/// The name at the end of a key.
fn id_of(key: &[u8]) -> Result<NotificationId, StoreError> {
    let name = key.last_chunk().copied().map(NotificationId::from_entropy);
    name.ok_or_else(no_notification)
}

fn no_notification() -> StoreError {
    StoreError::Corrupt("the register lists what is no notification".to_owned())
}

fn unput_key(Putting { notification, kicks }: Putting) -> Vec<u8> {
    [notification.as_bytes().as_slice(), &kicks.to_be_bytes()].concat()
}

fn timed(at_ms: u64, id: &NotificationId) -> Vec<u8> {
    [at_ms.to_be_bytes().as_slice(), id.as_bytes()].concat()
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|error| StoreError::Corrupt(format!("in the register: {error}")))
}
