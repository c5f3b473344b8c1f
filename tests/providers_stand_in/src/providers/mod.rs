//! The providers' forms: how a call is read, and how each of them says yes and no.

mod email;
mod push;
mod social;
mod webhook;

use bytes::Bytes;
use hyper::HeaderMap;

use crate::{Credentials, Fault, Provider};

/// A call as it came.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A call of a provider that has none is refused.
    fn key(&self) -> Result<String, &'static str> {
        match self.header("idempotency-key") {
            "" => Err("there is no Idempotency-Key"),
            key => Ok(key.to_owned()),
        }
    }
}

/// A call as a provider reads it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) provider: Provider,
    pub(crate) key: String,
    pub(crate) deliveries: Vec<Delivery>,
    /// Whether it has the form for several.
    is_bulk: bool,
}

impl Call {
    fn single(provider: Provider, key: String, delivery: Delivery) -> Result<Self, &'static str> {
        if key != delivery.notification {
            return Err("the Idempotency-Key is another notification than the call is for");
        }
        Ok(Self { provider, key, deliveries: vec![delivery], is_bulk: false })
    }

    fn bulk(provider: Provider, key: String, deliveries: Vec<Delivery>) -> Self {
        Self { provider, key, deliveries, is_bulk: true }
    }
}

/// Something to be told to somebody.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) notification: String,
    pub(crate) to: String,
    /// All of them together.
    pub(crate) words: String,
}

impl Delivery {
    fn is_refused(&self) -> bool {
        self.to.starts_with("refused")
    }
}

/// A call that is not read any further.
#[derive(Debug)]
pub(crate) enum Rejected {
    Unauthorized,
    Malformed(&'static str),
}

impl From<&'static str> for Rejected {
    fn from(why: &'static str) -> Self {
        Self::Malformed(why)
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

/// Whose path it is.
pub(crate) fn of_path(path: &str) -> Option<Provider> {
    match path {
        "/v3/mail/send" => Some(Provider::Email),
        "/api/push" => Some(Provider::Push),
        "/webhook" => Some(Provider::Webhook),
        path if social::is_path(path) => Some(Provider::Social),
        _ => None,
    }
}

pub(crate) fn read(provider: Provider, request: &Request, credentials: &Credentials) -> Result<Call, Rejected> {
    match provider {
        Provider::Email => email::read(request, credentials),
        Provider::Push => push::read(request, credentials),
        Provider::Social => social::read(request, credentials),
        Provider::Webhook => webhook::read(request, credentials),
    }
}

/// What a provider answers to a call that it does not read any further.
pub(crate) fn rejects(provider: Provider, rejected: &Rejected) -> Answer {
    let why = match rejected {
        Rejected::Malformed(why) => why,
        Rejected::Unauthorized => return unauthorized(provider),
    };
    match provider {
        Provider::Email => Answer::new(400, email::error(why, None)),
        Provider::Push => Answer::new(400, push::error(why, 40000)),
        Provider::Social => Answer::new(400, social::error(why, 100, false)),
        Provider::Webhook => Answer::new(400, *why),
    }
}

fn unauthorized(provider: Provider) -> Answer {
    match provider {
        Provider::Email => {
            Answer::new(401, email::error("The provided authorization grant is invalid, expired, or revoked", None))
        }
        Provider::Push => Answer::new(401, push::error("Unauthorized", 40101)),
        Provider::Social => Answer::new(401, social::error("Invalid OAuth access token.", 190, false)),
        Provider::Webhook => Answer::new(401, "wrong signature"),
    }
}

/// What a provider answers to a call that it reads, and which deliveries it takes, by their places. `number` is one of
/// its own for this call.
pub(crate) fn takes(call: &Call, number: u64) -> (Answer, Vec<usize>) {
    let all = || (0..call.deliveries.len()).collect();
    let refused = call.deliveries.iter().position(Delivery::is_refused);
    match (call.provider, refused) {
        (Provider::Social, _) if call.is_bulk => social::takes_batch(call),
        (Provider::Email, None) => (email::accepted(number), all()),
        (Provider::Push, None) => (push::accepted(call.deliveries.len(), number), all()),
        (Provider::Social, None) => (Answer::new(200, social::SUCCESS), all()),
        (Provider::Webhook, None) => (Answer::new(204, ""), all()),
        (Provider::Email, Some(place)) => {
            let field = format!("personalizations.{place}.to.0.email");
            (Answer::new(400, email::error("Does not contain a valid address.", Some(&field))), Vec::new())
        }
        (Provider::Push, Some(_)) => (Answer::new(400, push::error("Invalid named user", 40001)), Vec::new()),
        (Provider::Social, Some(_)) => (Answer::new(400, social::refusal()), Vec::new()),
        (Provider::Webhook, Some(_)) => (Answer::new(410, "gone"), Vec::new()),
    }
}

/// How a provider says that it has failed; `None` where it says nothing.
pub(crate) fn fails(provider: Provider, fault: Fault) -> Option<Answer> {
    let (status, words, code) = match fault {
        Fault::Internal => (500, "An internal error occurred", 1),
        Fault::Unavailable => (503, "Service temporarily unavailable", 2),
        Fault::Throttled => (429, "Too many requests", 4),
        Fault::Malformed => return Some(malformed(provider)),
        Fault::BrokenOff | Fault::Silent | Fault::AnswerLost => return None,
    };
    let body = match provider {
        Provider::Email => email::error(words, None),
        Provider::Push => push::error(words, i64::from(status) * 100),
        Provider::Social => social::error(words, code, true),
        Provider::Webhook => words.to_owned(),
    };
    let mut answer = Answer::new(status, body);
    if fault == Fault::Throttled {
        answer.headers.push(("retry-after", "1".to_owned()));
    }
    Some(answer)
}

/// Whatever a webhook's server says with 2xx is a success, so it answers something else.
fn malformed(provider: Provider) -> Answer {
    match provider {
        Provider::Email => Answer::new(200, "<html>"),
        Provider::Push => Answer::new(202, "{\"ok\":"),
        Provider::Social => Answer::new(200, "<html>"),
        Provider::Webhook => Answer::new(302, ""),
    }
}
