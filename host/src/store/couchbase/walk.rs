//! A walk over the aggregates of a bucket. Ids are listed by their digests, so those that come next are sought among all
//! lists, for many aggregates at a time.

use std::collections::VecDeque;

use async_trait::async_trait;

use super::{
    super::{Standing, StoreError},
    aggregates::Aggregates,
    index::Index,
};
use crate::identity::AggregateId;

/// Ids that are sought in one reading of the lists.
const IDS_MAX: usize = 1 << 18;
/// Aggregates that are read in one go, side by side.
const PAGE: usize = 32;

pub(super) struct Walk<'a> {
    index: &'a Index,
    aggregates: &'a Aggregates,
    /// The last id that was sought.
    after: Option<String>,
    ids: VecDeque<String>,
    ids_max: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(index: &'a Index, aggregates: &'a Aggregates, after: Option<&AggregateId>) -> Self {
        Self {
            index,
            aggregates,
            after: after.map(|id| id.as_str().to_owned()),
            ids: VecDeque::new(),
            ids_max: IDS_MAX,
        }
    }
}

#[async_trait]
impl super::Walk for Walk<'_> {
    async fn next(&mut self) -> Result<Vec<Standing>, StoreError> {
        loop {
            if self.ids.is_empty() {
                let least = self.index.least_after(self.after.as_deref(), self.ids_max).await?;
                self.ids = least.into_iter().collect();
                let Some(last) = self.ids.back() else { return Ok(Vec::new()) };
                self.after = Some(last.clone());
            }
            let page = self.aggregates.standing(self.ids.drain(..self.ids.len().min(PAGE))).await?;
            if !page.is_empty() {
                return Ok(page);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::{super::*, Walk};
    use crate::cluster::{Advice, Durability};
    use crate::record::{Destinations, EncodedRecord};

    /// However many ids are sought at a time: every aggregate is found once, in order.
    #[tokio::test(flavor = "multi_thread")]
    async fn ids_are_sought_in_portions_of_any_size() {
        let node = couchbase_node::Node::start(couchbase_node::Settings::default()).await.unwrap();
        let cluster = cluster::Settings {
            connection: node.connection_string(),
            user: "Administrator".to_owned(),
            password: "password".to_owned(),
            bucket: "croupier".to_owned(),
            scope: "croupier".to_owned(),
            certificates: None,
            durability: Durability::Majority,
            timeout: Duration::from_secs(60),
            advice: Advice { credentials: "the credentials", collections: "make it" },
        };
        let settings = Settings { cluster, cache_bytes: 1 << 20, aggregate_bytes_max: 1 << 20 };
        let store = Couchbase::connect(&settings, SetUp::Create).await.unwrap();
        let mut expected = Vec::new();
        for number in 0..40 {
            let mut aggregate = Aggregate::new(format!("player/{number}").parse().unwrap());
            aggregate.step = 1;
            expected.push(aggregate.id.clone());
            let destinations = Destinations::default();
            let records = vec![EncodedRecord { step: 1, destinations, bytes: b"{}".to_vec(), told: None }];
            let commit = Commit { expected: 0, aggregate: Arc::new(aggregate), records, under_way: 1 };
            store.commit(commit).await.unwrap();
        }
        expected.sort();
        for ids_max in [1, 7, 39, 40, 41] {
            let mut walk = Walk { ids_max, ..Walk::new(&store.inner.index, &store.inner.aggregates, None) };
            let mut found = Vec::new();
            loop {
                let page = super::super::super::Walk::next(&mut walk).await.unwrap();
                if page.is_empty() {
                    break;
                }
                found.extend(page.into_iter().map(|standing| standing.aggregate.id.clone()));
            }
            assert_eq!(found, expected, "{ids_max} at a time");
        }
        store.close().await;
    }
}
