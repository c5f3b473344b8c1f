//! Messages in Facebook by Meta's Graph API: app-to-user notifications.
//!
//! `POST /<version>/<user>/notifications` (<https://developers.facebook.com/docs/games/services/appnotifications>),
//! answered with `{"success":true}`, or with an error
//! (<https://developers.facebook.com/docs/graph-api/guides/error-handling>) whose code says more than the status. Several
//! go as one batch (<https://developers.facebook.com/docs/graph-api/batch-requests>), which answers each, or with null
//! what it had no time for. Meta does not know idempotency keys; they go along all the same.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Connection, Delivery, Failure, FailureKind, InvalidSettings, Outcome, Provider, Secret,
    answer::Answer,
    calls::{self, Calls},
    http::{Caller, IDEMPOTENCY_KEY, key_of_all, path_piece},
};
use crate::{
    identity::ProviderName,
    notifications::{Channel, Message, NotificationId},
};

/// Where the Graph API is.
pub const BASE_URL: &str = "https://graph.facebook.com";

/// The version that is asked for where the settings name none.
pub const VERSION: &str = "v24.0";

/// Requests of one batch.
const BATCH_MAX: usize = 50;

/// A notification's text.
const TEXT_CHARACTERS_MAX: usize = 180;

/// A Meta application to send by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached.
    pub connection: Connection,
    /// The Graph API's version: [`VERSION`].
    pub version: String,
    /// The application's access token.
    pub access_token: Secret,
    /// Where a click leads to if the message does not say: a path or parameters below the application's address, as
    /// `?from=notification`; or nothing.
    pub app_link: String,
}

/// Sends messages by Meta.
///
/// # Errors
/// Where the settings cannot work.
pub fn open(settings: Settings) -> Result<Arc<dyn Provider>, InvalidSettings> {
    let Settings { connection, version, access_token, app_link } = settings;
    if access_token.is_empty() {
        return Err(InvalidSettings::of(&connection, "has no access token"));
    }
    let Some(version) = path_piece(&version) else {
        return Err(InvalidSettings::of(&connection, "has no version of the Graph API"));
    };
    let token = access_token.expose();
    let encoded = form(&[("access_token", token)]);
    let secrets = vec![token.to_owned(), encoded.trim_start_matches("access_token=").to_owned()];
    let caller = Caller::open(&connection, secrets)?;
    Ok(Arc::new(Meta { caller, version, access_token, app_link }))
}

struct Meta {
    caller: Caller,
    version: String,
    access_token: Secret,
    app_link: String,
}

#[async_trait]
impl Provider for Meta {
    fn name(&self) -> &ProviderName {
        self.caller.name()
    }

    fn channel(&self) -> Channel {
        Channel::Social
    }

    fn bulk_max(&self) -> usize {
        BATCH_MAX
    }

    async fn deliver(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        calls::deliver(self, deliveries, self.caller.deadline()).await
    }
}

struct Letter {
    notification: NotificationId,
    /// `<user>/notifications`
    path: String,
    text: String,
    link: String,
}

impl Letter {
    fn fields(&self) -> [(&str, &str); 2] {
        [("template", &self.text), ("href", &self.link)]
    }
}

/// A request of a batch.
#[derive(Serialize)]
struct Member<'a> {
    method: &'static str,
    relative_url: &'a str,
    headers: [Header; 1],
    body: String,
}

#[derive(Serialize)]
struct Header {
    name: &'static str,
    value: NotificationId,
}

#[async_trait]
impl Calls for Meta {
    type Letter = Letter;

    fn letter(&self, delivery: &Delivery) -> Result<Letter, String> {
        let Message::Social { text, link } = &delivery.message else { return Err(calls::wrong_channel()) };
        let characters = text.chars().count();
        if characters == 0 || characters > TEXT_CHARACTERS_MAX {
            return Err(format!("the text has {characters} characters of 1 to {TEXT_CHARACTERS_MAX}"));
        }
        let user = path_piece(delivery.to.as_str()).ok_or("the address is no user's id")?;
        Ok(Letter {
            notification: delivery.notification,
            path: format!("{user}/notifications"),
            text: text.clone(),
            link: link.clone().unwrap_or_else(|| self.app_link.clone()),
        })
    }

