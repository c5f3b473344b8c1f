//! E-mail by Twilio SendGrid's API v3.
//!
//! `POST /v3/mail/send` (<https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>), its limits
//! (<https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations>) and errors
//! (<https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors>). An e-mail that is taken is answered with 202
//! and an `X-Message-Id`. Several go in one call as personalizations: the bodies are tags there, which each recipient's
//! substitutions replace. SendGrid does not know idempotency keys; the notification goes along as a custom argument, which
//! comes back with every event of the e-mail.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Connection, Delivery, InvalidSettings, Outcome, Provider, Secret,
    answer::Answer,
    calls::{self, Calls},
    http::{Caller, key_of_all, secret_header},
};
use crate::{
    identity::{Address, ProviderName},
    notifications::{Channel, Message, NotificationId},
};

/// Where SendGrid is, but for regional subusers in the EU, whose is `https://api.eu.sendgrid.com`.
pub const BASE_URL: &str = "https://api.sendgrid.com";

/// Personalizations of one call.
const PERSONALIZATIONS_MAX: usize = 1000;

/// Substitutions of one personalization, tags and texts together.
const SUBSTITUTIONS_BYTES_MAX: usize = 10_000;

/// A SendGrid account to send by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached.
    pub connection: Connection,
    /// An API key that may send e-mails.
    pub api_key: Secret,
    /// A verified sender.
    pub from: Address,
    /// The sender's name; SendGrid takes no Unicode in it.
    pub from_name: Option<String>,
}

/// Sends e-mails by SendGrid.
///
/// # Errors
/// Where the settings cannot work.
pub fn open(settings: Settings) -> Result<Arc<dyn Provider>, InvalidSettings> {
    if settings.api_key.is_empty() {
        return Err(InvalidSettings::of(&settings.connection, "has no API key"));
    }
    let key = settings.api_key.expose();
    let authorization = secret_header(&settings.connection, &format!("Bearer {key}"))?;
    let caller = Caller::open(&settings.connection, vec![key.to_owned()])?;
    let from = Person { email: settings.from.to_string(), name: settings.from_name };
    Ok(Arc::new(SendGrid { caller, authorization, from }))
}

struct SendGrid {
    caller: Caller,
    authorization: HeaderValue,
    from: Person,
}

#[async_trait]
impl Provider for SendGrid {
    fn name(&self) -> &ProviderName {
        self.caller.name()
    }

    fn channel(&self) -> Channel {
        Channel::Email
    }

    fn bulk_max(&self) -> usize {
        PERSONALIZATIONS_MAX
    }

    async fn deliver(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        calls::deliver(self, deliveries, self.caller.deadline()).await
    }
}

/// An e-mail to one recipient.
struct Letter {
    notification: NotificationId,
    to: String,
    subject: String,
    text: Option<String>,
    html: Option<String>,
}

impl Letter {
    /// Letters of one call have the same kinds of bodies.
    fn kinds(&self) -> (bool, bool) {
        (self.text.is_some(), self.html.is_some())
    }

    fn fits_a_substitution(&self) -> bool {
        let bodies = [&self.text, &self.html].into_iter().flatten();
        bodies.map(|body| body.len() + TAG_BYTES).sum::<usize>() <= SUBSTITUTIONS_BYTES_MAX
    }
}

#[async_trait]
impl Calls for SendGrid {
    type Letter = Letter;

    fn letter(&self, delivery: &Delivery) -> Result<Letter, String> {
        let Message::Email { subject, text, html } = &delivery.message else { return Err(calls::wrong_channel()) };
        // SendGrid refuses a body of no characters.
        let body = |body: &Option<String>| body.clone().filter(|body| !body.is_empty());
        let (text, html) = (body(text), body(html));
        if text.is_none() && html.is_none() {
            return Err("the e-mail says nothing".to_owned());
        }
        let (notification, to) = (delivery.notification, delivery.to.to_string());
        Ok(Letter { notification, to, subject: subject.clone(), text, html })
    }

