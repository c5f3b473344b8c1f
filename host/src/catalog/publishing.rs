//! Publishing: from bytes of unknown origin to a release in the catalog. Everything is checked before anything changes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Activation, Catalog, CatalogError, LiveGame, Playable, Refusal};
use crate::{
    engine::LoadError,
    identity::{GameId, PublisherName, ReleaseDigest},
    listing::{ListedRelease, Listing, Motive},
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
    pub(super) playable: Arc<Playable>,
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
    /// Takes in a release, and has it played if that is asked for.
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
        let component = upload.component.clone();
        let digest = tokio::task::spawn_blocking(move || ReleaseDigest::of(&component)).await;
        let digest = digest.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
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
        // All of it is tried first: a release that is taken in but not activated would be neither refused nor done.
        let mut trial =
            self.live.load().get(&game).map_or_else(|| Listing::new(game.clone()), |live| live.listing.clone());
        let new = trial.release(&release).is_err();
        let stores = trial.publish(listed.clone(), &motive)?.is_some();
        if let Some(Activation { percent }) = activation {
            trial.activate(&release, percent, &motive)?;
        }
        if stores {
            self.store.put_release(&release, &examined.upload.component).await?;
        }
        let publishing = motive.clone();
        let mut live = self.change(&game, move |listing| listing.publish(listed.clone(), &publishing)).await?;
        if let Some(Activation { percent }) = activation {
            live = self.change(&game, move |listing| listing.activate(&release, percent, &motive)).await?;
        }
        Ok(Published { release, new, game: live, elapsed: examined.elapsed + begun.elapsed() })
    }
}

impl Examined {
    pub(super) fn game(&self) -> &GameId {
        &self.playable.release.descriptor().id
    }

    pub(super) fn release(&self) -> ReleaseDigest {
        self.playable.release.digest()
    }

    fn listed(&self, published_at_ms: u64) -> ListedRelease {
        let descriptor = self.playable.release.descriptor();
        ListedRelease {
            release: self.release(),
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
