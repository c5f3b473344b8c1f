//! Counts that can be added to each other: of a roll-up's bucket, and of a view's group. Two tallies of different
//! facts make the tally of them all, whoever has counted which, and in whatever order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, EntryValue, Fact, Members, Reduce, Reduced, Rollup, What};
use crate::{identity::Digest, limits::EVENT_NAMES_MAX};

/// What is counted of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All but its players and sessions.
    rollup: Rollup,
    players: Members,
    sessions: Members,
    events: Names,
}

/// How often each of some names was met. Where they are too many, those are kept whose digests are the least: whoever is
/// kept in the end was kept all the time, so its count is right, and the others' are in the sum of all events alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Names(BTreeMap<String, u64>);

impl Names {
    fn add(&mut self, name: &str, count: u64) {
        *self.0.entry(name.to_owned()).or_default() += count;
        if self.0.len() > EVENT_NAMES_MAX {
            let last = self.0.keys().max_by_key(|name| *Digest::of(name.as_bytes()).as_bytes()).cloned();
            last.map(|last| self.0.remove(&last));
        }
    }
}

impl Tally {
    /// Counts a fact.
    pub fn add(&mut self, fact: &Fact) {
        let Some(play) = fact.what.play() else { return };
        self.rollup.add(&fact.what);
        self.players.meet(&[fact.id.source.as_str(), fact.id.aggregate.as_str()].join("\0").into_bytes());
        self.sessions.meet(play.session.as_str().as_bytes());
        if let What::Event { name, .. } = &fact.what {
            self.events.add(name, 1);
        }
    }

    /// Counts what another has counted.
    pub fn add_all(&mut self, other: &Self) {
        self.rollup.add_all(&other.rollup);
        self.players.meet_all(&other.players);
        self.sessions.meet_all(&other.sessions);
        other.events.0.iter().for_each(|(name, count)| self.events.add(name, *count));
    }

    /// What was counted.
    #[must_use]
    pub fn rollup(&self) -> Rollup {
        Rollup {
            players: self.players.count(),
            sessions: self.sessions.count(),
            estimated: self.players.is_estimate() || self.sessions.is_estimate(),
            ..self.rollup.clone()
        }
    }

    /// How often events were told of, in the order of their names; of [`EVENT_NAMES_MAX`] of the names at most.
    pub fn events(&self) -> impl Iterator<Item = (&str, u64)> {
        self.events.0.iter().map(|(name, count)| (name.as_str(), *count))
    }
}

/// What is counted of a group of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTally {
    reduced: Reduced,
    /// Where different ones are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    members: Option<Members>,
}

impl GroupTally {
    /// Of no fact.
    #[must_use]
    pub fn nothing(reduce: Reduce) -> Self {
        Self { reduced: Reduced::nothing(reduce), members: (reduce == Reduce::Distinct).then(Members::default) }
    }

    /// Counts what a fact adds.
    pub fn add(&mut self, entry: &Entry) {
        match (&mut self.members, &entry.value) {
            (Some(members), EntryValue::Member(member)) => members.meet(member.as_bytes()),
            (_, value) => self.reduced.add(value),
        }
    }

    /// Counts what another of the same view has counted.
    pub fn add_all(&mut self, other: &Self) {
        match (&mut self.members, &other.members) {
            (Some(members), Some(other)) => members.meet_all(other),
            _ => self.reduced.add_all(&other.reduced),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn reduced(&self) -> Reduced {
        match &self.members {
            Some(members) if members.is_estimate() => Reduced::DistinctAbout(members.count()),
            Some(members) => Reduced::Distinct(members.count()),
            None => self.reduced.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::samples;

    #[test]
    fn names_that_are_kept_have_their_whole_count_whatever_the_order() {
        let names: Vec<_> = (0..3 * EVENT_NAMES_MAX).map(|number| format!("name {}", number % 1500)).collect();
        let mut forth = Names::default();
        names.iter().for_each(|name| forth.add(name, 1));
        let mut back = Names::default();
        names.iter().rev().for_each(|name| back.add(name, 1));
        assert_eq!(forth, back);
        assert_eq!(forth.0.len(), EVENT_NAMES_MAX);
        for (name, count) in &forth.0 {
            assert_eq!(*count, names.iter().filter(|other| *other == name).count() as u64, "{name}");
        }
    }

    #[test]
    fn tallies_of_parts_make_the_tally_of_the_whole() {
        let facts: Vec<_> = (0..300).map(samples::numbered).collect();
        let tally = |facts: &[Fact]| {
            let mut tally = Tally::default();
            facts.iter().for_each(|fact| tally.add(fact));
            tally
        };
        let whole = tally(&facts);
        let mut sum = tally(&facts[100..]);
        sum.add_all(&tally(&facts[..100]));
        assert_eq!(sum, whole);
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), whole);
    }
}
