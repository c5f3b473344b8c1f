//! The sections of the configuration: every option with its default and what it is for.

use std::{collections::BTreeSet, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::ProbationRule, cluster::Durability, engine, facts::View, identity::GameId, identity::SourceName,
    rpc::Limits, telemetry::Format,
};

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port for HTTP.
    pub listen: String,
    /// Bytes of one request's body.
    pub body_bytes_max: usize,
    /// Calls of one batch.
    pub batch_entries_max: usize,
    /// Nesting of one call's params.
    pub params_depth_max: usize,
    /// How long a shutdown waits for calls that were begun, in milliseconds.
    pub shutdown_wait_ms_max: u64,
}

impl Default for Server {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            listen: "127.0.0.1:7070".to_owned(),
            body_bytes_max: limits.body_bytes_max,
            batch_entries_max: limits.batch_entries_max,
            params_depth_max: limits.depth_max,
            shutdown_wait_ms_max: 30_000,
        }
    }
}

/// `[operator]`
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Operator {
    /// The bearer token of POST /operator, 16 characters or more. Better in the environment than in a file.
    pub token: String,
    /// The key of session tokens, 64 hexadecimal digits: the same on all hosts of one store. Made at the first start and
    /// kept in the host's directory if empty, which does for one host.
    pub session_key: String,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operator(..)")
    }
}

/// `[fairness]`
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fairness {
    /// The games that are provably fair: the host commits itself to a seed, players choose theirs, and what was played can
    /// be computed again once the seed is revealed.
    pub games: BTreeSet<GameId>,
    /// What the host's seeds come from, 64 hexadecimal digits: the same on all hosts of one store, and for ever. Made at
    /// the first start and kept in the host's directory if empty, which does for one host.
    pub key: String,
}

impl std::fmt::Debug for Fairness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fairness").field("games", &self.games).finish_non_exhaustive()
    }
}

/// Where the truth is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// In the host's directory, by one host.
    #[default]
    Embedded,
    /// In a Couchbase bucket, by any number of hosts.
    Couchbase,
}

/// `[couchbase]`
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Couchbase {
    /// couchbase://host or couchbases://host (TLS), several hosts between commas.
    pub connection: String,
    /// Who the host is to the cluster.
    pub user: String,
    /// The user's password. Better in the environment than in a file.
    pub password: String,
    /// The bucket; its administrator makes it.
    pub bucket: String,
    /// The scope in it; 'croupier store init' makes it and its collections.
    pub scope: String,
    /// A file with the certificates (PEM) of whoever signs the cluster's; empty for those that are generally trusted.
    pub certificates: PathBuf,
    /// How many copies a step is in before it is answered: "majority", "majority_and_persist_active",
    /// "persist_to_majority", or "none" for experiments on one node.
    pub durability: Durability,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Couchbase {
    fn default() -> Self {
        Self {
            connection: "couchbase://127.0.0.1".to_owned(),
            user: "croupier".to_owned(),
            password: String::new(),
            bucket: "croupier".to_owned(),
            scope: "croupier".to_owned(),
            certificates: PathBuf::new(),
            durability: Durability::Majority,
            timeout_ms: 2500,
        }
    }
}

impl std::fmt::Debug for Couchbase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Couchbase").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// "embedded" or "couchbase": see [couchbase].
    pub kind: StoreKind,
    /// The host's directory: players, records, compiled games, the key of session tokens. One host at a time.
    pub directory: PathBuf,
    /// Memory for players who played lately, in MiB.
    pub cache_mib: u64,
    /// One player's document, in KiB.
    pub player_kib_max: usize,
    /// Free room on the disk below which steps are refused, in MiB.
    pub disk_reserve_mib: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::Embedded,
            directory: "croupier-data".into(),
            cache_mib: 256,
            player_kib_max: 1024,
            disk_reserve_mib: 256,
        }
    }
}

/// `[games]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Games {
    /// A watched directory: a component (*.wasm) that is put there is published and played. Files that are there at start
    /// count if they are new.
    pub directory: PathBuf,
    /// How long one step may compute, in milliseconds.
    pub step_compute_ms_max: u64,
    /// Memory of one step, in MiB.
    pub step_memory_mib_max: usize,
    /// Steps that compute at the same instant.
    pub concurrent_steps_max: u32,
    /// Steps of one game that compute at the same instant.
    pub concurrent_steps_per_game_max: u32,
    /// How long a step waits for a place before it is refused, in milliseconds.
    pub admission_wait_ms_max: u64,
    /// One component, in MiB.
    pub component_mib_max: usize,
}