    /// An address comes once in a call, or all of it is refused.
    fn groups(&self, letters: &[&Letter]) -> Vec<Vec<usize>> {
        let (mut groups, mut open) = (Vec::new(), BTreeMap::<_, Vec<(Vec<usize>, HashSet<String>)>>::new());
        for (place, letter) in letters.iter().enumerate() {
            if !letter.fits_a_substitution() {
                groups.push(vec![place]);
                continue;
            }
            let of_kind = open.entry(letter.kinds()).or_default();
            let to = letter.to.to_ascii_lowercase();
            let has_room = |(group, met): &&mut (Vec<usize>, HashSet<String>)| {
                group.len() < PERSONALIZATIONS_MAX && !met.contains(&to)
            };
            match of_kind.iter_mut().find(has_room) {
                Some((group, met)) => {
                    group.push(place);
                    met.insert(to);
                }
                None => of_kind.push((vec![place], HashSet::from([to]))),
            }
        }
        groups.extend(open.into_values().flatten().map(|(group, _)| group));
        groups
    }

    async fn one(&self, letter: &Letter, deadline: Instant) -> Outcome {
        let mail = Mail {
            personalizations: vec![Personalization::of(letter, None)],
            from: &self.from,
            subject: Some(&letter.subject),
            content: content(letter.text.as_deref(), letter.html.as_deref()),
        };
        match self.send(&mail, &letter.notification.to_string(), deadline).await {
            Ok(answer) => self.outcome(&answer),
            Err(failed) => failed,
        }
    }

    async fn several(&self, letters: &[&Letter], deadline: Instant) -> Option<Vec<Outcome>> {
        let key = key_of_all(letters.iter().map(|letter| &letter.notification));
        let tags = Tags::of(&key);
        let (has_text, has_html) = letters.first().map(|letter| letter.kinds())?;
        let mail = Mail {
            personalizations: letters.iter().map(|letter| Personalization::of(letter, Some(&tags))).collect(),
            from: &self.from,
            subject: None,
            content: content(has_text.then_some(tags.text.as_str()), has_html.then_some(tags.html.as_str())),
        };
        let outcome = match self.send(&mail, &key, deadline).await {
            Ok(answer) if matches!(answer.status.as_u16(), 400 | 413) => return None,
            Ok(answer) => self.outcome(&answer),
            Err(failed) => failed,
        };
        Some(vec![outcome; letters.len()])
    }
}

impl SendGrid {
    async fn send(&self, mail: &Mail<'_>, idempotency_key: &str, deadline: Instant) -> Result<Answer, Outcome> {
        let body = serde_json::to_vec(mail).map_err(|error| Outcome::Refused { why: error.to_string() })?;
        let request = self.caller.post("/v3/mail/send", idempotency_key);
        let request =
            request.header(AUTHORIZATION, self.authorization.clone()).header(CONTENT_TYPE, "application/json");
        self.caller.call(request.body(body), deadline).await.map_err(Outcome::Failed)
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let words = &self.caller.words;
        if answer.status.as_u16() == 202 {
            let reference = answer.header("x-message-id").map(|id| words.quote(id));
            return Outcome::Delivered { reference: reference.filter(|id| !id.is_empty()) };
        }
        let errors = answer.json::<Errors>().map(|errors| errors.to_string());
        answer.by_status(words, answer.says(words, errors.as_deref()))
    }
}

/// What stands for the bodies in a call for several. Nobody who writes messages knows them, so no message has them.
struct Tags {
    text: String,
    html: String,
}

/// `{{text-}}` and 32 digits.
const TAG_BYTES: usize = 41;

impl Tags {
    fn of(key: &str) -> Self {
        let key = &key[..32];
        Self { text: format!("{{{{text-{key}}}}}"), html: format!("{{{{html-{key}}}}}") }
    }
}

#[derive(Serialize)]
struct Mail<'a> {
    personalizations: Vec<Personalization<'a>>,
    from: &'a Person,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    content: Vec<Content<'a>>,
}

#[derive(Serialize)]
struct Person {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Recipient<'a> {
    email: &'a str,
}

#[derive(Serialize)]
struct Personalization<'a> {
    to: [Recipient<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    substitutions: BTreeMap<&'a str, &'a str>,
    custom_args: CustomArgs,
}

#[derive(Serialize)]
struct CustomArgs {
    notification: NotificationId,
}

