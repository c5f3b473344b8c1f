//! Probation: a release that has just come into play is watched, and one that breaks down too often is taken back.
//!
//! What counts are malfunctions: time, memory, traps, answers against the contract, migrations that fail. A game's own
//! faults ("not enough money") are answers like others. Every host counts for itself.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{identity::ReleaseDigest, listing::Listing};

/// When a release on probation is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The share of steps, in percent, above which it is; 100 turns the rule off.
    pub malfunction_percent_max: u8,
    /// Steps that must have been seen before anything is decided.
    pub steps_min: u64,
    /// What is counted is counted within this time, and then anew.
    pub window: Duration,
    /// How long an active release is on probation. A candidate always is.
    pub length: Duration,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            malfunction_percent_max: 5,
            steps_min: 20,
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
    /// Who is watched: the candidate, else the active release where there is another to go back to.
    pub(super) fn of(listing: &Listing, rule: &Rule) -> Option<Self> {
        if rule.malfunction_percent_max >= 100 {
            return None;
        }
        let (release, as_candidate) = match (&listing.candidate, listing.active) {
            (Some(candidate), _) => (candidate.release, true),
            (None, Some(active)) if !listing.previous.is_empty() => (active, false),
            _ => return None,
        };
        Some(Self {
            release,
            as_candidate,
            rule: rule.clone(),
            since_ms: listing.activated_at_ms,
            window_began_ms: AtomicU64::new(listing.activated_at_ms),
            steps: AtomicU64::new(0),
            malfunctions: AtomicU64::new(0),
            decided: AtomicBool::new(false),
        })
    }

    pub(super) fn release(&self) -> ReleaseDigest {
        self.release
    }

    /// Counts a step. The counters are read and written without a lock: a step more or less in a window decides nothing.
    pub(super) fn observe(&self, now_ms: u64, broke: Option<&'static str>) -> Option<Verdict> {
        let Rule { malfunction_percent_max, steps_min, window, length } = &self.rule;
        if !self.as_candidate && now_ms.saturating_sub(self.since_ms) > milliseconds(*length) {
            return None;
        }
        if now_ms.saturating_sub(self.window_began_ms.load(Relaxed)) > milliseconds(*window) {
            self.window_began_ms.store(now_ms, Relaxed);
            self.steps.store(0, Relaxed);
            self.malfunctions.store(0, Relaxed);
        }
        let steps = self.steps.fetch_add(1, Relaxed) + 1;
        let broke = broke?;
        let malfunctions = self.malfunctions.fetch_add(1, Relaxed) + 1;
        let too_many = malfunctions * 100 > steps * u64::from(*malfunction_percent_max);
        if steps < *steps_min || !too_many || self.decided.swap(true, Relaxed) {
            return None;
        }
        let reason = format!(
            "{malfunctions} of {steps} steps broke down within {} s, and {malfunction_percent_max} % are allowed; the last \
             one: {broke}",
            window.as_secs(),
        );
        Some(Verdict { release: self.release, reason })
    }

    /// The verdict could not be carried out: the next malfunction gives another.
    pub(super) fn reopen(&self) {
        self.decided.store(false, Relaxed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{Actor, ListedRelease, Motive};

    const RULE: Rule = Rule {
        malfunction_percent_max: 10,
        steps_min: 10,
        window: Duration::from_secs(60),
        length: Duration::from_secs(600),
    };

    fn digest(number: u8) -> ReleaseDigest {
        ReleaseDigest::of(&[number])
    }

    fn listing() -> Listing {
        let mut listing = Listing::new("dice".parse().unwrap());
        let motive = Motive { by: Actor::Operator, at_ms: 1000, why: None };
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
            listing.publish(release, &motive).unwrap();
        }
        listing.activate(&digest(0), None, &motive).unwrap();
        listing
    }

    fn active() -> Probation {
        let mut listing = listing();
        listing.activate(&digest(1), None, &Motive { by: Actor::Operator, at_ms: 1000, why: None }).unwrap();
        Probation::of(&listing, &RULE).unwrap()
    }

    #[test]
    fn the_first_release_of_a_game_has_nothing_to_go_back_to() {
        assert!(Probation::of(&listing(), &RULE).is_none());
    }

    #[test]
    fn a_release_is_taken_back_once_above_its_bound_and_not_before_enough_was_seen() {
        let probation = active();
        for _ in 0..9 {
            assert_eq!(probation.observe(1500, Some("game_trapped")), None);
        }
        let verdict = probation.observe(1500, Some("game_timeout")).unwrap();
        assert_eq!(verdict.release, digest(1));
        assert_eq!(
            verdict.reason,
            "10 of 10 steps broke down within 60 s, and 10 % are allowed; the last one: game_timeout"
        );
        assert_eq!(probation.observe(1500, Some("game_trapped")), None, "it is decided");
        probation.reopen();
        assert!(probation.observe(1500, Some("game_trapped")).is_some());
    }

    #[test]
    fn up_to_its_bound_it_stays() {
        let probation = active();
        for _ in 0..90 {
            assert_eq!(probation.observe(1500, None), None);
        }
        for _ in 0..10 {
            assert_eq!(probation.observe(1500, Some("game_trapped")), None);
        }
        assert!(probation.observe(1500, Some("game_trapped")).is_some(), "11 of 101");
    }

    #[test]
    fn a_window_begins_anew_and_probation_ends() {
        let probation = active();
        for _ in 0..9 {
            probation.observe(1500, Some("game_trapped"));
        }
        assert_eq!(probation.observe(62_000, Some("game_trapped")), None, "one of one in the new window");
        for _ in 0..100 {
            assert_eq!(probation.observe(602_000, Some("game_trapped")), None);
        }
    }

    #[test]
    fn a_candidate_is_always_on_probation() {
        let mut listing = listing();
        listing.activate(&digest(1), Some(5), &Motive { by: Actor::Operator, at_ms: 1000, why: None }).unwrap();
        let probation = Probation::of(&listing, &RULE).unwrap();
        assert_eq!(probation.release(), digest(1));
        let verdicts = (0..10).filter_map(|_| probation.observe(9_000_000, Some("game_trapped")));
        assert_eq!(verdicts.count(), 1);
    }
}
