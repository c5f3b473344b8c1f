//! What every adapter promises, held against the plain recount.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use couchbase_node::Node;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::{
    model::{check, groups, view, views},
    node, open, runtime,
};
use crate::{
    facts::{Fact, View, samples},
    store::StoreError,
    tracking::{Embedded, TrackingStore, ViewQuery, embedded, recount},
};

/// A place for a tracking store, which is opened there again and again.
#[async_trait]
trait Subject: Sized + Send + Sync {
    async fn new() -> Self;
    async fn open(&self, views: &[View]) -> Arc<dyn TrackingStore>;
}

#[async_trait]
impl Subject for TempDir {
    async fn new() -> Self {
        tempfile::tempdir().unwrap()
    }

    async fn open(&self, views: &[View]) -> Arc<dyn TrackingStore> {
        Arc::new(Embedded::open(&embedded::tests::settings(self.path(), views.to_vec())).unwrap())
    }
}

#[async_trait]
impl Subject for Node {
    async fn new() -> Self {
        node().await
    }

    async fn open(&self, views: &[View]) -> Arc<dyn TrackingStore> {
        Arc::new(open(self, views).await)
    }
}

macro_rules! conformance {
    ($module:ident, $subject:ty, $cases:expr) => {
        mod $module {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases($cases))]

                #[test]
                fn facts_in_any_order_and_number_are_each_counted_once(facts in samples::facts(40), deeds in deeds()) {
                    runtime().block_on(super::each_counted_once::<$subject>(&facts, deeds));
                }
            }

            #[test]
            fn a_view_that_is_changed_is_counted_anew_and_one_that_is_dropped_is_forgotten() {
                runtime().block_on(super::changed_views::<$subject>());
            }

            #[test]
            fn groups_of_a_view_come_in_pages() {
                runtime().block_on(super::pages::<$subject>());
            }
        }
    };
}

conformance!(in_a_directory, TempDir, 30);
conformance!(in_couchbase, Node, 10);

/// What is done to a store.
#[derive(Clone, Debug)]
enum Deed {
    /// These of the facts come, whether they came before or not.
    Record(Vec<prop::sample::Index>),
    /// A piece of what is to be counted anew.
    Recount,
    /// Everything, or a view, is to be counted anew.
    Forget(bool),
    /// Closed and opened again, with the views or without.
    Reopen(bool),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        8 => prop::collection::vec(any::<prop::sample::Index>(), 0..12).prop_map(Deed::Record),
        3 => Just(Deed::Recount),
        1 => any::<bool>().prop_map(Deed::Forget),
        1 => any::<bool>().prop_map(Deed::Reopen),
    ];
    prop::collection::vec(deed, 1..20)
}

async fn each_counted_once<S: Subject>(facts: &[Fact], deeds: Vec<Deed>) {
    let subject = S::new().await;
    let views = views();
    let mut given = BTreeMap::new();
    let mut store = subject.open(&views).await;
    for deed in deeds {
        match deed {
            Deed::Record(chosen) if !facts.is_empty() => {
                let batch: Vec<_> = chosen.iter().map(|index| index.get(facts).clone()).collect();
                given.extend(batch.iter().map(|fact| (fact.id.clone(), fact.clone())));
                store.record(batch).await.unwrap();
            }
            Deed::Record(_) => {}
            Deed::Recount => {
                store.recount_some().await.unwrap();
            }
            Deed::Forget(all) => {
                let view = (!all).then(|| views[2].name.clone());
                assert!(store.forget_counts(view).await.unwrap());
            }
            Deed::Reopen(with_views) => {
                store.close().await;
                drop(store);
                if !with_views {
                    subject.open(&views[..1]).await.close().await;
                }
                store = subject.open(&views).await;
            }
        }
    }
    recount(&*store).await.unwrap();
    let given: Vec<_> = given.into_values().collect();
    check(&*store, &given, &views).await;
    store.close().await;
}

async fn changed_views<S: Subject>() {
    let subject = S::new().await;
    {
        let facts: Vec<_> = (0..200).map(samples::numbered).collect();
        let mut views = views();
        let store = subject.open(&views).await;
        store.record(facts.clone()).await.unwrap();
        check(&*store, &facts, &views).await;
        store.close().await;
        drop(store);

        views[1].key.truncate(1);
        let dropped = views.remove(3);
        let store = subject.open(&views).await;
        let query = ViewQuery { groups_max: 10, ..ViewQuery::default() };
        let changed = store.view(views[1].name.clone(), query.clone()).await.unwrap().unwrap();
        assert!(!changed.complete, "it is the old one");
        assert_eq!(store.view(dropped.name.clone(), query.clone()).await.unwrap(), None);
        recount(&*store).await.unwrap();
        check(&*store, &facts, &views).await;
        assert!(store.view(views[1].name.clone(), query).await.unwrap().unwrap().complete);
        assert!(!store.forget_counts(Some(dropped.name)).await.unwrap());
        store.close().await;
        let refused = store.record(facts.clone()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    }
}

async fn pages<S: Subject>() {
    let subject = S::new().await;
    {
        let by_game_and_day = view(
            json!({ "name": "rounds", "filter": { "kind": "round_closed" }, "key": ["game", "day"], "reduce": "count" }),
        );
        let store = subject.open(std::slice::from_ref(&by_game_and_day)).await;
        let facts: Vec<_> = (0..300).map(samples::numbered).collect();
        store.record(facts.clone()).await.unwrap();
        let all: Vec<_> = groups(&by_game_and_day, &facts).into_iter().collect();
        for (prefix, page) in
            [(vec![], 1), (vec![], 3), (vec!["\"slots\"".to_owned()], 2), (vec!["\"none\"".to_owned()], 2)]
        {
            let wanted: Vec<_> = all.iter().filter(|(key, _)| key.starts_with(&prefix)).cloned().collect();
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let query = ViewQuery { prefix: prefix.clone(), after: after.take(), groups_max: page };
                let groups = store.view(by_game_and_day.name.clone(), query).await.unwrap().unwrap().answer;
                let is_last = groups.len() < page;
                found.extend(groups.into_iter().map(|group| (group.key, group.value)));
                if is_last {
                    break;
                }
                after = found.last().map(|(key, _)| key.clone());
            }
            assert_eq!(found, wanted, "{prefix:?}");
        }
        store.close().await;
    }
}
