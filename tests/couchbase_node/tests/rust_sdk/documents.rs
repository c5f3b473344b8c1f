//! Documents as the SDK writes and reads them.

use std::time::Duration;

use couchbase::{
    error::ErrorKind,
    options::{
        kv_binary_options::{DecrementOptions, IncrementOptions},
        kv_options::{GetOptions, InsertOptions, RemoveOptions, ReplaceOptions, UpsertOptions},
    },
};
use couchbase_node::{Operation, Settings};
use serde_json::{Value, json};

use crate::{BUCKET, Table, kind, once, within_patience};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_document_is_written_once_for_each_cas() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let (collection, key) = (&table.collection, "player::7");
        assert_eq!(kind(collection.get(key, None).await), ErrorKind::DocumentNotFound);
        assert_eq!(kind(collection.replace(key, json!({}), None).await), ErrorKind::DocumentNotFound);
        // The SDK fails here instead of saying no.
        assert_eq!(kind(collection.exists(key, None).await), ErrorKind::DocumentNotFound);

        let inserted = collection.insert(key, json!({"balance": 100}), None).await.unwrap();
        assert_eq!(kind(collection.insert(key, json!({}), None).await), ErrorKind::DocumentExists);
        assert_eq!(collection.exists(key, None).await.unwrap().cas(), inserted.cas());

        let read = collection.get(key, None).await.unwrap();
        assert_eq!((read.content_as::<Value>().unwrap(), read.cas()), (json!({"balance": 100}), inserted.cas()));

        let with = |cas| ReplaceOptions::new().cas(cas);
        let replaced = collection.replace(key, json!({"balance": 90}), with(read.cas())).await.unwrap();
        assert!(replaced.cas() > read.cas() && replaced.mutation_token().is_some());
        assert_eq!(kind(collection.replace(key, json!({}), with(read.cas())).await), ErrorKind::CasMismatch);

        let document = table.node.document(BUCKET, key).unwrap();
        assert_eq!((document.cas, table.value(key)), (replaced.cas(), r#"{"balance":90}"#.to_owned()));
        assert_eq!(document.collection, "_default._default");

        let with = |cas| RemoveOptions::new().cas(cas);
        assert_eq!(kind(collection.remove(key, with(read.cas())).await), ErrorKind::CasMismatch);
        collection.remove(key, with(replaced.cas())).await.unwrap();
        assert_eq!(kind(collection.remove(key, None).await), ErrorKind::DocumentNotFound);
        assert_eq!(table.node.documents(BUCKET), []);
    });
}

#[test]
fn each_operation_is_one_round_trip() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let before = table.node.counts();
        let cas = table.collection.upsert("k", 1, None).await.unwrap().cas();
        table.collection.get("k", None).await.unwrap();
        table.collection.replace("k", 2, ReplaceOptions::new().cas(cas)).await.unwrap();
        let after = table.node.counts().since(&before);
        assert_eq!(after.documents(), 3);
        for operation in [Operation::Upsert, Operation::Get, Operation::Replace] {
            assert_eq!(after.of(operation), 1, "{operation:?}");
        }
    });
}

#[test]
fn documents_expire_by_the_node_s_clock() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let collection = &table.collection;
        collection.insert("session", 1, InsertOptions::new().expiry(MINUTE)).await.unwrap();
        table.node.advance_clock(MINUTE / 2);
        collection.get_and_touch("session", 2 * MINUTE, None).await.unwrap();
        table.node.advance_clock(MINUTE);
        collection.upsert("session", 2, UpsertOptions::new().preserve_expiry(true)).await.unwrap();
        let expiry = GetOptions::new().expiry(true);
        assert!(collection.get("session", expiry).await.unwrap().expiry_time().is_some());
        table.node.advance_clock(MINUTE);
        assert_eq!(kind(collection.get("session", None).await), ErrorKind::DocumentNotFound);
        collection.insert("session", 3, None).await.unwrap();
        assert_eq!(table.node.document(BUCKET, "session").unwrap().expires_at, None);
        collection.touch("session", MINUTE, None).await.unwrap();
        table.node.advance_clock(MINUTE);
        assert_eq!(table.node.documents(BUCKET), []);
    });
}

#[test]
fn a_locked_document_is_the_locker_s() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let (collection, key) = (&table.collection, "k");
        collection.insert(key, 1, None).await.unwrap();
        let cas = collection.get_and_lock(key, Duration::from_secs(20), None).await.unwrap().cas();
        let of_others = ReplaceOptions::new().retry_strategy(once());
        assert_eq!(kind(collection.replace(key, 2, of_others.clone()).await), ErrorKind::DocumentLocked);
        assert_eq!(collection.get(key, None).await.unwrap().cas(), u64::MAX);
        collection.replace(key, 3, ReplaceOptions::new().cas(cas)).await.unwrap();

        let cas = collection.get_and_lock(key, Duration::from_secs(20), None).await.unwrap().cas();
        collection.unlock(key, cas, None).await.unwrap();
        assert_eq!(kind(collection.unlock(key, cas, None).await), ErrorKind::DocumentNotLocked);

        collection.get_and_lock(key, Duration::from_secs(20), None).await.unwrap();
        table.node.advance_clock(Duration::from_secs(20));
        collection.replace(key, 4, of_others).await.unwrap();
    });
}

#[test]
fn numbers_are_counted() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let binary = table.collection.binary();
        let by = |delta| IncrementOptions::new().delta(delta);
        assert_eq!(kind(binary.increment("n", by(5)).await), ErrorKind::DocumentNotFound);
        assert_eq!(binary.increment("n", by(5).initial(40)).await.unwrap().content(), 40);
        assert_eq!(binary.increment("n", by(2)).await.unwrap().content(), 42);
        assert_eq!(binary.decrement("n", DecrementOptions::new().delta(50)).await.unwrap().content(), 0);
        assert_eq!(table.value("n"), "0");
        table.collection.upsert("n", "word", None).await.unwrap();
        assert_eq!(kind(binary.increment("n", by(1)).await), ErrorKind::DeltaInvalid);
    });
}

#[test]
fn a_value_may_have_twenty_mebibytes() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let mut value = vec![b'x'; 20 * 1024 * 1024];
        table.collection.upsert_raw("k", &value, 0, None).await.unwrap();
        let read = table.collection.get("k", None).await.unwrap();
        assert_eq!(read.content_as_raw().0, value);
        value.push(b'x');
        assert_eq!(kind(table.collection.upsert_raw("k", &value, 0, None).await), ErrorKind::ValueTooLarge);
    });
}
