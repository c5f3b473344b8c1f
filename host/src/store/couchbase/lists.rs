//! Which aggregates a host may have put something into the outbox of, in documents of the host's own: so that others
//! find it when the host is gone, without looking through the store. Whoever adds while a list is being written waits
//! for the next writing, which has everybody's additions.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::{super::StoreError, collections::Collections};
use crate::{
    cluster::{Client, Expected, NotWritten},
    identity::AggregateId,
};

/// Lists of one host, so that none is long.
const LISTS: usize = 16;
/// How often a list is tried to be written.
const TRIES_MAX: u32 = 5;

/// The lists of this host.
pub(super) struct Lists {
    client: Arc<Client>,
    host: u64,
    lists: [List; LISTS],
}

#[derive(Default)]
struct List {
    /// What is to be listed.
    wanted: Mutex<BTreeSet<AggregateId>>,
    /// What is, for whoever writes it.
    written: tokio::sync::Mutex<Written>,
}

struct Written {
    ids: BTreeSet<AggregateId>,
    expected: Expected,
}

impl Default for Written {
    fn default() -> Self {
        Self { ids: BTreeSet::new(), expected: Expected::Missing }
    }
}

impl Lists {
    pub(super) fn new(client: Arc<Client>, host: u64) -> Self {
        Self { client, host, lists: Default::default() }
    }

    /// Lists an aggregate, durably.
    pub(super) async fn add(&self, id: &AggregateId) -> Result<(), StoreError> {
        let number = number_of(id);
        let list = &self.lists[number];
        list.wanted().insert(id.clone());
        let mut written = list.written.lock().await;
        if written.ids.contains(id) { Ok(()) } else { self.write(number, &mut written).await }
    }

    /// Of an aggregate with nothing in its outbox: the next writing leaves it out.
    pub(super) fn remove(&self, id: &AggregateId) {
        self.lists[number_of(id)].wanted().remove(id);
    }

    /// Writes what was removed. Whether the lists are empty then.
    pub(super) async fn tidy(&self) -> Result<bool, StoreError> {
        let mut is_empty = true;
        for (number, list) in self.lists.iter().enumerate() {
            let mut written = list.written.lock().await;
            let is_tidy = written.ids == *list.wanted();
            if !is_tidy {
                self.write(number, &mut written).await?;
            }
            is_empty &= written.ids.is_empty();
        }
        Ok(is_empty)
    }

    async fn write(&self, number: usize, written: &mut Written) -> Result<(), StoreError> {
        let key = key(self.host, number);
        let wanted = self.lists[number].wanted().clone();
        let bytes = serde_json::to_vec(&wanted).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut why = String::new();
        for _ in 0..TRIES_MAX {
            match self.client.put(Collections::Index, &key, &bytes, written.expected).await {
                Ok(cas) => {
                    *written = Written { ids: wanted, expected: Expected::Cas(cas) };
                    return Ok(());
                }
                Err(NotWritten::Refused(refused)) => return Err(StoreError::Unavailable(refused)),
                Err(NotWritten::TooLarge) => {
                    return Err(StoreError::Unavailable(format!("the list {key} has become too large")));
                }
                // Nobody else writes it, so it was a writing of ours whose answer was lost.
                Err(NotWritten::Otherwise) => {}
                Err(NotWritten::Unknown(unknown)) => why = unknown,
            }
            let found = self.client.get(Collections::Index, &key).await?;
            written.expected = found.map_or(Expected::Missing, |found| Expected::Cas(found.cas));
            // What it says may be anything that was wanted before; nothing is taken for listed.
            written.ids.clear();
        }
        Err(StoreError::Unavailable(format!("the list {key} cannot be written: {why}")))
    }
}

impl List {
    fn wanted(&self) -> MutexGuard<'_, BTreeSet<AggregateId>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a host has listed.
pub(super) async fn listed(client: &Client, host: u64) -> Result<Vec<AggregateId>, StoreError> {
    let lists = (0..LISTS).map(|number| async move {
        let key = key(host, number);
        let Some(document) = client.get(Collections::Index, &key).await? else { return Ok(Vec::new()) };
        serde_json::from_slice(&document.bytes).map_err(|error| StoreError::Corrupt(format!("the list {key}: {error}")))
    });
    let lists: Vec<Vec<_>> = stream::iter(lists).buffered(LISTS).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

/// Removes the lists of a host that is gone.
pub(super) async fn forget(client: &Client, host: u64) -> Result<(), StoreError> {
    for number in 0..LISTS {
        client.remove(Collections::Index, &key(host, number)).await?;
    }
    Ok(())
}

fn key(host: u64, number: usize) -> String {
    format!("outbox/{host:016x}/{number}")
}

fn number_of(id: &AggregateId) -> usize {
    usize::from(Sha256::digest(id.as_str())[0]) % LISTS
}
