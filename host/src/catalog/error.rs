//! Why something was not done with a release.

use thiserror::Error;

use crate::{
    engine::LoadError,
    identity::{GameId, ReleaseDigest},
    listing::ListingError,
    signing::SignatureError,
    store::{CommitError, StoreError},
};

/// Why an upload was not taken. Nothing has changed.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It cannot be a game.
    #[error(transparent)]
    Component(#[from] LoadError),
    /// Its signature does not speak for it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It has none, and this host wants one.
    #[error(
        "it has no signature, and this host takes signed releases only: sign it with 'croupier game sign', by a \
         publisher whose key is in the host's configuration"
    )]
    Unsigned,
}

/// Why an act was not done. Nothing has changed.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The upload is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The act makes no sense for the game as it is.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// There is no such game.
    #[error("there is no game {0}: publish a release of it first")]
    UnknownGame(GameId),
    /// A release that was published cannot be loaded.
    #[error("release {release} cannot be played: {reason}")]
    NotLoaded {
        /// Which.
        release: ReleaseDigest,
        /// Why.
        reason: String,
    },
    /// Other hosts kept acting first.
    #[error("others change this game at the same time: try again")]
    Contended,
    /// The store cannot do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for CatalogError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => Self::Store(error),
            CommitError::Conflict => Self::Contended,
            CommitError::TooLarge { .. } => Self::Store(StoreError::Unavailable(error.to_string())),
        }
    }
}
