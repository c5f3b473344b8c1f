//! Takes recorded steps again and holds what comes out against the record, byte for byte: of one round, from a store or
//! from a file, or of a whole store.

mod all;
mod difference;
mod file;
mod releases;

use std::sync::Arc;

use thiserror::Error;

pub use self::{
    all::{Flawed, Report, all},
    difference::Difference,
    file::{FileError, RoundFile, RoundProof},
    releases::{Releases, Unplayable},
};
use crate::{
    engine::Engine,
    errors::HostError,
    record::{Act, Record},
    steps::{NotAgain, again},
};

/// Takes recorded steps again.
pub struct Replayer {
    engine: Arc<Engine>,
    releases: Releases,
}

/// What a record was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The step came out as it was recorded, to the last byte.
    Identical {
        /// Whether a round ended with it.
        closes_round: bool,
    },
    /// No game had a part in it: there is nothing to take again.
    NotPlayed,
    /// The game was stopped because it computed too long. Where it was then is a matter of the computer.
    Stopped,
}

/// Why a step did not come out as it was recorded.
#[derive(Debug, Error)]
pub enum Flaw {
    /// It came out otherwise.
    #[error("it comes out otherwise: {}", list(.0))]
    Differs(Vec<Difference>),
    /// This time there was nothing to record.
    #[error("this time the game did nothing that is recorded")]
    Nothing,
    /// The bytes are no record.
    #[error("it does not read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Its release is not there as it was.
    #[error(transparent)]
    Unplayable(#[from] Unplayable),
    /// It could not be taken again.
    #[error("it cannot be taken again: {0}")]
    NotAgain(#[from] NotAgain),
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Replayer {
    /// On an engine whose bounds are no narrower than those that the steps were taken within.
    #[must_use]
    pub fn new(engine: Arc<Engine>, releases: Releases) -> Self {
        Self { engine, releases }
    }

    /// Takes a stored record's step again.
    ///
    /// # Errors
    /// [`Flaw`]: it is not what the release makes of the call.
    pub async fn replay(&self, stored: &[u8]) -> Result<Replayed, Flaw> {
        let record = Record::decode(stored)?;
        let Act::Played(play) = &record.act else { return Ok(Replayed::NotPlayed) };
        if play.void.as_deref() == Some(HostError::GameTimeout.reason()) {
            return Ok(Replayed::Stopped);
        }
        let release = self.releases.release(&self.engine, play.release).await?;
        let again = again(&self.engine, &release, &record).await?.ok_or(Flaw::Nothing)?;
        if again.bytes == stored {
            return Ok(Replayed::Identical { closes_round: play.round.as_ref().is_some_and(|round| !round.open) });
        }
        Err(Flaw::Differs(Difference::between(stored, &again.bytes)?))
    }
}
