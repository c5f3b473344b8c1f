//! A node as a process, for clients in other languages.
//!
//! `couchbase-node [SETTINGS]` reads its settings from a JSON file (see [`couchbase_node::Settings`]; none are needed),
//! writes its ports as one line of JSON, and runs until it is killed. On its control port it takes, without
//! authentication, `POST /faults` (a fault as JSON; answers its id), `DELETE /faults`, `GET /counts`,
//! `GET /documents/BUCKET`, `POST /clock/SECONDS`, `POST /pause`, `/resume`, `/stop` and `/restart`.

use std::{env, error::Error, fs, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use couchbase_node::{Document, Fault, Node, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = match env::args().nth(1) {
        Some(path) => serde_json::from_slice(&fs::read(path)?)?,
        None => Settings::default(),
    };
    let node = Arc::new(Node::start(settings).await?);
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let ports = json!({
        "connection_string": node.connection_string(),
        "kv": node.kv_port(),
        "management": node.management_port(),
        "control": control.local_addr()?.port(),
    });
    println!("{ports}");
    axum::serve(control, router(node)).await?;
    Ok(())
}

fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/counts", get(async |State(node): State<Arc<Node>>| Json(node.counts())))
        .route("/documents/{bucket}", get(documents))
        .route("/clock/{seconds}", post(advance_clock))
        .route("/pause", post(async |State(node): State<Arc<Node>>| node.pause()))
        .route("/resume", post(async |State(node): State<Arc<Node>>| node.resume()))
        .route("/stop", post(async |State(node): State<Arc<Node>>| node.stop().await))
        .route("/restart", post(restart))
        .with_state(node)
}

async fn add_fault(State(node): State<Arc<Node>>, Json(fault): Json<Fault>) -> Json<Value> {
    Json(json!(node.faults().add(fault)))
}

async fn clear_faults(State(node): State<Arc<Node>>) {
    node.faults().clear();
}

async fn documents(State(node): State<Arc<Node>>, Path(bucket): Path<String>) -> Json<Value> {
    let describe = |document: Document| {
        json!({
            "collection": document.collection,
            "key": document.key,
            "value": String::from_utf8_lossy(&document.value),
            "cas": document.cas,
            "durability": document.durability,
        })
    };
    Json(node.documents(&bucket).into_iter().map(describe).collect())
}

async fn advance_clock(State(node): State<Arc<Node>>, Path(seconds): Path<u64>) {
    node.advance_clock(Duration::from_secs(seconds));
}

async fn restart(State(node): State<Arc<Node>>) -> Result<(), (StatusCode, String)> {
    node.restart().await.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
