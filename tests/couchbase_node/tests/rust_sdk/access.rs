//! Who may do what.

use couchbase::error::ErrorKind;
use couchbase_node::{Node, Settings, User};
use tokio::time::timeout;

use crate::{BUCKET, MOMENT, Table, connect, kind, within_patience};

fn settings() -> Settings {
    let users = vec![
        User::administrator("Administrator", "password"),
        User::application("host", "with, comma=", &[BUCKET]),
        User::reader("auditor", "secret", &[BUCKET]),
    ];
    Settings { users, ..Settings::default() }
}

#[test]
fn an_application_reads_and_writes_and_manages_nothing() {
    within_patience(async {
        let node = Node::start(settings()).await.unwrap();
        let cluster = connect(&node, "host", "with, comma=").await.unwrap();
        let bucket = cluster.bucket(BUCKET);
        bucket.default_collection().upsert("k", 1, None).await.unwrap();
        // The SDK has no word for 403.
        let refused = bucket.collections().create_scope("s", None).await;
        assert!(matches!(kind(refused), ErrorKind::OtherFailure(_)));
    });
}

#[test]
fn a_reader_reads() {
    within_patience(async {
        let table = Table::open(settings()).await;
        table.collection.upsert("k", 1, None).await.unwrap();
        let cluster = connect(&table.node, "auditor", "secret").await.unwrap();
        let collection = cluster.bucket(BUCKET).default_collection();
        collection.get("k", None).await.unwrap();
        assert_eq!(kind(collection.upsert("k", 2, None).await), ErrorKind::AuthenticationFailure);
    });
}

/// The SDK tries for ever to connect with a password that is wrong, and so to a bucket that is not there: whoever calls
/// it brings the patience.
#[test]
fn who_is_refused_is_kept_waiting_by_the_sdk() {
    within_patience(async {
        let table = Table::open(settings()).await;
        let stranger = connect(&table.node, "Administrator", "wrong");
        assert!(timeout(MOMENT, stranger).await.is_err());
        let no_bucket = table.cluster.bucket("nothing");
        assert!(timeout(MOMENT, no_bucket.wait_until_ready(None)).await.is_err());
    });
}
