//! What is done with published releases: each act is stored first, and live the moment after.

use std::sync::Arc;

use super::{Catalog, CatalogError, Games, LiveGame, Playing, motive, probation::Verdict};
use crate::{
    identity::{GameId, ReleaseDigest},
    limits::CONFLICT_RETRIES_MAX,
    listing::{Act, Actor, Listing, ListingError, Motive},
    store::CommitError,
};

/// How a release comes into play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// The share of players; all without one.
    pub percent: Option<u8>,
}

impl Catalog {
    /// Has new rounds opened on a release. It is loaded before anything changes.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn activate(
        self: &Arc<Self>,
        game: &GameId,
        release: ReleaseDigest,
        activation: Activation,
        motive: Motive,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        let live = self.live_game(game)?;
        live.listing.release(&release)?;
        if let Err(error) = self.load_listed(&live.listing, &release).await {
            return Err(CatalogError::NotLoaded { release, reason: error.to_string() });
        }
        self.change(game, move |listing| listing.activate(&release, activation.percent, &motive)).await
    }

    /// Goes back to what was played before.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn roll_back(self: &Arc<Self>, game: &GameId, motive: Motive) -> Result<Arc<LiveGame>, CatalogError> {
        self.live_game(game)?;
        self.change(game, move |listing| listing.roll_back(&motive).map(Some)).await
    }

    /// Stops or resumes the taking of new rounds.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn set_disabled(
        self: &Arc<Self>,
        game: &GameId,
        disabled: bool,
        motive: Motive,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        self.live_game(game)?;
        self.change(game, move |listing| Ok(listing.set_disabled(disabled, &motive))).await
    }

    /// Takes note of a step that was played: `broke` says how it broke down, if it did. A release on probation that
    /// does so too often is taken back, in a task of its own.
    pub fn observe(self: &Arc<Self>, game: &GameId, playing: &Playing, now_ms: u64, broke: Option<&'static str>) {
        if let Some(verdict) = playing.observe(now_ms, broke) {
            let (catalog, game, playing) = (self.clone(), game.clone(), playing.clone());
            tokio::spawn(async move { catalog.take_back(&game, &playing, verdict).await });
        }
    }

    async fn take_back(self: &Arc<Self>, game: &GameId, playing: &Playing, verdict: Verdict) {
        let Verdict { release, reason } = verdict;
        let motive = motive(Actor::Croupier, Some(reason.clone()));
        let done = self.change(game, move |listing| {
            let on_trial = listing.candidate.map(|candidate| candidate.release).or(listing.active);
            // Somebody else may have acted meanwhile.
            if on_trial == Some(release) { listing.roll_back(&motive).map(Some) } else { Ok(None) }
        });
        match done.await {
            Ok(_) => tracing::error!(%game, %release, reason, "a release was taken back"),
            Err(error) => {
                tracing::error!(%game, %release, reason, %error, "a release should be taken back and could not be");
                playing.reopen_probation();
            }
        }
    }

    pub(super) fn live_game(&self, game: &GameId) -> Result<Arc<LiveGame>, CatalogError> {
        self.live.load().get(game).cloned().ok_or_else(|| CatalogError::UnknownGame(game.clone()))
    }

    /// Changes a game: reads its listing, has it changed, stores the act with it, and makes it live. Done to the end
    /// even if whoever asked goes away: what is stored must come to be live.
    pub(super) async fn change(
        self: &Arc<Self>,
        game: &GameId,
        deed: impl Fn(&mut Listing) -> Result<Option<Act>, ListingError> + Send + 'static,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        let (catalog, game) = (self.clone(), game.clone());
        let done = tokio::spawn(async move { catalog.change_here(&game, deed).await }).await;
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    async fn change_here(
        self: &Arc<Self>,
        game: &GameId,
        deed: impl Fn(&mut Listing) -> Result<Option<Act>, ListingError>,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        let _acting = self.acting.lock().await;
        for _ in 0..=CONFLICT_RETRIES_MAX {
            let mut listing = self.store.listing(game).await?.unwrap_or_else(|| Listing::new(game.clone()));
            if let Some(act) = deed(&mut listing)? {
                match self.store.commit_act(&listing, &act).await {
                    Ok(()) => log(game, &act),
                    Err(CommitError::Conflict) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(self.make_live(listing).await);
        }
        Err(CatalogError::Contended)
    }

    async fn make_live(self: &Arc<Self>, listing: Listing) -> Arc<LiveGame> {
        let game = Arc::new(self.bring_to_life(listing).await);
        let mut games = Games::clone(&self.live.load());
        games.insert(game.listing.game.clone(), game.clone());
        self.live.store(Arc::new(games));
        game
    }
}

fn log(game: &GameId, act: &Act) {
    let Act { by, act: deed, from, to, percent, why, .. } = act;
    let release = |release: &Option<ReleaseDigest>| release.map(|release| release.to_string());
    let (from, to) = (release(from), release(to));
    tracing::info!(%game, act = ?deed, ?by, from, to, percent, why, "the catalog has changed");
}
