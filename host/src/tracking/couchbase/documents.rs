//! Documents as values: read, and changed by compare-and-swap until the change is there.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::kinds::Kinds;
use crate::{
    cluster::{Client, Expected, NotWritten},
    store::StoreError,
};

/// How often a document that others change too is tried again.
const TRIES_MAX: u32 = 64;

/// How a write ended that others may have been ahead of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Yes,
    /// Or nobody knows: whoever wants it written looks again.
    Otherwise,
}

/// The documents of the tracking store.
#[derive(Clone)]
pub(super) struct Documents {
    client: Arc<Client>,
}

/// A document's value, and what must be expected of it to replace it.
pub(super) type Found<T> = (Option<T>, Expected);

impl Documents {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, kind: Kinds, key: &str) -> Result<Option<T>, StoreError> {
        Ok(self.find(kind, key).await?.0)
    }

    pub(super) async fn find<T: DeserializeOwned>(&self, kind: Kinds, key: &str) -> Result<Found<T>, StoreError> {
        match self.client.get(kind, key).await? {
            None => Ok((None, Expected::Missing)),
            Some(document) => {
                let value = serde_json::from_slice(&document.bytes)
                    .map_err(|error| StoreError::Corrupt(format!("{kind:?} {key} of the tracking store: {error}")))?;
                Ok((Some(value), Expected::Cas(document.cas)))
            }
        }
    }

    /// Writes a document if it is as expected.
    pub(super) async fn write(
        &self,
        kind: Kinds,
        key: &str,
        value: &impl Serialize,
        expected: Expected,
    ) -> Result<Written, StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        match self.client.put(kind, key, &bytes, expected).await {
            Ok(_) => Ok(Written::Yes),
            Err(NotWritten::Otherwise | NotWritten::Unknown(_)) => Ok(Written::Otherwise),
            Err(NotWritten::TooLarge) => {
                Err(StoreError::Unavailable(format!("{kind:?} {key} of the tracking store has become too large")))
            }
            Err(NotWritten::Refused(why)) => Err(StoreError::Unavailable(why)),
        }
    }

    /// Changes a document until it is as the change wants it, which says so with `None`. It must do nothing twice: a
    /// write whose answer was lost is found as it was left.
    pub(super) async fn change<T: DeserializeOwned + Serialize>(
        &self,
        kind: Kinds,
        key: &str,
        change: impl Fn(Option<T>) -> Option<T>,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let (found, expected) = self.find(kind, key).await?;
            let Some(changed) = change(found) else { return Ok(()) };
            if self.write(kind, key, &changed, expected).await? == Written::Yes {
                return Ok(());
            }
        }
        Err(contended(kind, key))
    }

    /// Adds to a list.
    pub(super) async fn list<T: DeserializeOwned + Serialize + Ord + Clone>(
        &self,
        key: &str,
        new: &[T],
    ) -> Result<(), StoreError> {
        let add = |found: Option<BTreeSet<T>>| {
            let mut list = found.unwrap_or_default();
            let before = list.len();
            list.extend(new.iter().cloned());
            (list.len() > before).then_some(list)
        };
        self.change(Kinds::Index, key, add).await
    }

    /// A list.
    pub(super) async fn listed<T: DeserializeOwned + Ord>(&self, key: &str) -> Result<BTreeSet<T>, StoreError> {
        Ok(self.read(Kinds::Index, key).await?.unwrap_or_default())
    }
}

/// Of a document that could not be written beside others who write it.
pub(super) fn contended(kind: Kinds, key: &str) -> StoreError {
    StoreError::Unavailable(format!("{kind:?} {key} of the tracking store is changed by too many at once"))
}

/// How often [`Documents::change`] tries.
pub(super) fn tries() -> impl Iterator<Item = u32> {
    0..TRIES_MAX
}
