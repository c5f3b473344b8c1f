//! The operator's endpoint: players, sessions, deposits and withdrawals, and the state of the house.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{
    bearer_token, discover,
    host_method::HostMethods,
    player::{Nothing, default_rows},
    releases::{self, Releases},
    statistics::{self, Statistics},
    take_idempotency_key,
};
use crate::{
    catalog::Catalog,
    errors::{ErrorReply, HostError},
    identity::{AggregateId, IdempotencyKey, Locale, PlayerId, RoundId, SessionId},
    json::Json,
    ledger::{self, Broken, Report},
    limits::PAGE_ROWS_MAX,
    money::{Amount, Currency},
    record::Destination,
    replay::{FileError, RoundFile},
    rpc::{self, Params, RawJson, SchemaError, Service},
    steps::{
        HistoryQuery, PaymentRequest, Request, SessionRequest, Steps, View,
        replies::{Created, Movement, Page, Paid, PlayerInfo, RoundHistory, RoundRow, SessionClosed, SessionOpened},
    },
    store::Store,
    tokens::Tokens,
    tracking::TrackingStore,
};

/// Answers the operator's own systems.
pub struct OperatorService {
    steps: Steps,
    store: Arc<dyn Store>,
    releases: Releases,
    statistics: Statistics,
    tokens: Arc<Tokens>,
    secret: String,
    methods: HostMethods,
    document: Json,
}

/// A caller that has, or has not, shown the operator's token.
pub type Operator = Result<(), &'static str>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlayerParams {
    /// The player.
    player: PlayerId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OpenParams {
    /// The player.
    player: PlayerId,
    /// What is played for.
    currency: Currency,
    /// The player's language.
    #[serde(default = "default_locale")]
    locale: Locale,
    /// How long the session lasts, in seconds: a day if not said.
    #[serde(default = "default_ttl_s")]
    #[schemars(range(min = 0, max = 2_592_000))]
    ttl_s: u64,
}

fn default_locale() -> Locale {
    "en".parse().expect("a language tag")
}

