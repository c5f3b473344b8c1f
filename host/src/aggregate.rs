//! The aggregate: all that one step may change, as one document. It stays small, because every step rewrites it;
//! what happened is in the step records.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    fairness::Pair,
    idempotency::AnsweredKeys,
    identity::{AggregateId, Digest, GameId, Locale, ReleaseDigest, SessionId},
    json::Json,
    limits::SESSIONS_OPEN_MAX,
    money::{Amount, Currency, Ledger},
    rounds::Stakes,
};

/// What one game keeps for one player, by key. Shared until someone writes.
pub type Documents = Arc<BTreeMap<String, Json>>;

/// A player's (later: a table's) whole changeable state after its newest step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Its name.
    pub id: AggregateId,
    /// The number of its newest step, which is its version; 0 before the first.
    pub step: u64,
    /// The digest of the newest step's record.
    pub head: Digest,
    /// Its position in every account.
    pub ledger: Ledger,
    /// Sessions that were opened and not closed; some may have expired.
    pub sessions: Vec<Session>,
    /// The open round of each game that has one.
    pub rounds: BTreeMap<GameId, OpenRound>,
    /// What games keep.
    #[serde(with = "shared_documents")]
    pub documents: BTreeMap<GameId, Documents>,
    /// The version of each game's documents, where releases have given them one; 0 otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state_versions: BTreeMap<GameId, u32>,
    /// The seeds of provably fair games.
    #[serde(default, skip_serializing_if = "Pair::is_untouched")]
    pub fairness: Pair,
    /// The keys of the newest keyed steps.
    pub answered: AnsweredKeys,
}

/// One sitting of a player.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Session {
    /// Its unguessable name.
    pub id: SessionId,
    /// What is played for in it.
    pub currency: Currency,
    /// The player's language.
    pub locale: Locale,
    /// Unix milliseconds.
    pub opened_at_ms: u64,
    /// Unix milliseconds; over from this instant on.
    pub expires_at_ms: u64,
}

/// A round that has not been settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRound {
    /// The number of the step that opened it.
    pub opened_by: u64,
    /// Unix milliseconds.
    pub opened_at_ms: u64,
    /// The release it was opened on and will be finished on.
    pub release: ReleaseDigest,
    /// What it is played for.
    pub currency: Currency,
    /// Calls so far.
    pub calls: u32,
    /// Staked, less what was refunded.
    pub staked: Amount,
    /// Paid out.
    pub paid: Amount,
}

impl OpenRound {
    /// Its money so far.
    #[must_use]
    pub fn stakes(&self) -> Stakes {
        Stakes { staked: self.staked, paid: self.paid }
    }
}

impl Aggregate {
    /// An aggregate that no step has touched.
    #[must_use]
    pub fn new(id: AggregateId) -> Self {
        Self {
            id,
            step: 0,
            head: Digest::ZERO,
            ledger: Ledger::default(),
            sessions: Vec::new(),
            rounds: BTreeMap::new(),
            documents: BTreeMap::new(),
            state_versions: BTreeMap::new(),
            fairness: Pair::default(),
            answered: AnsweredKeys::default(),
        }
    }

    /// The session, where it is open at `now_ms`.
    #[must_use]
    pub fn session(&self, id: &SessionId, now_ms: u64) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == *id && session.expires_at_ms > now_ms)
    }

    /// Adds a session; expired ones go, and beyond [`SESSIONS_OPEN_MAX`] the one that would expire first.
    pub fn open_session(&mut self, session: Session) {
        self.sessions.retain(|other| other.expires_at_ms > session.opened_at_ms);
        if self.sessions.len() >= SESSIONS_OPEN_MAX {
            let first = self.sessions.iter().enumerate().min_by_key(|(_, other)| other.expires_at_ms);
            if let Some((position, _)) = first {
                self.sessions.remove(position);
            }
        }
        self.sessions.push(session);
    }

    /// Removes a session; whether there was one.
    pub fn close_session(&mut self, id: &SessionId) -> bool {
        let before = self.sessions.len();
        self.sessions.retain(|session| session.id != *id);
        self.sessions.len() < before
    }

    /// The version of a game's documents, where it keeps any.
    #[must_use]
    pub fn state_version(&self, game: &GameId) -> Option<u32> {
        self.documents.contains_key(game).then(|| self.state_versions.get(game).copied().unwrap_or_default())
    }

    /// Keeps a game's documents as a release of this version has left them. Where there are none there is no version.
    pub fn keep_documents(&mut self, game: &GameId, state_version: u32, documents: Documents) {
        if documents.is_empty() || state_version == 0 {
            self.state_versions.remove(game);
        } else {
            self.state_versions.insert(game.clone(), state_version);
        }
        if documents.is_empty() {
            self.documents.remove(game);
        } else {
            self.documents.insert(game.clone(), documents);
        }
    }
}

