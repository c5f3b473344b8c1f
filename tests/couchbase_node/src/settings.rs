//! What a node is started with.

use serde::{Deserialize, Serialize};

/// What a node is started with. All buckets are alike; those that are created later may differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Names of the buckets that are there from the start.
    pub buckets: Vec<String>,
    /// Who may connect.
    pub users: Vec<User>,
    /// Replicas that the buckets are configured to have. All of them are there, until [`crate::Node::set_replicas_up`]
    /// says otherwise.
    pub replicas: u32,
    /// The durability of every write to the buckets that asks for less.
    pub durability_min: Durability,
    /// The port of the key-value protocol; any free one if 0.
    pub kv_port: u16,
    /// The port of management and configuration over HTTP; any free one if 0.
    pub management_port: u16,
}

impl Default for Settings {
    /// One bucket, `croupier`, with one replica, and `Administrator` with `password`.
    fn default() -> Self {
        Self {
            buckets: vec!["croupier".to_owned()],
            users: vec![User::administrator("Administrator", "password")],
            replicas: 1,
            durability_min: Durability::None,
            kv_port: 0,
            management_port: 0,
        }
    }
}

/// Someone who may connect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// As in the SDK's authenticator.
    pub name: String,
    /// In the clear: nothing here is secret.
    pub password: String,
    /// What it may do.
    pub role: Role,
}

/// What a user may do, after the server's roles of similar names.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Read and write documents of these buckets; manage nothing.
    Application(Vec<String>),
    /// Read documents of these buckets.
    Reader(Vec<String>),
}

impl User {
    /// A user who may do everything.
    pub fn administrator(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned(), role: Role::Administrator }
    }

    /// A user who may read and write these buckets' documents.
    pub fn application(name: &str, password: &str, buckets: &[&str]) -> Self {
        Self { role: Role::Application(owned(buckets)), ..Self::administrator(name, password) }
    }

    /// A user who may read these buckets' documents.
    pub fn reader(name: &str, password: &str, buckets: &[&str]) -> Self {
        Self { role: Role::Reader(owned(buckets)), ..Self::administrator(name, password) }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Role {
    pub(crate) fn may_manage(&self) -> bool {
        *self == Self::Administrator
    }

    pub(crate) fn may_read(&self, bucket: &str) -> bool {
        match self {
            Self::Administrator => true,
            Self::Application(buckets) | Self::Reader(buckets) => buckets.iter().any(|name| name == bucket),
        }
    }

    pub(crate) fn may_write(&self, bucket: &str) -> bool {
        self.may_read(bucket) && !matches!(self, Self::Reader(_))
    }
}

/// How many copies of a write there must be before it is answered. Ordered: a bucket's minimum raises what is below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// The active copy alone, in memory.
    #[default]
    None,
    /// Most copies, in memory.
    Majority,
    /// Most copies in memory, and the active one on disk.
    MajorityAndPersistActive,
    /// Most copies, on disk.
    PersistToMajority,
}

impl Durability {
    /// By its number in a request's frame.
    pub(crate) fn from_level(level: u8) -> Option<Self> {
        match level {
            1 => Some(Self::Majority),
            2 => Some(Self::MajorityAndPersistActive),
            3 => Some(Self::PersistToMajority),
            _ => None,
        }
    }
}
