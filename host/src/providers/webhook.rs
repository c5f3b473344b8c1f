//! A request to the operator's own server.
//!
//! ```text
//! POST <the configured address>
//! Content-Type: application/json
//! Idempotency-Key: 0f6c...            the notification: the same at every attempt
//! X-Croupier-Timestamp: 1767225600    when it is sent, in Unix seconds
//! X-Croupier-Signature: v1=5257a8...  HMAC-SHA256 of "<timestamp>.<body>", in hexadecimal
//!
//! {"notification":"0f6c...","to":"alice","body":{...}}
//! ```
//!
//! A receiver verifies it so: refuse a timestamp that is more than five minutes from its own clock; compute HMAC-SHA256
//! under the shared secret of the timestamp as it was sent, a dot, and the body byte for byte, before anything parses it;
//! compare that with what follows `v1=` in a time that does not depend on where they differ. It then looks whether it has
//! had a notification of that key, because one may come twice, and answers with 2xx once it has kept it.
//!
//! 2xx is delivered. 408, 425, 429 and 5xx are tried again, after `Retry-After` if it says so; 401 and 403 too, once an
//! operator has seen to the secret. Any other 4xx, as 410, is a refusal for good.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use sha2::Sha256;
use tokio::time::Instant;

use super::{Connection, Delivery, InvalidSettings, Outcome, Provider, Secret, answer::Answer, calls, http::Caller};
use crate::{
    identity::{Address, ProviderName},
    json::Json,
    limits::PROVIDER_SINGLE_CALLS_MAX,
    notifications::{Channel, Message, NotificationId},
};

/// A server of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached; its address is the whole one that is called.
    pub connection: Connection,
    /// What requests are signed with.
    pub secret: Secret,
}

/// Sends requests to the operator's server.
///
/// # Errors
/// Where the settings cannot work.
pub fn open(settings: Settings) -> Result<Arc<dyn Provider>, InvalidSettings> {
    if settings.secret.is_empty() {
        return Err(InvalidSettings::of(&settings.connection, "has no secret"));
    }
    let caller = Caller::open(&settings.connection, vec![settings.secret.expose().to_owned()])?;
    Ok(Arc::new(Webhook { caller, secret: settings.secret }))
}

struct Webhook {
    caller: Caller,
    secret: Secret,
}

#[derive(Serialize)]
struct Request<'a> {
    notification: NotificationId,
    to: &'a Address,
    body: &'a Json,
}

#[async_trait]
impl Provider for Webhook {
    fn name(&self) -> &ProviderName {
        self.caller.name()
    }

    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    fn bulk_max(&self) -> usize {
        1
    }

    async fn deliver(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let deadline = self.caller.deadline();
        let calls: Vec<_> = deliveries.iter().map(|delivery| self.post(delivery, deadline)).collect();
        stream::iter(calls).buffered(PROVIDER_SINGLE_CALLS_MAX).collect().await
    }
}

