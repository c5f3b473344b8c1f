//! HTTP around the JSON-RPC endpoints: bodies in and out, bearer tokens, health, graceful shutdown.

use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router, ServiceExt as _,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt as _,
};
use http_body_util::{BodyExt as _, Limited};
use tokio::net::TcpListener;

use crate::{
    api::{NotificationService, Numbers, OperatorService, PlayerService, Who},
    rpc::{self, Limits, Service},
    store::Store,
};

/// Where players call.
const PLAYERS: &str = "/rpc";
/// How long a client may take to send its body.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the operator may take, who may have a component to send.
const UPLOAD_WAIT_MAX: Duration = Duration::from_mins(10);
/// How much is read of a body beyond its bound, so that the client comes to read why it was refused.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// What is served at one address.
pub struct Served {
    /// Games and the operator.
    pub games: Option<Arc<Endpoints>>,
    /// Notifications.
    pub notifications: Option<Arc<NotificationEndpoint>>,
    /// Numbers, at `GET /metrics`.
    pub numbers: Option<Arc<Numbers>>,
}

/// What notifications are answered with.
pub struct NotificationEndpoint {
    /// `POST /notify`.
    pub service: NotificationService,
    /// Bounds on what services send.
    pub limits: Limits,
    /// Bounds on what workers send, and hosts that hand over.
    pub worker_limits: Limits,
}

/// What players and the operator are answered with.
pub struct Endpoints {
    /// `POST /rpc`.
    pub players: PlayerService,
    /// `POST /operator`.
    pub operator: OperatorService,
    /// Asked for `/readyz`.
    pub store: Arc<dyn Store>,
    /// Bounds on what players send.
    pub limits: Limits,
    /// Bounds on what the operator sends.
    pub operator_limits: Limits,
}

/// Answers until `shutdown` is done, and then what has been begun.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    served: Served,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // A small answer must not wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    let front = Front { players: served.games.clone(), router: router(served) };
    axum::serve(listener, front.into_make_service()).with_graceful_shutdown(shutdown).await
}

/// All routes, and a short way to the one that nearly all requests take: a router copies a route, and wraps its future
/// and its answer, for every request.
#[derive(Clone)]
struct Front {
    players: Option<Arc<Endpoints>>,
    router: Router,
}

impl tower_service::Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // As the router, which always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match &self.players {
            Some(endpoints) if request.method() == Method::POST && request.uri().path() == PLAYERS => {
                let endpoints = endpoints.clone();
                Box::pin(async move { Ok(players(State(endpoints), request).await) })
            }
            _ => Box::pin(self.router.call(request)),
        }
    }
}

fn router(served: Served) -> Router {
    let mut router = Router::new().route("/healthz", get(|| async { "ok\n" }));
    if let Some(endpoint) = &served.notifications {
        router = router.route("/notify", post(notifications).with_state(endpoint.clone()));
    }
    if let Some(numbers) = served.numbers {
        router = router.route("/metrics", get(metrics).with_state(numbers));
    }
    if let Some(endpoints) = &served.games {
        let routes = Router::new().route(PLAYERS, post(players)).route("/operator", post(operator));
        router = router.merge(routes.with_state(endpoints.clone()));
    }
    let readiness = Readiness { games: served.games, notifications: served.notifications };
    if readiness.games.is_some() || readiness.notifications.is_some() {
        router = router.route("/readyz", get(ready).with_state(readiness));
    }
    router
}

/// What is asked whether it is ready.
#[derive(Clone)]
struct Readiness {
    games: Option<Arc<Endpoints>>,
    notifications: Option<Arc<NotificationEndpoint>>,
}

impl Readiness {
    /// Why not, and what has failed.
    fn check(&self) -> Result<(), String> {
        if let Some(games) = &self.games {
            games.store.health().map_err(|error| error.to_string())?;
        }
        if let Some(notifications) = &self.notifications {
            notifications.service.health().map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

async fn notifications(State(endpoint): State<Arc<NotificationEndpoint>>, request: Request) -> Response {
    let caller = endpoint.service.caller(authorization(&request));
    // What hosts hand over was bounded where it was made.
    let limits = if caller == Ok(Who::Worker) { &endpoint.worker_limits } else { &endpoint.limits };
    answer(&endpoint.service, &caller, limits, BODY_WAIT_MAX, request).await
}

async fn metrics(State(numbers): State<Arc<Numbers>>, request: Request) -> Response {
    if !numbers.may_see(authorization(&request)) {
        return (StatusCode::UNAUTHORIZED, "the operator's bearer token is needed\n").into_response();
    }
    let text = numbers.text().await;
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn players(State(endpoints): State<Arc<Endpoints>>, request: Request) -> Response {
    let caller = endpoints.players.caller(authorization(&request));
    answer(&endpoints.players, &caller, &endpoints.limits, BODY_WAIT_MAX, request).await
}

async fn operator(State(endpoints): State<Arc<Endpoints>>, request: Request) -> Response {
    let caller = endpoints.operator.caller(authorization(&request));
    // Whoever is not the operator has nothing large to say here.
    let (limits, wait_max) = match caller {
        Ok(()) => (&endpoints.operator_limits, UPLOAD_WAIT_MAX),
        Err(_) => (&endpoints.limits, BODY_WAIT_MAX),
    };
    answer(&endpoints.operator, &caller, limits, wait_max, request).await
}

fn authorization(request: &Request) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()
}

async fn answer<S: Service>(
    service: &S,
    caller: &S::Caller,
    limits: &Limits,
    wait_max: Duration,
    request: Request,
) -> Response {
    let body = match read(request.into_body(), limits.body_bytes_max, wait_max).await {
        Ok(body) => body,
        Err((status, error)) => return json(status, error.to_response()),
    };
    match rpc::answer(&body, limits, service, caller).await {
        Some(answer) => json(StatusCode::OK, answer),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn read(mut body: Body, bytes_max: usize, wait_max: Duration) -> Result<Bytes, (StatusCode, rpc::Error)> {
    let whole = async {
        match Limited::new(&mut body, bytes_max).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(_) => {
                discard(&mut body).await;
                let message = format!("the body is longer than {bytes_max} bytes, or broke off");
                Err((StatusCode::PAYLOAD_TOO_LARGE, rpc::Error::invalid_request(message).because("body_too_large")))
            }
        }
    };
    tokio::time::timeout(wait_max, whole).await.unwrap_or_else(|_| {
        let error = rpc::Error::invalid_request("the body did not arrive in time").because("body_too_slow");
        Err((StatusCode::REQUEST_TIMEOUT, error))
    })
}

/// Reads on and keeps nothing: a connection that is closed while its client still sends loses the answer as well.
async fn discard(body: &mut Body) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.check() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}
