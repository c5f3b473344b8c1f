//! The memcached binary protocol as Couchbase Server 7.6 speaks it: packets, their flexible frames, operations and
//! status codes. Knows nothing of documents, and trusts no length that it is told.

mod feature;
mod frames;
mod operation;
mod packet;
mod status;

pub(crate) use feature::{Feature, Features};
pub(crate) use frames::{Frames, collection_and_key};
pub use operation::Operation;
pub(crate) use packet::{Request, Response};
pub use status::Status;
pub(crate) use status::error_map;
