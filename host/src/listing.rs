//! What the catalog keeps of a game: its releases, which of them is played, and what was done with them, by whom and
//! why. Pure rules; every act makes the next version of the game's listing.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    identity::{AggregateId, GameId, PublisherName, ReleaseDigest},
    limits::ROLLBACKS_MAX,
};

/// How listings and acts are written.
pub const FORMAT: u32 = 1;

/// A game after its newest act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// [`FORMAT`].
    pub format: u32,
    /// The game.
    pub game: GameId,
    /// How many acts there were; the newest one's number.
    pub version: u64,
    /// Whose signature every further release needs: that of the first signed one.
    pub owner: Option<PublisherName>,
    /// What new rounds are played on.
    pub active: Option<ReleaseDigest>,
    /// What a share of the players opens new rounds on instead.
    pub candidate: Option<Candidate>,
    /// What was active before, newest last: where rollbacks lead.
    pub previous: Vec<ReleaseDigest>,
    /// Whether no new rounds are taken.
    pub disabled: bool,
    /// When the active release came into play, in Unix milliseconds; none where it was gone back to, and so is not new.
    pub new_since_ms: Option<u64>,
    /// Everything published, oldest first. None is ever removed: records name them.
    pub releases: Vec<ListedRelease>,
}

/// A release on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Candidate {
    /// Which.
    pub release: ReleaseDigest,
    /// The share of players, 1 to 99.
    pub percent: u8,
    /// Since when, in Unix milliseconds; a share that was raised does not change it.
    pub since_ms: u64,
}

/// What is known of a release without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ListedRelease {
    /// Its name.
    pub release: ReleaseDigest,
    /// The game's name for people, as the release has it.
    pub title: String,
    /// The designer's version.
    pub version: String,
    /// Size of the component.
    pub bytes: u64,
    /// Unix milliseconds.
    pub published_at_ms: u64,
    /// Who has signed it.
    pub publisher: Option<PublisherName>,
    /// The signature's file.
    pub signature: Option<String>,
    /// The version of the documents that it reads and writes.
    pub state_version: u32,
    /// Why it is out of service, if it is: its bytes are not what they were.
    pub broken: Option<String>,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Whoever has the operator's token.
    Operator,
    /// Whoever put a file into the watched directory.
    Directory,
    /// The host by itself.
    Croupier,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// A release was taken in, or taken in again whole, or signed.
    Published,
    /// A release became active, or a candidate.
    Activated,
    /// The release before took over again.
    RolledBack,
    /// No new rounds from here on.
    Disabled,
    /// New rounds again.
    Enabled,
    /// A release's bytes were found changed or missing.
    Withdrawn,
    /// They were found to be what they should be again.
    Reinstated,
}

/// One act, as it is kept for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Act {
    /// [`FORMAT`].
    pub format: u32,
    /// Its number: the version of the listing that it has made.
    pub number: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Who.
    pub by: Actor,
    /// What.
    pub act: Deed,
    /// The release that was given up or withdrawn.
    pub from: Option<ReleaseDigest>,
    /// The release that came instead, or was taken in.
    pub to: Option<ReleaseDigest>,
    /// The candidate's share of players.
    pub percent: Option<u8>,
    /// The reason.
    pub why: Option<String>,
}

/// Who acts, when and why.
#[derive(Clone, Debug)]
pub struct Motive {
    /// Who.
    pub by: Actor,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The reason.
    pub why: Option<String>,
}

/// An act that makes no sense for the game as it is. The message says why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListingError {
    /// The game has an owner, and this is not theirs.
    #[error("{game} is owned by '{owner}', and this release is {by}: it needs that publisher's signature")]
    OtherOwner {
        /// The game.
        game: GameId,
        /// Its owner.
        owner: PublisherName,
        /// Whose the release is, in words.
        by: String,
    },
    /// No such release of this game.
    #[error("{game} has no release {release}: publish it first")]
    UnknownRelease {
        /// The game.
        game: GameId,
        /// What was asked for.
        release: ReleaseDigest,
    },
    /// It is out of service.
    #[error("release {release} is out of service: {reason}. Publish its bytes again, or restore them and verify")]
    Broken {
        /// Which.
        release: ReleaseDigest,
        /// Why.
        reason: String,
    },
    /// A share of players would have nothing to play.
    #[error("a candidate needs another release that is active beside it: activate without percent")]
    NothingBeside,
    /// No release was active before.
    #[error("{0} has no release to go back to")]
    NothingBefore(GameId),
    /// What was to be given up is not what is played.
    #[error("{game} does not play release {release} any more: look again")]
    MovedOn {
        /// The game.
        game: GameId,
        /// What was to be given up.
        release: ReleaseDigest,
    },
}

