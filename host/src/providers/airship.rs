//! Messages on devices by Airship's API v3.
//!
//! `POST /api/push` (<https://docs.airship.com/developer/rest-api/ua/operations/push>), with one push object or several
//! (<https://docs.airship.com/developer/rest-api/ua/schemas/push>), answered with 202 and the ids of the pushes, or with an
//! error (<https://docs.airship.com/developer/rest-api/ua/schemas/responses>). Airship takes a push before it looks for
//! its devices: that it was taken does not say that anybody has seen it. It does not know idempotency keys; the
//! notification goes along in the `extra` of every platform, for the application to tell a repetition by.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    Connection, Delivery, InvalidSettings, Outcome, Provider, Secret,
    answer::Answer,
    calls::{self, Calls},
    http::{Caller, key_of_all, secret_header},
};
use crate::{
    identity::ProviderName,
    notifications::{Channel, Message, NotificationId},
};

/// Where Airship is in its American data centre; the European one is `https://go.airship.eu`.
pub const BASE_URL: &str = "https://go.urbanairship.com";

/// Push objects of one call.
const PUSHES_MAX: usize = 100;

/// An Airship project to send by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached.
    pub connection: Connection,
    /// The project's key, which is no secret.
    pub app_key: String,
    /// What goes with it.
    pub credentials: Credentials,
    /// What the project has devices of.
    pub devices: Vec<Device>,
}

/// How Airship knows us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The project's master secret.
    MasterSecret(Secret),
    /// A token that was made for sending.
    Token(Secret),
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Apple's.
    Ios,
    /// Google's.
    Android,
    /// Amazon's.
    Amazon,
    /// Browsers.
    Web,
}

impl Device {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Ios, Self::Android, Self::Amazon, Self::Web];

    /// Airship's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::Android => "android",
            Self::Amazon => "amazon",
            Self::Web => "web",
        }
    }
}

/// Sends messages by Airship. An address is `channel:<id>` for one device, or `named_user:<id>`, or an id alone, for all
/// devices of a user.
///
/// # Errors
/// Where the settings cannot work.
pub fn open(settings: Settings) -> Result<Arc<dyn Provider>, InvalidSettings> {
    let connection = &settings.connection;
    let (Credentials::MasterSecret(secret) | Credentials::Token(secret)) = &settings.credentials;
    if settings.app_key.is_empty() || secret.is_empty() {
        return Err(InvalidSettings::of(connection, "has no app key, or neither a master secret nor a token"));
    }
    if settings.devices.is_empty() {
        return Err(InvalidSettings::of(connection, "has no devices to send to"));
    }
    let pair = BASE64.encode(format!("{}:{}", settings.app_key, secret.expose()).as_bytes());
    let authorization = match &settings.credentials {
        Credentials::MasterSecret(_) => format!("Basic {pair}"),
        Credentials::Token(token) => format!("Bearer {}", token.expose()),
    };
    let authorization = secret_header(connection, &authorization)?;
    let app_key = secret_header(connection, &settings.app_key)?;
    let caller = Caller::open(connection, vec![pair, secret.expose().to_owned()])?;
    Ok(Arc::new(Airship { caller, authorization, app_key, devices: settings.devices }))
}

struct Airship {
    caller: Caller,
    authorization: HeaderValue,
    app_key: HeaderValue,
    devices: Vec<Device>,
}

#[async_trait]
impl Provider for Airship {
    fn name(&self) -> &ProviderName {
        self.caller.name()
    }

    fn channel(&self) -> Channel {
        Channel::Push
    }

    fn bulk_max(&self) -> usize {
        PUSHES_MAX
    }

    async fn deliver(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        calls::deliver(self, deliveries, self.caller.deadline()).await
    }
}

struct Letter {
    notification: NotificationId,
    push: Value,
}

#[async_trait]
impl Calls for Airship {
    type Letter = Letter;

    fn letter(&self, delivery: &Delivery) -> Result<Letter, String> {
        let Message::Push { title, text } = &delivery.message else { return Err(calls::wrong_channel()) };
        let address = delivery.to.as_str();
        let (selector, who) = match address.split_once(':') {
            Some((selector @ ("named_user" | "channel"), who)) => (selector, who),
            _ => ("named_user", address),
        };
        let mut notification = Map::from_iter([("alert".to_owned(), json!(text))]);
        for device in &self.devices {
            let mut platform = json!({"extra": {"notification": delivery.notification}});
            if let Some(title) = title {
                platform["title"] = json!(title);
            }
            notification.insert(device.name().to_owned(), platform);
        }
        let push = json!({"audience": {selector: who}, "device_types": self.devices, "notification": notification});
        Ok(Letter { notification: delivery.notification, push })
    }

