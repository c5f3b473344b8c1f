//! Which games can be played, and on which release. What is live is one immutable picture: a call takes what it needs
//! from it once and keeps it, and every change puts another picture in its place.

mod acts;
mod directory;
mod error;
mod live;
mod playable;
mod probation;
mod publishing;
mod verification;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::{StreamExt as _, stream};
use quick_cache::sync::Cache;

pub use self::{
    acts::Activation,
    directory::{DirectoryError, Watch},
    error::{CatalogError, Refusal},
    live::{LiveGame, Playing},
    playable::Playable,
    probation::Rule as ProbationRule,
    publishing::{Published, Upload},
    verification::Verified,
};
use crate::{
    clock,
    engine::Engine,
    errors::{ErrorReply, HostError},
    identity::{AggregateId, GameId, ReleaseDigest},
    listing::{Act, Actor, Listing, Motive},
    signing::PublisherKeys,
    store::{Store, StoreError},
};

/// Releases in memory that are not active: lately replaced, or with rounds still open. Others are loaded when a round
/// needs them.
const IDLE_RELEASES_MAX: usize = 64;

/// How long a release that could not be loaded is not tried again.
const RELOAD_PAUSE: Duration = Duration::from_secs(10);

/// What an operator may choose about releases.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whose signatures count.
    pub publishers: PublisherKeys,
    /// Whether a release needs one.
    pub require_signed: bool,
    /// When a new release is taken back.
    pub probation: ProbationRule,
}

/// The games that this host plays.
pub struct Catalog {
    engine: Arc<Engine>,
    store: Arc<dyn Store>,
    settings: Settings,
    live: ArcSwap<Games>,
    loaded: Cache<ReleaseDigest, Arc<Playable>>,
    /// What could not be loaded, and when that was tried: not every call is to try it again.
    refused: Cache<ReleaseDigest, (Instant, NotLoaded)>,
}

/// All games at one instant.
pub type Games = BTreeMap<GameId, Arc<LiveGame>>;

/// A release that is in the catalog cannot be played.
#[derive(Clone, Debug, thiserror::Error)]
enum NotLoaded {
    /// Its bytes are gone or changed.
    #[error("{0}")]
    Damaged(String),
    /// This host does not take it as it is configured now.
    #[error("it cannot be loaded any more: {0}")]
    Refused(String),
    /// Nobody knows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An act of this instant.
#[must_use]
pub fn motive(by: Actor, why: Option<String>) -> Motive {
    Motive { by, at_ms: clock::now_ms(), why }
}

impl Catalog {
    /// The catalog as the store has it, with what is active loaded. A release that cannot be loaded is logged, and its
    /// game is refused until it can be.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn open(engine: Arc<Engine>, store: Arc<dyn Store>, settings: Settings) -> Result<Arc<Self>, StoreError> {
        let listings = store.listings().await?;
        let catalog = Arc::new(Self {
            engine,
            store,
            settings,
            live: ArcSwap::default(),
            loaded: Cache::new(IDLE_RELEASES_MAX),
            refused: Cache::new(IDLE_RELEASES_MAX),
        });
        let loading = listings.into_iter().map(|listing| catalog.bring_to_life(listing));
        let loaded: Vec<_> = stream::iter(loading).buffer_unordered(at_once()).collect().await;
        let mut games = Games::new();
        for (game, unloaded) in loaded {
            for (release, error) in unloaded {
                tracing::error!(game = %game.listing.game, %release, %error, "a release cannot be played");
            }
            games.insert(game.listing.game.clone(), Arc::new(game));
        }
        catalog.live.store(Arc::new(games));
        Ok(catalog)
    }

