//! Which documents there are, as lists in documents of their own: a bucket is read by keys alone, without queries.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::{super::StoreError, collections::Collections};
use crate::cluster::{Client, Documents, Expected};

/// Lists that the ids of aggregates are spread over, so that none grows beyond what can be written whole.
const AGGREGATE_LISTS: u32 = 4096;

/// How often a list that others change too is tried again.
const TRIES_MAX: u32 = 65;
/// Lists that are read side by side, because many may be empty.
const LISTS_AT_ONCE: usize = 64;
const PULSE: &str = "pulse";

/// The lists.
pub(super) struct Index {
    client: Arc<Client>,
    documents: Documents,
}

impl Index {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let documents = Documents::new(client.clone(), "the store", TRIES_MAX);
        Self { client, documents }
    }

    /// Before the aggregate itself: an id without one does no harm.
    pub(super) async fn add_aggregate(&self, id: &str) -> Result<(), StoreError> {
        Ok(self.documents.list(Collections::Index, &list_key(list_of(id)), &[id.to_owned()]).await?)
    }

    pub(super) async fn add_game(&self, game: &str) -> Result<(), StoreError> {
        Ok(self.documents.list(Collections::Index, "games", &[game.to_owned()]).await?)
    }

    pub(super) async fn games(&self) -> Result<BTreeSet<String>, StoreError> {
        self.list("games").await
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
            let ids = self.list(&list_key(list)).await?;
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
        let lists = (0..AGGREGATE_LISTS).map(|list| async move { self.list(&list_key(list)).await });
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

    async fn list(&self, key: &str) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.documents.listed(Collections::Index, key).await?)
    }
}

fn list_of(id: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(id).into();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % AGGREGATE_LISTS
}

fn list_key(list: u32) -> String {
    format!("aggregates/{list}")
}
