//! Durable writes.

use couchbase::{
    durability_level::DurabilityLevel,
    error::ErrorKind,
    options::kv_options::{MutateInOptions, ReplaceOptions, UpsertOptions},
    subdoc::mutate_in_specs::MutateInSpec,
};
use couchbase_node::{Durability, Settings};
use serde_json::json;

use crate::{BUCKET, Table, kind, within_patience};

fn majority() -> UpsertOptions {
    UpsertOptions::new().durability_level(DurabilityLevel::MAJORITY)
}

#[test]
fn a_write_is_as_durable_as_it_asks_to_be() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let durability = || table.node.document(BUCKET, "k").unwrap().durability;
        table.collection.upsert("k", 1, None).await.unwrap();
        assert_eq!(durability(), Durability::None);
        let cas = table.collection.upsert("k", 2, majority()).await.unwrap().cas();
        assert_eq!(durability(), Durability::Majority);
        let persisted = ReplaceOptions::new().cas(cas).durability_level(DurabilityLevel::PERSIST_TO_MAJORITY);
        table.collection.replace("k", 3, persisted).await.unwrap();
        assert_eq!(durability(), Durability::PersistToMajority);
    });
}

#[test]
fn a_bucket_s_minimum_raises_what_is_below_it() {
    within_patience(async {
        let table = Table::open(Settings { durability_min: Durability::Majority, ..Settings::default() }).await;
        table.collection.upsert("k", 1, None).await.unwrap();
        assert_eq!(table.node.document(BUCKET, "k").unwrap().durability, Durability::Majority);
    });
}

/// The SDK takes a durability level for `mutate_in` and does not send it.
#[test]
fn a_mutation_of_parts_loses_its_durability_in_the_sdk() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        table.collection.upsert("k", json!({}), majority()).await.unwrap();
        let durable = MutateInOptions::new().durability_level(DurabilityLevel::MAJORITY);
        let specs = [MutateInSpec::upsert("a", 1, None).unwrap()];
        table.collection.mutate_in("k", &specs, durable).await.unwrap();
        assert_eq!(table.node.document(BUCKET, "k").unwrap().durability, Durability::None);
    });
}

#[test]
fn without_replicas_that_should_be_there_a_durable_write_is_impossible() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        table.node.set_replicas_up(0);
        assert_eq!(kind(table.collection.upsert("k", 1, majority()).await), ErrorKind::DurabilityImpossible);
        table.collection.upsert("k", 1, None).await.unwrap();
        table.node.set_replicas_up(1);
        table.collection.upsert("k", 1, majority()).await.unwrap();
    });
}

#[test]
fn one_copy_of_one_is_most_of_them() {
    within_patience(async {
        let table = Table::open(Settings { replicas: 0, ..Settings::default() }).await;
        table.collection.upsert("k", 1, majority()).await.unwrap();
    });
}
