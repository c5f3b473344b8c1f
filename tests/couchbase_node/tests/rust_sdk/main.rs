//! The official Rust SDK against the node: what it asks for is understood, and what it is told it believes.
//! What the SDK makes of each fault is written down here for those who build on it.

#![expect(clippy::unwrap_used, reason = "in tests, helpers included, a failed unwrap is the report")]

mod access;
mod documents;
mod durability;
mod faults;
mod management;
mod outages;
mod subdocuments;

use std::{sync::Arc, time::Duration};

use couchbase::{
    authenticator::PasswordAuthenticator,
    bucket::Bucket,
    cluster::Cluster,
    collection::Collection,
    error::ErrorKind,
    options::cluster_options::ClusterOptions,
    retry::{RetryAction, RetryReason, RetryRequest, RetryStrategy},
};
use couchbase_node::{Node, Settings};

/// Nothing here takes long; what hangs has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// So long a client waits for what the SDK would wait for without end.
const MOMENT: Duration = Duration::from_millis(200);

const BUCKET: &str = "croupier";

/// A node, and a client that is connected to it.
struct Table {
    node: Node,
    cluster: Cluster,
    bucket: Bucket,
    collection: Collection,
}

impl Table {
    async fn open(settings: Settings) -> Self {
        let node = Node::start(settings).await.unwrap();
        let cluster = connect(&node, "Administrator", "password").await.unwrap();
        let bucket = cluster.bucket(BUCKET);
        bucket.wait_until_ready(None).await.unwrap();
        let collection = bucket.default_collection();
        Self { node, cluster, bucket, collection }
    }

    /// A document's value as the node has it.
    fn value(&self, key: &str) -> String {
        String::from_utf8(self.node.document(BUCKET, key).unwrap().value.to_vec()).unwrap()
    }
}

async fn connect(node: &Node, user: &str, password: &str) -> couchbase::error::Result<Cluster> {
    let options = ClusterOptions::new(PasswordAuthenticator::new(user, password).into());
    Cluster::connect(node.connection_string(), options).await
}

/// Runs a test on a runtime of its own, for so long at most.
fn within_patience(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("something hangs") });
    runtime.shutdown_background();
}

/// Why an operation failed, in the SDK's words.
fn kind<T>(result: couchbase::error::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("should have failed"),
        Err(error) => error.kind().clone(),
    }
}

/// Never tries again where the SDK asks first; by default it does, without end.
#[derive(Debug)]
struct Once;

impl RetryStrategy for Once {
    fn retry_after(&self, _: &RetryRequest, _: &RetryReason) -> Option<RetryAction> {
        None
    }
}

fn once() -> Arc<dyn RetryStrategy> {
    Arc::new(Once)
}
