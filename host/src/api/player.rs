//! The players' endpoint: games, and a player's own session, wallet and rounds.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{bearer_token, discover, host_method::HostMethods, take_idempotency_key};
use crate::{
    catalog::{Catalog, Games, Playable},
    errors::{ErrorReply, HostError},
    fairness::ClientSeed,
    identity::{AggregateId, GameId, PlayerId, RoundId, SessionId},
    json::Json,
    limits::PAGE_ROWS_MAX,
    rpc::{self, Params, RawJson, SchemaError, Service},
    steps::{
        HistoryQuery, PlayRequest, Request, SeedsRequest, Steps, View,
        replies::{
            Balances, Committed, Movement, Page, Rotated, RoundHistory, RoundRow, ServerSeedRevealed, SessionClosed,
            SessionInfo,
        },
    },
    tokens::Tokens,
};

/// Answers players.
pub struct PlayerService {
    steps: Steps,
    catalog: Arc<Catalog>,
    tokens: Arc<Tokens>,
    methods: HostMethods,
    document: Mutex<Option<Document>>,
}

/// What `rpc.discover` answers for as long as these games are live.
struct Document {
    games: Arc<Games>,
    text: Json,
}

/// Who calls: the player and session of a bearer token, or what is wrong with it. Some methods need none.
pub type PlayerCaller = Result<(PlayerId, SessionId), &'static str>;

/// No params.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A page of the past.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PageParams {
    /// Only what happened before this step: the `next` of the page before.
    #[serde(default)]
    before: Option<u64>,
    /// Rows wanted; those of one step stay together, so there may be a few more.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = PAGE_ROWS_MAX))]
    limit: usize,
}

