//! The Couchbase adapter: one tracking store that any number of hosts feed at once, of one or several application
//! stores. It is read and written by keys alone, and depends on no host's coming back.

mod batches;
mod claims;
mod counts;
mod kinds;
mod plan;
mod queries;
mod recount;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::{batches::Batches, kinds::Kinds, writer::Writer};
use super::{Counted, EventCount, Group, Progress, Series, Total, TrackingStore, ViewQuery, closed};
use crate::{
    cluster::{self, Cluster, ConnectError, Documents, SetUp},
    facts::{Fact, Rollup, View},
    identity::{GameId, ViewName},
    store::StoreError,
};

/// How often a document that others change too is tried again.
const TRIES_MAX: u32 = 64;

/// What an operator may choose about a tracking store in a cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub cluster: cluster::Settings,
    /// What is counted besides the roll-ups; every name once.
    pub views: Vec<View>,
}

/// A tracking store in a Couchbase bucket.
pub struct Couchbase {
    batches: Batches,
    /// Gone once the store is closed.
    writer: Mutex<Option<Writer>>,
    /// Held for as long as the store is.
    _cluster: Cluster,
}

impl Couchbase {
    /// Connects, finishes what hosts that are gone have begun, and declares the views: those that are new, or mean
    /// something else than before, are to be counted anew; those that are not there any more are forgotten.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn open(settings: &Settings) -> Result<Self, ConnectError> {
        let unreachable = |error: StoreError| ConnectError::Unreachable {
            connection: settings.cluster.connection.clone(),
            reason: error.to_string(),
        };
        let cluster = Cluster::connect(&settings.cluster, SetUp::Verify, &Kinds::ALL).await?;
        let batches = Batches::new(Documents::new(cluster.client.clone(), "the tracking store", TRIES_MAX));
        let opening = async {
            // Before any batch of this host's.
            batches.declare(&settings.views).await?;
            let writer = Writer::register(&batches).await?;
            writer.adopt_others(&batches).await?;
            Ok(writer)
        };
        let writer = opening.await.map_err(unreachable)?;
        Ok(Self { batches, writer: Mutex::new(Some(writer)), _cluster: cluster })
    }

    /// Makes the scope and its collections; what is there stays.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn set_up(settings: &cluster::Settings) -> Result<(), ConnectError> {
        Cluster::connect(settings, SetUp::Create, &Kinds::ALL).await.map(drop)
    }
}

#[async_trait]
impl TrackingStore for Couchbase {
    async fn record(&self, facts: Vec<Fact>) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        let writer = writer.as_mut().ok_or_else(closed)?;
        writer.record(&self.batches, facts).await
    }

    async fn forget_counts(&self, view: Option<ViewName>) -> Result<bool, StoreError> {
        self.batches.forget_counts(view.as_ref()).await
    }

    async fn recount_some(&self) -> Result<Option<Progress>, StoreError> {
        self.batches.recount_some().await
    }

    async fn series(&self, series: Series) -> Result<Counted<Vec<(u64, Rollup)>>, StoreError> {
        self.batches.series(series).await
    }

    async fn totals(&self, game: Option<GameId>, range: Option<Range<u64>>) -> Result<Counted<Vec<Total>>, StoreError> {
        self.batches.totals(game, range).await
    }

    async fn events(
        &self,
        series: Series,
        name: Option<String>,
        rows_max: usize,
    ) -> Result<Counted<Vec<EventCount>>, StoreError> {
        self.batches.events(series, name, rows_max).await
    }

    async fn view(&self, name: ViewName, query: ViewQuery) -> Result<Option<Counted<Vec<Group>>>, StoreError> {
        self.batches.view(name, query).await
    }

    async fn close(&self) {
        // Whoever is writing is waited for. What is left is known to be finished, or the next host to start does it.
        *self.writer.lock().await = None;
    }
}
