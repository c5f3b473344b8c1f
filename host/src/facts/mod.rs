//! Facts: what happened in steps, as far as an operator wants to count it, and what is counted of them: roll-ups and
//! views. Pure rules: a fact has an id of its own and is counted once, and in whatever order facts come, the counts
//! are those of counting them all anew.

mod derive;
mod members;
mod period;
mod returns;
mod rollup;
#[cfg(test)]
pub(crate) mod samples;
mod tally;
mod view;

use serde::{Deserialize, Serialize};

pub use self::{
    derive::facts_of,
    members::{Members, Sketch},
    period::{Period, Span, spans},
    returns::{Interval, Returns, Z_99},
    rollup::{Bucket, Rollup},
    tally::{GroupTally, Tally},
    view::{Bounds, Condition, Entry, EntryValue, Field, Filter, InvalidView, Reduce, Reduced, View},
};
use crate::{
    identity::{AggregateId, GameId, ReleaseDigest, RoundId, SessionId, SourceName},
    json::Json,
    money::{Amount, Currency},
};

/// Which fact it is: a step's effects have their position in the step's list of effects, and what the step itself has
/// made has [`FactId::OF_STEP`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactId {
    /// The application store that it comes from.
    pub source: SourceName,
    /// Whose step it was.
    pub aggregate: AggregateId,
    /// The step's number.
    pub step: u64,
    /// The position in the step.
    pub position: u16,
}

impl FactId {
    /// The position of what a step is, apart from its effects. A step is one thing at most.
    pub const OF_STEP: u16 = u16::MAX;
}

/// Something that happened once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Which fact it is.
    pub id: FactId,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A round was settled.
    RoundClosed {
        /// Where it was played.
        play: Play,
        /// The round.
        round: RoundId,
        /// Unix milliseconds.
        opened_at_ms: u64,
        /// How many calls it took.
        calls: u32,
        /// What it was played for.
        currency: Currency,
        /// Staked, less what was refunded.
        staked: Amount,
        /// Paid out.
        paid: Amount,
    },
    /// A step of a game was recorded and changed nothing.
    StepVoid {
        /// Where it was played.
        play: Play,
        /// The malfunction, or the late fault.
        reason: String,
    },
    /// A game had something to tell.
    Event {
        /// Where it was played.
        play: Play,
        /// What the game calls it.
        name: String,
        /// What the game says of it.
        props: Json,
    },
    /// A session was opened.
    SessionOpened {
        /// Which.
        session: SessionId,
        /// What is played for.
        currency: Currency,
    },
    /// A session was closed.
    SessionClosed {
        /// Which.
        session: SessionId,
    },
    /// Money came in from the operator.
    Deposit {
        /// In which currency.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// Money went out to the operator.
    Withdrawal {
        /// In which currency.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
}

/// Where a step was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// The game.
    pub game: GameId,
    /// The release that answered.
    pub release: ReleaseDigest,
    /// The session that called.
    pub session: SessionId,
}

/// The kinds of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`What::RoundClosed`].
    RoundClosed,
    /// [`What::StepVoid`].
    StepVoid,
    /// [`What::Event`].
    Event,
    /// [`What::SessionOpened`].
    SessionOpened,
    /// [`What::SessionClosed`].
    SessionClosed,
    /// [`What::Deposit`].
    Deposit,
    /// [`What::Withdrawal`].
    Withdrawal,
}

impl What {
    /// Of which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::RoundClosed { .. } => Kind::RoundClosed,
            Self::StepVoid { .. } => Kind::StepVoid,
            Self::Event { .. } => Kind::Event,
            Self::SessionOpened { .. } => Kind::SessionOpened,
            Self::SessionClosed { .. } => Kind::SessionClosed,
            Self::Deposit { .. } => Kind::Deposit,
            Self::Withdrawal { .. } => Kind::Withdrawal,
        }
    }

    /// Where it was played; `None` for what is no game's.
    #[must_use]
    pub fn play(&self) -> Option<&Play> {
        match self {
            Self::RoundClosed { play, .. } | Self::StepVoid { play, .. } | Self::Event { play, .. } => Some(play),
            _ => None,
        }
    }
}
