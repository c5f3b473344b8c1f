//! The Couchbase adapter, against a node of our own with faults on request.

mod faults;
mod hosts;
mod tracking;

use std::{sync::Arc, time::Duration};

use couchbase_node::{Node, Settings};
use croupier::{
    cluster::{self, Advice, Durability, SetUp},
    store::{Couchbase, CouchbaseSettings},
};

use crate::harness::PATIENCE;

/// A cluster for one test: a node of ours or, where `CROUPIER_TEST_COUCHBASE` names a real one, a new scope there. It is
/// named by a connection string with `CROUPIER_TEST_COUCHBASE_USER`, `_PASSWORD` and `_BUCKET` beside it; scopes that were
/// made are left for whoever wants to look.
pub(crate) enum Cluster {
    Node(Node),
    Real { settings: Box<CouchbaseSettings> },
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let Ok(connection) = std::env::var("CROUPIER_TEST_COUCHBASE") else { return Self::Node(node().await) };
        let named = |what: &str, default: &str| {
            std::env::var(format!("CROUPIER_TEST_COUCHBASE_{what}")).unwrap_or_else(|_| default.to_owned())
        };
        let mut settings = settings_of("");
        settings.cluster = cluster::Settings {
            connection,
            user: named("USER", "Administrator"),
            password: named("PASSWORD", "password"),
            bucket: named("BUCKET", "croupier"),
            scope: format!("test-{:016x}", rand::random::<u64>()),
            ..settings.cluster
        };
        Self::Real { settings: Box::new(settings) }
    }

    pub(crate) async fn open(&self, aggregate_bytes_max: usize) -> Couchbase {
        let settings = match self {
            Self::Node(node) => settings(node),
            Self::Real { settings } => (**settings).clone(),
        };
        // The suite is about what a store does, not about how fast a busy machine is.
        let cluster = cluster::Settings { timeout: PATIENCE, ..settings.cluster };
        let settings = CouchbaseSettings { aggregate_bytes_max, cluster, ..settings };
        Couchbase::connect(&settings, SetUp::Create).await.unwrap()
    }
}

/// How a host connects to a node.
pub(crate) fn settings(node: &Node) -> CouchbaseSettings {
    settings_of(&node.connection_string())
}

fn settings_of(connection: &str) -> CouchbaseSettings {
    let cluster = cluster::Settings {
        connection: connection.to_owned(),
        user: "Administrator".to_owned(),
        password: "password".to_owned(),
        bucket: "croupier".to_owned(),
        scope: "croupier".to_owned(),
        certificates: None,
        durability: Durability::Majority,
        timeout: Duration::from_secs(2),
        advice: Advice { credentials: "the credentials", collections: "make it" },
    };
    CouchbaseSettings { cluster, cache_bytes: 1 << 20, aggregate_bytes_max: 1 << 20 }
}

pub(crate) async fn node() -> Node {
    Node::start(Settings::default()).await.unwrap()
}

/// A host that waits so long for the node.
pub(crate) async fn open_within(node: &Node, timeout: Duration) -> Arc<Couchbase> {
    let mut settings = settings(node);
    settings.cluster.timeout = timeout;
    Arc::new(Couchbase::connect(&settings, SetUp::Create).await.unwrap())
}
