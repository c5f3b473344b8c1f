//! Tracking: a second store, apart from the one that games are played on, which keeps facts of every step and what is
//! counted of them. An adapter promises that a fact is counted exactly once, however often it is handed over and
//! wherever the process ends; it knows nothing of steps, and what it is asked never touches the application store.

mod carrier;
mod couchbase;
mod embedded;
#[cfg(test)]
mod tests;

use std::{ops::Range, time::Duration};

use async_trait::async_trait;

pub use self::couchbase::{Couchbase, Settings as CouchbaseSettings};
pub use self::{
    carrier::FactCarrier,
    embedded::{Embedded, OpenError, Settings},
};
use crate::{
    facts::{Fact, Period, Reduced, Rollup},
    identity::{GameId, ReleaseDigest, ViewName},
    store::StoreError,
};

/// The buckets of a game that begin in a range.
#[derive(Clone, Debug)]
pub struct Series {
    /// The game.
    pub game: GameId,
    /// One of its releases, or all of them.
    pub release: Option<ReleaseDigest>,
    /// How long a bucket is.
    pub period: Period,
    /// When they begin, in Unix milliseconds.
    pub range: Range<u64>,
}

/// What is counted of a game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// The game.
    pub game: GameId,
    /// Its counts.
    pub rollup: Rollup,
    /// Whether its players and sessions were counted: too many of them are not.
    pub members_counted: bool,
}

/// How often a game has told of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// When the bucket begins, in Unix milliseconds.
    pub start_ms: u64,
    /// What the game calls it.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// A group of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its key, each field as JSON text.
    pub key: Vec<String>,
    /// What its values were reduced to.
    pub value: Reduced,
}

/// Which groups of a view.
#[derive(Clone, Debug, Default)]
pub struct ViewQuery {
    /// Those whose keys begin like this, each field as JSON text.
    pub prefix: Vec<String>,
    /// Those behind this key.
    pub after: Option<Vec<String>>,
    /// At most so many.
    pub groups_max: usize,
}

/// An answer, and whether everything was counted in it: while something is counted anew from the facts, it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<T> {
    /// The answer.
    pub answer: T,
    /// Whether nothing is missing.
    pub complete: bool,
}

/// How far something was counted anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The view, or the roll-ups.
    pub view: Option<ViewName>,
    /// Facts that were looked at.
    pub facts: u64,
}

/// Where facts are kept and counted.
#[async_trait]
pub trait TrackingStore: Send + Sync + 'static {
    /// Keeps and counts those of the facts that it has not got. The facts of a step come all together. Durable once this
    /// returns; where it fails or is given up, some may be counted, and they are to be handed over again.
    async fn record(&self, facts: Vec<Fact>) -> Result<(), StoreError>;

    /// Has the roll-ups and every view, or one view, counted anew from the facts: see [`Self::recount_some`]. Whether
    /// there is such a view.
    async fn forget_counts(&self, view: Option<ViewName>) -> Result<bool, StoreError>;

    /// Does a piece of the counting anew that waits to be done; `None` where nothing does. New facts are counted
    /// meanwhile.
    async fn recount_some(&self) -> Result<Option<Progress>, StoreError>;

    /// The roll-ups of a game's buckets, in their order; those without facts are left out.
    async fn series(&self, series: Series) -> Result<Counted<Vec<(u64, Rollup)>>, StoreError>;

    /// Every game's, or one game's, counts of all time or of the hours that begin in a range.
    async fn totals(&self, game: Option<GameId>, range: Option<Range<u64>>) -> Result<Counted<Vec<Total>>, StoreError>;

    /// How often a game's events of every name, or of one, were told of: at most so many rows, by bucket and name.
    async fn events(
        &self,
        series: Series,
        name: Option<String>,
        rows_max: usize,
    ) -> Result<Counted<Vec<EventCount>>, StoreError>;

    /// Groups of a view, in the order of their keys' text; `None` where there is no such view.
    async fn view(&self, name: ViewName, query: ViewQuery) -> Result<Option<Counted<Vec<Group>>>, StoreError>;

    /// Finishes what was begun; what is asked for later is refused.
    async fn close(&self);
}

/// How long counting anew waits for room on the disk before it asks again.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// Counts anew whatever must be, a piece at a time, and waits while the disk is nearly full. It may be dropped at any
/// time, and goes on at the next start.
///
/// # Errors
/// Where the store cannot be read or written.
pub async fn recount(store: &dyn TrackingStore) -> Result<(), StoreError> {
    let mut view = None;
    while let Some(progress) = once_there_is_room(|| store.recount_some()).await? {
        if view.as_ref() != Some(&progress.view) {
            match &progress.view {
                Some(view) => tracing::info!(%view, "the view is counted anew from the facts"),
                None => tracing::info!("the roll-ups are counted anew from the facts"),
            }
            view = Some(progress.view);
        }
    }
    if view.is_some() {
        tracing::info!("everything is counted");
    }
    Ok(())
}

/// What is refused for want of room has changed nothing, and is tried again.
async fn once_there_is_room<T, F>(mut work: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match work().await {
            Err(StoreError::Full(_)) => tokio::time::sleep(ROOM_WAIT).await,
            done => return done,
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the tracking store is closed".to_owned())
}
