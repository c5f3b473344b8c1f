//! Croupier hosts casino and betting games, each a sandboxed WebAssembly component.
//! README's Architecture section says where everything is.

pub mod aggregate;
pub mod api;
pub mod bench;
pub(crate) mod bindings;
pub mod catalog;
pub mod chance;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod data_directory;
pub mod engine;
pub mod errors;
pub mod facts;
pub mod host;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod json;
pub mod ledger;
pub mod limits;
pub mod listing;
pub mod money;
pub mod moving;
pub mod packaging;
pub mod record;
pub mod relay;
pub mod rounds;
pub mod rpc;
pub mod signals;
pub mod signing;
pub mod steps;
pub mod store;
pub mod telemetry;
pub mod tokens;
pub mod tracking;