impl Listing {
    /// A game of which nothing is known yet.
    #[must_use]
    pub fn new(game: GameId) -> Self {
        Self {
            format: FORMAT,
            game,
            version: 0,
            owner: None,
            active: None,
            candidate: None,
            previous: Vec::new(),
            disabled: false,
            new_since_ms: None,
            releases: Vec::new(),
        }
    }

    /// A release of the game.
    ///
    /// # Errors
    /// [`ListingError::UnknownRelease`].
    pub fn release(&self, release: &ReleaseDigest) -> Result<&ListedRelease, ListingError> {
        let unknown = || ListingError::UnknownRelease { game: self.game.clone(), release: *release };
        self.releases.iter().find(|listed| listed.release == *release).ok_or_else(unknown)
    }

    /// What can be played: the active release and the candidate, unless they are out of service.
    pub fn played(&self) -> impl Iterator<Item = ReleaseDigest> {
        let played = self.active.into_iter().chain(self.candidate.map(|candidate| candidate.release));
        played.filter(|release| self.release(release).is_ok_and(|listed| listed.broken.is_none()))
    }

    /// What a rollback would give up: the candidate, else the active release.
    #[must_use]
    pub fn newest_played(&self) -> Option<ReleaseDigest> {
        self.candidate.map(|candidate| candidate.release).or(self.active)
    }

    /// Where a rollback from the active release leads, as a place in `previous`.
    fn fallback(&self) -> Option<usize> {
        let is_whole = |release: &ReleaseDigest| self.release(release).is_ok_and(|listed| listed.broken.is_none());
        self.previous.iter().rposition(|release| is_whole(release) && Some(*release) != self.active)
    }

    /// Whether there is a release to go back to from the active one.
    #[must_use]
    pub fn has_fallback(&self) -> bool {
        self.fallback().is_some()
    }

    /// Whether a release by this publisher may be taken in.
    ///
    /// # Errors
    /// [`ListingError::OtherOwner`].
    pub fn admits(&self, publisher: Option<&PublisherName>) -> Result<(), ListingError> {
        match &self.owner {
            Some(owner) if publisher != Some(owner) => Err(ListingError::OtherOwner {
                game: self.game.clone(),
                owner: owner.clone(),
                by: publisher.map_or_else(|| "not signed".to_owned(), |publisher| format!("signed by '{publisher}'")),
            }),
            _ => Ok(()),
        }
    }

    /// Takes in a release. One that is there already is left as it is, unless it is broken or was not signed and now
    /// is; no act then.
    ///
    /// # Errors
    /// [`ListingError::OtherOwner`].
    pub fn publish(&mut self, mut new: ListedRelease, motive: &Motive) -> Result<Option<Act>, ListingError> {
        self.admits(new.publisher.as_ref())?;
        if self.owner.is_none() {
            self.owner.clone_from(&new.publisher);
        }
        let release = new.release;
        match self.releases.iter_mut().find(|listed| listed.release == release) {
            None => self.releases.push(new),
            Some(listed) if listed.broken.is_some() || (listed.publisher.is_none() && new.publisher.is_some()) => {
                new.published_at_ms = listed.published_at_ms;
                if new.publisher.is_none() {
                    (new.publisher, new.signature) = (listed.publisher.take(), listed.signature.take());
                }
                *listed = new;
            }
            Some(_) => return Ok(None),
        }
        Ok(Some(self.act(Deed::Published, None, Some(release), motive)))
    }

    /// Has new rounds opened on a release: all of them, or those of a share of players. No act where that is so already.
    ///
    /// # Errors
    /// Where the release is unknown or broken, or a candidate would be alone.
    pub fn activate(
        &mut self,
        release: &ReleaseDigest,
        percent: Option<u8>,
        motive: &Motive,
    ) -> Result<Option<Act>, ListingError> {
        if let Some(reason) = &self.release(release)?.broken {
            return Err(ListingError::Broken { release: *release, reason: reason.clone() });
        }
        let before = self.candidate.map(|candidate| candidate.release).filter(|candidate| candidate != release);
        let from = before.or(self.active);
        if let Some(percent) = percent.filter(|percent| *percent < 100) {
            if self.active.is_none_or(|active| active == *release) {
                return Err(ListingError::NothingBeside);
            }
            let since_ms = match self.candidate {
                Some(candidate) if candidate.release == *release && candidate.percent == percent => return Ok(None),
                Some(candidate) if candidate.release == *release => candidate.since_ms,
                _ => motive.at_ms,
            };
            self.candidate = Some(Candidate { release: *release, percent, since_ms });
            let act = self.act(Deed::Activated, from, Some(*release), motive);
            return Ok(Some(Act { percent: Some(percent), ..act }));
        }
        if self.active == Some(*release) && self.candidate.is_none() {
            return Ok(None);
        }
        self.candidate = None;
        if self.active != Some(*release) {
            self.previous.extend(self.active);
            let surplus = self.previous.len().saturating_sub(ROLLBACKS_MAX);
            self.previous.drain(..surplus);
            self.active = Some(*release);
            self.new_since_ms = Some(motive.at_ms);
        }
        Ok(Some(self.act(Deed::Activated, from, Some(*release), motive)))
    }

