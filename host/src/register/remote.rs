//! The register of another process: of a `croupier railgun` or a host, over its JSON-RPC endpoint. Workers claim from it,
//! and hosts hand it what their games want told.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode, Url, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use thiserror::Error;

use super::{Accepting, Claiming};
use crate::{
    identity::PlayerId,
    notifications::{Answer, Change, Contacts, Notification, NotificationId},
    store::StoreError,
};

/// How long one call may take.
const CALL_WAIT_MAX: Duration = Duration::from_secs(10);

/// Where the register is.
#[derive(Clone)]
pub struct Settings {
    /// The address of the process: `http://host:port`.
    pub url: String,
    /// What it knows workers by.
    pub token: String,
}

/// The register of another process.
pub struct Remote {
    client: Client,
    endpoint: Url,
    token: String,
}

/// The register cannot be reached with these settings.
#[derive(Debug, Error)]
#[error("the register at '{url}' cannot be used: {why}")]
pub struct NotReached {
    url: String,
    why: String,
}

/// Params of `work.apply`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// In this order.
    pub changes: Vec<(NotificationId, Change)>,
}

/// Result of `work.apply`.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// One for each change.
    pub answers: Vec<Answer>,
}

/// Params of `work.contacts`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoseContacts {
    /// Of these.
    pub players: Vec<PlayerId>,
}

/// Params of `work.hand`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Handed {
    /// What is to be told.
    pub notifications: Vec<Notification>,
}

#[derive(Deserialize)]
struct Response<T> {
    result: Option<T>,
    error: Option<serde_json::Value>,
}

impl Remote {
    /// Nothing is called yet: a register that is not there yet is waited for.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(settings: Settings) -> Result<Self, NotReached> {
        let Settings { url, token } = settings;
        let not_reached = |why: String| NotReached { url: url.clone(), why };
        let endpoint =
            Url::parse(&url).and_then(|url| url.join("/notify")).map_err(|error| not_reached(error.to_string()))?;
        let client = Client::builder().timeout(CALL_WAIT_MAX).redirect(reqwest::redirect::Policy::none()).build();
        Ok(Self { client: client.map_err(|error| not_reached(error.to_string()))?, endpoint, token })
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<T, StoreError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let unavailable = |why: String| StoreError::Unavailable(format!("{method} of {}: {why}", self.endpoint));
        let request = self.client.post(self.endpoint.clone()).bearer_auth(&self.token);
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(|error| unavailable(error.without_url().to_string()))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| unavailable(error.without_url().to_string()))?;
        if status != StatusCode::OK {
            return Err(unavailable(format!("it answers {status}")));
        }
        let response: Response<T> = serde_json::from_slice(&bytes).map_err(|error| unavailable(error.to_string()))?;
        match response {
            Response { result: Some(result), .. } => Ok(result),
            Response { error, .. } => Err(unavailable(error.unwrap_or_default().to_string())),
        }
    }

    /// An answer for each, or none of them can be told apart.
    fn each<T>(&self, answers: Vec<T>, asked: usize) -> Result<Vec<T>, StoreError> {
        if answers.len() == asked {
            Ok(answers)
        } else {
            Err(StoreError::Corrupt(format!("{} gave {} answers to {asked} questions", self.endpoint, answers.len())))
        }
    }
}

#[async_trait]
impl Claiming for Remote {
    async fn apply(&self, changes: Vec<(NotificationId, Change)>) -> Result<Vec<Answer>, StoreError> {
        let asked = changes.len();
        let applied: Applied = self.call("work.apply", &Changes { changes }).await?;
        self.each(applied.answers, asked)
    }

    async fn contacts(&self, players: Vec<PlayerId>) -> Result<Vec<Option<Contacts>>, StoreError> {
        let asked = players.len();
        let contacts = self.call("work.contacts", &WhoseContacts { players }).await?;
        self.each(contacts, asked)
    }
}

#[async_trait]
impl Accepting for Remote {
    async fn hand(&self, notifications: Vec<Notification>) -> Result<(), StoreError> {
        let _accepted: serde_json::Value = self.call("work.hand", &Handed { notifications }).await?;
        Ok(())
    }
}
