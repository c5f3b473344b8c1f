//! What the host's own methods answer: the shapes that clients see.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::Session,
    chance::Draw,
    fairness::{ClientSeed, FairCall, Revealed, ServerSeed},
    identity::{Digest, GameId, ReleaseDigest, RoundId, SessionId},
    json::Json,
    money::{Amount, Currency, Transfer},
    record::Reply,
};

/// A player that is there.
#[derive(Serialize, JsonSchema)]
pub struct Created {
    /// The player's id.
    pub player: String,
}

/// A session was opened.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct SessionOpened {
    /// The player's id.
    pub player: String,
    /// The session's id.
    pub session: SessionId,
    /// What is played for.
    pub currency: Currency,
    /// Unix milliseconds; over from this instant on.
    pub expires_at_ms: u64,
    /// What the player's client sends as `Authorization: Bearer <token>`. It follows from the session and is no part
    /// of the step's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A session is closed.
#[derive(Serialize, JsonSchema)]
pub struct SessionClosed {
    /// The session's id.
    pub session: SessionId,
    /// Whether it was open until now.
    pub closed: bool,
}

/// Money was moved between operator and player.
#[derive(Serialize, JsonSchema)]
pub struct Paid {
    /// The player's id.
    pub player: String,
    /// In which currency.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
    /// The balance after it.
    pub balance: Amount,
    /// The number of the step that moved it.
    pub step: u64,
}

/// A player as the operator sees them.
#[derive(Serialize, JsonSchema)]
pub struct PlayerInfo {
    /// The player's id.
    pub player: String,
    /// Steps so far.
    pub steps: u64,
    /// What they hold, by currency.
    pub balances: BTreeMap<Currency, Amount>,
    /// Sessions that were not closed; some may have expired.
    pub sessions: Vec<Session>,
    /// Rounds that wait to be finished.
    pub open_rounds: Vec<RoundRow>,
}

/// A session as its player sees it.
#[derive(Serialize, JsonSchema)]
pub struct SessionInfo {
    /// The player's id.
    pub player: String,
    /// The session.
    pub session: Session,
    /// The balance in the session's currency.
    pub balance: Amount,
}

/// What a player holds.
#[derive(Serialize, JsonSchema)]
pub struct Balances {
    /// The session's currency.
    pub currency: Currency,
    /// The balance in it.
    pub balance: Amount,
    /// All balances, by currency.
    pub balances: BTreeMap<Currency, Amount>,
}

/// What the host has committed itself to, before it is played with.
#[derive(Serialize, JsonSchema)]
pub struct Committed {
    /// The number of the pair of seeds.
    pub pair: u64,
    /// SHA-256 of the server seed.
    pub commitment: Digest,
    /// The player's seed; empty until the player has chosen one.
    pub client_seed: ClientSeed,
    /// The nonce of the next call.
    pub nonce: u64,
    /// The games that are played with it.
    pub games: Vec<GameId>,
}

/// The player has gone over to another pair of seeds.
#[derive(Serialize, JsonSchema)]
pub struct Rotated {
    /// The pair before.
    pub revealed: Revealed,
    /// The pair from here on.
    pub next: Committed,
}

/// The server seed of a pair that is played with no more.
#[derive(Serialize, JsonSchema)]
pub struct ServerSeedRevealed {
    /// The number of the pair.
    pub pair: u64,
    /// SHA-256 of the server seed.
    pub commitment: Digest,
    /// The server seed.
    pub server_seed: ServerSeed,
}

/// A page of the past, newest first.
#[derive(Serialize, JsonSchema)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The `before` of the next page; null at the end.
    pub next: Option<u64>,
}

/// A movement of a player's money.
#[derive(Serialize, JsonSchema)]
pub struct Movement {
    /// The step that moved it.
    pub step: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What it was.
    pub kind: MovementKind,
    /// The game, for stakes, refunds and payouts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// The round, for stakes, refunds and payouts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundId>,
    /// The operator's words, for deposits and withdrawals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In which currency.
    pub currency: Currency,
    /// What the player gained, in minor units; negative for what they gave.
    pub change: i64,
    /// The balance after it.
    pub balance: Amount,
}

/// What a movement of money was.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// From the operator.
    Deposit,
    /// To the operator.
    Withdrawal,
    /// Into a round.
    Stake,
    /// Back from a round.
    Refund,
    /// From the house.
    Payout,
}

/// A round in a list.
#[derive(Serialize, JsonSchema)]
pub struct RoundRow {
    /// The round.
    pub round: RoundId,
    /// Its game.
    pub game: GameId,
    /// The release it is played on.
    pub release: ReleaseDigest,
    /// What it is played for.
    pub currency: Currency,
    /// Unix milliseconds.
    pub opened_at_ms: u64,
    /// Unix milliseconds; not there while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at_ms: Option<u64>,
    /// Whether it goes on.
    pub open: bool,
    /// Calls so far.
    pub calls: u32,
    /// Staked, less what was refunded.
    pub staked: Amount,
    /// Paid out.
    pub paid: Amount,
}

/// A round with everything that happened in it.
#[derive(Serialize, JsonSchema)]
pub struct RoundHistory {
    /// The round as a whole.
    pub summary: RoundRow,
    /// Its calls, in order.
    pub calls: Vec<RoundCall>,
}

/// One call of a round.
#[derive(Serialize, JsonSchema)]
pub struct RoundCall {
    /// The step's number.
    pub step: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The release that answered.
    pub release: ReleaseDigest,
    /// The game's method.
    pub method: String,
    /// As the game saw them.
    pub params: Json,
    /// What the draws came from, in a provably fair game.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fair: Option<FairCall>,
    /// Every draw, in order.
    pub draws: Vec<Draw>,
    /// Every movement of money, in order.
    pub transfers: Vec<Transfer>,
    /// What the player was told.
    pub reply: Reply,
}
