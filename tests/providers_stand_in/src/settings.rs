//! What a stand-in is started with.

use serde::{Deserialize, Serialize};

use crate::{Faults, Latency};

/// A provider that is stood in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// SendGrid.
    Email,
    /// Airship.
    Push,
    /// Meta.
    Social,
    /// A server of the operator's.
    Webhook,
}

impl Provider {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Email, Self::Push, Self::Social, Self::Webhook];

    pub(crate) fn place(self) -> usize {
        self as usize
    }

    /// The provider of this name, as in JSON.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }

    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Push => "push",
            Self::Social => "social",
            Self::Webhook => "webhook",
        }
    }
}

/// How a stand-in behaves. Every field has a default, so that a file says only what is another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The port; 0 for any.
    pub port: u16,
    /// What chooses the calls that fail, and how: the same calls of the same notifications under the same seed.
    pub seed: u64,
    /// All latencies are divided by it.
    pub speed: f64,
    /// How long each provider takes.
    pub latencies: Latencies,
    /// What each provider does wrong from the beginning.
    pub faults: Faults,
    /// Whom each provider lets in.
    pub credentials: Credentials,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            seed: 1,
            speed: 1.0,
            latencies: Latencies::default(),
            faults: Faults::default(),
            credentials: Credentials::default(),
        }
    }
}

impl Settings {
    /// Answers at once.
    #[must_use]
    pub fn at_once() -> Self {
        Self { speed: f64::INFINITY, ..Self::default() }
    }
}

/// How long each provider takes to answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latencies {
    /// SendGrid.
    pub email: Latency,
    /// Airship.
    pub push: Latency,
    /// Meta.
    pub social: Latency,
    /// The operator's server.
    pub webhook: Latency,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            email: Latency { min_ms: 500, max_ms: 5000, mean_ms: 1700 },
            push: Latency { min_ms: 200, max_ms: 1300, mean_ms: 700 },
            social: Latency { min_ms: 300, max_ms: 3000, mean_ms: 900 },
            webhook: Latency { min_ms: 50, max_ms: 500, mean_ms: 150 },
        }
    }
}

impl Latencies {
    pub(crate) fn of(&self, provider: Provider) -> Latency {
        match provider {
            Provider::Email => self.email,
            Provider::Push => self.push,
            Provider::Social => self.social,
            Provider::Webhook => self.webhook,
        }
    }
}

/// What a client must show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Credentials {
    /// SendGrid's API key.
    pub api_key: String,
    /// Airship's app key.
    pub app_key: String,
    /// Airship's master secret, or token.
    pub app_secret: String,
    /// Meta's access token.
    pub access_token: String,
    /// The webhook's secret.
    pub webhook_secret: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            api_key: "SG.stand-in".to_owned(),
            app_key: "stand-in".to_owned(),
            app_secret: "master".to_owned(),
            access_token: "1|stand-in".to_owned(),
            webhook_secret: "whsec".to_owned(),
        }
    }
}
