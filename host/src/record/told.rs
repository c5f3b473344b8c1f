//! What a step tells those to whom it is carried: of its record, the members that one of them looks at. A record is mostly
//! what a replay needs, and to keep all of it until every carrier has come by would cost more than it cost to make.

use serde::Deserialize;

use super::{Act, Effect, Payment, Play, Record, RoundMark};
use crate::{
    aggregate::Session,
    identity::{AggregateId, GameId, Locale, ReleaseDigest, SessionId},
    money::Currency,
};

/// Of a [`Record`], what is carried.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Told {
    /// Whose step it is.
    pub aggregate: AggregateId,
    /// Its number.
    pub step: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What was done.
    pub act: ToldAct,
}

/// Of an [`Act`], what is carried.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldAct {
    /// [`Act::Created`].
    Created {},
    /// [`Act::SessionOpened`].
    SessionOpened(Session),
    /// [`Act::SessionClosed`].
    SessionClosed {
        /// Which.
        session: SessionId,
    },
    /// [`Act::SeedsRotated`].
    SeedsRotated {},
    /// [`Act::Deposited`].
    Deposited(Payment),
    /// [`Act::Withdrawn`].
    Withdrawn(Payment),
    /// [`Act::Played`].
    Played(ToldPlay),
}

/// Of a [`Play`], what is carried.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ToldPlay {
    /// The session that called.
    pub session: SessionId,
    /// The session's currency.
    pub currency: Currency,
    /// The session's language.
    pub locale: Locale,
    /// The game that was called.
    pub game: GameId,
    /// The release that answered.
    pub release: ReleaseDigest,
    /// The round, where one was open or was opened.
    #[serde(default)]
    pub round: Option<RoundMark>,
    /// What is to happen elsewhere. An effect's id is (aggregate, step, position in this list).
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// The malfunction or late fault that made the step void: nothing moved and nothing was written.
    #[serde(default)]
    pub void: Option<String>,
}

impl Told {
    /// Reads it from a stored record.
    ///
    /// # Errors
    /// Where the bytes are no record of this format, as far as they are looked at.
    pub fn decode(record: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(record)
    }
}

impl From<Record> for Told {
    fn from(record: Record) -> Self {
        let Record { aggregate, step, at_ms, act, .. } = record;
        Self { aggregate, step, at_ms, act: act.into() }
    }
}

impl From<Act> for ToldAct {
    fn from(act: Act) -> Self {
        match act {
            Act::Created {} => Self::Created {},
            Act::SessionOpened(session) => Self::SessionOpened(session),
            Act::SessionClosed { session } => Self::SessionClosed { session },
            Act::SeedsRotated { .. } => Self::SeedsRotated {},
            Act::Deposited(payment) => Self::Deposited(payment),
            Act::Withdrawn(payment) => Self::Withdrawn(payment),
            Act::Played(play) => Self::Played((*play).into()),
        }
    }
}

impl From<Play> for ToldPlay {
    fn from(play: Play) -> Self {
        let Play { session, currency, locale, game, release, round, effects, void, .. } = play;
        Self { session, currency, locale, game, release, round, effects, void }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::samples;

    #[test]
    fn what_is_read_from_a_record_is_what_the_record_tells() {
        let event = json!({ "event": { "name": "bonus", "props": { "level": 3 } } });
        let message = json!({ "notification": { "channel": "push", "template": "t", "data": 1, "delay_ms": 0 } });
        let revealed = json!({
            "pair": 0, "commitment": "0".repeat(64), "server_seed": "0".repeat(64), "client_seed": "aaaa", "nonces": 3,
        });
        let payment = json!({ "currency": "EUR", "amount": 5, "reason": "a gift" });
        for act in [
            json!({ "created": {} }),
            json!({ "session_opened": samples::session() }),
            json!({ "session_closed": { "session": samples::SESSION } }),
            json!({ "seeds_rotated": { "revealed": revealed, "client_seed": "bbbb" } }),
            json!({ "deposited": payment }),
            json!({ "withdrawn": payment }),
            samples::played(json!({})),
            samples::played(json!({ "round": samples::mark(false), "effects": [event, message], "void": "fault" })),
        ] {
            let record = samples::record(act);
            let bytes = record.encode().unwrap().0.bytes;
            assert_eq!(Told::decode(&bytes).unwrap(), record.into());
        }
    }
}
