//! The step record: what a step observed and what it did. Records are append-only and chained per aggregate:
//! each holds the digest of the one before, so none can be changed, dropped or added later without a trace.

mod told;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::told::{Told, ToldAct, ToldPlay};
use crate::{
    aggregate::Session,
    chance::{Draw, Seed},
    errors::ErrorReply,
    fairness::{ClientSeed, FairCall, Revealed},
    identity::{AggregateId, Digest, GameId, IdempotencyKey, ReleaseDigest, RoundId, SessionId},
    json::Json,
    money::{Amount, Currency, Transfer},
    rounds::Positions,
};

/// The layout of the records that this version writes.
pub const FORMAT: u8 = 1;

/// Room for most records: one that grew to its size would be copied four times on the way.
const USUAL_BYTES: usize = 2048;

/// One step of one aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`] when it was written.
    pub format: u8,
    /// Whose step it is.
    pub aggregate: AggregateId,
    /// Its number: 1 for the first.
    pub step: u64,
    /// The digest of the record before it, [`Digest::ZERO`] in the first.
    pub previous: Digest,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The key that the request carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<IdempotencyKey>,
    /// What was done.
    pub act: Act,
    /// The money that moved, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// What the client was told.
    pub reply: Reply,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The player came into being.
    Created {},
    /// A session was opened.
    SessionOpened(Session),
    /// A session was closed.
    SessionClosed {
        /// Which.
        session: SessionId,
    },
    /// The player went over to another pair of seeds, and this one was revealed.
    SeedsRotated {
        /// The pair before.
        revealed: Revealed,
        /// The player's seed from here on.
        client_seed: ClientSeed,
    },
    /// Money came in from the operator.
    Deposited(Payment),
    /// Money went out to the operator.
    Withdrawn(Payment),
    /// A game was called.
    Played(Box<Play>),
}

/// A deposit or a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// In which currency.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
    /// The operator's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One call of a game: with the release, all that a replay needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// The session that called.
    pub session: SessionId,
    /// The session's currency.
    pub currency: Currency,
    /// The session's language.
    pub locale: crate::identity::Locale,
    /// The game that was called.
    pub game: GameId,
    /// The release that answered.
    pub release: ReleaseDigest,
    /// The game's method.
    pub method: String,
    /// The params as the game saw them.
    pub params: Json,
    /// What the draws came from.
    pub seed: Seed,
    /// What the seed came from, in a provably fair game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fair: Option<FairCall>,
    /// The round, where one was open or was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundMark>,
    /// The version of the documents that the release reads and writes.
    #[serde(default, skip_serializing_if = "is_unversioned")]
    pub state_version: u32,
    /// How the release brought the documents to that version before it answered, where they were older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrated: Option<Migrated>,
    /// What the game saw of the aggregate.
    pub observed: Observed,
    /// What was drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<Draw>,
    /// Documents written, `null` for those deleted; over the migrated ones, where they were migrated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, Option<Json>>,
    /// What is to happen elsewhere. An effect's id is (aggregate, step, position in this list).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// The malfunction or late fault that made the step void: nothing moved and nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

fn is_unversioned(state_version: &u32) -> bool {
    *state_version == 0
}

/// All documents of one game and player, before and after a release has migrated them to its own version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// The version that they had.
    pub from: u32,
    /// As they were kept.
    pub before: BTreeMap<String, Json>,
    /// What takes their place; in a void step they stay as they were.
    pub after: BTreeMap<String, Json>,
}

/// Where a step stands in its round, once it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundMark {
    /// The round.
    pub id: RoundId,
    /// 0 for the call that opened it.
    pub call: u32,
    /// Unix milliseconds.
    pub opened_at_ms: u64,
    /// Staked so far, less what was refunded.
    pub staked: Amount,
    /// Paid out so far.
    pub paid: Amount,
    /// Whether it goes on.
    pub open: bool,
}

