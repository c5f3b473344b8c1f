//! Which documents there are, as lists in documents of their own: a bucket is read by keys alone, without queries.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::{super::StoreError, collections::Collections};
use crate::cluster::{Client, Expected, NotWritten};

/// Lists that the ids of aggregates are spread over, so that none grows beyond what can be written whole.
const AGGREGATE_LISTS: u32 = 4096;

/// How often a list that others change too is tried again.
const TRIES_MAX: u32 = 64;
/// Lists that are read side by side, because many may be empty.
const LISTS_AT_ONCE: usize = 64;
const PULSE: &str = "pulse";

/// The lists.
pub(super) struct Index {
    client: Arc<Client>,
}

impl Index {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    /// Before the aggregate itself: an id without one does no harm.
    pub(super) async fn add_aggregate(&self, id: &str) -> Result<(), StoreError> {
        self.add(&list_key(list_of(id)), id).await
    }

    pub(super) async fn add_game(&self, game: &str) -> Result<(), StoreError> {
        self.add("games", game).await
    }

    pub(super) async fn games(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.list("games").await?.0)
    }

    /// Says to all hosts that a listing has changed.
    pub(super) async fn pulse(&self) -> Result<(), StoreError> {
        let beat = rand::random::<u64>().to_string();
        let written = self.client.put(Collections::Index, PULSE, beat.as_bytes(), Expected::Anything).await;
        Ok(written.map(drop)?)
    }

    /// What changes whenever a listing has.
    pub(super) async fn beat(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.client.get(Collections::Index, PULSE).await?.map(|document| document.bytes))
    }

    /// Ids of aggregates after this one, in the order of lists and ids: those of the first list that has any.
    pub(super) async fn aggregates_after(&self, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let first = after.map_or(0, list_of);
        let lists = (first..AGGREGATE_LISTS).map(|list| async move {
            let (ids, _) = self.list(&list_key(list)).await?;
            let is_after = |id: &String| list > first || after.is_none_or(|after| id.as_str() > after);
            Ok::<Vec<_>, StoreError>(ids.into_iter().filter(is_after).collect())
        });
        let mut lists = stream::iter(lists).buffered(LISTS_AT_ONCE);
        while let Some(ids) = lists.next().await {
            let ids = ids?;
            if !ids.is_empty() {
                return Ok(ids);
            }
        }
        Ok(Vec::new())
    }

    /// The least ids of aggregates after this one. Every list is read for them, so that a caller asks for many.
    pub(super) async fn least_after(
        &self,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<BTreeSet<String>, StoreError> {
        let lists =
            (0..AGGREGATE_LISTS).map(|list| async move { Ok::<_, StoreError>(self.list(&list_key(list)).await?.0) });
        let mut lists = stream::iter(lists).buffer_unordered(LISTS_AT_ONCE);
        let mut least = BTreeSet::new();
        while let Some(ids) = lists.next().await {
            least.extend(ids?.into_iter().filter(|id| after.is_none_or(|after| id.as_str() > after)));
            while least.len() > count_max {
                least.pop_last();
            }
        }
        Ok(least)
    }

    async fn add(&self, key: &str, id: &str) -> Result<(), StoreError> {
        for _ in 0..=TRIES_MAX {
            let (mut ids, expected) = self.list(key).await?;
            if !ids.insert(id.to_owned()) {
                return Ok(());
            }
            let bytes = serde_json::to_vec(&ids).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            match self.client.put(Collections::Index, key, &bytes, expected).await {
                Ok(_) => return Ok(()),
                // Somebody else has added something, or it is there already: looked at again.
                Err(NotWritten::Otherwise | NotWritten::Unknown(_)) => {}
                Err(NotWritten::TooLarge) => {
                    return Err(StoreError::Unavailable(format!("the list {key} has become too large")));
                }
                Err(NotWritten::Refused(why)) => return Err(StoreError::Unavailable(why)),
            }
        }
        Err(StoreError::Unavailable(format!("the list {key} is changed by too many at once")))
    }

    async fn list(&self, key: &str) -> Result<(BTreeSet<String>, Expected), StoreError> {
        match self.client.get(Collections::Index, key).await? {
            None => Ok((BTreeSet::new(), Expected::Missing)),
            Some(document) => {
                let ids = serde_json::from_slice(&document.bytes)
                    .map_err(|error| StoreError::Corrupt(format!("the list {key}: {error}")))?;
                Ok((ids, Expected::Cas(document.cas)))
            }
        }
    }
}

fn list_of(id: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(id).into();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % AGGREGATE_LISTS
}

fn list_key(list: u32) -> String {
    format!("aggregates/{list}")
}
