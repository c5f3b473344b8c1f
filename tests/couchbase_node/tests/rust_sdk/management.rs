//! Buckets, scopes and collections.

use couchbase::{
    durability_level::DurabilityLevel, error::ErrorKind, management::buckets::bucket_settings::BucketSettings,
};
use couchbase_node::{Durability, Settings};

use crate::{BUCKET, Table, kind, within_patience};

#[test]
fn collections_are_made_used_and_dropped() {
    within_patience(async {
        let table = Table::open(Settings::default()).await;
        let manager = table.bucket.collections();
        assert_eq!(kind(manager.create_collection("casino", "players", None, None).await), ErrorKind::ScopeNotFound);
        manager.create_scope("casino", None).await.unwrap();
        assert_eq!(kind(manager.create_scope("casino", None).await), ErrorKind::ScopeExists);
        manager.create_collection("casino", "players", None, None).await.unwrap();
        assert_eq!(kind(manager.create_collection("casino", "players", None, None).await), ErrorKind::CollectionExists);
        let scopes = manager.get_all_scopes(None).await.unwrap();
        let casino = scopes.iter().find(|scope| scope.name() == "casino").unwrap();
        assert_eq!(casino.collections()[0].name(), "players");

        let players = table.bucket.scope("casino").collection("players");
        players.insert("k", 1, None).await.unwrap();
        table.collection.insert("k", 2, None).await.unwrap();
        let places = table.node.documents(BUCKET).into_iter().map(|document| document.collection);
        assert_eq!(places.collect::<Vec<_>>(), ["_default._default", "casino.players"]);

        manager.drop_collection("casino", "players", None).await.unwrap();
        assert_eq!(table.node.documents(BUCKET).len(), 1);
        manager.drop_scope("casino", None).await.unwrap();
        assert_eq!(kind(manager.drop_scope("casino", None).await), ErrorKind::ScopeNotFound);
    });
}

#[test]
fn buckets_are_made_read_changed_and_dropped() {
    within_patience(async {
        let table = Table::open(Settings { durability_min: Durability::Majority, ..Settings::default() }).await;
        let manager = table.cluster.buckets();
        let bucket = manager.get_bucket(BUCKET, None).await.unwrap();
        assert_eq!(bucket.minimum_durability_level, Some(DurabilityLevel::MAJORITY));
        assert_eq!(bucket.num_replicas, Some(1));
        assert_eq!(kind(manager.get_bucket("tracking", None).await), ErrorKind::BucketNotFound);

        let settings = BucketSettings::new("tracking").ram_quota_mb(128).num_replicas(0);
        manager.create_bucket(settings.clone(), None).await.unwrap();
        assert_eq!(kind(manager.create_bucket(settings.clone(), None).await), ErrorKind::BucketExists);
        let collection = table.cluster.bucket("tracking").default_collection();
        collection.insert("k", 1, None).await.unwrap();
        let durable = settings.minimum_durability_level(DurabilityLevel::MAJORITY);
        manager.update_bucket(durable, None).await.unwrap();
        collection.replace("k", 1, None).await.unwrap();
        assert_eq!(table.node.document("tracking", "k").unwrap().durability, Durability::Majority);
        let names = manager.get_all_buckets(None).await.unwrap().into_iter().map(|bucket| bucket.name);
        assert_eq!(names.collect::<Vec<_>>(), [BUCKET, "tracking"]);
        manager.drop_bucket("tracking", None).await.unwrap();
        assert_eq!(kind(manager.drop_bucket("tracking", None).await), ErrorKind::BucketNotFound);
    });
}