    fn groups(&self, letters: &[&Letter]) -> Vec<Vec<usize>> {
        calls::in_order(letters.len(), PUSHES_MAX)
    }

    async fn one(&self, letter: &Letter, deadline: Instant) -> Outcome {
        match self.push(&letter.push, &letter.notification.to_string(), deadline).await {
            Ok(answer) => self.outcome(&answer, 0, 1),
            Err(failed) => failed,
        }
    }

    async fn several(&self, letters: &[&Letter], deadline: Instant) -> Option<Vec<Outcome>> {
        let pushes: Vec<_> = letters.iter().map(|letter| &letter.push).collect();
        let key = key_of_all(letters.iter().map(|letter| &letter.notification));
        match self.push(&pushes, &key, deadline).await {
            Ok(answer) if matches!(answer.status.as_u16(), 400 | 413 | 422) => None,
            Ok(answer) => Some((0..letters.len()).map(|nth| self.outcome(&answer, nth, letters.len())).collect()),
            Err(failed) => Some(vec![failed; letters.len()]),
        }
    }
}

impl Airship {
    async fn push(&self, pushes: &impl Serialize, key: &str, deadline: Instant) -> Result<Answer, Outcome> {
        let body = serde_json::to_vec(pushes).map_err(|error| Outcome::Refused { why: error.to_string() })?;
        let request = self.caller.post("/api/push", key);
        let request = request
            .header(ACCEPT, "application/vnd.urbanairship+json; version=3")
            .header(CONTENT_TYPE, "application/json")
            .header("x-ua-appkey", self.app_key.clone())
            .header(AUTHORIZATION, self.authorization.clone());
        self.caller.call(request.body(body), deadline).await.map_err(Outcome::Failed)
    }

    /// What an answer says of the nth of so many pushes.
    fn outcome(&self, answer: &Answer, nth: usize, of: usize) -> Outcome {
        let words = &self.caller.words;
        if answer.status.is_success() {
            return match answer.json::<Accepted>() {
                Some(accepted) if accepted.ok => {
                    let own = accepted.push_ids.get(nth).filter(|_| accepted.push_ids.len() == of);
                    let reference = own.or(accepted.operation_id.as_ref()).map(|id| words.quote(id));
                    Outcome::Delivered { reference }
                }
                _ => answer.senseless(words),
            };
        }
        let error = answer.json::<Error>().map(|error| error.to_string());
        answer.by_status(words, answer.says(words, error.as_deref()))
    }
}

