//! The Couchbase adapter, against a node of our own with faults on request.

mod faults;
mod hosts;

use std::{sync::Arc, time::Duration};

use couchbase_node::{Node, Settings};
use croupier::{
    aggregate::Aggregate,
    identity::{AggregateId, Digest},
    record::EncodedRecord,
    store::{Commit, Couchbase, CouchbaseSettings, Durability, SetUp},
};

/// How a host connects to a node.
pub(crate) fn settings(node: &Node) -> CouchbaseSettings {
    CouchbaseSettings {
        connection: node.connection_string(),
        user: "Administrator".to_owned(),
        password: "password".to_owned(),
        bucket: "croupier".to_owned(),
        scope: "croupier".to_owned(),
        certificates: None,
        durability: Durability::Majority,
        timeout: Duration::from_secs(2),
        cache_bytes: 1 << 20,
        aggregate_bytes_max: 1 << 20,
    }
}

pub(crate) async fn node() -> Node {
    Node::start(Settings::default()).await.unwrap()
}

pub(crate) async fn open(node: &Node) -> Arc<Couchbase> {
    Arc::new(Couchbase::connect(&settings(node), SetUp::Create).await.unwrap())
}

fn player(name: &str) -> AggregateId {
    format!("player/{name}").parse().unwrap()
}

/// A commit of so many steps, told from others by its mark.
fn commit(id: &AggregateId, expected: u64, steps: u64, mark: &str) -> Commit {
    let mut aggregate = Aggregate::new(id.clone());
    aggregate.step = expected + steps;
    aggregate.head = Digest::of(mark.as_bytes());
    let records = (expected + 1..=aggregate.step).map(|step| EncodedRecord {
        step,
        has_effects: false,
        bytes: format!(r#"{{"step":{step},"mark":"{mark}"}}"#).into_bytes(),
    });
    Commit { expected, records: records.collect(), aggregate: Arc::new(aggregate), under_way: 1 }
}
