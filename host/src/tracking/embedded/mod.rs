//! The embedded adapter: a database of `fjall` in a folder of its own. Facts and what they change of the counts are
//! written together, by one writer, with one fsync for a batch.

mod keys;
mod meetings;
mod met;
mod queries;
mod recount;
mod tables;
mod taken;
#[cfg(test)]
pub(super) mod tests;
mod writer;

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use thiserror::Error;

use self::{tables::Tables, writer::Writer};
use super::{Counted, EventCount, Group, Progress, Series, Total, TrackingStore, ViewQuery, closed};
use crate::{
    facts::{Fact, Rollup, View},
    identity::{GameId, ViewName},
    store::{Space, StoreError},
};

/// What an operator may choose about the embedded tracking store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its files are.
    pub directory: PathBuf,
    /// What is counted besides the roll-ups; every name once.
    pub views: Vec<View>,
    /// Room on the disk below which nothing is taken.
    pub disk_reserve_bytes: u64,
}

/// The embedded tracking store.
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    tables: Tables,
    /// Gone once the store is closed.
    writer: Mutex<Option<Writer>>,
    space: Space,
}

/// The tracking store's files cannot be used.
#[derive(Debug, Error)]
#[error("the tracking store in {directory} cannot be opened: {reason}")]
pub struct OpenError {
    directory: PathBuf,
    reason: String,
}

impl Embedded {
    /// Opens the store, or makes it. Views that are new, or mean something else than before, are to be counted anew;
    /// those that are not there any more are forgotten.
    ///
    /// # Errors
    /// Where the files cannot be read or written, or another process has them.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let open_error = |reason: String| OpenError { directory: settings.directory.clone(), reason };
        let tables = Tables::open(&settings.directory).map_err(open_error)?;
        let writer = Writer::open(tables.clone(), &settings.views).map_err(|error| open_error(error.to_string()))?;
        let space = Space::new(&settings.directory, settings.disk_reserve_bytes, "nothing is tracked");
        Ok(Self { inner: Arc::new(Inner { tables, writer: Mutex::new(Some(writer)), space }) })
    }

    /// How many facts there are.
    ///
    /// # Errors
    /// Where the last of them cannot be read.
    pub fn facts(&self) -> Result<u64, StoreError> {
        self.inner.tables.facts()
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.apart(move |inner| {
            inner.space.check()?;
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(writer.as_mut().ok_or_else(closed)?)
        })
        .await
    }

    /// Away from the threads that answer players.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

#[async_trait]
impl TrackingStore for Embedded {
    async fn record(&self, facts: Vec<Fact>) -> Result<(), StoreError> {
        self.write(move |writer| writer.record(&facts)).await
    }

    async fn forget_counts(&self, view: Option<ViewName>) -> Result<bool, StoreError> {
        self.write(move |writer| writer.forget_counts(view.as_ref())).await
    }

    async fn recount_some(&self) -> Result<Option<Progress>, StoreError> {
        self.write(Writer::recount_some).await
    }

    async fn series(&self, series: Series) -> Result<Counted<Vec<(u64, Rollup)>>, StoreError> {
        self.apart(move |inner| inner.tables.look()?.series(&series)).await
    }

    async fn totals(&self, game: Option<GameId>, range: Option<Range<u64>>) -> Result<Counted<Vec<Total>>, StoreError> {
        self.apart(move |inner| inner.tables.look()?.totals(game.as_ref(), range)).await
    }

    async fn events(
        &self,
        series: Series,
        name: Option<String>,
        rows_max: usize,
    ) -> Result<Counted<Vec<EventCount>>, StoreError> {
        self.apart(move |inner| inner.tables.look()?.events(&series, name.as_deref(), rows_max)).await
    }

    async fn view(&self, name: ViewName, query: ViewQuery) -> Result<Option<Counted<Vec<Group>>>, StoreError> {
        self.apart(move |inner| inner.tables.look()?.view(&name, &query)).await
    }

    async fn close(&self) {
        // Whoever is writing is waited for, on a thread where that is no harm.
        let closed = self.apart(|inner| Ok(inner.writer.lock().unwrap_or_else(PoisonError::into_inner).take()));
        if let Err(error) = closed.await {
            tracing::error!(%error, "the tracking store did not close in good order");
        }
    }
}