    /// Goes back: from a candidate to the active release, else from the active release to the one before. Broken ones are
    /// passed over. `from` is what is to be given up, if only that.
    ///
    /// # Errors
    /// [`ListingError::NothingBefore`] and [`ListingError::MovedOn`].
    pub fn roll_back(&mut self, from: Option<ReleaseDigest>, motive: &Motive) -> Result<Act, ListingError> {
        if let Some(release) = from.filter(|from| Some(*from) != self.newest_played()) {
            return Err(ListingError::MovedOn { game: self.game.clone(), release });
        }
        if let Some(Candidate { release, .. }) = self.candidate.take() {
            return Ok(self.act(Deed::RolledBack, Some(release), self.active, motive));
        }
        let at = self.fallback().ok_or_else(|| ListingError::NothingBefore(self.game.clone()))?;
        let from = self.active.replace(self.previous[at]);
        self.previous.truncate(at);
        self.new_since_ms = None;
        Ok(self.act(Deed::RolledBack, from, self.active, motive))
    }

    /// Takes no new rounds from here on, or takes them again. No act where that is so already.
    pub fn set_disabled(&mut self, disabled: bool, motive: &Motive) -> Option<Act> {
        if self.disabled == disabled {
            return None;
        }
        self.disabled = disabled;
        let deed = if disabled { Deed::Disabled } else { Deed::Enabled };
        Some(self.act(deed, None, None, motive))
    }

    /// Takes a release out of service until its bytes are whole again. The motive's reason is what is wrong with it.
    /// A candidate is none any more; an active release stays it, and is not played. No act where that is known.
    ///
    /// # Errors
    /// [`ListingError::UnknownRelease`].
    pub fn withdraw(&mut self, release: &ReleaseDigest, motive: &Motive) -> Result<Option<Act>, ListingError> {
        if self.release(release)?.broken.is_some() {
            return Ok(None);
        }
        for listed in self.releases.iter_mut().filter(|listed| listed.release == *release) {
            listed.broken = Some(motive.why.clone().unwrap_or_default());
        }
        self.candidate = self.candidate.filter(|candidate| candidate.release != *release);
        Ok(Some(self.act(Deed::Withdrawn, Some(*release), None, motive)))
    }

    /// Takes a release into service again. No act where it is in service.
    ///
    /// # Errors
    /// [`ListingError::UnknownRelease`].
    pub fn reinstate(&mut self, release: &ReleaseDigest, motive: &Motive) -> Result<Option<Act>, ListingError> {
        if self.release(release)?.broken.is_none() {
            return Ok(None);
        }
        for listed in self.releases.iter_mut().filter(|listed| listed.release == *release) {
            listed.broken = None;
        }
        Ok(Some(self.act(Deed::Reinstated, None, Some(*release), motive)))
    }

    fn act(&mut self, act: Deed, from: Option<ReleaseDigest>, to: Option<ReleaseDigest>, motive: &Motive) -> Act {
        self.version += 1;
        let Motive { by, at_ms, why } = motive.clone();
        Act { format: FORMAT, number: self.version, at_ms, by, act, from, to, percent: None, why }
    }
}

