//! The releases that steps are taken again on.

use std::{collections::HashMap, sync::Arc};

use thiserror::Error;
use tokio::sync::Mutex;

use crate::{
    engine::{Engine, LoadError, Release},
    identity::ReleaseDigest,
    store::{Store, StoreError},
};

/// Where releases come from: what was given by hand, and then a store.
pub struct Releases {
    given: HashMap<ReleaseDigest, Arc<[u8]>>,
    store: Option<Arc<dyn Store>>,
    loaded: Mutex<HashMap<ReleaseDigest, Result<Arc<Release>, Unplayable>>>,
}

/// A release cannot be played as it was.
#[derive(Clone, Debug, Error)]
pub enum Unplayable {
    /// Nobody has it.
    #[error("its release {0} is not there: give the component with --release")]
    Missing(ReleaseDigest),
    /// Its bytes are others.
    #[error("what is kept as its release {0} has other bytes: somebody changed them")]
    Changed(ReleaseDigest),
    /// It does not load any more.
    #[error("its release {0} cannot be loaded: {1}")]
    NotLoaded(ReleaseDigest, Arc<LoadError>),
    /// Nobody knows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Releases {
    /// These components, and those of the store.
    #[must_use]
    pub fn new(given: impl IntoIterator<Item = Vec<u8>>, store: Option<Arc<dyn Store>>) -> Self {
        let given = given.into_iter().map(|bytes| (ReleaseDigest::of(&bytes), bytes.into()));
        Self { given: given.collect(), store, loaded: Mutex::default() }
    }

    /// The release of this name, compiled once.
    pub(super) async fn release(
        &self,
        engine: &Arc<Engine>,
        digest: ReleaseDigest,
    ) -> Result<Arc<Release>, Unplayable> {
        // Held while it is compiled: everybody else who is here needs the same one.
        let mut loaded = self.loaded.lock().await;
        if let Some(known) = loaded.get(&digest) {
            return known.clone();
        }
        let release = self.load(engine, digest).await;
        loaded.insert(digest, release.clone());
        release
    }

    async fn load(&self, engine: &Arc<Engine>, digest: ReleaseDigest) -> Result<Arc<Release>, Unplayable> {
        let bytes = match (self.given.get(&digest), &self.store) {
            (Some(given), _) => given.clone(),
            (None, Some(store)) => store.release(&digest).await?.ok_or(Unplayable::Missing(digest))?.into(),
            (None, None) => return Err(Unplayable::Missing(digest)),
        };
        if ReleaseDigest::of(&bytes) != digest {
            return Err(Unplayable::Changed(digest));
        }
        let release = engine.load(bytes).await.map_err(|error| Unplayable::NotLoaded(digest, Arc::new(error)))?;
        Ok(Arc::new(release))
    }
}