    /// Keeps up with what other hosts do on the same store, for ever.
    pub async fn follow_others(self: Arc<Self>) {
        loop {
            self.store.acts_elsewhere().await;
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "what other hosts have done is not known");
            }
        }
    }

    async fn catch_up(self: &Arc<Self>) -> Result<(), CatalogError> {
        for listing in self.store.listings().await? {
            let known = self.live.load().get(&listing.game).map_or(0, |game| game.listing.version);
            if listing.version > known {
                self.change_from(listing, |_| Ok(Vec::new())).await?;
            }
        }
        Ok(())
    }

    /// All games at this instant.
    #[must_use]
    pub fn live(&self) -> Arc<Games> {
        self.live.load_full()
    }

    /// The active releases that new rounds can be opened on, in the order of games.
    #[must_use]
    pub fn playables(&self) -> Vec<Arc<Playable>> {
        let live = self.live();
        live.values().filter(|game| !game.listing.disabled).filter_map(|game| game.active().cloned()).collect()
    }

    /// What a call is played on: the release of the player's open round, else the one that opens new rounds for them.
    ///
    /// # Errors
    /// Where there is no such game, it is disabled, or the release is out of service.
    pub async fn playing(
        self: &Arc<Self>,
        game: &GameId,
        player: &AggregateId,
        open: Option<&ReleaseDigest>,
    ) -> Result<Playing, ErrorReply> {
        let live = self.live.load().get(game).cloned();
        let live = live.ok_or_else(ErrorReply::method_not_found)?;
        let wanted = match open {
            Some(release) => *release,
            None if live.listing.disabled => return Err(HostError::GameDisabled { game: game.clone() }.into()),
            None => live.wanted_by(player).ok_or_else(ErrorReply::method_not_found)?,
        };
        if let Some(playing) = live.playing(&wanted) {
            return Ok(playing);
        }
        match self.load_listed(&live.listing, &wanted).await {
            Ok(playable) => {
                if live.listing.played().any(|played| played == wanted) {
                    self.refresh(game);
                }
                Ok(live.playing_on(playable))
            }
            Err(error) => {
                tracing::debug!(%game, release = %wanted, %error, "a call needs a release that cannot be played");
                Err(HostError::ReleaseUnavailable { game: game.clone(), release: wanted }.into())
            }
        }
    }

    /// Acts of a game, newest first: those before `before`, at most `count_max`.
    ///
    /// # Errors
    /// Where there is no such game, or the store cannot be read.
    pub async fn history(
        &self,
        game: &GameId,
        before: Option<u64>,
        count_max: u64,
    ) -> Result<(Arc<LiveGame>, Vec<Act>), CatalogError> {
        let unknown = || CatalogError::UnknownGame(game.clone());
        let live = self.live.load().get(game).cloned().ok_or_else(unknown)?;
        let last = before.unwrap_or(u64::MAX).min(live.listing.version + 1).saturating_sub(1);
        let first = last.saturating_sub(count_max.saturating_sub(1)).max(1);
        let mut acts = self.store.acts(game, first..=last).await?;
        acts.reverse();
        Ok((live, acts))
    }

    /// A release of a game, loaded now if it is not in memory. Damaged bytes take it out of service.
    async fn load_listed(
        self: &Arc<Self>,
        listing: &Listing,
        release: &ReleaseDigest,
    ) -> Result<Arc<Playable>, NotLoaded> {
        if let Some(reason) = listing.release(release).ok().and_then(|listed| listed.broken.clone()) {
            return Err(NotLoaded::Damaged(reason));
        }
        let loaded = self.load(release).await;
        match &loaded {
            Ok(_) => {}
            Err(NotLoaded::Damaged(_)) => self.settle(&listing.game, *release),
            Err(error) => tracing::error!(game = %listing.game, %release, %error, "a release cannot be played"),
        }
        loaded
    }

    /// A release from memory, else from the store; its bytes are proved to be what its digest says.
    async fn load(&self, release: &ReleaseDigest) -> Result<Arc<Playable>, NotLoaded> {
        let reading = async {
            if let Some((tried, error)) = self.refused.get(release)
                && tried.elapsed() < RELOAD_PAUSE
            {
                return Err(error);
            }
            let bytes = self.intact(release).await?;
            let playable = Playable::load(&self.engine, bytes).await;
            playable.map(Arc::new).map_err(|error| {
                let error = NotLoaded::Refused(error.to_string());
                self.refused.insert(*release, (Instant::now(), error.clone()));
                error
            })
        };
        self.loaded.get_or_insert_async(release, reading).await
    }

    /// What is to be live for a listing, and what of it could not be loaded.
    async fn bring_to_life(&self, listing: Listing) -> (LiveGame, Vec<(ReleaseDigest, NotLoaded)>) {
        let before = self.live.load().get(&listing.game).cloned();
        let (mut playables, mut unloaded) = (Vec::new(), Vec::new());
        for release in listing.played() {
            let live = before.as_ref().and_then(|before| before.playing(&release));
            match live.map(|playing| playing.playable) {
                Some(playable) => playables.push(playable),
                None => match self.load(&release).await {
                    Ok(playable) => playables.push(playable),
                    Err(error) => unloaded.push((release, error)),
                },
            }
        }
        (LiveGame::new(listing, playables, before.as_deref(), &self.settings.probation), unloaded)
    }

    /// Has a game made live anew, because what could not be loaded now can be; in a task of its own.
    fn refresh(self: &Arc<Self>, game: &GameId) {
        let (catalog, game) = (self.clone(), game.clone());
        tokio::spawn(async move {
            if let Err(error) = catalog.change(&game, |_| Ok(Vec::new())).await {
                tracing::error!(%game, %error, "the game could not be made live");
            }
        });
    }

    /// Has it settled whether a release is damaged, in a task of its own: whoever found the damage need not wait.
    fn settle(self: &Arc<Self>, game: &GameId, release: ReleaseDigest) {
        let (catalog, game) = (self.clone(), game.clone());
        tokio::spawn(async move {
            if let Err(error) = catalog.verify_release(&game, &release).await {
                tracing::error!(%game, %release, %error, "a damaged release could not be withdrawn");
            }
        });
    }
}

/// How many releases are read and loaded side by side: their bytes are in memory meanwhile.
fn at_once() -> usize {
    2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("games", &self.live.load().keys()).finish_non_exhaustive()
    }
}
