//! What a game may keep for a player: the rules for its documents, however they come in.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{
    json::Json,
    limits::{DOCUMENT_KEY_BYTES_MAX, DOCUMENTS_BYTES_MAX},
};

/// Why a document is not kept.
#[derive(Debug, Error)]
pub(super) enum Unkeepable {
    #[error("a key is 1 to {DOCUMENT_KEY_BYTES_MAX} of A-Z, a-z, 0-9, '.', '_' and '-'")]
    InvalidKey,
    #[error("{0}")]
    InvalidJson(serde_json::Error),
    #[error("a player's documents have {DOCUMENTS_BYTES_MAX} bytes")]
    TooLarge,
}

impl Unkeepable {
    /// The contract's word for it.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::InvalidKey => "invalid-key",
            Self::InvalidJson(_) => "invalid-json",
            Self::TooLarge => "too-large",
        }
    }
}

pub(super) fn is_key(key: &str) -> bool {
    (1..=DOCUMENT_KEY_BYTES_MAX).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A document's value, where it can be kept under the key beside the others.
pub(super) fn keepable(documents: &BTreeMap<String, Json>, key: &str, value: String) -> Result<Json, Unkeepable> {
    if !is_key(key) {
        return Err(Unkeepable::InvalidKey);
    }
    let others = documents.iter().filter(|(other, _)| **other != key);
    let kept: usize = others.map(|(other, value)| other.len() + value.as_str().len()).sum();
    if kept + key.len() + value.len() > DOCUMENTS_BYTES_MAX {
        return Err(Unkeepable::TooLarge);
    }
    Json::parse(value).map_err(Unkeepable::InvalidJson)
}