mod shared_documents {
    use super::{Arc, BTreeMap, Deserialize, Documents, GameId, Json};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        documents: &BTreeMap<GameId, Documents>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(documents.iter().map(|(game, documents)| (game, documents.as_ref())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<GameId, Documents>, D::Error> {
        let documents = BTreeMap::<GameId, BTreeMap<String, Json>>::deserialize(deserializer)?;
        Ok(documents.into_iter().map(|(game, documents)| (game, Arc::new(documents))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u8, opened_at_ms: u64, expires_at_ms: u64) -> Session {
        Session {
            id: SessionId::from_entropy([number; 16]),
            currency: "EUR".parse().unwrap(),
            locale: "en".parse().unwrap(),
            opened_at_ms,
            expires_at_ms,
        }
    }

    #[test]
    fn sessions_end_by_time_by_hand_and_by_number() {
        let mut aggregate = Aggregate::new("player/alice".parse().unwrap());
        aggregate.open_session(session(1, 0, 100));
        assert!(aggregate.session(&SessionId::from_entropy([1; 16]), 99).is_some());
        assert!(aggregate.session(&SessionId::from_entropy([1; 16]), 100).is_none());
        assert!(aggregate.close_session(&SessionId::from_entropy([1; 16])));
        assert!(!aggregate.close_session(&SessionId::from_entropy([1; 16])));
        for number in 0..20 {
            aggregate.open_session(session(number, 0, 1000 + u64::from(number)));
        }
        assert_eq!(aggregate.sessions.len(), SESSIONS_OPEN_MAX);
        assert!(aggregate.session(&SessionId::from_entropy([11; 16]), 0).is_none());
        assert!(aggregate.session(&SessionId::from_entropy([12; 16]), 0).is_some());
        aggregate.open_session(session(50, 5000, 6000));
        assert_eq!(aggregate.sessions.len(), 1);
    }

    #[test]
    fn an_aggregate_reads_back_as_it_was_written() {
        let mut aggregate = Aggregate::new("player/alice".parse().unwrap());
        aggregate.open_session(session(1, 0, 100));
        let documents = BTreeMap::from([("state".to_owned(), Json::parse(r#"{"a": [1, 2]}"#.to_owned()).unwrap())]);
        aggregate.documents.insert("slots".parse().unwrap(), Arc::new(documents));
        let text = serde_json::to_string(&aggregate).unwrap();
        assert_eq!(serde_json::from_str::<Aggregate>(&text).unwrap(), aggregate);
    }

    #[test]
    fn documents_and_their_version_come_and_go_together() {
        let mut aggregate = Aggregate::new("player/alice".parse().unwrap());
        let (game, kept) = ("slots".parse().unwrap(), Documents::default());
        let some = Documents::from(BTreeMap::from([("a".to_owned(), Json::parse("1".to_owned()).unwrap())]));
        assert_eq!(aggregate.state_version(&game), None);
        for (version, documents, expected) in
            [(0, &some, Some(0)), (2, &some, Some(2)), (2, &kept, None), (1, &some, Some(1)), (0, &some, Some(0))]
        {
            aggregate.keep_documents(&game, version, documents.clone());
            assert_eq!(aggregate.state_version(&game), expected);
            let text = serde_json::to_string(&aggregate).unwrap();
            assert_eq!(text.contains("state_versions"), expected.is_some_and(|version| version > 0), "{text}");
            assert_eq!(serde_json::from_str::<Aggregate>(&text).unwrap(), aggregate);
        }
    }
}
