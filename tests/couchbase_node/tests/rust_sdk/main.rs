//! The official Rust SDK against the node: what it asks for is understood, and what it is told it believes.

mod documents;

use std::time::Duration;

use couchbase::{
    authenticator::PasswordAuthenticator, cluster::Cluster, collection::Collection, error::ErrorKind,
    options::cluster_options::ClusterOptions,
};
use couchbase_node::{Node, Settings};

/// Nothing here takes long; what hangs has failed.
const PATIENCE: Duration = Duration::from_secs(20);

const BUCKET: &str = "croupier";

/// A node, and a client that is connected to it.
struct Table {
    node: Node,
    /// Connections close with it.
    _cluster: Cluster,
    collection: Collection,
}

impl Table {
    async fn open(settings: Settings) -> Self {
        let node = Node::start(settings).await.unwrap();
        let cluster = connect(&node, "Administrator", "password").await.unwrap();
        let bucket = cluster.bucket(BUCKET);
        bucket.wait_until_ready(None).await.unwrap();
        Self { node, _cluster: cluster, collection: bucket.default_collection() }
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
