//! A game as it is played at one instant.

use std::sync::Arc;

use super::{
    Playable,
    probation::{Probation, Rule, Verdict},
};
use crate::{
    identity::{AggregateId, ReleaseDigest},
    listing::{Candidate, Listing},
};

/// A game with its loaded releases. Never changed, only replaced.
#[derive(Debug)]
pub struct LiveGame {
    /// What the store has of it.
    pub listing: Listing,
    /// Loaded: the active release and the candidate, as far as they can be played.
    playables: Vec<Arc<Playable>>,
    probation: Option<Arc<Probation>>,
}

/// What one call is played on, for as long as the call lasts.
#[derive(Clone, Debug)]
pub struct Playing {
    /// The release.
    pub playable: Arc<Playable>,
    probation: Option<Arc<Probation>>,
}

impl LiveGame {
    /// `before` is what was live until now: who is on probation stays so, with what was counted.
    pub(super) fn new(listing: Listing, playables: Vec<Arc<Playable>>, before: Option<&Self>, rule: &Rule) -> Self {
        let fresh = Probation::of(&listing, rule);
        let kept =
            before.and_then(|before| before.probation.clone()).filter(|kept| Some(kept.as_ref()) == fresh.as_ref());
        Self { listing, playables, probation: kept.or_else(|| fresh.map(Arc::new)) }
    }

    /// The active release, where it can be played.
    #[must_use]
    pub fn active(&self) -> Option<&Arc<Playable>> {
        self.loaded(self.listing.active.as_ref()?)
    }

    /// What should be played and cannot be, and why.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let played = self.listing.active.into_iter().chain(self.listing.candidate.map(|candidate| candidate.release));
        let unloaded = played.into_iter().find(|release| self.loaded(release).is_none())?;
        let broken = self.listing.release(&unloaded).ok().and_then(|listed| listed.broken.as_deref());
        Some(format!("release {unloaded}: {}", broken.unwrap_or("it could not be loaded; the host's log says why")))
    }

    /// The release that a player's new rounds are opened on. A candidate that cannot be played costs nobody the game.
    pub(super) fn wanted_by(&self, player: &AggregateId) -> Option<ReleaseDigest> {
        let is_theirs = |candidate: &Candidate| {
            candidate.is_for(&self.listing.game, player) && self.loaded(&candidate.release).is_some()
        };
        let candidate = self.listing.candidate.filter(is_theirs);
        candidate.map(|candidate| candidate.release).or(self.listing.active)
    }

    /// What a call is played on, if the release is loaded.
    pub(super) fn playing(&self, release: &ReleaseDigest) -> Option<Playing> {
        self.loaded(release).map(|playable| self.playing_on(playable.clone()))
    }

    pub(super) fn playing_on(&self, playable: Arc<Playable>) -> Playing {
        let release = playable.release.digest();
        let probation = self.probation.clone().filter(|probation| probation.release() == release);
        Playing { playable, probation }
    }

    fn loaded(&self, release: &ReleaseDigest) -> Option<&Arc<Playable>> {
        self.playables.iter().find(|playable| playable.release.digest() == *release)
    }
}

impl Playing {
    /// Counts a step that was played; `broke` says how it broke down, if it did. A verdict is given once.
    pub(super) fn observe(&self, player: &AggregateId, now_ms: u64, broke: Option<&'static str>) -> Option<Verdict> {
        self.probation.as_ref()?.observe(player, now_ms, broke)
    }

    /// A verdict could not be carried out: the next malfunction gives another.
    pub(super) fn reopen_probation(&self) {
        if let Some(probation) = &self.probation {
            probation.reopen();
        }
    }
}
