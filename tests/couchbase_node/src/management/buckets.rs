//! Buckets: created, read, changed and dropped.

use std::sync::Arc;

use axum::{
    Form, Json,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use rand::random;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Caller, Refusal, node};
use crate::{
    bucket::Bucket,
    cluster::{Cluster, VBUCKETS},
    settings::{Durability, Settings},
    state::State,
};

/// The server's bounds.
const REPLICAS_MAX: u32 = 3;
const RAM_QUOTA_MIB_MIN: u64 = 100;

/// What may be said about a bucket. What means nothing in memory is taken and forgotten.
#[derive(Deserialize)]
pub(super) struct Parameters {
    name: Option<String>,
    #[serde(rename = "replicaNumber")]
    replicas: Option<u32>,
    #[serde(rename = "durabilityMinLevel")]
    durability_min: Option<Durability>,
    #[serde(rename = "ramQuotaMB", alias = "ramQuota")]
    ram_quota_mib: Option<u64>,
}

impl Parameters {
    fn apply(&self, bucket: &mut Bucket) -> Result<(), Refusal> {
        if self.replicas.is_some_and(|replicas| replicas > REPLICAS_MAX) {
            let message = format!("Replica number must be equal to or less than {REPLICAS_MAX}");
            return Err(Refusal::Invalid("replicaNumber", message));
        }
        if self.ram_quota_mib.is_some_and(|quota| quota < RAM_QUOTA_MIB_MIN) {
            let message = format!("RAM quota cannot be less than {RAM_QUOTA_MIB_MIN} MiB");
            return Err(Refusal::Invalid("ramQuota", message));
        }
        bucket.replicas = self.replicas.unwrap_or(bucket.replicas);
        bucket.durability_min = self.durability_min.unwrap_or(bucket.durability_min);
        Ok(())
    }
}

pub(super) async fn list(caller: Caller, Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let cluster = state.cluster();
    let names = cluster.buckets.keys().filter(|name| caller.0.may_read(name));
    Json(names.filter_map(|name| describe(&cluster, name)).collect())
}

pub(super) async fn read(caller: Caller, Path(name): Path<String>, Shared(state): Shared<Arc<State>>) -> Answer {
    caller.must_read(&name)?;
    describe(&state.cluster(), &name).map(Json).ok_or(Refusal::NoBucket)
}

pub(super) async fn create(
    caller: Caller,
    Shared(state): Shared<Arc<State>>,
    Form(parameters): Form<Parameters>,
) -> Result<StatusCode, Refusal> {
    caller.must_manage()?;
    let name = parameters.name.clone().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::Invalid("name", "Bucket name needs to be specified".to_owned()))?;
    let mut cluster = state.cluster();
    if cluster.buckets.contains_key(&name) {
        return Err(Refusal::Invalid("name", "Bucket with given name already exists".to_owned()));
    }
    let mut bucket = Bucket::new(random(), &Settings::default());
    parameters.apply(&mut bucket)?;
    cluster.buckets.insert(name, bucket);
    cluster.revision += 1;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    Shared(state): Shared<Arc<State>>,
    Form(parameters): Form<Parameters>,
) -> Result<StatusCode, Refusal> {
    caller.must_manage()?;
    let mut cluster = state.cluster();
    parameters.apply(cluster.bucket(&name).map_err(|_| Refusal::NoBucket)?)?;
    cluster.revision += 1;
    Ok(StatusCode::OK)
}

pub(super) async fn drop(
    caller: Caller,
    Path(name): Path<String>,
    Shared(state): Shared<Arc<State>>,
) -> Result<StatusCode, Refusal> {
    caller.must_manage()?;
    let mut cluster = state.cluster();
    cluster.buckets.remove(&name).ok_or(Refusal::NoBucket)?;
    cluster.revision += 1;
    Ok(StatusCode::OK)
}

/// The long form. Sizes, and settings that mean nothing in memory, are the server's defaults.
fn describe(cluster: &Cluster, name: &str) -> Option<Value> {
    let mut description = cluster.bucket_config(name)?;
    let bucket = cluster.buckets.get(name)?;
    let quota = RAM_QUOTA_MIB_MIN * 1024 * 1024;
    let long = json!({
        "bucketType": "membase",
        "storageBackend": "couchstore",
        "evictionPolicy": "valueOnly",
        "compressionMode": "passive",
        "conflictResolutionType": "seqno",
        "maxTTL": 0,
        "replicaIndex": false,
        "replicaNumber": bucket.replicas,
        "durabilityMinLevel": bucket.durability_min,
        "numVBuckets": VBUCKETS,
        "quota": {"ram": quota, "rawRAM": quota},
        "controllers": {},
        "nodes": [node(cluster)],
        "basicStats": {"itemCount": bucket.documents(cluster.clock.now()).count()},
    });
    if let (Value::Object(description), Value::Object(long)) = (&mut description, long) {
        description.extend(long);
    }
    Some(description)
}