    fn groups(&self, letters: &[&Letter]) -> Vec<Vec<usize>> {
        calls::in_order(letters.len(), BATCH_MAX)
    }

    async fn one(&self, letter: &Letter, deadline: Instant) -> Outcome {
        let path = format!("/{}/{}", self.version, letter.path);
        match self.post(&path, &letter.fields(), &letter.notification.to_string(), deadline).await {
            Ok(answer) => self.outcome(&answer),
            Err(failed) => failed,
        }
    }

    async fn several(&self, letters: &[&Letter], deadline: Instant) -> Option<Vec<Outcome>> {
        let members: Vec<_> = letters.iter().map(|letter| member(letter)).collect();
        let batch = serde_json::to_string(&members).ok()?;
        let fields = [("include_headers", "false"), ("batch", &batch)];
        let key = key_of_all(letters.iter().map(|letter| &letter.notification));
        let answer = match self.post(&format!("/{}/", self.version), &fields, &key, deadline).await {
            Ok(answer) => answer,
            Err(failed) => return Some(vec![failed; letters.len()]),
        };
        if !answer.status.is_success() {
            return match self.outcome(&answer) {
                Outcome::Refused { .. } => None,
                outcome => Some(vec![outcome; letters.len()]),
            };
        }
        match answer.json::<Vec<Option<MemberAnswer>>>() {
            Some(answers) if answers.len() == letters.len() => {
                Some(answers.into_iter().map(|answer| self.member_outcome(answer)).collect())
            }
            _ => Some(vec![answer.senseless(&self.caller.words); letters.len()]),
        }
    }
}

