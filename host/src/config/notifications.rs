//! `[railgun]` and `[queue]`: who may send notifications, what they say, and who delivers them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    identity::{GameId, Locale, ProviderName, ServiceName, TemplateName},
    notifications::Channel,
};

/// `[railgun]`
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Railgun {
    /// Whether notifications are accepted: true or false.
    pub enabled: bool,
    /// Whether this process delivers them, too: true or false. If not, 'croupier worker' does.
    pub deliver: bool,
    /// Address and port of 'croupier railgun'; 'croupier serve' answers at its own address.
    pub listen: String,
    /// The address of the process that keeps what is accepted, as http://host:port, for 'croupier worker', and for hosts that
    /// hand it what their games send; "" where this process keeps it itself.
    pub url: String,
    /// What workers and such hosts are known by, 16 characters or more; "" where there are none. Better in the environment
    /// than in a file.
    pub worker_token: String,
    /// Where accepted notifications are kept; "" for a folder of the host's directory.
    pub directory: PathBuf,
    /// The folder of templates: <template>/<channel>.<locale>.txt and so on; README has the rules.
    pub templates: PathBuf,
    /// The language of those whose language is not known, or one that a template has no words in.
    pub locale: Locale,
    /// Attempts after which a notification is buried.
    pub attempts_max: u32,
    /// How long to wait before a second attempt, in milliseconds; twice as long before each further one.
    pub retry_wait_ms_min: u64,
    /// The longest wait between attempts, in milliseconds.
    pub retry_wait_ms_max: u64,
    /// How long a notification is worth being delivered if its sender does not say, in seconds.
    pub expires_after_s: u64,
    /// How long it is known what became of a notification that is over, in seconds. Dead letters stay.
    pub keep_s: u64,
    /// Free room on the disk below which no notification is accepted, in MiB.
    pub disk_reserve_mib: u64,
    /// Entries of one batch, and bytes of its body.
    pub batch_entries_max: usize,
    /// See batch_entries_max.
    pub body_bytes_max: usize,
    /// Notifications that one worker is thought to deliver in a second: from this, workers are recommended.
    pub worker_per_second: u32,
    /// How soon what waits is to be delivered, in seconds: from this, workers are recommended.
    pub within_s: u64,
    /// Backends that may send, as [[railgun.services]].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<SendingService>,
    /// Who delivers, as [[railgun.providers]]: one a channel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
    /// What games may send, as [[railgun.grants]].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
}

impl Default for Railgun {
    fn default() -> Self {
        Self {
            enabled: true,
            deliver: true,
            listen: "127.0.0.1:7071".to_owned(),
            url: String::new(),
            worker_token: String::new(),
            directory: PathBuf::new(),
            templates: "templates".into(),
            locale: "en".parse().expect("a language tag"),
            attempts_max: 10,
            retry_wait_ms_min: 1000,
            retry_wait_ms_max: 60 * 60 * 1000,
            expires_after_s: 3 * 24 * 60 * 60,
            keep_s: 7 * 24 * 60 * 60,
            disk_reserve_mib: 256,
            batch_entries_max: 1000,
            body_bytes_max: 8 << 20,
            worker_per_second: 1000,
            within_s: 60,
            services: Vec::new(),
            providers: Vec::new(),
            grants: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Railgun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Railgun").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Where notifications wait to be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueKind {
    /// In the host's directory, by one process.
    #[default]
    Embedded,
    /// In a beanstalkd server, by any number of processes.
    Beanstalkd,
}

/// `[queue]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// "embedded" or "beanstalkd".
    pub kind: QueueKind,
    /// Where it is kept if embedded; "" for a folder of the host's directory.
    pub directory: PathBuf,
    /// host:port of beanstalkd.
    pub address: String,
    /// What the names of beanstalkd's tubes begin with.
    pub tube_prefix: String,
    /// How long a worker has for a notification before it is taken for lost, in seconds: more than a provider's timeout.
    pub lease_s: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            kind: QueueKind::Embedded,
            directory: PathBuf::new(),
            address: "127.0.0.1:11300".to_owned(),
            tube_prefix: "croupier-".to_owned(),
            lease_s: 60,
        }
    }
}

