//! Documents as the SDK writes and reads them.

use couchbase::{
    durability_level::DurabilityLevel,
    error::ErrorKind,
    options::kv_options::{InsertOptions, ReplaceOptions},
};
use couchbase_node::{Durability, Settings};
use serde_json::{Value, json};

use crate::{BUCKET, Table, kind, within_patience};

#[test]
fn a_document_is_written_once_for_each_cas() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let (collection, key) = (&table.collection, "player::7");
        assert_eq!(kind(collection.get(key, None).await), ErrorKind::DocumentNotFound);

        let durable = InsertOptions::new().durability_level(DurabilityLevel::MAJORITY);
        let inserted = collection.insert(key, &json!({"balance": 100}), durable.clone()).await.unwrap();
        assert_eq!(kind(collection.insert(key, &json!({}), durable).await), ErrorKind::DocumentExists);

        let read = collection.get(key, None).await.unwrap();
        assert_eq!((read.content_as::<Value>().unwrap(), read.cas()), (json!({"balance": 100}), inserted.cas()));

        let with = |cas| ReplaceOptions::new().cas(cas).durability_level(DurabilityLevel::MAJORITY);
        let replaced = collection.replace(key, &json!({"balance": 90}), with(read.cas())).await.unwrap();
        assert!(replaced.cas() > read.cas() && replaced.mutation_token().is_some());
        assert_eq!(kind(collection.replace(key, &json!({}), with(read.cas())).await), ErrorKind::CasMismatch);

        let document = table.node.document(BUCKET, key).unwrap();
        assert_eq!(document.value, r#"{"balance":90}"#);
        assert_eq!((document.cas, document.durability), (replaced.cas(), Durability::Majority));
        assert_eq!(document.collection, "_default._default");
    });
}
