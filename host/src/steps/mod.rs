//! Steps: load the aggregate, run the request against it in memory, commit, and only then answer.
//!
//! Every aggregate has a lane, in which its requests run in the order they came in. What waits in a lane together is
//! run one after the other in memory and committed as one; each is still a step of its own, whole or not at all.
//! The caller that finds a lane empty runs it until its own answer is there; the rest, and all of it where the caller
//! goes away, is run by a task of its own: a client that hangs up never leaves half a step.

mod account;
mod again;
mod answering;
mod fairness;
mod group;
mod lane;
mod play;
pub mod replies;
mod view;

use std::{future::Future, sync::Arc};

use serde_json::Value;
use tokio::sync::oneshot;

use self::answering::Answering;
pub use self::{
    account::{PaymentRequest, SessionRequest},
    again::{NotAgain, again},
    fairness::SeedsRequest,
    play::{PlayRequest, close_round},
    view::{HistoryQuery, View},
};
use self::{
    group::Groups,
    lane::{Lanes, Run},
};
use crate::{
    catalog::Catalog,
    chance::Seed,
    engine::Engine,
    errors::{ErrorReply, HostError},
    fairness::FairGames,
    identity::{AggregateId, IdempotencyKey, SessionId},
    json::Json,
    notifications::Grants,
    record::Destinations,
    store::Store,
};

/// What a caller may want of an aggregate.
#[derive(Clone, Debug)]
pub enum Request {
    /// Bring a player into being; one that is there already stays as it is.
    Create,
    /// Open a session.
    OpenSession(SessionRequest),
    /// Close a session.
    CloseSession(SessionId),
    /// Money from the operator.
    Deposit(PaymentRequest),
    /// Money to the operator.
    Withdraw(PaymentRequest),
    /// Go over to the next pair of seeds, with this one of the player's.
    RotateSeeds(SeedsRequest),
    /// Call a game.
    Play(PlayRequest),
    /// Look, and change nothing.
    View(View),
}

/// A request's answer.
pub type Outcome = Result<Json, ErrorReply>;

/// Takes requests for aggregates and answers them.
#[derive(Clone)]
pub struct Steps {
    lanes: Arc<Lanes>,
}

/// A request on its way. What chance decides about it is decided here, once, however often it has to be run.
struct Job {
    request: Request,
    key: Option<IdempotencyKey>,
    seed: Seed,
    session_entropy: [u8; 16],
    answer: oneshot::Sender<Outcome>,
}

impl Steps {
    /// Steps over a store, with these games. Of where a record is wanted, it is carried on to these destinations;
    /// what games may have told is granted, and some of them are provably fair.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        engine: Arc<Engine>,
        catalog: Arc<Catalog>,
        destinations: Destinations,
        grants: Arc<Grants>,
        fair: FairGames,
    ) -> Self {
        Self { lanes: Arc::new(Lanes::new(Groups { store, engine, catalog, destinations, grants, fair })) }
    }

    /// Takes a request. It is in its lane when this returns, before the future is polled: requests for one aggregate
    /// are run in the order of these calls. Dropping the future drops the answer, never the step.
    pub fn submit(
        &self,
        id: &AggregateId,
        request: Request,
        key: Option<IdempotencyKey>,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let job = Job { request, key, seed: Seed::fresh(), session_entropy: rand::random(), answer };
        let admitted = self.lanes.enter(id, job).map(|run| Answering::new(run.map(Run::run), answered));
        async move { admitted?.await }
    }

    /// Waits until no request is on its way.
    pub async fn drained(&self) {
        self.lanes.drained().await;
    }
}

/// Params as canonical text: members sorted, so that the same params are the same text.
///
/// # Errors
/// None in practice: a JSON value has its JSON.
fn canonical(params: &Value) -> Result<Json, ErrorReply> {
    Json::of(params).map_err(|error| {
        tracing::error!(%error, "params have no JSON");
        ErrorReply::internal()
    })
}

/// A reply of the host's own making.
fn reply<T: serde::Serialize>(value: &T) -> Outcome {
    Json::of(value).map_err(|error| {
        tracing::error!(%error, "a reply has no JSON");
        ErrorReply::internal()
    })
}

fn overloaded() -> ErrorReply {
    HostError::Overloaded.into()
}
