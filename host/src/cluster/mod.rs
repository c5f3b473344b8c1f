//! Documents of a Couchbase cluster, by key: connecting, and calls that end. Whoever keeps something there has a scope of
//! its own; what the documents mean is no business of this module.

mod client;
mod documents;
mod set_up;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use couchbase::durability_level::DurabilityLevel;
use thiserror::Error;

pub use self::set_up::{ConnectError, Safety, SetUp};
pub(crate) use self::{
    client::{Client, Document, Expected, Kind, NotWritten},
    documents::{Documents, Written},
};

/// The largest document that a cluster takes, with room for what is around it.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 19 << 20;

/// Connections to a cluster, and the documents of one scope there.
pub(crate) struct Cluster {
    pub(crate) client: Arc<Client>,
    /// Held for as long as the client is used: the connections are the cluster's.
    cluster: couchbase::cluster::Cluster,
}

/// Why nothing can be said about documents.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ClusterError {
    /// The cluster does not answer, or refuses.
    #[error("{0}")]
    Unavailable(String),
    /// What is there does not read back.
    #[error("{0}")]
    Corrupt(String),
}

/// What an operator may choose about the cluster.
#[derive(Clone)]
pub struct Settings {
    /// `couchbase://host` or `couchbases://host`, several hosts between commas.
    pub connection: String,
    /// Who the host is to the cluster.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The bucket.
    pub bucket: String,
    /// The scope in it.
    pub scope: String,
    /// Certificates in PEM of whoever signs the cluster's, for `couchbases://`; those of the system if none.
    pub certificates: Option<PathBuf>,
    /// How many copies of a document there are before it counts as written.
    pub durability: Durability,
    /// How long one call may take.
    pub timeout: Duration,
    /// Where an operator puts right what is wrong with these.
    pub advice: Advice,
}

/// What messages about a cluster refer to.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// Where user and password are set.
    pub credentials: &'static str,
    /// How scope and collections are made.
    pub collections: &'static str,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, user, bucket, scope, .. } = self;
        f.debug_struct("Settings")
            .field("connection", connection)
            .field("user", user)
            .field("bucket", bucket)
            .field("scope", scope)
            .finish_non_exhaustive()
    }
}

/// How many copies of a document there are before it counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// In the memory of the active node alone: for experiments on one node without replicas.
    None,
    /// In the memory of a majority of nodes.
    #[default]
    Majority,
    /// There, and on the disk of the active node.
    MajorityAndPersistActive,
    /// On the disks of a majority of nodes.
    PersistToMajority,
}

impl Durability {
    fn level(self) -> DurabilityLevel {
        match self {
            Self::None => DurabilityLevel::NONE,
            Self::Majority => DurabilityLevel::MAJORITY,
            Self::MajorityAndPersistActive => DurabilityLevel::MAJORITY_AND_PERSIST_ACTIVE,
            Self::PersistToMajority => DurabilityLevel::PERSIST_TO_MAJORITY,
        }
    }
}
