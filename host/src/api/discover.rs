//! The OpenRPC document of what a caller may call.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{IDEMPOTENCY_KEY, host_method::HostMethods};
use crate::{
    catalog::Playable,
    errors::HostError,
    json::Json,
    rpc::{
        Schema, SchemaError,
        openrpc::{self, ErrorDoc, MethodDoc},
    },
};

/// The document of the host's methods and of these games'.
pub(super) fn document(title: &str, methods: &HostMethods, games: &[Arc<Playable>]) -> Result<Json, SchemaError> {
    let mut docs: Vec<MethodDoc> = methods.docs().collect();
    docs.extend(games.iter().flat_map(|game| game_docs(game)));
    for doc in &mut docs {
        doc.errors = host_errors();
    }
    let document = openrpc::document(title, env!("CARGO_PKG_VERSION"), &docs);
    Json::of(&document).map_err(|error| SchemaError::Invalid { path: String::new(), message: error.to_string() })
}

fn game_docs(game: &Playable) -> impl Iterator<Item = MethodDoc> {
    let descriptor = game.release.descriptor();
    descriptor.methods.iter().filter_map(move |method| {
        let (params, result) = game.schemas(&method.name)?;
        Some(MethodDoc {
            name: format!("{}.{}", descriptor.id, method.name),
            summary: method.summary.clone(),
            params_schema: with_idempotency_key(params)?,
            result_schema: result.clone(),
            errors: Vec::new(),
        })
    })
}

/// A game does not know of the host's reserved member; its clients should.
fn with_idempotency_key(params: &Schema) -> Option<Schema> {
    let mut schema = params.as_map().clone();
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    properties.as_object_mut()?.insert(
        IDEMPOTENCY_KEY.to_owned(),
        json!({
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "description": "makes the call safe to retry: the same key with the same params gets the same reply",
        }),
    );
    Schema::new(Value::Object(schema)).ok()
}

fn host_errors() -> Vec<ErrorDoc> {
    let rows = HostError::TABLE.iter();
    rows.map(|(code, reason, message)| ErrorDoc {
        code: *code,
        message: (*message).to_owned(),
        reason: Some((*reason).to_owned()),
    })
    .collect()
}