#[derive(Deserialize)]
struct Accepted {
    ok: bool,
    #[serde(default)]
    operation_id: Option<String>,
    #[serde(default)]
    push_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Error {
    error: String,
    #[serde(default)]
    error_code: Option<i64>,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    error: Option<String>,
    path: Option<String>,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)?;
        if let Some(code) = self.error_code {
            write!(f, " ({code})")?;
        }
        if let Some(error) = &self.details.error {
            write!(f, ": {error}")?;
        }
        if let Some(path) = &self.details.path {
            write!(f, " at {path}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{
        FailureKind,
        tests::{Reply, Server, failure, id, refused},
    };

    const ACCEPTED: &str = r#"{"ok":true,"operation_id":"5d971120-8712-11e4-b80b-90e2ba2901f0","push_ids":["130f4882-4fad-4100-bb29-2008b15e3636"],"message_ids":[],"content_urls":[]}"#;
    const BOTH: &str = r#"{"ok":true,"operation_id":"op","push_ids":["first","second"]}"#;
    const REFUSED: &str = r#"{"ok":false,"error":"Could not parse request body.","error_code":40000,"details":{"error":"must be a string","path":"audience.named_user","location":{"line":1,"column":20}}}"#;
    const WRONG_KEY: &str = r#"{"ok":false,"error":"Unauthorized","error_code":40101}"#;

    fn provider(server: &Server, credentials: Credentials) -> Arc<dyn Provider> {
        open(Settings {
            connection: server.connection("push"),
            app_key: "app".to_owned(),
            credentials,
            devices: vec![Device::Ios, Device::Web],
        })
        .unwrap()
    }

    fn master() -> Credentials {
        Credentials::MasterSecret(Secret::new("master".to_owned()))
    }

    fn push(number: u8, to: &str, title: Option<&str>) -> Delivery {
        let message = Message::Push { title: title.map(ToOwned::to_owned), text: "You won".to_owned() };
        Delivery { notification: id(number), to: to.parse().unwrap(), message }
    }

    fn delivered(reference: &str) -> Outcome {
        Outcome::Delivered { reference: Some(reference.to_owned()) }
    }

    #[tokio::test]
    async fn one_push_is_one_object() {
        let server = Server::start([Reply::new(202, ACCEPTED)]).await;
        let outcomes = provider(&server, master()).deliver(&[push(1, "alice", Some("A win"))]).await;
        assert_eq!(outcomes, [delivered("130f4882-4fad-4100-bb29-2008b15e3636")]);
        let call = server.only_call();
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/api/push"));
        assert_eq!(call.header("authorization"), "Basic YXBwOm1hc3Rlcg==");
        assert_eq!(call.header("x-ua-appkey"), "app");
        assert_eq!(call.header("accept"), "application/vnd.urbanairship+json; version=3");
        assert_eq!(call.header("content-type"), "application/json");
        assert_eq!(call.header("idempotency-key"), id(1).to_string());
        let platform = json!({"title": "A win", "extra": {"notification": id(1).to_string()}});
        assert_eq!(
            call.json(),
            json!({
                "audience": {"named_user": "alice"},
                "device_types": ["ios", "web"],
                "notification": {"alert": "You won", "ios": platform, "web": platform},
            })
        );
    }

    #[tokio::test]
    async fn several_pushes_are_one_call_and_a_token_is_a_bearer() {
        let server = Server::start([Reply::new(202, BOTH)]).await;
        let provider = provider(&server, Credentials::Token(Secret::new("token".to_owned())));
        let deliveries = [push(1, "named_user:a:b", None), push(2, "channel:9c36e8c7", None)];
        assert_eq!(provider.deliver(&deliveries).await, [delivered("first"), delivered("second")]);
        let call = server.only_call();
        assert_eq!(call.header("authorization"), "Bearer token");
        assert_eq!(call.header("idempotency-key"), key_of_all([id(1), id(2)].iter()));
        let body = call.json();
        assert_eq!(body[0]["audience"], json!({"named_user": "a:b"}));
        assert_eq!(body[1]["audience"], json!({"channel": "9c36e8c7"}));
        assert_eq!(body[1]["notification"]["ios"], json!({"extra": {"notification": id(2).to_string()}}));
    }

    #[tokio::test]
    async fn more_than_a_call_takes_are_several_calls() {
        let server = Server::answering(|_| Reply::new(202, r#"{"ok":true,"operation_id":"op"}"#)).await;
        let deliveries: Vec<_> = (0..150).map(|number| push(number, "alice", None)).collect();
        let outcomes = provider(&server, master()).deliver(&deliveries).await;
        assert_eq!(outcomes, vec![delivered("op"); 150]);
        let mut sizes: Vec<_> = server.calls().iter().map(|call| call.json().as_array().unwrap().len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [50, 100]);
    }

    #[tokio::test]
    async fn one_bad_address_does_not_keep_the_others_from_theirs() {
        let is_bad = |call: &str| call.contains("nobody");
        let server =
            Server::answering(
                move |call| {
                    if is_bad(&call.body) { Reply::new(400, REFUSED) } else { Reply::new(202, ACCEPTED) }
                },
            )
            .await;
        let outcomes = provider(&server, master()).deliver(&[push(1, "alice", None), push(2, "nobody", None)]).await;
        let why = "it answered 400: Could not parse request body. (40000): must be a string at audience.named_user";
        assert_eq!(outcomes, [delivered("130f4882-4fad-4100-bb29-2008b15e3636"), refused(why)]);
        assert_eq!(server.calls().len(), 3);
    }

    #[tokio::test]
    async fn each_documented_error_has_its_outcome() {
        for (reply, kind, why) in [
            (Reply::new(401, WRONG_KEY), FailureKind::Unauthorized, "it answered 401: Unauthorized (40101)"),
            (
                Reply::new(403, "Forbidden for YXBwOm1hc3Rlcg=="),
                FailureKind::Unauthorized,
                "it answered 403: Forbidden for ..",
            ),
            (Reply::new(429, "").with("retry-after", "3"), FailureKind::Throttled, "it answered 429"),
            (Reply::new(503, "<html>"), FailureKind::Unavailable, "it answered 503: <html>"),
            (
                Reply::new(202, "{"),
                FailureKind::Unavailable,
                "it answered 202: {; that makes no sense, and it may have delivered",
            ),
            (
                Reply::new(200, r#"{"ok":false}"#),
                FailureKind::Unavailable,
                "it answered 200: {\"ok\":false}; that makes no sense, and it may have delivered",
            ),
        ] {
            let server = Server::start([reply.clone(), reply]).await;
            let provider = provider(&server, master());
            let single = provider.deliver(&[push(1, "alice", None)]).await;
            assert_eq!(failure(&single[0]), (kind, why.to_owned()));
            let both = provider.deliver(&[push(1, "alice", None), push(2, "bob", None)]).await;
            assert_eq!(both, [single[0].clone(), single[0].clone()]);
        }
    }
}
