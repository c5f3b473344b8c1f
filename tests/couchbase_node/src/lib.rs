//! A Couchbase node in memory, for tests: one node that the official SDKs connect to over real sockets.

mod bucket;
mod clock;
mod cluster;
mod collections;
mod connection;
mod counts;
mod execute;
mod faults;
mod management;
mod node;
mod protocol;
mod sasl;
mod session;
mod settings;
mod state;
mod subdocument;
mod tls;

pub use cluster::Document;
pub use counts::Counts;
pub use faults::{Fault, FaultId, Faults};
pub use node::Node;
pub use protocol::{Operation, Status};
pub use settings::{Durability, Role, Settings, User};