impl<'a> Personalization<'a> {
    /// With its own subject and bodies where it is one of several.
    fn of(letter: &'a Letter, tags: Option<&'a Tags>) -> Self {
        let mut substitutions = BTreeMap::new();
        if let Some(tags) = tags {
            let bodies = [(&tags.text, &letter.text), (&tags.html, &letter.html)];
            substitutions.extend(bodies.into_iter().filter_map(|(tag, body)| Some((tag.as_str(), body.as_deref()?))));
        }
        Self {
            to: [Recipient { email: &letter.to }],
            subject: tags.map(|_| letter.subject.as_str()),
            substitutions,
            custom_args: CustomArgs { notification: letter.notification },
        }
    }
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

/// Plain text comes first, or the e-mail is refused.
fn content<'a>(text: Option<&'a str>, html: Option<&'a str>) -> Vec<Content<'a>> {
    let bodies = [("text/plain", text), ("text/html", html)].into_iter();
    bodies.filter_map(|(kind, value)| Some(Content { kind, value: value? })).collect()
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    message: String,
    #[serde(default)]
    field: Option<String>,
}

impl std::fmt::Display for Errors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (nth, error) in self.errors.iter().enumerate() {
            let between = if nth == 0 { "" } else { "; " };
            write!(f, "{between}{}", error.message)?;
            if let Some(field) = &error.field {
                write!(f, " ({field})")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::{
        FailureKind,
        tests::{Reply, Server, failure, id, refused},
    };

    const REFUSED: &str = r#"{"errors":[{"message":"Does not contain a valid address.","field":"personalizations.0.to.0.email","help":"http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message.personalizations.to"}]}"#;
    const WRONG_KEY: &str = r#"{"errors":[{"message":"The provided authorization grant is invalid, expired, or revoked","field":null,"help":null}]}"#;

    async fn provider(server: &Server) -> Arc<dyn Provider> {
        open(Settings {
            connection: server.connection("mail"),
            api_key: Secret::new("SG.key".to_owned()),
            from: "wins@casino.example".parse().unwrap(),
            from_name: Some("Casino".to_owned()),
        })
        .unwrap()
    }

    fn email(number: u8, to: &str, text: &str) -> Delivery {
        let message = Message::Email { subject: format!("Win {number}"), text: Some(text.to_owned()), html: None };
        Delivery { notification: id(number), to: to.parse().unwrap(), message }
    }

    fn accepted() -> Reply {
        Reply::new(202, "").with("x-message-id", "14c5d75ce93.dfd.64b469")
    }

    fn delivered() -> Outcome {
        Outcome::Delivered { reference: Some("14c5d75ce93.dfd.64b469".to_owned()) }
    }

    #[tokio::test]
    async fn one_email_is_one_call() {
        let server = Server::start([accepted()]).await;
        let mut delivery = email(1, "ann@example.com", "Hello\nAnn");
        let Message::Email { html, .. } = &mut delivery.message else { panic!() };
        *html = Some("<p>Hello</p>".to_owned());
        assert_eq!(provider(&server).await.deliver(&[delivery]).await, [delivered()]);
        let call = server.only_call();
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v3/mail/send"));
        assert_eq!(call.header("authorization"), "Bearer SG.key");
        assert_eq!(call.header("content-type"), "application/json");
        assert_eq!(call.header("idempotency-key"), id(1).to_string());
        assert_eq!(call.header("user-agent"), concat!("croupier/", env!("CARGO_PKG_VERSION")));
        assert_eq!(
            call.json(),
            json!({
                "personalizations": [{
                    "to": [{"email": "ann@example.com"}],
                    "custom_args": {"notification": id(1).to_string()},
                }],
                "from": {"email": "wins@casino.example", "name": "Casino"},
                "subject": "Win 1",
                "content": [
                    {"type": "text/plain", "value": "Hello\nAnn"},
                    {"type": "text/html", "value": "<p>Hello</p>"},
                ],
            })
        );
    }

    #[tokio::test]
    async fn several_share_a_call_with_a_subject_and_a_text_for_each() {
        let server = Server::start([accepted()]).await;
        let deliveries = [email(1, "ann@example.com", "Hello Ann"), email(2, "bob@example.com", "Hello Bob")];
        assert_eq!(provider(&server).await.deliver(&deliveries).await, [delivered(), delivered()]);
        let call = server.only_call();
        let key = key_of_all([id(1), id(2)].iter());
        assert_eq!(call.header("idempotency-key"), key);
        let tag = Tags::of(&key).text;
        assert_eq!(tag.len(), TAG_BYTES);
        let personalization = |number: u8, to: &str, text: &str| {
            json!({
                "to": [{"email": to}],
                "subject": format!("Win {number}"),
                "substitutions": {&tag: text},
                "custom_args": {"notification": id(number).to_string()},
            })
        };
        assert_eq!(
            call.json(),
            json!({
                "personalizations": [
                    personalization(1, "ann@example.com", "Hello Ann"),
                    personalization(2, "bob@example.com", "Hello Bob"),
                ],
                "from": {"email": "wins@casino.example", "name": "Casino"},
                "content": [{"type": "text/plain", "value": tag}],
            })
        );
    }

    #[tokio::test]
    async fn what_cannot_share_a_call_does_not() {
        let server = Server::start([accepted(), accepted(), accepted()]).await;
        let deliveries = [
            email(1, "ann@example.com", "one"),
            email(2, "bob@example.com", &"x".repeat(9_960)),
            email(3, "ANN@example.com", "another to her"),
            email(4, "cid@example.com", "two"),
            email(5, "dan@example.com", ""),
        ];
        let outcomes = provider(&server).await.deliver(&deliveries).await;
        assert_eq!(outcomes[..4], [delivered(), delivered(), delivered(), delivered()]);
        assert_eq!(outcomes[4], Outcome::Refused { why: "the e-mail says nothing".to_owned() });
        let mut sizes: Vec<_> =
            server.calls().iter().map(|call| call.json()["personalizations"].as_array().unwrap().len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1, 2]);
    }

