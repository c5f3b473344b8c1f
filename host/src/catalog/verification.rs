//! Verification: that the bytes of every release are still what was published.

use std::sync::Arc;

use super::{Catalog, CatalogError, NotLoaded, motive, publishing::digest};
use crate::{
    identity::{GameId, ReleaseDigest},
    limits::CONFLICT_RETRIES_MAX,
    listing::{Actor, Listing},
};

/// What became of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose.
    pub game: GameId,
    /// Which.
    pub release: ReleaseDigest,
    /// Why it is out of service or could not be verified, if that is so.
    pub problem: Option<String>,
}

impl Catalog {
    /// Reads the bytes of every release, or of every release of one game. Those that are not what their digest says go
    /// out of service, and those that are so again come back. What cannot be read now is told and changes nothing.
    ///
    /// # Errors
    /// Where there is no such game.
    pub async fn verify(self: &Arc<Self>, game: Option<&GameId>) -> Result<Vec<Verified>, CatalogError> {
        let games = match game {
            Some(game) => vec![self.live_game(game)?],
            None => self.live().values().cloned().collect(),
        };
        let mut rows = Vec::new();
        for listing in games.iter().map(|game| &game.listing) {
            for listed in &listing.releases {
                let verified = self.verify_release(&listing.game, &listed.release).await;
                let problem = verified.unwrap_or_else(|error| Some(format!("it could not be verified: {error}")));
                rows.push(Verified { game: listing.game.clone(), release: listed.release, problem });
            }
        }
        for Verified { game, release, problem } in &rows {
            if let Some(problem) = problem {
                tracing::error!(%game, %release, problem, "a release is not intact");
            }
        }
        tracing::info!(releases = rows.len(), "releases were verified");
        Ok(rows)
    }

    /// Has a release's standing follow from its bytes: what is wrong with them, if something is.
    pub(super) async fn verify_release(
        self: &Arc<Self>,
        game: &GameId,
        release: &ReleaseDigest,
    ) -> Result<Option<String>, CatalogError> {
        let (catalog, game, release) = (self.clone(), game.clone(), *release);
        let settled = tokio::spawn(async move {
            for _ in 0..=CONFLICT_RETRIES_MAX {
                // The listing first: if somebody puts the bytes right and says so, what was found does not count.
                let listing = catalog.listing(&game).await?;
                let stands = listing.release(&release)?.broken.is_some();
                let found = catalog.problem(&release).await?;
                if found.is_some() == stands {
                    return Ok(found);
                }
                if found.is_some() {
                    catalog.loaded.remove(&release);
                }
                let motive = motive(Actor::Croupier, found.clone());
                let deed = |listing: &mut Listing| {
                    let act = match &found {
                        Some(_) => listing.withdraw(&release, &motive),
                        None => listing.reinstate(&release, &motive),
                    };
                    act.map(|act| act.into_iter().collect())
                };
                if catalog.change_from(listing, deed).await?.is_some() {
                    return Ok(found);
                }
            }
            Err(CatalogError::Contended)
        });
        settled.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    async fn problem(&self, release: &ReleaseDigest) -> Result<Option<String>, CatalogError> {
        match self.intact(release).await {
            Ok(_) => Ok(None),
            Err(NotLoaded::Store(error)) => Err(error.into()),
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    /// The bytes of a release, proved to be what its digest says.
    pub(super) async fn intact(&self, release: &ReleaseDigest) -> Result<Arc<[u8]>, NotLoaded> {
        let Some(bytes) = self.store.release(release).await? else {
            return Err(NotLoaded::Damaged("its bytes are gone".to_owned()));
        };
        let bytes: Arc<[u8]> = bytes.into();
        let found = digest(&bytes).await;
        if found == *release {
            Ok(bytes)
        } else {
            Err(NotLoaded::Damaged(format!("its bytes have changed: their digest is {found}")))
        }
    }
}
