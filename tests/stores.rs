//! The stores, each held to the one conformance suite of the port.

pub(crate) mod conformance;
pub(crate) mod memory;

use std::sync::Arc;

use async_trait::async_trait;
use croupier::store::{Embedded, EmbeddedSettings, Store};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use self::{
    conformance::{Subject, conformance},
    memory::Memory,
};
use crate::couchbase::Cluster;

const AGGREGATE_BYTES_MAX: usize = 1 << 20;

/// A directory for an embedded store.
struct EmbeddedSubject(TempDir);

impl EmbeddedSubject {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Subject for EmbeddedSubject {
    async fn open(&self) -> Arc<dyn Store> {
        let settings = EmbeddedSettings {
            directory: self.0.path().join("store"),
            cache_bytes: 1 << 20,
            aggregate_bytes_max: AGGREGATE_BYTES_MAX,
            disk_reserve_bytes: 0,
        };
        Arc::new(Embedded::open(&settings).unwrap())
    }

    fn has_several_hosts(&self) -> bool {
        false
    }

    fn aggregate_bytes_max(&self) -> usize {
        AGGREGATE_BYTES_MAX
    }
}

#[async_trait]
impl Subject for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.host())
    }

    fn has_several_hosts(&self) -> bool {
        true
    }

    fn aggregate_bytes_max(&self) -> usize {
        AGGREGATE_BYTES_MAX
    }
}

/// A bucket of a test node's own, or of the cluster that the environment names.
struct CouchbaseSubject(OnceCell<Cluster>);

impl CouchbaseSubject {
    fn new() -> Self {
        Self(OnceCell::new())
    }
}

#[async_trait]
impl Subject for CouchbaseSubject {
    async fn open(&self) -> Arc<dyn Store> {
        let cluster = self.0.get_or_init(Cluster::start).await;
        Arc::new(cluster.open(AGGREGATE_BYTES_MAX).await)
    }

    fn has_several_hosts(&self) -> bool {
        true
    }

    fn aggregate_bytes_max(&self) -> usize {
        AGGREGATE_BYTES_MAX
    }
}

conformance!(couchbase, CouchbaseSubject::new());
conformance!(embedded, EmbeddedSubject::new());
conformance!(in_memory, Memory::new(AGGREGATE_BYTES_MAX));
