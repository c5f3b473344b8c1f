//! Why something was not moved, with what to do.

use std::io;

use thiserror::Error;

use super::Flaw;
use crate::{
    identity::{AggregateId, GameId, ReleaseDigest},
    ledger::Broken,
    store::StoreError,
};

/// Why something was not moved. What was moved before stays, and is not moved again.
#[derive(Debug, Error)]
pub enum MovingError {
    /// The file does not read.
    #[error(transparent)]
    File(#[from] Flaw),
    /// The file cannot be written.
    #[error("the file cannot be written: {0}")]
    Write(#[from] io::Error),
    /// There is no room for the file.
    #[error("there is no room left for the file: make some and run the same command again, which goes on from there")]
    NoRoom,
    /// The file is whole already.
    #[error("it is there already: name another file, or remove it")]
    IsThere,
    /// Another process writes it.
    #[error("another export is writing it")]
    InUse,
    /// What was begun is no export, or one of another store.
    #[error("what was begun there is of another store ({0}): remove it to begin anew")]
    OtherStore(String),
    /// A release's bytes are missing or are not what its digest says.
    #[error(
        "release {release} of {game} {flaw}: start a host on the store, which takes it out of service, and publish its \
         bytes again there"
    )]
    Release {
        /// Which.
        release: ReleaseDigest,
        /// Of which game.
        game: GameId,
        /// What is wrong.
        flaw: &'static str,
    },
    /// What is in the store, or in the file, does not prove.
    #[error("it does not prove: {0}")]
    Broken(#[from] Broken),
    /// The store has something that the file has not.
    #[error(
        "the store is not empty: it holds {0}, which is not in the file. Nothing was written; import into an empty store"
    )]
    NotEmpty(String),
    /// The store has something else than the file has.
    #[error("{what} is in the store already, and {how}. It was left as it is: import into an empty store")]
    Differs {
        /// What.
        what: String,
        /// How it differs.
        how: String,
    },
    /// It does not fit into the store.
    #[error("{what} has {size} bytes, and the store takes {size_max}: raise store.player_kib_max")]
    TooLarge {
        /// What.
        what: String,
        /// What it has.
        size: usize,
        /// What is allowed.
        size_max: usize,
    },
    /// The file is not the one that was looked through.
    #[error("the file has changed while it was read")]
    Changed,
    /// After all, the store is not what the file is.
    #[error("the store does not hold what the file holds: {0}")]
    Otherwise(String),
    /// The store has no room left.
    #[error("{0}: make some and run the same command again, which goes on from there")]
    StoreFull(StoreError),
    /// The store does not answer.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for MovingError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) => Self::StoreFull(error),
            error => Self::Store(error),
        }
    }
}

impl MovingError {
    /// Of a failure to write the file.
    pub(super) fn of_writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom,
            _ => Self::Write(error),
        }
    }

    /// Of an aggregate that is in the store as it is not in the file.
    pub(super) fn differs(aggregate: &AggregateId, how: impl Into<String>) -> Self {
        Self::Differs { what: aggregate.to_string(), how: how.into() }
    }
}
