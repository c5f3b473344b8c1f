//! Publishing: from bytes of unknown origin to a release in the catalog. Everything is checked before anything changes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Activation, Catalog, CatalogError, LiveGame, Playable, Refusal};
use crate::{
    engine::LoadError,
    identity::{GameId, PublisherName, ReleaseDigest},
    listing::{Act, ListedRelease, Listing, Motive},
    signing::Signature,
};

/// What a publisher hands over.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The component.
    pub component: Arc<[u8]>,
    /// The text of its signature's file.
    pub signature: Option<String>,
}

/// An upload that has passed every check that does not depend on the catalog.
pub(super) struct Examined {
    playable: Arc<Playable>,
    upload: Upload,
    publisher: Option<PublisherName>,
    elapsed: Duration,
}

/// A release that was taken in, or was there already.
#[derive(Clone, Debug)]
pub struct Published {
    /// Which.
    pub release: ReleaseDigest,
    /// Whether it was unknown until now.
    pub new: bool,
    /// The game after it.
    pub game: Arc<LiveGame>,
    /// From the upload to the end of all that was asked for.
    pub elapsed: Duration,
}

impl Catalog {
    /// Takes in a release, and has it played if that is asked for: all of it or nothing.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn publish(
        self: &Arc<Self>,
        upload: Upload,
        activation: Option<Activation>,
        motive: Motive,
    ) -> Result<Published, CatalogError> {
        let examined = self.examine(upload).await?;
        self.take_in(examined, activation, motive).await
    }

    /// Size, digest, signature, parse, imports, compile, link, descriptor and schemas.
    pub(super) async fn examine(self: &Arc<Self>, upload: Upload) -> Result<Examined, Refusal> {
        let begun = Instant::now();
        self.engine.check_size(upload.component.len())?;
        let digest = digest(&upload.component).await;
        let publisher = match &upload.signature {
            Some(signature) => {
                let signature = Signature::parse(signature)?;
                Some(self.settings.publishers.signer(&signature, &digest)?.clone())
            }
            None if self.settings.require_signed => return Err(Refusal::Unsigned),
            None => None,
        };
        let loading = async {
            let playable = Playable::load(&self.engine, upload.component.clone()).await?;
            Ok::<_, LoadError>(Arc::new(playable))
        };
        let playable = self.loaded.get_or_insert_async(&digest, loading).await?;
        self.refused.remove(&digest);
        Ok(Examined { playable, upload, publisher, elapsed: begun.elapsed() })
    }

    /// Stores what was examined: the bytes first, which harm nobody where nothing names them, and then what names them.
    pub(super) async fn take_in(
        self: &Arc<Self>,
        examined: Examined,
        activation: Option<Activation>,
        motive: Motive,
    ) -> Result<Published, CatalogError> {
        let begun = Instant::now();
        let listed = examined.listed(motive.at_ms);
        let (release, game) = (listed.release, examined.game().clone());
        let before = self.live.load().get(&game).cloned();
        let new = before.as_ref().is_none_or(|before| before.listing.release(&release).is_err());
        let deed = move |listing: &mut Listing| {
            let mut acts: Vec<Act> = listing.publish(listed.clone(), &motive)?.into_iter().collect();
            if let Some(Activation { percent }) = activation {
                acts.extend(listing.activate(&release, percent, &motive)?);
            }
            Ok(acts)
        };
        // What will be refused leaves no bytes behind.
        deed(&mut before.map_or_else(|| Listing::new(game.clone()), |before| before.listing.clone()))?;
        if new || self.intact(&release).await.is_err() {
            self.store.put_release(&release, &examined.upload.component).await?;
        }
        let game = self.change(&game, deed).await?;
        Ok(Published { release, new, game, elapsed: examined.elapsed + begun.elapsed() })
    }

    /// Whether a release that was taken in would be taken in now: keys come and go, and so does the wish for signatures.
    pub(super) fn check_trust(&self, listed: &ListedRelease) -> Result<(), Refusal> {
        match &listed.signature {
            Some(signature) => {
                self.settings.publishers.signer(&Signature::parse(signature)?, &listed.release)?;
                Ok(())
            }
            None if self.settings.require_signed => Err(Refusal::Unsigned),
            None => Ok(()),
        }
    }
}

/// The digest of bytes, computed beside what runs.
pub(super) async fn digest(bytes: &Arc<[u8]>) -> ReleaseDigest {
    let bytes = bytes.clone();
    let digest = tokio::task::spawn_blocking(move || ReleaseDigest::of(&bytes)).await;
    digest.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

impl Examined {
    fn game(&self) -> &GameId {
        &self.playable.release.descriptor().id
    }

    fn listed(&self, published_at_ms: u64) -> ListedRelease {
        let descriptor = self.playable.release.descriptor();
        ListedRelease {
            release: self.playable.release.digest(),
            title: descriptor.title.clone(),
            version: descriptor.version.clone(),
            bytes: self.upload.component.len() as u64,
            published_at_ms,
            publisher: self.publisher.clone(),
            signature: self.upload.signature.clone(),
            state_version: self.playable.release.state_version(),
            broken: None,
        }
    }
}