    #[tokio::test]
    async fn one_bad_address_does_not_keep_the_others_from_theirs() {
        let server = Server::answering(|call| {
            let body = call.json();
            let recipients = body["personalizations"].as_array().unwrap();
            let is_bad = recipients.iter().any(|recipient| recipient["to"][0]["email"] == "nonsense");
            if is_bad { Reply::new(400, REFUSED) } else { accepted() }
        })
        .await;
        let deliveries =
            [email(1, "ann@example.com", "x"), email(2, "nonsense", "x"), email(3, "bob@example.com", "x")];
        let provider = provider(&server).await;
        let outcomes = provider.deliver(&deliveries).await;
        let why = "it answered 400: Does not contain a valid address. (personalizations.0.to.0.email)";
        assert_eq!(outcomes, [delivered(), refused(why), delivered()]);
        assert_eq!(server.calls().len(), 4);

        let address = |number| if number == 77 { "nonsense".to_owned() } else { format!("{number}@example.com") };
        let deliveries: Vec<_> = (0..100).map(|number| email(number, &address(number), "x")).collect();
        let outcomes = provider.deliver(&deliveries).await;
        assert!((0..100).all(|place| outcomes[place] == if place == 77 { refused(why) } else { delivered() }));
        // All, ten times ten, and the ten that the bad one is among.
        assert_eq!(server.calls().len(), 4 + 1 + 10 + 10);
    }

    #[tokio::test]
    async fn each_documented_error_has_its_outcome() {
        let reset =
            Reply::new(429, r#"{"errors":[{"field":null,"message":"too many requests"}]}"#).with("retry-after", "7");
        for (reply, kind, why) in [
            (
                Reply::new(401, WRONG_KEY),
                FailureKind::Unauthorized,
                "it answered 401: The provided authorization grant is invalid, expired, or revoked",
            ),
            (
                Reply::new(
                    403,
                    r#"{"errors":[{"message":"The from address does not match a verified Sender Identity for SG.key","field":"from"}]}"#,
                ),
                FailureKind::Unauthorized,
                "it answered 403: The from address does not match a verified Sender Identity for .. (from)",
            ),
            (reset, FailureKind::Throttled, "it answered 429: too many requests"),
            (Reply::new(500, "oops"), FailureKind::Unavailable, "it answered 500: oops"),
            (Reply::new(503, ""), FailureKind::Unavailable, "it answered 503"),
            (
                Reply::new(200, ""),
                FailureKind::Unavailable,
                "it answered 200; that makes no sense, and it may have delivered",
            ),
        ] {
            let server = Server::start([reply.clone(), reply]).await;
            let provider = provider(&server).await;
            let single = provider.deliver(&[email(1, "ann@example.com", "x")]).await;
            assert_eq!(failure(&single[0]), (kind, why.to_owned()));
            // The same for all members of a call.
            let both = provider.deliver(&[email(1, "ann@example.com", "x"), email(2, "bob@example.com", "x")]).await;
            assert_eq!(both, [single[0].clone(), single[0].clone()]);
        }
    }
}
