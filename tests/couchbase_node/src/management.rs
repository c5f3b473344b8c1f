//! Configuration and management over HTTP: what SDKs and an operator's set-up ask for, by the server's paths, words and
//! status codes.

mod buckets;
mod caller;
mod scopes;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Request, State as Shared},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::caller::Caller;
use crate::{
    cluster::{Cluster, HOST},
    collections::Refused,
    state::State,
};

/// The server version whose behaviour is imitated.
const VERSION: &str = "7.6.2-3721-enterprise";

/// Serves HTTP until the node is stopped.
pub(crate) async fn serve(state: Arc<State>, listener: TcpListener) {
    let service = TowerToHyperService::new(router(Arc::clone(&state)));
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            state.spawn(async { drop(connection.await) });
        }
    }
}

fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/pools", get(pools))
        .route("/pools/default", get(pool))
        .route("/pools/default/nodeServices", get(terse_cluster))
        .route("/pools/default/terseClusterInfo", get(terse_cluster))
        .route("/pools/default/b/{bucket}", get(terse_bucket))
        .route("/pools/default/buckets", get(buckets::list).post(buckets::create))
        .route("/pools/default/buckets/{bucket}", get(buckets::read).post(buckets::update).delete(buckets::drop))
        .route("/pools/default/buckets/{bucket}/scopes", get(scopes::manifest).post(scopes::create_scope))
        .route("/pools/default/buckets/{bucket}/scopes/{scope}", delete(scopes::drop_scope))
        .route(
            "/pools/default/buckets/{bucket}/scopes/{scope}/collections",
            axum::routing::post(scopes::create_collection),
        )
        .route(
            "/pools/default/buckets/{bucket}/scopes/{scope}/collections/{collection}",
            delete(scopes::drop_collection),
        )
        .layer(middleware::from_fn_with_state(Arc::clone(&state), wait_while_paused))
        .with_state(state)
}

async fn wait_while_paused(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    state.until_resumed().await;
    next.run(request).await
}

/// Why a request is not answered as asked.
#[derive(Debug)]
enum Refusal {
    Unauthenticated,
    Forbidden,
    NoBucket,
    /// A parameter, and what is wrong with it.
    Invalid(&'static str, String),
    Collections(Refused),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Collections(refused)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let errors = |status: StatusCode, field: &str, message: String| {
            (status, Json(json!({"errors": {field: message}}))).into_response()
        };
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED.into_response(),
            Self::Forbidden => {
                let message = json!({"message": "Forbidden. User needs the following permissions", "permissions": []});
                (StatusCode::FORBIDDEN, Json(message)).into_response()
            }
            Self::NoBucket => (StatusCode::NOT_FOUND, "Requested resource not found.\r\n").into_response(),
            Self::Invalid(field, message) => errors(StatusCode::BAD_REQUEST, field, message),
            Self::Collections(refused @ (Refused::NoScope(_) | Refused::NoCollection(..))) => {
                errors(StatusCode::NOT_FOUND, "_", refused.to_string())
            }
            Self::Collections(refused) => errors(StatusCode::BAD_REQUEST, "_", refused.to_string()),
        }
    }
}

/// JSON, or why not.
type Answer = Result<Json<Value>, Refusal>;

async fn pools(caller: Caller) -> Json<Value> {
    let default = json!({"name": "default", "uri": "/pools/default"});
    Json(json!({"isAdminCreds": caller.0.may_manage(), "implementationVersion": VERSION, "pools": [default]}))
}

async fn pool(caller: Caller, Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let cluster = state.cluster();
    let buckets = cluster.buckets.iter().filter(|(name, _)| caller.0.may_read(name));
    let names = buckets.map(|(name, bucket)| json!({"bucketName": name, "uuid": bucket.uuid_hex()}));
    Json(json!({"name": "default", "nodes": [node(&cluster)], "bucketNames": names.collect::<Vec<_>>()}))
}

/// The node itself, as the long forms list it.
fn node(cluster: &Cluster) -> Value {
    json!({
        "hostname": format!("{HOST}:{}", cluster.ports.management),
        "ports": {"direct": cluster.ports.kv},
        "services": ["kv"],
        "status": "healthy",
        "clusterMembership": "active",
        "version": VERSION,
        "thisNode": true,
    })
}

async fn terse_cluster(_: Caller, Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(state.cluster().config())
}

async fn terse_bucket(caller: Caller, Path(bucket): Path<String>, Shared(state): Shared<Arc<State>>) -> Answer {
    caller.must_read(&bucket)?;
    state.cluster().bucket_config(&bucket).map(Json).ok_or(Refusal::NoBucket)
}