pub(super) const fn default_rows() -> usize {
    20
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RoundParams {
    /// The round, as calls and lists name it.
    round: RoundId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotateParams {
    /// The player's part of the next pair of seeds: whatever they like.
    client_seed: ClientSeed,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PairParams {
    /// The number of the pair, as calls and commitments name it.
    pair: u64,
}

/// A game that can be played.
#[derive(Serialize, JsonSchema)]
struct GameRow {
    /// Its id: methods are called `<id>.<method>`.
    game: GameId,
    /// Its name.
    title: String,
    /// The designer's version of the active release.
    version: String,
    /// The active release.
    release: crate::identity::ReleaseDigest,
    /// Theoretical return in parts per million of the stake.
    rtp_ppm: u32,
    /// Largest payout of a round in parts per million of its stake.
    max_win_ppm: u64,
    /// What can be called.
    methods: Vec<String>,
}

/// What players' methods are called together.
const TITLE: &str = "Croupier: games";

fn methods() -> Result<HostMethods, SchemaError> {
    HostMethods::default()
        .with::<Nothing, SessionInfo>("session.info", "The session of the token.")?
        .with::<Nothing, SessionClosed>("session.close", "Ends the session of the token.")?
        .with::<Nothing, Balances>("wallet.balance", "What the player holds.")?
        .with::<PageParams, Page<Movement>>("wallet.history", "Movements of the player's money, newest first.")?
        .with::<PageParams, Page<RoundRow>>("round.list", "Rounds: those open now, then those closed, newest first.")?
        .with::<RoundParams, RoundHistory>("round.get", "One round with its calls, draws and movements of money.")?
        .with::<Nothing, Committed>(
            "fairness.commitment",
            "What the host has committed itself to for the player's next call of a provably fair game.",
        )?
        .with::<RotateParams, Rotated>(
            "fairness.rotate",
            "Reveals the server seed that was played with, and goes on with another one and the player's own seed.",
        )?
        .with::<PairParams, ServerSeedRevealed>(
            "fairness.revealed",
            "The server seed of a pair that the player plays with no more.",
        )?
        .with::<Nothing, Vec<GameRow>>("game.list", "The games that can be played.")?
        .with::<Nothing, Map<String, Value>>("rpc.discover", "This document.")
}

/// The OpenRPC document of what players of these games can call.
///
/// # Errors
/// None in practice: the host's own schemas compile, and those of games have.
pub fn player_document(games: &[Arc<Playable>]) -> Result<Json, SchemaError> {
    discover::document(TITLE, &methods()?, games)
}

impl PlayerService {
    /// Answers players with these games.
    ///
    /// # Errors
    /// None in practice: the host's own schemas compile.
    pub fn new(steps: Steps, catalog: Arc<Catalog>, tokens: Arc<Tokens>) -> Result<Self, SchemaError> {
        let methods = methods()?;
        Ok(Self { steps, catalog, tokens, methods, document: Mutex::default() })
    }

    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn caller(&self, authorization: Option<&str>) -> PlayerCaller {
        self.tokens.read(bearer_token(authorization)?).ok_or("the token is not one of ours")
    }

    async fn answer(&self, caller: &PlayerCaller, method: &str, params: Params) -> Result<Json, ErrorReply> {
        let mut params = params.by_name()?;
        let key = take_idempotency_key(&mut params)?;
        match method {
            "rpc.discover" => {
                let Nothing {} = self.methods.read(method, params)?;
                self.document()
            }
            "game.list" => {
                let Nothing {} = self.methods.read(method, params)?;
                games(&self.catalog)
            }
            _ => {
                let (player, session) = caller.as_ref().map_err(|detail| HostError::Unauthorized { detail })?;
                let request = self.request(session, method, params)?;
                self.steps.submit(&AggregateId::player(player), request, key).await
            }
        }
    }

    /// The document of what is live, made anew when that has changed.
    fn document(&self) -> Result<Json, ErrorReply> {
        let games = self.catalog.live();
        let mut document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = document.as_ref().filter(|document| Arc::ptr_eq(&document.games, &games)) {
            return Ok(document.text.clone());
        }
        let text = discover::document(TITLE, &self.methods, &self.catalog.playables());
        let text = text.map_err(|error| {
            tracing::error!(%error, "the games have no document");
            ErrorReply::internal()
        })?;
        *document = Some(Document { games, text: text.clone() });
        Ok(text)
    }

    fn request(&self, session: &SessionId, method: &str, params: Map<String, Value>) -> Result<Request, ErrorReply> {
        let page = |page: PageParams| HistoryQuery {
            session: Some(session.clone()),
            before: page.before,
            rows_max: page.limit,
        };
        Ok(match method {
            "session.info" => {
                let Nothing {} = self.methods.read(method, params)?;
                Request::View(View::Session(session.clone()))
            }
            "session.close" => {
                let Nothing {} = self.methods.read(method, params)?;
                Request::CloseSession(session.clone())
            }
            "wallet.balance" => {
                let Nothing {} = self.methods.read(method, params)?;
                Request::View(View::Balance(session.clone()))
            }
            "wallet.history" => Request::View(View::History(page(self.methods.read(method, params)?))),
            "round.list" => Request::View(View::Rounds(page(self.methods.read(method, params)?))),
            "round.get" => {
                let RoundParams { round } = self.methods.read(method, params)?;
                Request::View(View::Round(Some(session.clone()), round))
            }
            "fairness.commitment" => {
                let Nothing {} = self.methods.read(method, params)?;
                Request::View(View::Seeds(session.clone()))
            }
            "fairness.rotate" => {
                let RotateParams { client_seed } = self.methods.read(method, params)?;
                Request::RotateSeeds(SeedsRequest { session: session.clone(), client_seed })
            }
            "fairness.revealed" => {
                let PairParams { pair } = self.methods.read(method, params)?;
                Request::View(View::RevealedSeed(session.clone(), pair))
            }
            other => Request::Play(self.play(session, other, params)?),
        })
    }

    /// A call of a game. Whether the game has the method is for the release to say that will answer.
    fn play(&self, session: &SessionId, method: &str, params: Map<String, Value>) -> Result<PlayRequest, ErrorReply> {
        let (game, method) = method.split_once('.').ok_or_else(ErrorReply::method_not_found)?;
        let game: GameId = game.parse().map_err(|_| ErrorReply::method_not_found())?;
        Ok(PlayRequest { session: session.clone(), game, method: method.to_owned(), params: Value::Object(params) })
    }
}

impl Service for PlayerService {
    type Caller = PlayerCaller;

    async fn call(&self, caller: &PlayerCaller, method: &str, params: Params) -> Result<RawJson, rpc::Error> {
        self.answer(caller, method, params).await.map(Into::into).map_err(Into::into)
    }
}

/// The rows of `game.list`.
fn games(catalog: &Catalog) -> Result<Json, ErrorReply> {
    let rows = catalog.playables().into_iter().map(|game| {
        let descriptor = game.release.descriptor();
        GameRow {
            game: descriptor.id.clone(),
            title: descriptor.title.clone(),
            version: descriptor.version.clone(),
            release: game.release.digest(),
            rtp_ppm: descriptor.rtp_ppm,
            max_win_ppm: descriptor.max_win_ppm,
            methods: descriptor.methods.iter().map(|method| method.name.clone()).collect(),
        }
    });
    Json::of(&rows.collect::<Vec<_>>()).map_err(|_| ErrorReply::internal())
}
