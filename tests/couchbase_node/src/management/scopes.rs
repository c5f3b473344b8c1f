//! Scopes and collections: listed, created and dropped.

use std::sync::Arc;

use axum::{
    Form, Json,
    extract::{Path, State as Shared},
};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Caller, Refusal};
use crate::{bucket::Bucket, collections::Refused, state::State};

/// What may be said about a new scope or collection.
#[derive(Deserialize)]
pub(super) struct Parameters {
    name: String,
    #[serde(rename = "maxTTL")]
    expiry_max_seconds: Option<i64>,
}

pub(super) async fn manifest(caller: Caller, Path(name): Path<String>, Shared(state): Shared<Arc<State>>) -> Answer {
    caller.must_read(&name)?;
    let mut cluster = state.cluster();
    let bucket = cluster.bucket(&name).map_err(|_| Refusal::NoBucket)?;
    Ok(Json(bucket.collections.manifest()))
}

pub(super) async fn create_scope(
    caller: Caller,
    Path(bucket): Path<String>,
    Shared(state): Shared<Arc<State>>,
    Form(parameters): Form<Parameters>,
) -> Answer {
    change(&caller, &state, &bucket, |bucket| bucket.collections.create_scope(&parameters.name))
}

pub(super) async fn create_collection(
    caller: Caller,
    Path((bucket, scope)): Path<(String, String)>,
    Shared(state): Shared<Arc<State>>,
    Form(parameters): Form<Parameters>,
) -> Answer {
    // No limit, or that of the bucket, which has none.
    if !matches!(parameters.expiry_max_seconds, None | Some(0 | -1)) {
        return Err(Refusal::Invalid("maxTTL", "this node does not limit expiry".to_owned()));
    }
    change(&caller, &state, &bucket, |bucket| bucket.collections.create_collection(&scope, &parameters.name))
}

pub(super) async fn drop_scope(
    caller: Caller,
    Path((bucket, scope)): Path<(String, String)>,
    Shared(state): Shared<Arc<State>>,
) -> Answer {
    change(&caller, &state, &bucket, |bucket| {
        let gone = bucket.collections.drop_scope(&scope)?;
        gone.into_iter().for_each(|number| bucket.clear_collection(number));
        Ok(())
    })
}

pub(super) async fn drop_collection(
    caller: Caller,
    Path((bucket, scope, collection)): Path<(String, String, String)>,
    Shared(state): Shared<Arc<State>>,
) -> Answer {
    change(&caller, &state, &bucket, |bucket| {
        let gone = bucket.collections.drop_collection(&scope, &collection)?;
        bucket.clear_collection(gone);
        Ok(())
    })
}

/// Changes a bucket's collections, and answers with the new manifest's revision.
fn change(
    caller: &Caller,
    state: &State,
    bucket: &str,
    change: impl FnOnce(&mut Bucket) -> Result<(), Refused>,
) -> Answer {
    caller.must_manage()?;
    let mut cluster = state.cluster();
    let bucket = cluster.bucket(bucket).map_err(|_| Refusal::NoBucket)?;
    change(bucket)?;
    let revision = bucket.collections.revision_hex();
    cluster.revision += 1;
    Ok(Json(json!({"uid": revision})))
}