/// What a game saw of the aggregate before it changed anything, its migrated documents where they were migrated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The balance before the step.
    pub balance: Amount,
    /// What the round had staked before the step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub staked: Amount,
    /// Documents that were read, as they were before the step; `null` for those that were not there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, Option<Json>>,
    /// Notifications that the operator had not granted the game, by channel and template, in the order of its asking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_granted: Vec<(String, String)>,
    /// All keys, where the game asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// The sizes in bytes of the documents that were not read, where the host's answers depended on them: one was too
    /// large beside them, or more were asked for than any game has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<BTreeMap<String, usize>>,
    /// The aggregate's positions before the step, where one of them kept money from moving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Positions>,
    /// The round that was open before a void step; of any other step, [`Play::round`] tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundSeen>,
}

/// An open round as a call of it has found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSeen {
    /// The round.
    pub id: RoundId,
    /// Its calls before this one.
    pub calls: u32,
    /// What it had paid out.
    pub paid: Amount,
}

fn is_zero(amount: &Amount) -> bool {
    *amount == Amount::ZERO
}

/// What a step wants done elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A message to the player.
    Notification {
        /// `email`, `push`, `social`, `webhook`.
        channel: String,
        /// The operator's template.
        template: String,
        /// What the template is filled with.
        data: Json,
        /// Milliseconds to wait.
        delay_ms: u64,
    },
    /// A fact for the tracking store.
    Event {
        /// What happened.
        name: String,
        /// The facts.
        props: Json,
    },
}

/// What the client was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A result.
    Result(Json),
    /// An error.
    Error(ErrorReply),
}

impl From<Reply> for Result<Json, ErrorReply> {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Result(result) => Ok(result),
            Reply::Error(error) => Err(error),
        }
    }
}

/// Where records are carried on to, each by a carrier of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// What sends messages to players.
    Notifications,
    /// The tracking store.
    Tracking,
}

impl Destination {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Notifications, Self::Tracking];
}

/// A set of destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// [`Destination::Notifications`].
    pub notifications: bool,
    /// [`Destination::Tracking`].
    pub tracking: bool,
}

impl Destinations {
    /// Whether this one is of the set.
    #[must_use]
    pub fn contains(self, destination: Destination) -> bool {
        match destination {
            Destination::Notifications => self.notifications,
            Destination::Tracking => self.tracking,
        }
    }

    /// Those of the set.
    pub fn iter(self) -> impl Iterator<Item = Destination> {
        Destination::ALL.into_iter().filter(move |destination| self.contains(*destination))
    }

    /// Those of both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { notifications: self.notifications && other.notifications, tracking: self.tracking && other.tracking }
    }
}

/// A record as it is stored: the bytes whose digest the next record holds.
#[derive(Clone, Debug)]
pub struct EncodedRecord {
    /// The step's number.
    pub step: u64,
    /// Where it is to be carried on to.
    pub destinations: Destinations,
    /// The record's JSON.
    pub bytes: Vec<u8>,
    /// What it tells, where it was made here and will be carried on: whoever carries it need not read it.
    pub told: Option<Arc<Told>>,
}

impl Record {
    /// The record as it is stored, and the digest for the next one.
    ///
    /// # Errors
    /// None in practice: every part of a record has its JSON.
    pub fn encode(&self) -> Result<(EncodedRecord, Digest), serde_json::Error> {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut bytes, self)?;
        let digest = Digest::of(&bytes);
        Ok((EncodedRecord { step: self.step, destinations: self.destinations(), bytes, told: None }, digest))
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// Where the bytes are no record of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Where somebody wants to know of this step.
    #[must_use]
    pub fn destinations(&self) -> Destinations {
        match &self.act {
            Act::Created {} | Act::SeedsRotated { .. } => Destinations::default(),
            Act::SessionOpened(_) | Act::SessionClosed { .. } | Act::Deposited(_) | Act::Withdrawn(_) => {
                Destinations { notifications: false, tracking: true }
            }
            Act::Played(play) => play.destinations(),
        }
    }
}

impl Play {
    fn destinations(&self) -> Destinations {
        let closes_a_round = self.round.as_ref().is_some_and(|round| !round.open);
        let notifies = |effect: &Effect| matches!(effect, Effect::Notification { .. });
        Destinations {
            notifications: self.effects.iter().any(notifies),
            tracking: closes_a_round || self.void.is_some() || !self.effects.iter().all(notifies),
        }
    }
}
