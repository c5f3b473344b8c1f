//! Verification: that the bytes of every release are still what was published.

use std::sync::Arc;

use super::{Catalog, CatalogError, NotLoaded, motive};
use crate::{
    identity::{GameId, ReleaseDigest},
    listing::Actor,
};

/// What became of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose.
    pub game: GameId,
    /// Which.
    pub release: ReleaseDigest,
    /// Why it is out of service, if it is.
    pub broken: Option<String>,
}

impl Catalog {
    /// Reads the bytes of every release, or of every release of one game, and takes those out of service that are
    /// not what their digest says.
    ///
    /// # Errors
    /// Where there is no such game, or the store fails.
    pub async fn verify(self: &Arc<Self>, game: Option<&GameId>) -> Result<Vec<Verified>, CatalogError> {
        let games = match game {
            Some(game) => vec![self.live_game(game)?],
            None => self.live().values().cloned().collect(),
        };
        let mut rows = Vec::new();
        for listing in games.iter().map(|game| &game.listing) {
            for listed in &listing.releases {
                let broken = match &listed.broken {
                    Some(reason) => Some(reason.clone()),
                    None => self.verify_release(&listing.game, &listed.release).await?,
                };
                rows.push(Verified { game: listing.game.clone(), release: listed.release, broken });
            }
        }
        let broken = rows.iter().filter(|row| row.broken.is_some()).count();
        tracing::info!(releases = rows.len(), broken, "releases were verified");
        Ok(rows)
    }

    async fn verify_release(
        self: &Arc<Self>,
        game: &GameId,
        release: &ReleaseDigest,
    ) -> Result<Option<String>, CatalogError> {
        match self.intact(release).await {
            Ok(_) => Ok(None),
            Err(NotLoaded::Store(error)) => Err(error.into()),
            Err(error) => {
                let (release, reason) = (*release, error.to_string());
                let motive = motive(Actor::Croupier, Some(reason.clone()));
                self.change(game, move |listing| listing.withdraw(&release, &motive)).await?;
                self.loaded.remove(&release);
                Ok(Some(reason))
            }
        }
    }

    /// The bytes of a release, proved to be what its digest says.
    pub(super) async fn intact(&self, release: &ReleaseDigest) -> Result<Arc<[u8]>, NotLoaded> {
        let bytes: Arc<[u8]> = match self.store.release(release).await? {
            Some(bytes) => bytes.into(),
            None => return Err(NotLoaded::Damaged("its bytes are gone".to_owned())),
        };
        let hashed = bytes.clone();
        let found = tokio::task::spawn_blocking(move || ReleaseDigest::of(&hashed)).await;
        match found {
            Ok(found) if found == *release => Ok(bytes),
            Ok(found) => Err(NotLoaded::Damaged(format!("its bytes have changed: their digest is {found}"))),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}