fn member(letter: &Letter) -> Member<'_> {
    Member {
        method: "POST",
        relative_url: &letter.path,
        headers: [Header { name: IDEMPOTENCY_KEY, value: letter.notification }],
        body: form(&letter.fields()),
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl Meta {
    /// The token goes in the body, where no log of addresses has it.
    async fn post(&self, path: &str, fields: &[(&str, &str)], key: &str, deadline: Instant) -> Result<Answer, Outcome> {
        let mut body = vec![("access_token", self.access_token.expose())];
        body.extend_from_slice(fields);
        let request = self.caller.post(path, key).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.caller.call(request.body(form(&body)), deadline).await.map_err(Outcome::Failed)
    }

    fn member_outcome(&self, answer: Option<MemberAnswer>) -> Outcome {
        let Some(answer) = answer else {
            let why = "it had no time for this one of a batch; it may have delivered".to_owned();
            return Outcome::Failed(Failure { kind: FailureKind::TimedOut, why, retry_after: None });
        };
        match reqwest::StatusCode::from_u16(answer.code) {
            Ok(status) => self.outcome(&Answer {
                status,
                headers: reqwest::header::HeaderMap::new(),
                body: answer.body.unwrap_or_default().into_bytes(),
            }),
            Err(error) => {
                let why = format!("it answered {}: {error}; it may have delivered", answer.code);
                Outcome::Failed(Failure { kind: FailureKind::Unavailable, why, retry_after: None })
            }
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let words = &self.caller.words;
        let Some(Refusal { error }) = answer.json() else {
            return match answer.json::<Success>() {
                Some(Success { success: true }) if answer.status.is_success() => Outcome::Delivered { reference: None },
                _ => answer.by_status(words, answer.says(words, None)),
            };
        };
        let why = words.quote(&error.to_string());
        match error.code {
            102 | 190 => answer.failed(FailureKind::Unauthorized, why),
            4 | 17 | 32 | 341 | 613 => answer.failed(FailureKind::Throttled, why),
            1 | 2 => answer.failed(FailureKind::Unavailable, why),
            _ if error.is_transient => answer.failed(FailureKind::Unavailable, why),
            _ => Outcome::Refused { why },
        }
    }
}

#[derive(Deserialize)]
struct MemberAnswer {
    code: u16,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
struct Success {
    success: bool,
}

#[derive(Deserialize)]
struct Refusal {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    message: String,
    code: i64,
    #[serde(default)]
    error_subcode: Option<i64>,
    #[serde(default)]
    is_transient: bool,
    #[serde(default)]
    fbtrace_id: Option<String>,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error {}", self.code)?;
        if let Some(subcode) = self.error_subcode {
            write!(f, "/{subcode}")?;
        }
        // Before the message, which may be long: Meta asks for it where it is to look something up.
        if let Some(trace) = &self.fbtrace_id {
            write!(f, " (trace {trace})")?;
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::tests::{Reply, Server, failure, id, refused};

    const SUCCESS: &str = r#"{"success":true}"#;

    fn provider(server: &Server) -> Arc<dyn Provider> {
        open(Settings {
            connection: server.connection("facebook"),
            version: VERSION.to_owned(),
            access_token: Secret::new("12|secret".to_owned()),
            app_link: "?from=notification".to_owned(),
        })
        .unwrap()
    }

    fn social(number: u8, to: &str, text: &str, link: Option<&str>) -> Delivery {
        let message = Message::Social { text: text.to_owned(), link: link.map(ToOwned::to_owned) };
        Delivery { notification: id(number), to: to.parse().unwrap(), message }
    }

    fn delivered() -> Outcome {
        Outcome::Delivered { reference: None }
    }

    fn error(code: i64, more: &str) -> String {
        format!(r#"{{"error":{{"message":"Message","type":"OAuthException","code":{code},"fbtrace_id":"EJp"{more}}}}}"#)
    }

    #[tokio::test]
    async fn one_notification_is_one_call() {
        let server = Server::start([Reply::new(200, SUCCESS)]).await;
        let outcomes = provider(&server).deliver(&[social(1, "10207", "You won 5 & more", Some("?win=1"))]).await;
        assert_eq!(outcomes, [delivered()]);
        let call = server.only_call();
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v24.0/10207/notifications"));
        assert_eq!(call.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(call.header("idempotency-key"), id(1).to_string());
        assert_eq!(call.body, "access_token=12%7Csecret&template=You+won+5+%26+more&href=%3Fwin%3D1");
    }

    #[tokio::test]
    async fn several_are_a_batch_and_each_has_its_own_answer() {
        let answers = json!([
            {"code": 200, "headers": [{"name": "Content-Type", "value": "text/javascript; charset=UTF-8"}], "body": SUCCESS},
            null,
            {"code": 400, "body": error(200, "")},
            {"code": 200, "body": "<html>"},
            {"code": 0, "body": null},
        ]);
        let server = Server::start([Reply::new(200, &answers.to_string())]).await;
        let deliveries: Vec<_> = (1..=5).map(|number| social(number, "../me", "Won", None)).collect();
        let outcomes = provider(&server).deliver(&deliveries).await;
        assert_eq!(outcomes[0], delivered());
        assert_eq!(failure(&outcomes[1]).0, FailureKind::TimedOut);
        assert_eq!(outcomes[2], refused("error 200 (trace EJp): Message"));
        for senseless in &outcomes[3..] {
            let (kind, why) = failure(senseless);
            assert!(kind == FailureKind::Unavailable && why.ends_with("it may have delivered"), "{why}");
        }
        let call = server.only_call();
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v24.0/"));
        assert_eq!(call.header("idempotency-key"), key_of_all((1..=5).map(id).collect::<Vec<_>>().iter()));
        let fields: Vec<_> = form_urlencoded::parse(call.body.as_bytes()).into_owned().collect();
        assert_eq!(fields[0], ("access_token".to_owned(), "12|secret".to_owned()));
        assert_eq!(fields[1], ("include_headers".to_owned(), "false".to_owned()));
        assert_eq!(fields[2].0, "batch");
        let batch: serde_json::Value = serde_json::from_str(&fields[2].1).unwrap();
        assert_eq!(
            batch[1],
            json!({
                "method": "POST",
                "relative_url": "..%2Fme/notifications",
                "headers": [{"name": "idempotency-key", "value": id(2).to_string()}],
                "body": "template=Won&href=%3Ffrom%3Dnotification",
            })
        );
    }

    #[tokio::test]
    async fn a_batch_that_is_refused_or_misanswered() {
        let server = Server::answering(|call| match call.path.as_str() {
            "/v24.0/" => Reply::new(400, &error(100, "")),
            _ => Reply::new(200, SUCCESS),
        })
        .await;
        let both = [social(1, "1", "Won", None), social(2, "2", "Won", None)];
        assert_eq!(provider(&server).deliver(&both).await, [delivered(), delivered()]);
        assert_eq!(server.calls().len(), 3);

        let server = Server::start([Reply::new(200, "[null]"), Reply::new(400, &error(190, ""))]).await;
        let outcomes = provider(&server).deliver(&both).await;
        assert!(outcomes.iter().all(|outcome| failure(outcome).1.ends_with("it may have delivered")));
        let outcomes = provider(&server).deliver(&both).await;
        assert!(outcomes.iter().all(|outcome| failure(outcome).0 == FailureKind::Unauthorized));
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_not_tried() {
        let server = Server::start([]).await;
        let outcomes = provider(&server)
            .deliver(&[
                social(1, "1", &"é".repeat(181), None),
                social(2, "1", "", None),
                social(3, "..", "Won", None),
                Delivery { message: Message::Push { title: None, text: "x".to_owned() }, ..social(4, "1", "x", None) },
            ])
            .await;
        assert_eq!(
            outcomes,
            [
                refused("the text has 181 characters of 1 to 180"),
                refused("the text has 0 characters of 1 to 180"),
                refused("the address is no user's id"),
                refused("the message is of another channel than the provider"),
            ]
        );
        assert!(server.calls().is_empty());
    }

    #[tokio::test]
    async fn each_documented_error_has_its_outcome() {
        let transient = r#","error_subcode":99,"is_transient":true"#;
        for (status, code, more, kind) in [
            (500, 1, "", Some(FailureKind::Unavailable)),
            (503, 2, "", Some(FailureKind::Unavailable)),
            (400, 4, transient, Some(FailureKind::Throttled)),
            (400, 17, "", Some(FailureKind::Throttled)),
            (400, 32, "", Some(FailureKind::Throttled)),
            (400, 341, "", Some(FailureKind::Throttled)),
            (400, 613, "", Some(FailureKind::Throttled)),
            (401, 102, "", Some(FailureKind::Unauthorized)),
            (400, 190, transient, Some(FailureKind::Unauthorized)),
            (400, 9999, transient, Some(FailureKind::Unavailable)),
            (400, 10, "", None),
            (400, 100, "", None),
            (403, 200, "", None),
        ] {
            let server = Server::start([Reply::new(status, &error(code, more)).with("retry-after", "7")]).await;
            let outcome = provider(&server).deliver(&[social(1, "1", "Won", None)]).await.remove(0);
            let subcode = if more.is_empty() { "" } else { "/99" };
            let why = format!("error {code}{subcode} (trace EJp): Message");
            match kind {
                Some(kind) => {
                    assert_eq!(failure(&outcome), (kind, why));
                    let Outcome::Failed(failure) = outcome else { panic!() };
                    assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(7)));
                }
                None => assert_eq!(outcome, refused(&why)),
            }
        }
    }

    #[tokio::test]
    async fn a_token_that_is_repeated_to_us_goes_no_further() {
        let said = r#"{"error":{"message":"Malformed 12|secret or 12%7Csecret","code":190}}"#;
        for body in [said, "12|secret or 12%7Csecret"] {
            let server = Server::start([Reply::new(401, body)]).await;
            let outcome = provider(&server).deliver(&[social(1, "1", "Won", None)]).await.remove(0);
            let (kind, why) = failure(&outcome);
            assert!(kind == FailureKind::Unauthorized && why.ends_with(".. or .."), "{why}");
        }
    }
}
