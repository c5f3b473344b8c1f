//! Probation: a release that has just come into play is watched, and one that breaks down too often is taken back.
//!
//! What counts are malfunctions: time, memory, traps, answers against the contract, migrations that fail. A game's own
//! faults ("not enough money") are answers like others. Every host counts for itself.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    clock::milliseconds,
    identity::{AggregateId, ReleaseDigest},
    listing::Listing,
};

/// When a release on probation is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The share of steps, in percent, above which it is; 100 turns the rule off.
    pub malfunction_percent_max: u8,
    /// Steps that must have been seen before anything is decided.
    pub steps_min: u64,
    /// Players for whom it must have broken down: no one of them decides alone.
    pub players_min: usize,
    /// What is counted is counted within this time, or for as long as it takes to see enough, and then anew.
    pub window: Duration,
    /// How long an active release is on probation. A candidate always is.
    pub length: Duration,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            malfunction_percent_max: 5,
            steps_min: 20,
            players_min: 3,
            window: Duration::from_mins(1),
            length: Duration::from_hours(1),
        }
    }
}

/// A release under watch.
#[derive(Debug)]
pub(super) struct Probation {
    release: ReleaseDigest,
    /// Whether it is so as a candidate.
    as_candidate: bool,
    rule: Rule,
    since_ms: u64,
    window_began_ms: AtomicU64,
    steps: AtomicU64,
    malfunctions: AtomicU64,
    /// For whom it broke down in this window, as far as that has to be known.
    players: Mutex<HashSet<AggregateId>>,
    decided: AtomicBool,
}

/// That a release is to be taken back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) release: ReleaseDigest,
    pub(super) reason: String,
}

/// The same release in the same role since the same instant.
impl PartialEq for Probation {
    fn eq(&self, other: &Self) -> bool {
        (self.release, self.as_candidate, self.since_ms) == (other.release, other.as_candidate, other.since_ms)
    }
}

impl Probation {
    /// Who is watched: the candidate, else the active release where it is new and there is another to go back to.
    pub(super) fn of(listing: &Listing, rule: &Rule) -> Option<Self> {
        if rule.malfunction_percent_max >= 100 {
            return None;
        }
        let (release, as_candidate, since_ms) = match (&listing.candidate, listing.active, listing.new_since_ms) {
            (Some(candidate), _, _) => (candidate.release, true, candidate.since_ms),
            (None, Some(active), Some(since_ms)) if listing.has_fallback() => (active, false, since_ms),
            _ => return None,
        };
        Some(Self {
            release,
            as_candidate,
            rule: rule.clone(),
            since_ms,
            window_began_ms: AtomicU64::new(since_ms),
            steps: AtomicU64::new(0),
            malfunctions: AtomicU64::new(0),
            players: Mutex::default(),
            decided: AtomicBool::new(false),
        })
    }

    pub(super) fn release(&self) -> ReleaseDigest {
        self.release
    }

    /// Counts a step. The counters are read and written without a lock: a step more or less in a window decides nothing.
    pub(super) fn observe(&self, player: &AggregateId, now_ms: u64, broke: Option<&'static str>) -> Option<Verdict> {
        let Rule { malfunction_percent_max, steps_min, players_min, window, length } = &self.rule;
        if !self.as_candidate && now_ms.saturating_sub(self.since_ms) > milliseconds(*length) {
            return None;
        }
        let elapsed_ms = now_ms.saturating_sub(self.window_began_ms.load(Relaxed));
        if elapsed_ms > milliseconds(*window) && self.steps.load(Relaxed) >= *steps_min {
            self.begin_window(now_ms);
        }
        let steps = self.steps.fetch_add(1, Relaxed) + 1;
        let broke = broke?;
        let malfunctions = self.malfunctions.fetch_add(1, Relaxed) + 1;
        let players = self.count_player(player);
        let too_many = malfunctions * 100 > steps * u64::from(*malfunction_percent_max);
        if steps < *steps_min || players < *players_min || !too_many || self.decided.swap(true, Relaxed) {
            return None;
        }
        let reason = format!(
            "{malfunctions} of {steps} steps broke down within {} s, and {malfunction_percent_max} % are allowed; the last \
             one: {broke}",
            elapsed_ms.div_ceil(1000),
        );
        Some(Verdict { release: self.release, reason })
    }

