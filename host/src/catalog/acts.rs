//! What is done with published releases: what an act brings into play is loaded first, then the act is stored, and it is
//! live the moment after.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::{Catalog, CatalogError, Games, LiveGame, NotLoaded, Playing, motive, probation::Verdict};
use crate::{
    identity::{AggregateId, GameId, ReleaseDigest},
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

/// Whoever holds this is the only one on this host who changes the catalog.
pub(super) type Acting<'a> = MutexGuard<'a, ()>;

impl Catalog {
    /// Has new rounds opened on a release.
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
        self.check_trust(self.live_game(game)?.listing.release(&release)?)?;
        let deed = move |listing: &mut Listing| {
            listing.activate(&release, activation.percent, &motive).map(|act| act.into_iter().collect())
        };
        self.change(game, deed).await
    }

    /// Goes back to what was played before. `from` is what is to be given up, if only that: with it, asking twice does
    /// not lead back twice.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn roll_back(
        self: &Arc<Self>,
        game: &GameId,
        from: Option<ReleaseDigest>,
        motive: Motive,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        self.live_game(game)?;
        self.change(game, move |listing| Ok(vec![listing.roll_back(from, &motive)?])).await
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
        self.change(game, move |listing| Ok(listing.set_disabled(disabled, &motive).into_iter().collect())).await
    }

    /// Takes note of a step that was played: `broke` says how it broke down, if it did. A release on probation that
    /// does so too often is taken back, in a task of its own.
    pub fn observe(
        self: &Arc<Self>,
        game: &GameId,
        playing: &Playing,
        player: &AggregateId,
        now_ms: u64,
        broke: Option<&'static str>,
    ) {
        if let Some(verdict) = playing.observe(player, now_ms, broke) {
            let (catalog, game, playing) = (self.clone(), game.clone(), playing.clone());
            tokio::spawn(async move { catalog.take_back(&game, &playing, verdict).await });
        }
    }

    async fn take_back(self: &Arc<Self>, game: &GameId, playing: &Playing, verdict: Verdict) {
        let Verdict { release, reason } = verdict;
        let motive = motive(Actor::Croupier, Some(reason.clone()));
        let taken_back = self.change(game, move |listing| Ok(vec![listing.roll_back(Some(release), &motive)?]));
        match taken_back.await {
            Ok(_) => tracing::error!(%game, %release, reason, "a release was taken back"),
            Err(CatalogError::Listing(ListingError::MovedOn { .. })) => {
                tracing::info!(%game, %release, reason, "a release should be taken back, and somebody else has acted");
            }
            Err(error) => {
                tracing::error!(%game, %release, reason, %error, "a release should be taken back and could not be");
                if matches!(error, CatalogError::Store(_)) {
                    playing.reopen_probation();
                }
            }
        }
    }

    pub(super) fn live_game(&self, game: &GameId) -> Result<Arc<LiveGame>, CatalogError> {
        self.live.load().get(game).cloned().ok_or_else(|| CatalogError::UnknownGame(game.clone()))
    }

    /// Changes a game: reads its listing, has it changed, stores the acts with it, and makes it live. Done to the end
    /// even if whoever asked goes away: what is stored must come to be live.
    pub(super) async fn change(
        self: &Arc<Self>,
        game: &GameId,
        deed: impl Fn(&mut Listing) -> Result<Vec<Act>, ListingError> + Send + 'static,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        let (catalog, game) = (self.clone(), game.clone());
        let done = tokio::spawn(async move {
            // Loading can take seconds: what will be needed is loaded before others have to wait.
            let mut trial = catalog.listing(&game).await?;
            deed(&mut trial)?;
            for release in trial.played() {
                // Where it cannot be loaded that is found again, in its place.
                let _loaded = catalog.load(&release).await;
            }
            let acting = catalog.acting.lock().await;
            catalog.change_alone(&acting, &game, deed).await
        });
        done.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// As [`Self::change`], by whoever is the only one to act.
    pub(super) async fn change_alone(
        &self,
        acting: &Acting<'_>,
        game: &GameId,
        deed: impl Fn(&mut Listing) -> Result<Vec<Act>, ListingError>,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        for _ in 0..=CONFLICT_RETRIES_MAX {
            let before = self.listing(game).await?;
            let mut listing = before.clone();
            let acts = deed(&mut listing)?;
            let (live, unloaded) = self.bring_to_life(listing).await;
            let comes_into_play = |release: &ReleaseDigest| !before.played().any(|played| played == *release);
            match unloaded.into_iter().find(|(release, _)| comes_into_play(release)) {
                None => {}
                // The deed is done anew, without it: a rollback leads further back.
                Some((release, NotLoaded::Damaged(reason))) => {
                    self.withdraw_alone(acting, before, release, reason).await?;
                    continue;
                }
                Some((release, error)) => {
                    return Err(CatalogError::NotLoaded { release, reason: error.to_string() });
                }
            }
            match self.commit(&live.listing, &acts).await {
                Ok(()) => return Ok(self.make_live(acting, live)),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CatalogError::Contended)
    }

    async fn withdraw_alone(
        &self,
        acting: &Acting<'_>,
        mut listing: Listing,
        release: ReleaseDigest,
        reason: String,
    ) -> Result<(), CatalogError> {
        let act = listing.withdraw(&release, &motive(Actor::Croupier, Some(reason)))?;
        let (live, _) = self.bring_to_life(listing).await;
        match self.commit(&live.listing, act.as_slice()).await {
            Ok(()) => drop(self.make_live(acting, live)),
            // Whoever reads the listing next sees what is there now.
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        self.loaded.remove(&release);
        Ok(())
    }

    async fn commit(&self, listing: &Listing, acts: &[Act]) -> Result<(), CommitError> {
        if acts.is_empty() {
            return Ok(());
        }
        self.store.commit_acts(listing, acts).await?;
        for act in acts {
            log(&listing.game, act);
        }
        Ok(())
    }

    async fn listing(&self, game: &GameId) -> Result<Listing, CatalogError> {
        Ok(self.store.listing(game).await?.unwrap_or_else(|| Listing::new(game.clone())))
    }

    fn make_live(&self, _acting: &Acting<'_>, game: LiveGame) -> Arc<LiveGame> {
        let game = Arc::new(game);
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