/// A secret: as text, or better by where it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum SecretSource {
    /// The secret itself.
    Text(String),
    /// An environment variable.
    Environment {
        /// Its name.
        env: String,
    },
    /// A file, of which blanks around the secret are no part.
    File {
        /// Its path.
        file: PathBuf,
    },
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str(".."),
            Self::Environment { env } => write!(f, "env {env}"),
            Self::File { file } => write!(f, "file {}", file.display()),
        }
    }
}

/// A secret is not where it should be.
#[derive(Debug, Error)]
pub enum NoSecret {
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Variable(String),
    /// The file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
}

impl SecretSource {
    /// The secret.
    ///
    /// # Errors
    /// Where it is not where it should be.
    pub fn read(&self) -> Result<String, NoSecret> {
        let secret = match self {
            Self::Text(text) => text.clone(),
            Self::Environment { env } => std::env::var(env).map_err(|_| NoSecret::Variable(env.clone()))?,
            Self::File { file } => {
                let text = std::fs::read_to_string(file);
                text.map_err(|error| NoSecret::File { path: file.clone(), error })?.trim().to_owned()
            }
        };
        if secret.is_empty() { Err(NoSecret::Empty) } else { Ok(secret) }
    }
}

/// A backend that may send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendingService {
    /// Its name.
    pub name: ServiceName,
    /// Its bearer token, 16 characters or more.
    pub token: SecretSource,
    /// Notifications that it may send in a second; 0 for any number.
    #[serde(default)]
    pub per_second: u32,
    /// Whether it may read, set and forget how players are reached, as the operator may: true or false.
    #[serde(default)]
    pub contacts: bool,
}

/// What a game may send. Without one it may send nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The game.
    pub game: GameId,
    /// Through what.
    pub channels: Vec<Channel>,
    /// With which words.
    pub templates: Vec<TemplateName>,
}

/// Who delivers a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name, in statuses and numbers.
    pub name: ProviderName,
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// Where it is, if not at its usual place; for a webhook the whole address.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The API key, access token, master secret, or what webhooks are signed with.
    pub secret: SecretSource,
    /// For SendGrid: the sender's address.
    #[serde(default)]
    pub from: Option<crate::identity::Address>,
    /// For SendGrid: the sender's name.
    #[serde(default)]
    pub from_name: Option<String>,
    /// For Airship: the project's key.
    #[serde(default)]
    pub app_key: Option<String>,
    /// For Meta: where a click leads to, below the application's address.
    #[serde(default)]
    pub app_link: String,
    /// How long a delivery may take, in milliseconds: 10000 if not said.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Calls under way at once, at most; how many there are depends on how the provider keeps up.
    #[serde(default = "default_calls_max")]
    pub calls_max: usize,
    /// Notifications in a second; 0 for any number.
    #[serde(default)]
    pub per_second: u32,
    /// Notifications of one call where the provider takes several; 0 for as many as it takes.
    #[serde(default)]
    pub bulk_max: usize,
}

const fn default_timeout_ms() -> u64 {
    10_000
}

const fn default_calls_max() -> usize {
    2000
}

/// A provider's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// E-mail by SendGrid.
    Sendgrid,
    /// Social messages by Meta.
    Meta,
    /// Push by Airship.
    Airship,
    /// Requests to a server of the operator's.
    Webhook,
}

impl ProviderKind {
    /// What it delivers.
    #[must_use]
    pub fn channel(self) -> Channel {
        match self {
            Self::Sendgrid => Channel::Email,
            Self::Meta => Channel::Social,
            Self::Airship => Channel::Push,
            Self::Webhook => Channel::Webhook,
        }
    }
}