impl Candidate {
    /// Whether a player's new rounds are opened on the candidate: the same answer on every host and at every call, and
    /// still yes when the share is raised. The first eight bytes, big-endian, of SHA-256 over the game's id, a zero byte
    /// and the player's aggregate (`player/alice`), modulo 100.
    #[must_use]
    pub fn is_for(&self, game: &GameId, player: &AggregateId) -> bool {
        let mut hasher = Sha256::new();
        hasher.update(game.as_str());
        hasher.update([0]);
        hasher.update(player.as_str());
        let digest: [u8; 32] = hasher.finalize().into();
        let head = digest.iter().take(8).fold(0, |head, byte| head << 8 | u64::from(*byte));
        head % 100 < u64::from(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(number: u8) -> ReleaseDigest {
        ReleaseDigest::of(&[number])
    }

    fn motive(at_ms: u64) -> Motive {
        Motive { by: Actor::Operator, at_ms, why: None }
    }

    fn release(number: u8, publisher: Option<&str>) -> ListedRelease {
        ListedRelease {
            release: digest(number),
            title: "Dice".to_owned(),
            version: format!("1.{number}.0"),
            bytes: 1000,
            published_at_ms: number.into(),
            publisher: publisher.map(|publisher| publisher.parse().unwrap()),
            signature: publisher.map(|publisher| format!("by {publisher}")),
            state_version: 0,
            broken: None,
        }
    }

    /// A game with so many releases, none of them active.
    fn listing(releases: u8) -> Listing {
        let mut listing = Listing::new("dice".parse().unwrap());
        for number in 0..releases {
            listing.publish(release(number, None), &motive(0)).unwrap().unwrap();
        }
        listing
    }

    #[test]
    fn rollbacks_retrace_activations() {
        let mut listing = listing(3);
        for number in 0..3 {
            listing.activate(&digest(number), None, &motive(1)).unwrap().unwrap();
        }
        assert_eq!(listing.activate(&digest(2), None, &motive(2)), Ok(None));
        let act = listing.roll_back(None, &motive(3)).unwrap();
        assert_eq!((act.from, act.to, act.act), (Some(digest(2)), Some(digest(1)), Deed::RolledBack));
        assert_eq!(listing.roll_back(None, &motive(4)).unwrap().to, Some(digest(0)));
        assert_eq!(listing.roll_back(None, &motive(5)), Err(ListingError::NothingBefore("dice".parse().unwrap())));
        assert_eq!(listing.active, Some(digest(0)));
    }

    #[test]
    fn a_rollback_of_what_is_not_played_any_more_is_refused() {
        let mut listing = listing(2);
        listing.activate(&digest(0), None, &motive(1)).unwrap();
        listing.activate(&digest(1), None, &motive(1)).unwrap();
        assert_eq!(listing.new_since_ms, Some(1));
        listing.roll_back(Some(digest(1)), &motive(2)).unwrap();
        assert_eq!(listing.new_since_ms, None, "what was gone back to is not new");
        let again = listing.roll_back(Some(digest(1)), &motive(3)).unwrap_err();
        assert!(matches!(again, ListingError::MovedOn { .. }), "{again}");
    }

    #[test]
    fn a_candidate_stands_beside_the_active_release_until_it_is_decided() {
        let mut listing = listing(3);
        assert_eq!(listing.activate(&digest(0), Some(10), &motive(1)), Err(ListingError::NothingBeside));
        listing.activate(&digest(0), Some(100), &motive(1)).unwrap();
        assert_eq!(listing.activate(&digest(0), Some(10), &motive(1)), Err(ListingError::NothingBeside));
        let act = listing.activate(&digest(1), Some(10), &motive(2)).unwrap().unwrap();
        assert_eq!((act.from, act.to, act.percent), (Some(digest(0)), Some(digest(1)), Some(10)));
        assert_eq!(listing.activate(&digest(1), Some(10), &motive(3)), Ok(None));
        listing.activate(&digest(1), Some(50), &motive(3)).unwrap().unwrap();
        assert_eq!(listing.candidate.unwrap().since_ms, 2, "it has been a candidate since then");
        let act = listing.roll_back(None, &motive(4)).unwrap();
        assert_eq!((act.from, act.to), (Some(digest(1)), Some(digest(0))));
        assert_eq!((listing.candidate, listing.active), (None, Some(digest(0))));
        listing.activate(&digest(1), Some(1), &motive(5)).unwrap();
        listing.activate(&digest(1), None, &motive(6)).unwrap();
        assert_eq!((listing.candidate, listing.active), (None, Some(digest(1))));
        assert_eq!(listing.roll_back(None, &motive(7)).unwrap().to, Some(digest(0)));
    }

    #[test]
    fn a_withdrawn_release_is_neither_activated_nor_gone_back_to() {
        let mut listing = listing(3);
        for number in 0..3 {
            listing.activate(&digest(number), None, &motive(1)).unwrap();
        }
        let motive = Motive { by: Actor::Croupier, at_ms: 2, why: Some("its bytes have changed".to_owned()) };
        listing.withdraw(&digest(1), &motive).unwrap().unwrap();
        assert_eq!(listing.withdraw(&digest(1), &motive), Ok(None));
        let error = listing.activate(&digest(1), None, &motive).unwrap_err().to_string();
        assert!(error.contains("its bytes have changed"), "{error}");
        assert_eq!(listing.roll_back(None, &motive).unwrap().to, Some(digest(0)));
        listing.publish(release(1, None), &motive).unwrap().unwrap();
        listing.activate(&digest(1), None, &motive).unwrap().unwrap();
        listing.withdraw(&digest(1), &motive).unwrap().unwrap();
        assert_eq!(listing.played().count(), 0);
        listing.reinstate(&digest(1), &motive).unwrap().unwrap();
        assert_eq!(listing.reinstate(&digest(1), &motive), Ok(None));
        assert_eq!(listing.played().collect::<Vec<_>>(), [digest(1)]);
    }

    #[test]
    fn a_game_belongs_to_the_first_who_signs() {
        let mut listing = listing(1);
        listing.publish(release(1, Some("acme")), &motive(0)).unwrap().unwrap();
        for other in [None, Some("other")] {
            let error = listing.publish(release(2, other), &motive(0)).unwrap_err();
            assert!(matches!(error, ListingError::OtherOwner { .. }), "{error}");
        }
        assert_eq!(listing.publish(release(1, Some("acme")), &motive(0)), Ok(None));
        listing.publish(release(0, Some("acme")), &motive(9)).unwrap().unwrap();
        let signed = listing.release(&digest(0)).unwrap();
        assert_eq!((signed.publisher.as_ref().unwrap().as_str(), signed.published_at_ms), ("acme", 0));
    }

    #[test]
    fn a_disabled_game_is_disabled_once() {
        let mut listing = listing(1);
        assert_eq!(listing.set_disabled(false, &motive(1)), None);
        assert_eq!(listing.set_disabled(true, &motive(1)).unwrap().act, Deed::Disabled);
        assert_eq!(listing.set_disabled(true, &motive(1)), None);
        assert_eq!(listing.set_disabled(false, &motive(1)).unwrap().act, Deed::Enabled);
    }

    #[test]
    fn a_share_is_about_what_it_says() {
        let game = "dice".parse().unwrap();
        let candidate = Candidate { release: digest(0), percent: 10, since_ms: 0 };
        let players = (0..10_000).map(|number| format!("player/player-{number}").parse().unwrap());
        let chosen = players.filter(|player| candidate.is_for(&game, player)).count();
        assert!((850..1150).contains(&chosen), "{chosen} of 10000");
    }

    proptest! {
        #[test]
        fn who_is_chosen_stays_chosen_when_the_share_is_raised(player in "[a-z]{1,20}", percent in 1..=98u8) {
            let (game, player) = ("dice".parse().unwrap(), format!("player/{player}").parse().unwrap());
            let share = |percent| Candidate { release: digest(0), percent, since_ms: 0 }.is_for(&game, &player);
            prop_assert!(!share(percent) || share(percent + 1));
            prop_assert!(!share(0));
        }

        /// Whatever is done: versions count the acts, and what is played was published and is whole.
        #[test]
        fn acts_keep_the_listing_whole(deeds in prop::collection::vec((0..7u8, 0..4u8, 1..=100u8), 1..60)) {
            let mut listing = listing(4);
            let motive = motive(1);
            for (deed, number, percent) in deeds {
                let version = listing.version;
                let before = listing.clone();
                let act = match deed {
                    0 => listing.activate(&digest(number), None, &motive),
                    1 => listing.activate(&digest(number), Some(percent), &motive),
                    2 => listing.roll_back(None, &motive).map(Some),
                    3 => Ok(listing.set_disabled(percent > 50, &motive)),
                    4 => listing.publish(release(number, None), &motive),
                    5 => listing.withdraw(&digest(number), &motive),
                    _ => listing.reinstate(&digest(number), &motive),
                };
                match act {
                    Ok(Some(act)) => prop_assert_eq!((act.number, listing.version), (version + 1, version + 1)),
                    _ => prop_assert_eq!(&listing, &before),
                }
                for played in listing.played() {
                    prop_assert!(listing.release(&played).unwrap().broken.is_none());
                }
                if let (2, Some(active)) = (deed, listing.active) {
                    prop_assert!(listing == before || listing.active == before.active || listing.played().any(|played| played == active));
                }
                prop_assert!(listing.candidate.is_none_or(|candidate| Some(candidate.release) != listing.active));
                prop_assert!(listing.previous.len() <= ROLLBACKS_MAX);
            }
        }
    }
}
