//! The port: what every adapter must do, and a node for the one that needs a cluster.

mod conformance;
pub(crate) mod model;

use std::{future::ready, time::Duration};

use couchbase_node::Node;

use super::*;
use crate::{
    cluster::{self, Advice, Durability},
    facts::View,
};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A node, with what a tracking store needs.
pub(crate) async fn node() -> Node {
    let node = Node::start(couchbase_node::Settings::default()).await.unwrap();
    Couchbase::set_up(&settings(&node, PATIENCE).cluster).await.unwrap();
    node
}

/// Nothing takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn open(node: &Node, views: &[View]) -> Couchbase {
    let settings = CouchbaseSettings { views: views.to_vec(), ..settings(node, PATIENCE) };
    Couchbase::open(&settings).await.unwrap()
}

/// How a tracking store connects to a node; a call may take so long.
pub(crate) fn settings(node: &Node, timeout: Duration) -> CouchbaseSettings {
    let cluster = cluster::Settings {
        connection: node.connection_string(),
        user: "Administrator".to_owned(),
        password: "password".to_owned(),
        bucket: "croupier".to_owned(),
        scope: "tracking".to_owned(),
        certificates: None,
        durability: Durability::Majority,
        timeout,
        advice: Advice { credentials: "the credentials", collections: "make it" },
    };
    CouchbaseSettings { cluster, views: Vec::new() }
}

#[tokio::test]
async fn what_is_counted_anew_waits_for_room_and_for_nothing_else() {
    let full = || Err(StoreError::Full("the disk".to_owned()));
    let broken = || Err(StoreError::Unavailable("the disk".to_owned()));
    for (answers, expected, left) in
        [(vec![Ok(1), full()], Ok(1), 1), (vec![full(), Ok(2), full()], Ok(2), 1), (vec![broken(), Ok(3)], broken(), 1)]
    {
        let mut answers = answers.into_iter();
        let done = once_there_is_room(|| ready(answers.next().expect("it was done"))).await;
        assert_eq!((done, answers.len()), (expected, left));
    }
}
