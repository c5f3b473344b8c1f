//! What clients and operators can call: JSON-RPC methods over steps, catalog and ledger.
//! Reads params and writes replies; decides nothing about money, chance or storage.

mod discover;
mod host_method;
mod notifications;
mod operator;
mod player;
mod releases;
mod statistics;

pub use self::{
    notifications::{NotificationCaller, NotificationParts, NotificationService, Numbers, Who},
    operator::{Operator, OperatorService},
    player::{PlayerCaller, PlayerService, player_document},
};

use serde_json::{Map, Value};

use crate::{errors::ErrorReply, identity::IdempotencyKey};

/// The reserved member of params that makes a call safe to retry. No method sees it.
const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// The token in the value of an `Authorization` header.
fn bearer_token(authorization: Option<&str>) -> Result<&str, &'static str> {
    let authorization = authorization.ok_or("there is no Authorization header")?;
    let token = authorization.strip_prefix("Bearer ").ok_or("the Authorization header is not 'Bearer <token>'")?;
    Ok(token.trim())
}

fn take_idempotency_key(params: &mut Map<String, Value>) -> Result<Option<IdempotencyKey>, ErrorReply> {
    const POINTER: &str = "/idempotency_key";
    match params.remove(IDEMPOTENCY_KEY) {
        None => Ok(None),
        Some(Value::String(key)) => key.parse().map(Some).map_err(|error| ErrorReply::invalid_name(POINTER, &error)),
        Some(_) => Err(ErrorReply::invalid_params(POINTER, "idempotency_key must be a string")),
    }
}