impl Default for Games {
    fn default() -> Self {
        let settings = engine::Settings::default();
        Self {
            directory: "games".into(),
            step_compute_ms_max: 100,
            step_memory_mib_max: settings.memory_bytes_max >> 20,
            concurrent_steps_max: settings.concurrent_steps_max,
            concurrent_steps_per_game_max: settings.concurrent_steps_per_game_max,
            admission_wait_ms_max: 5000,
            component_mib_max: settings.component_bytes_max >> 20,
        }
    }
}

/// `[publishing]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Publishing {
    /// Whether a release must have a publisher's signature to be published: true or false.
    pub require_signed: bool,
    /// Publishers and their public keys: ["acme=ed25519:...", "other=ed25519:..."]; in the environment between commas.
    /// A publisher may have several.
    pub keys: Vec<String>,
}

/// `[activation]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Activation {
    /// Steps of a new release that may break down, in percent; above it the release before takes over again. 100 for never.
    pub malfunction_percent_max: u8,
    /// Steps of it that must have been seen before that is decided.
    pub steps_min: u64,
    /// Players for whom it must have broken down: no one of them decides alone.
    pub players_min: usize,
    /// Within how many seconds they are counted, or longer until enough were seen.
    pub window_s: u64,
    /// For how many seconds after its activation a release is watched. A candidate always is.
    pub probation_s: u64,
}

impl Default for Activation {
    fn default() -> Self {
        let rule = ProbationRule::default();
        Self {
            malfunction_percent_max: rule.malfunction_percent_max,
            steps_min: rule.steps_min,
            players_min: rule.players_min,
            window_s: rule.window.as_secs(),
            probation_s: rule.length.as_secs(),
        }
    }
}

/// `[tracking]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tracking {
    /// Whether what happens in games is counted: true or false. What happens while it is not is never counted.
    pub enabled: bool,
    /// "embedded", or "couchbase" for a store that several hosts feed at once: see [tracking_couchbase].
    pub kind: TrackingKind,
    /// Where facts and counts are kept if embedded; "" for a folder of the host's directory.
    pub directory: PathBuf,
    /// What this host's store is called where facts of several come together.
    pub source: SourceName,
    /// Free room on the disk below which nothing is tracked if embedded, in MiB. What happens meanwhile waits in the host's store.
    pub disk_reserve_mib: u64,
    /// What is counted besides the roll-ups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<View>,
}

impl Default for Tracking {
    fn default() -> Self {
        let source = "main".parse().expect("a name of a source");
        Self {
            enabled: true,
            kind: TrackingKind::Embedded,
            directory: PathBuf::new(),
            source,
            disk_reserve_mib: 512,
            views: Vec::new(),
        }
    }
}

/// Where facts are kept and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrackingKind {
    /// In a directory, by one host.
    #[default]
    Embedded,
    /// In a Couchbase bucket, by any number of hosts.
    Couchbase,
}

/// `[tracking_couchbase]`
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrackingCouchbase {
    /// couchbase://host or couchbases://host (TLS), several hosts between commas.
    pub connection: String,
    /// Who the host is to the cluster.
    pub user: String,
    /// The user's password. Better in the environment than in a file.
    pub password: String,
    /// The bucket; its administrator makes it.
    pub bucket: String,
    /// The scope in it; 'croupier tracking init' makes it and its collections.
    pub scope: String,
    /// A file with the certificates (PEM) of whoever signs the cluster's; empty for those that are generally trusted.
    pub certificates: PathBuf,
    /// How many copies a document is in before it counts as written: as couchbase.durability.
    pub durability: Durability,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for TrackingCouchbase {
    fn default() -> Self {
        let Couchbase { connection, user, password, certificates, durability, timeout_ms, .. } = Couchbase::default();
        let (bucket, scope) = ("croupier-tracking".to_owned(), "tracking".to_owned());
        Self { connection, user, password, bucket, scope, certificates, durability, timeout_ms }
    }
}

impl std::fmt::Debug for TrackingCouchbase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrackingCouchbase").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// "text" or "json".
    pub format: Format,
    /// What is logged, as in "info,game=debug": a level, then levels of single targets.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        // What the store's engine has to say about its own work is of no interest until something is wrong.
        Self { format: Format::Text, filter: "info,fjall=warn,lsm_tree=warn".to_owned() }
    }
}