impl Webhook {
    async fn post(&self, delivery: &Delivery, deadline: Instant) -> Outcome {
        let Message::Webhook { body } = &delivery.message else {
            return Outcome::Refused { why: calls::wrong_channel() };
        };
        let request = Request { notification: delivery.notification, to: &delivery.to, body };
        let body = match serde_json::to_string(&request) {
            Ok(body) => body,
            Err(error) => return Outcome::Refused { why: error.to_string() },
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self.caller.post("", &delivery.notification.to_string());
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header("x-croupier-timestamp", now)
            .header("x-croupier-signature", format!("v1={}", sign(self.secret.expose(), now, &body)));
        match self.caller.call(request.body(body), deadline).await {
            Ok(answer) => self.outcome(&answer),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let words = &self.caller.words;
        let says = answer.says(words, None);
        match answer.status.as_u16() {
            200..=299 => Outcome::Delivered { reference: None },
            // The server is the operator's own: it means the recipient, not the address that is called.
            404 | 405 => Outcome::Refused { why: says },
            _ => answer.by_status(words, says),
        }
    }
}

fn sign(secret: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{
        FailureKind,
        tests::{Reply, Server, failure, id, refused},
    };

    fn provider(connection: Connection) -> Arc<dyn Provider> {
        open(Settings { connection, secret: Secret::new("whsec".to_owned()) }).unwrap()
    }

    fn delivery(number: u8) -> Delivery {
        let message = Message::Webhook { body: Json::parse(r#"{"won": 1.50}"#.to_owned()).unwrap() };
        Delivery { notification: id(number), to: "alice".parse().unwrap(), message }
    }

    #[test]
    fn a_signature_is_what_a_receiver_computes() {
        // printf '1767225600.{}' | openssl dgst -sha256 -hmac whsec
        let known = "5ba148cb6916cb6116d779d0c88555b31ef0bec7b98ac2545ebcdbe03d55d9e2";
        assert_eq!(sign("whsec", 1_767_225_600, "{}"), known);
    }

    #[tokio::test]
    async fn a_request_is_signed_and_has_its_body_as_it_is() {
        let server = Server::start([Reply::new(204, "")]).await;
        let mut connection = server.connection("hook");
        connection.base_url.push_str("/hooks/croupier?tenant=a");
        let outcomes = provider(connection).deliver(&[delivery(1)]).await;
        assert_eq!(outcomes, [Outcome::Delivered { reference: None }]);
        let call = server.only_call();
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/hooks/croupier?tenant=a"));
        assert_eq!(call.header("idempotency-key"), id(1).to_string());
        assert_eq!(call.body, format!(r#"{{"notification":"{}","to":"alice","body":{{"won": 1.50}}}}"#, id(1)));
        let timestamp = call.header("x-croupier-timestamp").parse().unwrap();
        assert_eq!(call.header("x-croupier-signature"), format!("v1={}", sign("whsec", timestamp, &call.body)));
    }

    #[tokio::test]
    async fn each_answer_has_its_outcome() {
        for (status, kind) in [
            (401, FailureKind::Unauthorized),
            (408, FailureKind::Unavailable),
            (425, FailureKind::Unavailable),
            (429, FailureKind::Throttled),
            (301, FailureKind::Unavailable),
            (500, FailureKind::Unavailable),
            (502, FailureKind::Unavailable),
        ] {
            let server = Server::start([Reply::new(status, "no").with("location", "/elsewhere")]).await;
            let outcomes = provider(server.connection("hook")).deliver(&[delivery(1)]).await;
            assert_eq!(failure(&outcomes[0]), (kind, format!("it answered {status}: no")));
            assert_eq!(server.calls().len(), 1);
        }
        for status in [400, 404, 410, 422] {
            let server = Server::start([Reply::new(status, "whsec is unknown")]).await;
            let outcomes = provider(server.connection("hook")).deliver(&[delivery(1)]).await;
            assert_eq!(outcomes, [refused(&format!("it answered {status}: .. is unknown"))]);
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_breaks_off_or_says_nothing_has_failed() {
        let gone = Server::start([]).await.connection("hook");
        let outcomes = provider(gone).deliver(&[delivery(1)]).await;
        let (kind, why) = failure(&outcomes[0]);
        assert_eq!(kind, FailureKind::Unavailable);
        assert!(why.starts_with("it cannot be reached: "), "{why}");

        let server = Server::start([Reply::broken_off()]).await;
        let outcomes = provider(server.connection("hook")).deliver(&[delivery(1)]).await;
        let (kind, why) = failure(&outcomes[0]);
        assert_eq!(kind, FailureKind::Unavailable);
        assert!(why.starts_with("it broke off, and may have delivered: "), "{why}");

        let server = Server::start([Reply::silence()]).await;
        let mut connection = server.connection("hook");
        connection.timeout = std::time::Duration::from_millis(50);
        let outcomes = provider(connection).deliver(&[delivery(1)]).await;
        assert_eq!(failure(&outcomes[0]).0, FailureKind::TimedOut);
    }

    #[tokio::test]
    async fn no_more_of_an_answer_is_kept_than_is_of_use() {
        let server = Server::start([Reply::new(400, &"long ".repeat(1_000_000))]).await;
        let outcomes = provider(server.connection("hook")).deliver(&[delivery(1)]).await;
        let Outcome::Refused { why } = &outcomes[0] else { panic!() };
        assert_eq!(why, &format!("it answered 400: {}..", "long ".repeat(40)));
    }
}
