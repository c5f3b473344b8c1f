//! What is counted of a game: in each release and in all of them, by the hour, by the day, and ever.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fact, Period, Returns, What};
use crate::{
    identity::{GameId, ReleaseDigest},
    money::Currency,
};

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// The game.
    pub game: GameId,
    /// One of its releases, or all of them.
    pub release: Option<ReleaseDigest>,
    /// How long it is.
    pub period: Period,
    /// Unix milliseconds.
    pub start_ms: u64,
}

/// The counts of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// Rounds that were closed, by what they were played for.
    pub returns: BTreeMap<Currency, Returns>,
    /// Different players of its facts.
    pub players: u64,
    /// Different sessions of its facts.
    pub sessions: u64,
    /// Whether players and sessions are estimates, because they were too many for all to be kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Void steps, by reason.
    pub faults: BTreeMap<String, u64>,
    /// Events of all names.
    pub events: u64,
}

impl Fact {
    /// The buckets that it is counted in, the narrowest first: whoever was met there was met in all of them.
    #[must_use]
    pub fn buckets(&self) -> Vec<Bucket> {
        let Some(play) = self.what.play() else { return Vec::new() };
        let bucket = |release, period: Period| Bucket {
            game: play.game.clone(),
            release,
            period,
            start_ms: period.start_of(self.at_ms),
        };
        let releases = [Some(play.release), None];
        Period::ALL.into_iter().flat_map(|period| releases.map(|release| bucket(release, period))).collect()
    }
}

impl Rollup {
    /// Counts a fact, but not whose it is.
    pub fn add(&mut self, what: &What) {
        match what {
            What::RoundClosed { currency, staked, paid, .. } => {
                self.returns.entry(*currency).or_default().add(*staked, *paid);
            }
            What::StepVoid { reason, .. } => *self.faults.entry(reason.clone()).or_default() += 1,
            What::Event { .. } => self.events += 1,
            What::SessionOpened { .. }
            | What::SessionClosed { .. }
            | What::Deposit { .. }
            | What::Withdrawal { .. } => {}
        }
    }

    /// Counts what another one has counted. Players and sessions cannot be added up: they may be the same ones.
    pub fn add_all(&mut self, other: &Self) {
        for (currency, returns) in &other.returns {
            let sum = self.returns.entry(*currency).or_default();
            *sum = sum.plus(returns);
        }
        for (reason, count) in &other.faults {
            *self.faults.entry(reason.clone()).or_default() += count;
        }
        self.events += other.events;
    }

    /// Rounds of all currencies.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.returns.values().map(|returns| returns.rounds).sum()
    }
}
