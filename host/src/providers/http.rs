//! Calls to providers: bounded in time and in what is read of the answer, never redirected, and told apart by what has
//! become of them. A provider has connections of its own, so that none waits for another's.

use std::time::Duration;

use reqwest::{
    Client, RequestBuilder, Url,
    header::{HeaderValue, USER_AGENT},
    redirect::Policy,
};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{Failure, FailureKind, answer::Answer, secret::Words};
use crate::{
    identity::ProviderName,
    limits::{PROVIDER_ANSWER_BYTES_MAX, PROVIDER_CONNECTIONS_IDLE_MAX},
    notifications::NotificationId,
};

/// By this a provider that can tells a repetition of a call.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How a provider is reached. Proxies are taken from the environment (`HTTPS_PROXY`, `NO_PROXY`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What the configuration calls the provider.
    pub name: ProviderName,
    /// Where it is: `https://`, or `http://` within a network that is trusted.
    pub base_url: String,
    /// How long it may take to reach it.
    pub connect_timeout: Duration,
    /// How long a delivery may take, with all calls that it needs.
    pub timeout: Duration,
}

impl Connection {
    /// A provider at an address, with three seconds to be reached in and ten for a delivery.
    #[must_use]
    pub fn new(name: ProviderName, base_url: impl Into<String>) -> Self {
        let (connect_timeout, timeout) = (Duration::from_secs(3), Duration::from_secs(10));
        Self { name, base_url: base_url.into(), connect_timeout, timeout }
    }
}

/// A provider cannot be used with these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider '{name}' {why}")]
pub struct InvalidSettings {
    /// The provider.
    pub name: ProviderName,
    /// What is wrong.
    pub why: String,
}

impl InvalidSettings {
    pub(super) fn of(connection: &Connection, why: impl Into<String>) -> Self {
        Self { name: connection.name.clone(), why: why.into() }
    }
}

/// Calls one provider.
pub(super) struct Caller {
    client: Client,
    name: ProviderName,
    base_url: String,
    timeout: Duration,
    pub(super) words: Words,
}

impl Caller {
    /// `secrets`: every form in which our credentials are sent.
    pub(super) fn open(connection: &Connection, secrets: Vec<String>) -> Result<Self, InvalidSettings> {
        let invalid = |why: String| InvalidSettings::of(connection, why);
        // The address itself is not repeated: a webhook's may be a secret.
        let url =
            Url::parse(&connection.base_url).map_err(|error| invalid(format!("has no usable address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("has an address that is not http:// or https://".to_owned()));
        }
        if connection.timeout.is_zero() || connection.connect_timeout.is_zero() {
            return Err(invalid("is given no time to answer".to_owned()));
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(connection.connect_timeout)
            .pool_max_idle_per_host(PROVIDER_CONNECTIONS_IDLE_MAX)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| invalid(format!("cannot be called: {}", causes(&error))))?;
        Ok(Self {
            client,
            name: connection.name.clone(),
            base_url: connection.base_url.trim_end_matches('/').to_owned(),
            timeout: connection.timeout,
            words: Words::without(secrets),
        })
    }

    pub(super) fn name(&self) -> &ProviderName {
        &self.name
    }

    /// When a delivery that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// A call to a path below the provider's address.
    pub(super) fn post(&self, path: &str, idempotency_key: &str) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.base_url));
        let agent = concat!("croupier/", env!("CARGO_PKG_VERSION"));
        request.header(USER_AGENT, agent).header(IDEMPOTENCY_KEY, idempotency_key)
    }

    /// Calls, and reads the answer.
    pub(super) async fn call(&self, request: RequestBuilder, deadline: Instant) -> Result<Answer, Failure> {
        if deadline <= Instant::now() {
            return Err(failure(FailureKind::TimedOut, "it was not tried: there was no time left for it".to_owned()));
        }
        match tokio::time::timeout_at(deadline, read(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.explain(&error)),
            Err(_) => {
                let why = format!("it did not answer within {:?}; it may have delivered", self.timeout);
                Err(failure(FailureKind::TimedOut, why))
            }
        }
    }

    fn explain(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_connect() { "it cannot be reached" } else { "it broke off, and may have delivered" };
        failure(FailureKind::Unavailable, self.words.quote(&format!("{what}: {}", causes(error))))
    }
}

fn failure(kind: FailureKind, why: String) -> Failure {
    Failure { kind, why, retry_after: None }
}

/// No more of the answer is read than we would look at.
async fn read(request: RequestBuilder) -> reqwest::Result<Answer> {
    let mut response = request.send().await?;
    let mut body = Vec::new();
    while body.len() < PROVIDER_ANSWER_BYTES_MAX {
        let Some(chunk) = response.chunk().await? else { break };
        let room = PROVIDER_ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
}

/// What an error comes from. Its own words have the address in them, which may be a secret.
fn causes(error: &reqwest::Error) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let causes: Vec<_> = sources.map(ToString::to_string).collect();
    causes.last().cloned().unwrap_or_else(|| "unknown".to_owned())
}

/// A header that is in no log.
pub(super) fn secret_header(connection: &Connection, text: &str) -> Result<HeaderValue, InvalidSettings> {
    let mut header = HeaderValue::from_str(text)
        .map_err(|_| InvalidSettings::of(connection, "has credentials that cannot be sent"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// A piece of a path that is one piece whatever is in it; `None` where no encoding makes it one.
pub(super) fn path_piece(text: &str) -> Option<String> {
    // These mean a place and not a name, encoded or not.
    if text.is_empty() || text.bytes().all(|byte| byte == b'.') {
        return None;
    }
    let mut piece = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => piece.push(char::from(byte)),
            _ => piece.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(piece)
}

/// What a call for several is known by: the same for the same ones in the same order.
pub(super) fn key_of_all<'a>(notifications: impl Iterator<Item = &'a NotificationId>) -> String {
    let mut hash = Sha256::new();
    for notification in notifications {
        hash.update(notification.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_path_stays_one_piece() {
        assert_eq!(path_piece("10207").as_deref(), Some("10207"));
        assert_eq!(path_piece("../me?x=1#y z/é%").as_deref(), Some("..%2Fme%3Fx%3D1%23y%20z%2F%C3%A9%25"));
        assert_eq!((path_piece(""), path_piece("."), path_piece("..")), (None, None, None));
    }

    #[test]
    fn settings_that_cannot_work_are_explained_without_what_is_secret_in_them() {
        let open = |url: &str, timeout_s: u64| {
            let mut connection = Connection::new("mail".parse().unwrap(), url);
            connection.timeout = Duration::from_secs(timeout_s);
            Caller::open(&connection, Vec::new()).err().unwrap().to_string()
        };
        assert_eq!(open("ftp://a/k-123", 1), "the provider 'mail' has an address that is not http:// or https://");
        assert!(open("k-123", 1).starts_with("the provider 'mail' has no usable address: "));
        assert!(!open("k-123", 1).contains("k-123"));
        assert_eq!(open("http://a", 0), "the provider 'mail' is given no time to answer");
    }

    #[test]
    fn a_call_for_several_is_known_by_its_members() {
        let [a, b] = [1, 2].map(|byte| NotificationId::from_entropy([byte; 16]));
        assert_eq!(key_of_all([&a, &b].into_iter()), key_of_all([&a, &b].into_iter()));
        assert_ne!(key_of_all([&a, &b].into_iter()), key_of_all([&b, &a].into_iter()));
        assert_eq!(key_of_all([&a].into_iter()).len(), 64);
    }
}
