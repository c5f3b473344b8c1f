//! The bytes of releases, in parts: a document takes at most 20 MiB.

use std::sync::Arc;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{super::StoreError, collections::Collections};
use crate::{
    cluster::{Client, Expected, NotWritten},
    identity::ReleaseDigest,
};

/// Bytes of one part; a third more in Base64, because documents are JSON.
const PART_BYTES: usize = 4 << 20;

/// The releases.
pub(super) struct Releases {
    client: Arc<Client>,
}

/// How a release is kept. Written last: what it speaks of is there.
#[derive(Serialize, Deserialize)]
struct Whole {
    bytes: usize,
    parts: usize,
}

impl Releases {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    pub(super) async fn put(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), StoreError> {
        let parts = bytes.chunks(PART_BYTES);
        let whole = Whole { bytes: bytes.len(), parts: parts.len() };
        for (number, part) in parts.enumerate() {
            self.write(&part_key(release, number), &BASE64.encode(part)).await?;
        }
        self.write(&release.to_string(), &whole).await
    }

    pub(super) async fn get(&self, release: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(whole) = self.read::<Whole>(&release.to_string()).await? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(whole.bytes);
        for number in 0..whole.parts {
            // Of what is missing or damaged the digest of the whole will tell.
            let Some(part) = self.read::<String>(&part_key(release, number)).await? else { return Ok(None) };
            bytes.extend(BASE64.decode(part.as_bytes()).unwrap_or_default());
        }
        Ok(Some(bytes))
    }

    async fn write(&self, key: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        match self.client.put(Collections::Releases, key, &bytes, Expected::Anything).await {
            Ok(_) => Ok(()),
            Err(NotWritten::Refused(why) | NotWritten::Unknown(why)) => Err(StoreError::Unavailable(why)),
            Err(other) => Err(StoreError::Unavailable(format!("{key}: {other:?}"))),
        }
    }

    async fn read<T: for<'a> Deserialize<'a>>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let document = self.client.get(Collections::Releases, key).await?;
        let read = |bytes: &[u8]| {
            serde_json::from_slice(bytes).map_err(|error| StoreError::Corrupt(format!("{key}: {error}")))
        };
        document.map(|document| read(&document.bytes)).transpose()
    }
}

fn part_key(release: &ReleaseDigest, number: usize) -> String {
    format!("{release}/{number}")
}
