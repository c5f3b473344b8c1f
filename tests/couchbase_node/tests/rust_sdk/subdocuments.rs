//! Parts of documents.

use couchbase::{
    error::ErrorKind,
    options::kv_options::{MutateInOptions, StoreSemantics},
    subdoc::{
        lookup_in_specs::LookupInSpec,
        mutate_in_specs::{MutateInSpec, UpsertSpecOptions},
    },
};
use couchbase_node::Settings;
use serde_json::json;

use crate::{Table, kind, within_patience};

#[test]
fn parts_are_looked_up() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        table.collection.insert("k", json!({"a": {"b": [1, "two"]}}), None).await.unwrap();
        let specs = [
            LookupInSpec::get("a.b[1]", None),
            LookupInSpec::exists("a.b", None),
            LookupInSpec::exists("a.c", None),
            LookupInSpec::count("a.b", None),
            LookupInSpec::get("a.c", None),
            LookupInSpec::get("a[0]", None),
        ];
        let found = table.collection.lookup_in("k", &specs, None).await.unwrap();
        assert_eq!(found.content_as::<String>(0).unwrap(), "two");
        assert_eq!((found.exists(1).unwrap(), found.exists(2).unwrap()), (true, false));
        assert_eq!(found.content_as::<u32>(3).unwrap(), 2);
        assert_eq!(kind(found.content_as::<u32>(4)), ErrorKind::PathNotFound);
        assert_eq!(kind(found.content_as::<u32>(5)), ErrorKind::PathMismatch);
        assert_eq!(kind(table.collection.lookup_in("none", &specs, None).await), ErrorKind::DocumentNotFound);
    });
}

#[test]
fn parts_are_changed_together_or_not_at_all() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let collection = &table.collection;
        let inserted = collection.insert("k", json!({"a": 1, "list": []}), None).await.unwrap();
        let specs = [
            MutateInSpec::upsert("b.c", json!({"d": 2}), UpsertSpecOptions::new().create_path(true)).unwrap(),
            MutateInSpec::replace("a", 3, None).unwrap(),
            MutateInSpec::increment("n", 5, None).unwrap(),
            MutateInSpec::array_append("list", &["x", "y"], None).unwrap(),
        ];
        let with = |cas| MutateInOptions::new().cas(cas);
        let changed = collection.mutate_in("k", &specs, with(inserted.cas())).await.unwrap();
        assert_eq!(changed.content_as::<i64>(2).unwrap(), 5);
        let expected = r#"{"a":3,"list":["x","y"],"b":{"c":{"d":2}},"n":5}"#;
        assert_eq!(table.value("k"), expected);
        assert_eq!(kind(collection.mutate_in("k", &specs, with(inserted.cas())).await), ErrorKind::CasMismatch);

        let half = [MutateInSpec::remove("a", None), MutateInSpec::insert("b", 1, None).unwrap()];
        assert_eq!(kind(collection.mutate_in("k", &half, None).await), ErrorKind::PathExists);
        assert_eq!(table.value("k"), expected);
    });
}

#[test]
fn a_document_is_made_of_parts() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let specs = [MutateInSpec::insert("a", 1, None).unwrap()];
        let collection = &table.collection;
        assert_eq!(kind(collection.mutate_in("k", &specs, None).await), ErrorKind::DocumentNotFound);
        let inserting = MutateInOptions::new().store_semantics(StoreSemantics::Insert);
        collection.mutate_in("k", &specs, inserting.clone()).await.unwrap();
        assert_eq!(table.value("k"), r#"{"a":1}"#);
        // The SDK mistakes the server's word for that of another CAS.
        assert_eq!(kind(collection.mutate_in("k", &specs, inserting).await), ErrorKind::CasMismatch);
    });
}