const fn default_ttl_s() -> u64 {
    24 * 60 * 60
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CloseParams {
    /// The player.
    player: PlayerId,
    /// The session.
    session: SessionId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PaymentParams {
    /// The player.
    player: PlayerId,
    /// In which currency.
    currency: Currency,
    /// How much, in minor units.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    amount: Amount,
    /// What it is for, in the operator's own words.
    #[serde(default)]
    #[schemars(length(max = 200))]
    reason: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExportParams {
    /// The round.
    round: RoundId,
    /// Whether the component that it was played on is put in as well.
    #[serde(default)]
    with_release: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HistoryParams {
    /// The player.
    player: PlayerId,
    /// Only what happened before this step: the `next` of the page before.
    #[serde(default)]
    before: Option<u64>,
    /// Rows wanted; those of one step stay together, so there may be a few more.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = PAGE_ROWS_MAX))]
    limit: usize,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RoundParams {
    /// The round.
    round: RoundId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OutboxParams {
    /// Where they wait to be carried to.
    to: Destination,
    /// Rows wanted.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = PAGE_ROWS_MAX))]
    limit: usize,
}

/// A step that waits to be carried on.
#[derive(Serialize, JsonSchema)]
struct OutboxRow {
    aggregate: AggregateId,
    step: u64,
}

fn methods() -> Result<HostMethods, SchemaError> {
    statistics::methods(releases::methods(HostMethods::default())?)?
        .with::<PlayerParams, Created>("player.create", "Brings a player into being.")?
        .with::<PlayerParams, PlayerInfo>("player.get", "A player's balances, sessions and open rounds.")?
        .with::<OpenParams, SessionOpened>("session.open", "Opens a session; answers with the client's token.")?
        .with::<CloseParams, SessionClosed>("session.close", "Ends a session.")?
        .with::<PaymentParams, Paid>("wallet.deposit", "From operator to player. Needs an idempotency_key.")?
        .with::<PaymentParams, Paid>("wallet.withdraw", "From player to operator. Needs an idempotency_key.")?
        .with::<HistoryParams, Page<Movement>>("wallet.history", "Movements of a player's money, newest first.")?
        .with::<HistoryParams, Page<RoundRow>>(
            "round.list",
            "Rounds: those open now, then those closed, newest first.",
        )?
        .with::<ExportParams, RoundFile>(
            "round.export",
            "One round as a file that proves itself: 'croupier replay' and 'croupier fair verify' read it.",
        )?
        .with::<RoundParams, RoundHistory>("round.get", "One round with its calls, draws and movements of money.")?
        .with::<Nothing, Report>("ledger.check", "Proves the whole store; takes its time on a large one.")?
        .with::<OutboxParams, Vec<OutboxRow>>("outbox.list", "The oldest steps that wait to be carried on.")?
        .with::<Nothing, Map<String, Value>>("rpc.discover", "This document.")
}

impl OperatorService {
    /// Answers whoever shows `secret`. Without a tracking store there are no statistics.
    ///
    /// # Errors
    /// None in practice: the host's own schemas compile.
    pub fn new(
        steps: Steps,
        store: Arc<dyn Store>,
        catalog: Arc<Catalog>,
        tracking: Option<Arc<dyn TrackingStore>>,
        tokens: Arc<Tokens>,
        secret: String,
    ) -> Result<Self, SchemaError> {
        let methods = methods()?;
        let document = discover::document("Croupier: operator", &methods, &[])?;
        let releases = Releases::new(catalog);
        let statistics = Statistics::new(tracking);
        Ok(Self { steps, store, releases, statistics, tokens, secret, methods, document })
    }

    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn caller(&self, authorization: Option<&str>) -> Operator {
        // In constant time: how far a guess was right must not show.
        let right = bearer_token(authorization)?.as_bytes().ct_eq(self.secret.as_bytes());
        if bool::from(right) { Ok(()) } else { Err("the token is not the operator's") }
    }

    async fn answer(&self, caller: &Operator, method: &str, params: Params) -> Result<Json, ErrorReply> {
        (*caller).map_err(|detail| HostError::Unauthorized { detail })?;
        let mut params = params.by_name()?;
        let key = take_idempotency_key(&mut params)?;
        match method {
            "rpc.discover" => {
                let Nothing {} = self.methods.read(method, params)?;
                Ok(self.document.clone())
            }
            _ if method.starts_with("game.") => {
                if key.is_some() {
                    let message =
                        "methods of games take no idempotency_key: they are safe to repeat, game.rollback with 'from'";
                    return Err(ErrorReply::invalid_params("/idempotency_key", message));
                }
                self.releases.answer(&self.methods, method, params).await
            }
            _ if method.starts_with("stats.") => self.statistics.answer(&self.methods, method, params).await,
            "ledger.check" => {
                let Nothing {} = self.methods.read(method, params)?;
                self.check_ledger().await
            }
            "round.export" => self.export_round(self.methods.read(method, params)?).await,
            "outbox.list" => self.outbox(self.methods.read(method, params)?).await,
            "session.open" => self.open_session(self.methods.read(method, params)?, key).await,
            _ => {
                let (player, request) = self.request(method, params, key.is_some())?;
                self.steps.submit(&player, request, key).await
            }
        }
    }

    fn request(
        &self,
        method: &str,
        params: Map<String, Value>,
        has_key: bool,
    ) -> Result<(AggregateId, Request), ErrorReply> {
        Ok(match method {
            "player.create" => (self.player(method, params)?, Request::Create),
            "player.get" => (self.player(method, params)?, Request::View(View::Player)),
            "session.close" => {
                let CloseParams { player, session } = self.methods.read(method, params)?;
                (AggregateId::player(&player), Request::CloseSession(session))
            }
            "wallet.deposit" | "wallet.withdraw" => {
                let PaymentParams { player, currency, amount, reason } = self.methods.read(method, params)?;
                if !has_key {
                    let message = "a payment needs an idempotency_key, so that a retry cannot pay twice";
                    return Err(ErrorReply::invalid_params("/idempotency_key", message));
                }
                let payment = PaymentRequest { currency, amount, reason };
                let request =
                    if method == "wallet.deposit" { Request::Deposit(payment) } else { Request::Withdraw(payment) };
                (AggregateId::player(&player), request)
            }
            "wallet.history" => {
                let (player, query) = self.history(method, params)?;
                (player, Request::View(View::History(query)))
            }
            "round.list" => {
                let (player, query) = self.history(method, params)?;
                (player, Request::View(View::Rounds(query)))
            }
            "round.get" => {
                let RoundParams { round } = self.methods.read(method, params)?;
                (round.aggregate.clone(), Request::View(View::Round(None, round)))
            }
            _ => return Err(ErrorReply::method_not_found()),
        })
    }

    fn player(&self, method: &str, params: Map<String, Value>) -> Result<AggregateId, ErrorReply> {
        let PlayerParams { player } = self.methods.read(method, params)?;
        Ok(AggregateId::player(&player))
    }

    fn history(&self, method: &str, params: Map<String, Value>) -> Result<(AggregateId, HistoryQuery), ErrorReply> {
        let HistoryParams { player, before, limit } = self.methods.read(method, params)?;
        Ok((AggregateId::player(&player), HistoryQuery { session: None, before, rows_max: limit }))
    }

    /// The token is no part of the step: it follows from the session, and no record should hold it.
    async fn open_session(&self, params: OpenParams, key: Option<IdempotencyKey>) -> Result<Json, ErrorReply> {
        let OpenParams { player, currency, locale, ttl_s } = params;
        let request = Request::OpenSession(SessionRequest { currency, locale, ttl_ms: ttl_s.saturating_mul(1000) });
        let opened = self.steps.submit(&AggregateId::player(&player), request, key).await?;
        let mut opened: SessionOpened = serde_json::from_str(opened.as_str()).map_err(|_| ErrorReply::internal())?;
        opened.token = Some(self.tokens.sign(&player, &opened.session));
        Json::of(&opened).map_err(|_| ErrorReply::internal())
    }

    async fn check_ledger(&self) -> Result<Json, ErrorReply> {
        let report = ledger::check(&*self.store, |_| {}).await.map_err(|broken| {
            tracing::error!(%broken, "the ledger is broken");
            match broken {
                Broken::Store(_) => HostError::StoreUnavailable.into(),
                _ => ErrorReply::from(HostError::LedgerBroken { flaw: broken.to_string() }),
            }
        })?;
        Json::of(&report).map_err(|_| ErrorReply::internal())
    }

    async fn export_round(&self, params: ExportParams) -> Result<Json, ErrorReply> {
        let ExportParams { round, with_release } = params;
        let file = RoundFile::of_store(&*self.store, &round, with_release).await.map_err(|error| {
            if !matches!(error, FileError::NoRound(_)) {
                tracing::error!(%round, %error, "a round cannot be exported");
            }
            match error {
                FileError::NoRound(_) => HostError::RoundNotFound,
                FileError::Store(_) => HostError::StoreUnavailable,
                FileError::Record { .. } | FileError::Unreadable(_) => HostError::StoreCorrupt,
            }
        })?;
        Json::of(&file).map_err(|_| ErrorReply::internal())
    }

    async fn outbox(&self, params: OutboxParams) -> Result<Json, ErrorReply> {
        let waiting = self.store.outbox(params.to, params.limit, usize::MAX).await.map_err(|error| {
            tracing::error!(%error, "the outbox cannot be read");
            HostError::StoreUnavailable
        })?;
        let rows = waiting.into_iter().map(|step| OutboxRow { aggregate: step.aggregate, step: step.step });
        Json::of(&rows.collect::<Vec<_>>()).map_err(|_| ErrorReply::internal())
    }
}

impl Service for OperatorService {
    type Caller = Operator;

    async fn call(&self, caller: &Operator, method: &str, params: Params) -> Result<RawJson, rpc::Error> {
        self.answer(caller, method, params).await.map(Into::into).map_err(Into::into)
    }
}
