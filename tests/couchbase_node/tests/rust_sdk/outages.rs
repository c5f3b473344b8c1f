//! Nodes that are slow, gone, and back.

use couchbase_node::Settings;
use tokio::time::timeout;

use crate::{MOMENT, Table, within_patience};

#[test]
fn a_paused_node_answers_when_it_is_resumed() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        table.node.pause();
        let late = table.collection.upsert("k", 1, None);
        // Operations have no time limit of their own in the SDK.
        assert!(timeout(MOMENT, late).await.is_err());
        table.node.resume();
        table.collection.upsert("k", 2, None).await.unwrap();
        assert_eq!(table.value("k"), "2");
    });
}

#[test]
fn a_node_that_is_gone_keeps_its_clients_waiting_and_serves_them_when_it_is_back() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        table.collection.upsert("k", 1, None).await.unwrap();
        table.node.stop().await;
        assert!(timeout(MOMENT, table.collection.get("k", None)).await.is_err());
        table.node.restart().await.unwrap();
        assert_eq!(table.collection.get("k", None).await.unwrap().content_as_raw().0, b"1");
    });
}
