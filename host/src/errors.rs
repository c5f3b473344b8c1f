//! The one table of errors that clients see besides the five of JSON-RPC itself. Codes and reasons are part of
//! the product: a client may rely on them, so none is ever given another meaning.

use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::{
    identity::{GameId, InvalidName, ReleaseDigest, ViewName},
    json::Json,
    money::{Amount, Currency},
    notifications::Channel,
    rpc,
};

/// An error as a client receives it, and as it is kept with a step that ended in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ErrorReply {
    /// Positive for a game's own faults, -32099..=-32000 for the host's.
    pub code: i32,
    /// One sentence for people.
    pub message: String,
    /// What a program may want to know; the host's always have a `reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}

macro_rules! host_errors {
    ($($(#[$doc:meta])* $code:literal $reason:literal $message:literal $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* })?;)*) => {
        /// What the host can answer instead of a result.
        #[derive(Clone, Debug, PartialEq, Eq, Error)]
        pub enum HostError {
            $($(#[$doc])* #[error($message)] $variant $({ $($(#[$field_doc])* $field: $type),* })?,)*
        }

        impl HostError {
            /// Every row: code, reason, and the message with its places unfilled.
            pub const TABLE: &[(i32, &str, &str)] = &[$(($code, $reason, $message)),*];

            /// The JSON-RPC code.
            #[must_use]
            pub fn code(&self) -> i32 {
                match self { $(Self::$variant { .. } => $code,)* }
            }

            /// The stable word for programs, `data.reason`.
            #[must_use]
            pub fn reason(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $reason,)* }
            }
        }
    };
}

host_errors! {
    /// No token, or none of ours.
    -32001 "unauthorized" "a valid bearer token is needed: {detail}" Unauthorized { /** What is wrong with it. */ detail: &'static str };
    /// The token's session is over.
    -32002 "session_ended" "the session has expired or was closed: open another one" SessionEnded;
    /// No such player.
    -32003 "player_not_found" "the player does not exist: create it with player.create" PlayerNotFound;
    /// A call needs a release that cannot be played: its bytes are damaged, or the store cannot be read.
    -32004 "release_unavailable" "release {release} of {game} is out of service" ReleaseUnavailable { /** The game. */ game: GameId, /** The release. */ release: ReleaseDigest };
    /// A key came back with another request.
    -32005 "idempotency_conflict" "this idempotency_key was used for another request" IdempotencyConflict;
    /// A withdrawal over the balance.
    -32006 "insufficient_funds" "the balance is {balance} {currency}" InsufficientFunds { /** What there is. */ balance: Amount, /** In which currency. */ currency: Currency };
    /// A balance would pass its bound.
    -32007 "amount_too_large" "amounts and balances are at most 9007199254740991 minor units" AmountTooLarge;
    /// The open round is in another currency than the session.
    -32008 "currency_mismatch" "the open round of this game is in {currency}: finish it in a session of that currency" CurrencyMismatch { /** The round's. */ currency: Currency };
    /// The operator has closed the game for new rounds.
    -32010 "game_disabled" "{game} takes no new rounds at present" GameDisabled { /** The game. */ game: GameId };
    /// No such round of this player.
    -32009 "round_not_found" "there is no such round" RoundNotFound;
    /// More work than the host admits.
    -32020 "overloaded" "the host is at its limit: try again" Overloaded;
    /// The store does not answer. What failed on its way to the disk may still be there when the host comes back.
    -32021 "store_unavailable" "the store cannot be reached or has failed: try again with the same idempotency_key, which tells what became of the step" StoreUnavailable;
    /// No room on the store's disk.
    -32022 "store_full" "the store has no room left: nothing was changed, try again with the same idempotency_key" StoreFull;
    /// The aggregate's document has reached its bound.
    -32023 "player_too_large" "the player's document has reached its bound" PlayerTooLarge;
    /// Other hosts kept committing first.
    -32024 "contended" "too many calls for this player at once: try again" Contended;
    /// A stored record or aggregate does not read back.
    -32025 "store_corrupt" "the stored data of this player is damaged: the operator must look at it" StoreCorrupt;
    /// `ledger.check` has found a flaw.
    -32026 "ledger_broken" "the ledger is broken: {flaw}" LedgerBroken { /** The first flaw. */ flaw: String };
    /// A game computed longer than a step may.
    -32030 "game_timeout" "the game took too long; the step is void" GameTimeout;
    /// A game wanted more memory than a step may have.
    -32031 "game_out_of_memory" "the game used too much memory; the step is void" GameOutOfMemory;
    /// A game's call stack ran out.
    -32032 "game_stack_overflow" "the game ran out of stack; the step is void" GameStackOverflow;
    /// A game trapped, as a panic does.
    -32033 "game_trapped" "the game failed; the step is void" GameTrapped;
    /// A game called the host without end.
    -32034 "game_too_many_host_calls" "the game called the host too often; the step is void" GameTooManyHostCalls;
    /// A game asked for a draw that cannot be made.
    -32035 "game_invalid_draw" "the game asked for an impossible draw; the step is void" GameInvalidDraw;
    /// A game handed over more data than one call may.
    -32036 "game_too_much_data" "the game handed over too much data; the step is void" GameTooMuchData;
    /// A game's answer breaks the contract.
    -32037 "game_invalid_reply" "the game's answer breaks the contract; the step is void" GameInvalidReply;
    /// A game made more handles than a step may.
    -32038 "game_too_many_handles" "the game made too many handles; the step is void" GameTooManyHandles;
    /// A release could not bring a player's documents to its own version.
    -32040 "migration_failed" "what {game} keeps for the player could not be brought to its new release; nothing was changed" MigrationFailed { /** The game. */ game: GameId };
    /// A player's documents are those of a newer release than the active one.
    -32041 "state_too_new" "what {game} keeps for the player was migrated by a newer release, to state version {kept}, and the active one reads {read}; nothing was changed" StateTooNew { /** The game. */ game: GameId, /** The documents' version. */ kept: u32, /** The active release's. */ read: u32 };
    /// No game here is provably fair.
    -32042 "fairness_disabled" "no game of this host is provably fair: fairness.games names none" FairnessDisabled;
    /// A server seed is asked for that is, or will be, played with.
    -32043 "seed_not_revealed" "pair {pair} is played with, or is still to come: its server seed is revealed by fairness.rotate" SeedNotRevealed { /** The pair. */ pair: u64 };
    /// An upload is no release that this host takes. Nothing has changed.
    -32050 "release_refused" "the release is refused: {detail}" ReleaseRefused { /** A stable word for what is wrong. */ cause: &'static str, /** What is wrong. */ detail: String };
    /// No release of this game was ever published.
    -32051 "game_not_found" "there is no game {game}: publish a release of it first" GameNotFound { /** The game. */ game: GameId };
    /// What is asked for does not fit the game as it is. Nothing has changed.
    -32052 "act_refused" "{detail}" ActRefused { /** A stable word for what is wrong. */ cause: &'static str, /** What is wrong. */ detail: String };
    /// This host counts nothing.
    -32060 "tracking_disabled" "this host keeps no statistics: tracking.enabled is false" TrackingDisabled;
    /// The tracking store has failed. Games go on.
    -32061 "tracking_unavailable" "the tracking store cannot be reached or has failed" TrackingUnavailable;
    /// No such view is declared.
    -32062 "view_not_found" "there is no view {view}: declare it as one of tracking.views" ViewNotFound { /** Its name. */ view: ViewName };
    /// No such notification, or not of this caller.
    -32070 "notification_not_found" "there is no such notification, or it is another's" NotificationNotFound;
    /// Nobody delivers on this channel.
    -32071 "channel_unavailable" "nobody delivers {channel}: declare a provider for it as one of railgun.providers" ChannelUnavailable { /** The channel. */ channel: Channel };
    /// A template that is not there, or that cannot be filled with these data.
    -32072 "template_refused" "{detail}" TemplateRefused { /** What is wrong. */ detail: String };
    /// A service sends faster than it may.
    -32073 "rate_limited" "too many notifications a second: try again in {retry_after_ms} ms" RateLimited { /** When to try again. */ retry_after_ms: u64 };
    /// What is asked for does not fit the notification as it stands.
    -32074 "notification_otherwise" "the notification stands otherwise: see data.state" NotificationOtherwise { /** How it stands. */ state: Json };
    /// A worker is delivering it at this moment.
    -32075 "notification_under_way" "the notification is being delivered at this moment: ask for its status" NotificationUnderWay;
    /// The register does not answer.
    -32076 "register_unavailable" "the register of notifications cannot be reached or has failed: try again with the same idempotency_key" RegisterUnavailable;
    /// No room for notifications.
    -32077 "register_full" "the register of notifications has no room left: try again later with the same idempotency_key" RegisterFull;
    /// The queue does not answer. Notifications are accepted all the same.
    -32078 "queue_unavailable" "the queue cannot be reached; notifications are accepted and will be put into it" QueueUnavailable;
}

impl HostError {
    fn members(&self) -> serde_json::Value {
        match self {
            Self::ReleaseUnavailable { game, release } => json!({ "game": game, "release": release }),
            Self::InsufficientFunds { balance, currency } => json!({ "balance": balance, "currency": currency }),
            Self::CurrencyMismatch { currency } => json!({ "currency": currency }),
            Self::MigrationFailed { game } | Self::GameDisabled { game } | Self::GameNotFound { game } => {
                json!({ "game": game })
            }
            Self::ReleaseRefused { cause, .. } | Self::ActRefused { cause, .. } => json!({ "cause": cause }),
            Self::ViewNotFound { view } => json!({ "view": view }),
            Self::StateTooNew { game, kept, read } => json!({ "game": game, "kept": kept, "read": read }),
            Self::ChannelUnavailable { channel } => json!({ "channel": channel }),
            Self::RateLimited { retry_after_ms } => json!({ "retry_after_ms": retry_after_ms }),
            Self::NotificationOtherwise { state } => json!({ "state": state }),
            _ => json!({}),
        }
    }
}

impl From<HostError> for ErrorReply {
    fn from(error: HostError) -> Self {
        let mut data = error.members();
        data["reason"] = error.reason().into();
        Self { code: error.code(), message: error.to_string(), data: Json::of(&data).ok() }
    }
}

impl From<rpc::Error> for ErrorReply {
    fn from(error: rpc::Error) -> Self {
        Self { code: error.code(), message: error.message().to_owned(), data: error.data().map(Json::from) }
    }
}

impl From<ErrorReply> for rpc::Error {
    fn from(error: ErrorReply) -> Self {
        Self::recorded(error.code, error.message, error.data.map(Into::into))
    }
}

impl ErrorReply {
    /// Params that do not make sense, with what is wrong with them.
    #[must_use]
    pub fn invalid_params(pointer: &str, message: impl Into<String>) -> Self {
        rpc::Error::invalid_params(message.into()).with("pointer", pointer).into()
    }

    /// Nobody answers to this method.
    #[must_use]
    pub fn method_not_found() -> Self {
        rpc::Error::method_not_found().into()
    }

    /// The host has failed; what failed is in the log.
    #[must_use]
    pub fn internal() -> Self {
        rpc::Error::internal().into()
    }

    /// A name in `params` that is none.
    #[must_use]
    pub fn invalid_name(pointer: &str, error: &InvalidName) -> Self {
        Self::invalid_params(pointer, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_reasons_are_the_hosts_and_unique() {
        let codes: BTreeSet<_> = HostError::TABLE.iter().map(|row| row.0).collect();
        let reasons: BTreeSet<_> = HostError::TABLE.iter().map(|row| row.1).collect();
        assert_eq!((codes.len(), reasons.len()), (HostError::TABLE.len(), HostError::TABLE.len()));
        assert!(codes.iter().all(|code| (-32099..=-32000).contains(code)));
    }

    #[test]
    fn an_error_carries_its_reason_and_members() {
        let error = HostError::InsufficientFunds { balance: Amount::new(7).unwrap(), currency: "EUR".parse().unwrap() };
        let reply = ErrorReply::from(error);
        assert_eq!(reply.code, -32006);
        assert_eq!(reply.data.unwrap().as_str(), r#"{"balance":7,"currency":"EUR","reason":"insufficient_funds"}"#);
    }
}
