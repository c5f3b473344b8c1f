//! Documents as values: read, and changed by compare-and-swap until the change is there.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{Client, ClusterError, Expected, Kind, NotWritten};

/// How a write ended that others may have been ahead of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Yes,
    /// Or nobody knows: whoever wants it written looks again.
    Otherwise,
}

/// The documents of one scope, as values.
#[derive(Clone)]
pub(crate) struct Documents {
    client: Arc<Client>,
    /// Whose they are, in messages.
    owner: &'static str,
    /// How often a document that others change too is tried to be written.
    tries_max: u32,
}

/// A document's value, and what must be expected of it to replace it.
pub(crate) type Found<T> = (Option<T>, Expected);

impl Documents {
    pub(crate) fn new(client: Arc<Client>, owner: &'static str, tries_max: u32) -> Self {
        Self { client, owner, tries_max }
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        kind: impl Kind,
        key: &str,
    ) -> Result<Option<T>, ClusterError> {
        Ok(self.find(kind, key).await?.0)
    }

    pub(crate) async fn find<T: DeserializeOwned>(&self, kind: impl Kind, key: &str) -> Result<Found<T>, ClusterError> {
        match self.client.get(kind, key).await? {
            None => Ok((None, Expected::Missing)),
            Some(document) => {
                let value = serde_json::from_slice(&document.bytes)
                    .map_err(|error| ClusterError::Corrupt(format!("{}: {error}", self.name(kind, key))))?;
                Ok((Some(value), Expected::Cas(document.cas)))
            }
        }
    }

    /// Writes a document if it is as expected.
    pub(crate) async fn write(
        &self,
        kind: impl Kind,
        key: &str,
        value: &impl Serialize,
        expected: Expected,
    ) -> Result<Written, ClusterError> {
        let bytes = serde_json::to_vec(value).map_err(|error| ClusterError::Corrupt(error.to_string()))?;
        match self.client.put(kind, key, &bytes, expected).await {
            Ok(_) => Ok(Written::Yes),
            Err(NotWritten::Otherwise | NotWritten::Unknown(_)) => Ok(Written::Otherwise),
            Err(NotWritten::TooLarge) => {
                Err(ClusterError::Unavailable(format!("{} has become too large", self.name(kind, key))))
            }
            Err(NotWritten::Refused(why)) => Err(ClusterError::Unavailable(why)),
        }
    }

    /// Changes a document until it is as the change wants it, which says so with `None`. It must do nothing twice: a
    /// write whose answer was lost is found as it was left.
    pub(crate) async fn change<T: DeserializeOwned + Serialize>(
        &self,
        kind: impl Kind,
        key: &str,
        change: impl Fn(Option<T>) -> Option<T>,
    ) -> Result<(), ClusterError> {
        for _ in self.tries() {
            let (found, expected) = self.find(kind, key).await?;
            let Some(changed) = change(found) else { return Ok(()) };
            if self.write(kind, key, &changed, expected).await? == Written::Yes {
                return Ok(());
            }
        }
        Err(self.contended(kind, key))
    }

    /// Adds to a list.
    pub(crate) async fn list<T: DeserializeOwned + Serialize + Ord + Clone>(
        &self,
        kind: impl Kind,
        key: &str,
        new: &[T],
    ) -> Result<(), ClusterError> {
        let add = |found: Option<BTreeSet<T>>| {
            let mut list = found.unwrap_or_default();
            let before = list.len();
            list.extend(new.iter().cloned());
            (list.len() > before).then_some(list)
        };
        self.change(kind, key, add).await
    }

    /// A list.
    pub(crate) async fn listed<T: DeserializeOwned + Ord>(
        &self,
        kind: impl Kind,
        key: &str,
    ) -> Result<BTreeSet<T>, ClusterError> {
        Ok(self.read(kind, key).await?.unwrap_or_default())
    }

    /// How often whoever changes a document by himself tries, as [`Self::change`] does.
    pub(crate) fn tries(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.tries_max
    }

    /// Of a document that could not be written beside others who write it.
    pub(crate) fn contended(&self, kind: impl Kind, key: &str) -> ClusterError {
        ClusterError::Unavailable(format!("{} is changed by too many at once", self.name(kind, key)))
    }

    fn name(&self, kind: impl Kind, key: &str) -> String {
        format!("{} {key} of {}", kind.name(), self.owner)
    }
}
