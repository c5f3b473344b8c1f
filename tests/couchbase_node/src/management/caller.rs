//! Who asks, by HTTP's basic authentication.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{header::AUTHORIZATION, request::Parts},
};
use data_encoding::BASE64;

use super::Refusal;
use crate::{settings::Role, state::State};

/// What the one who asks may do.
pub(super) struct Caller(pub(super) Role);

impl Caller {
    pub(super) fn must_read(&self, bucket: &str) -> Result<(), Refusal> {
        if self.0.may_read(bucket) { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    pub(super) fn must_manage(&self) -> Result<(), Refusal> {
        if self.0.may_manage() { Ok(()) } else { Err(Refusal::Forbidden) }
    }
}

impl FromRequestParts<Arc<State>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Refusal> {
        let (name, password) = credentials(parts).ok_or(Refusal::Unauthenticated)?;
        let cluster = state.cluster();
        let user = cluster.user(&name).filter(|user| user.password == password);
        user.map(|user| Self(user.role.clone())).ok_or(Refusal::Unauthenticated)
    }
}

fn credentials(parts: &Parts) -> Option<(String, String)> {
    let encoded = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
