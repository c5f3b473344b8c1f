//! What is done with published releases: what an act brings into play is loaded first, then the act is stored, and it is
//! live the moment after.

use std::sync::Arc;

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
        deed: impl Fn(&mut Listing) -> Result<Vec<Act>, ListingError> + Send + Sync + 'static,
    ) -> Result<Arc<LiveGame>, CatalogError> {
        let (catalog, game) = (self.clone(), game.clone());
        let done = tokio::spawn(async move {
            for _ in 0..=CONFLICT_RETRIES_MAX {
                let listing = catalog.listing(&game).await?;
                if let Some(live) = catalog.change_from(listing, &deed).await? {
                    return Ok(live);
                }
            }
            Err(CatalogError::Contended)
        });
        done.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Changes a listing as it was read. Nothing comes of it where somebody else has acted meanwhile, or where it would
    /// bring a damaged release into play: that is withdrawn, and the deed is to be done anew without it.
    pub(super) async fn change_from(
        &self,
        before: Listing,
        deed: impl Fn(&mut Listing) -> Result<Vec<Act>, ListingError>,
    ) -> Result<Option<Arc<LiveGame>>, CatalogError> {
        let mut listing = before.clone();
        let acts = deed(&mut listing)?;
        let (live, unloaded) = self.bring_to_life(listing).await;
        let comes_into_play = |release: &ReleaseDigest| !before.played().any(|played| played == *release);
        match unloaded.into_iter().find(|(release, _)| comes_into_play(release)) {
            None => self.commit(live, &acts).await,
            Some((release, NotLoaded::Damaged(reason))) => {
                let mut listing = before;
                let act = listing.withdraw(&release, &motive(Actor::Croupier, Some(reason)))?;
                let (live, _) = self.bring_to_life(listing).await;
                self.commit(live, act.as_slice()).await.map(|_| None)
            }
            Some((release, error)) => Err(CatalogError::NotLoaded { release, reason: error.to_string() }),
        }
    }

    /// Stores acts, and makes live what they have made; nothing where somebody else was first.
    async fn commit(&self, game: LiveGame, acts: &[Act]) -> Result<Option<Arc<LiveGame>>, CatalogError> {
        if !acts.is_empty() {
            match self.store.commit_acts(&game.listing, acts).await {
                Ok(()) => acts.iter().for_each(|act| log(&game.listing.game, act)),
                Err(CommitError::Conflict) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(self.make_live(game)))
    }

    pub(super) async fn listing(&self, game: &GameId) -> Result<Listing, CatalogError> {
        Ok(self.store.listing(game).await?.unwrap_or_else(|| Listing::new(game.clone())))
    }

    /// Puts a game into the picture, unless a newer version of it is there.
    fn make_live(&self, game: LiveGame) -> Arc<LiveGame> {
        let game = Arc::new(game);
        let (id, version) = (&game.listing.game, game.listing.version);
        self.live.rcu(|games| match games.get(id) {
            Some(newer) if newer.listing.version > version => games.clone(),
            _ => {
                let mut games = Games::clone(games);
                games.insert(id.clone(), game.clone());
                Arc::new(games)
            }
        });
        game
    }
}

fn log(game: &GameId, act: &Act) {
    let Act { by, act: deed, from, to, percent, why, .. } = act;
    let release = |release: &Option<ReleaseDigest>| release.map(|release| release.to_string());
    let (from, to) = (release(from), release(to));
    tracing::info!(%game, act = ?deed, ?by, from, to, percent, why, "the catalog has changed");
}