    fn begin_window(&self, now_ms: u64) {
        self.window_began_ms.store(now_ms, Relaxed);
        self.steps.store(0, Relaxed);
        self.malfunctions.store(0, Relaxed);
        self.players.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn count_player(&self, player: &AggregateId) -> usize {
        let mut players = self.players.lock().unwrap_or_else(PoisonError::into_inner);
        if players.len() < self.rule.players_min {
            players.insert(player.clone());
        }
        players.len()
    }

    /// The verdict could not be carried out: the next malfunction gives another.
    pub(super) fn reopen(&self) {
        self.decided.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{Actor, ListedRelease, Motive};

    const RULE: Rule = Rule {
        malfunction_percent_max: 10,
        steps_min: 10,
        players_min: 2,
        window: Duration::from_secs(60),
        length: Duration::from_secs(600),
    };
    const BROKE: Option<&str> = Some("game_trapped");

    fn digest(number: u8) -> ReleaseDigest {
        ReleaseDigest::of(&[number])
    }

    fn motive() -> Motive {
        Motive { by: Actor::Operator, at_ms: 1000, why: None }
    }

    fn listing() -> Listing {
        let mut listing = Listing::new("dice".parse().unwrap());
        for number in 0..2 {
            let release = ListedRelease {
                release: digest(number),
                title: String::new(),
                version: String::new(),
                bytes: 0,
                published_at_ms: 0,
                publisher: None,
                signature: None,
                state_version: 0,
                broken: None,
            };
            listing.publish(release, &motive()).unwrap();
        }
        listing.activate(&digest(0), None, &motive()).unwrap();
        listing
    }

    fn active() -> Probation {
        let mut listing = listing();
        listing.activate(&digest(1), None, &motive()).unwrap();
        Probation::of(&listing, &RULE).unwrap()
    }

    /// Steps of two players in turn, as many as are asked for: how many of them led to a verdict.
    fn steps(probation: &Probation, count: u32, now_ms: u64, broke: Option<&'static str>) -> usize {
        let players = ["player/alice", "player/bob"].map(|player| player.parse().unwrap());
        let players = players.iter().cycle().take(count as usize);
        players.filter_map(|player| probation.observe(player, now_ms, broke)).count()
    }

    #[test]
    fn the_first_release_of_a_game_has_nothing_to_go_back_to() {
        assert!(Probation::of(&listing(), &RULE).is_none());
    }

    #[test]
    fn what_was_gone_back_to_is_not_new() {
        let mut listing = listing();
        listing.activate(&digest(1), None, &motive()).unwrap();
        listing.activate(&digest(0), None, &motive()).unwrap();
        assert_eq!(Probation::of(&listing, &RULE).unwrap().release(), digest(0));
        listing.roll_back(None, &motive()).unwrap();
        assert!(Probation::of(&listing, &RULE).is_none());
    }

    #[test]
    fn a_dropped_candidate_does_not_put_the_active_release_on_probation_anew() {
        let mut listing = listing();
        let late = Motive { at_ms: 9_000_000, ..motive() };
        listing.activate(&digest(1), Some(5), &late).unwrap();
        listing.activate(&digest(1), None, &late).unwrap();
        listing.activate(&digest(0), Some(5), &Motive { at_ms: 19_000_000, ..motive() }).unwrap();
        listing.roll_back(None, &late).unwrap();
        let probation = Probation::of(&listing, &RULE).unwrap();
        assert_eq!((probation.release(), probation.since_ms), (digest(1), 9_000_000));
    }

    #[test]
    fn a_release_is_taken_back_once_above_its_bound_and_not_before_enough_was_seen() {
        let probation = active();
        assert_eq!(steps(&probation, 9, 1500, BROKE), 0);
        let verdict = probation.observe(&"player/bob".parse().unwrap(), 1500, Some("game_timeout")).unwrap();
        assert_eq!(verdict.release, digest(1));
        assert_eq!(
            verdict.reason,
            "10 of 10 steps broke down within 1 s, and 10 % are allowed; the last one: game_timeout"
        );
        assert_eq!(steps(&probation, 10, 1500, BROKE), 0, "it is decided");
        probation.reopen();
        assert_eq!(steps(&probation, 10, 1500, BROKE), 1);
    }

    #[test]
    fn one_player_does_not_decide_for_all() {
        let probation = active();
        let alice = "player/alice".parse().unwrap();
        for _ in 0..1000 {
            assert_eq!(probation.observe(&alice, 1500, BROKE), None);
        }
        assert!(probation.observe(&"player/bob".parse().unwrap(), 1500, BROKE).is_some());
    }

    #[test]
    fn up_to_its_bound_it_stays() {
        let probation = active();
        assert_eq!(steps(&probation, 90, 1500, None), 0);
        assert_eq!(steps(&probation, 10, 1500, BROKE), 0);
        assert_eq!(steps(&probation, 1, 1500, BROKE), 1, "11 of 101");
    }

    #[test]
    fn a_window_begins_anew_once_enough_was_seen_and_probation_ends() {
        let probation = active();
        assert_eq!(steps(&probation, 1, 1500, BROKE), 0);
        assert_eq!(steps(&probation, 9, 1500, None), 0);
        assert_eq!(steps(&probation, 9, 62_000, BROKE), 0, "nine of nine in the new window");
        assert_eq!(steps(&probation, 1, 180_000, BROKE), 1, "however long it takes to see enough");
        let probation = active();
        assert_eq!(steps(&probation, 100, 602_000, BROKE), 0);
    }

    #[test]
    fn a_candidate_is_always_on_probation() {
        let mut listing = listing();
        listing.activate(&digest(1), Some(5), &motive()).unwrap();
        let probation = Probation::of(&listing, &RULE).unwrap();
        assert_eq!(probation.release(), digest(1));
        assert_eq!(steps(&probation, 10, 9_000_000, BROKE), 1);
    }
}
