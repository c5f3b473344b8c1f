//! Clients' source text, written from an OpenRPC document: what a host or some games can be called with, and nothing else.

mod names;
mod types;
mod typescript;

use thiserror::Error;

pub use self::typescript::typescript;

/// What a document lacks.
#[derive(Debug, Error)]
#[error("it is no OpenRPC document that a client can be written for: {0}")]
pub struct InvalidDocument(&'static str);
