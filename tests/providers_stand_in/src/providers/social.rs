//! Meta's form: <https://developers.facebook.com/docs/games/services/appnotifications> and
//! <https://developers.facebook.com/docs/graph-api/batch-requests>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Call, Delivery, Rejected, Request};
use crate::{Credentials, Provider};

const BATCH_MAX: usize = 50;
const TEXT_CHARACTERS_MAX: usize = 180;

pub(super) const SUCCESS: &str = r#"{"success":true}"#;

#[derive(Deserialize)]
struct Member {
    method: String,
    relative_url: String,
    headers: Vec<Header>,
    body: String,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

type Fields = BTreeMap<String, String>;

/// What follows the version; empty for a batch.
fn below_version(path: &str) -> Option<&str> {
    let (version, rest) = path.strip_prefix("/v")?.split_once('/')?;
    version.starts_with(|digit: char| digit.is_ascii_digit()).then_some(rest)
}

fn user(relative_url: &str) -> Option<&str> {
    let user = relative_url.strip_suffix("/notifications")?;
    (!user.is_empty() && !user.contains('/')).then_some(user)
}

pub(super) fn is_path(path: &str) -> bool {
    below_version(path).is_some_and(|rest| rest.is_empty() || user(rest).is_some())
}

pub(super) fn read(request: &Request, credentials: &Credentials) -> Result<Call, Rejected> {
    let fields = fields(&request.body);
    if fields.get("access_token") != Some(&credentials.access_token) {
        return Err(Rejected::Unauthorized);
    }
    let key = request.key()?;
    let relative_url = below_version(&request.path).ok_or("Unknown path components")?;
    if !relative_url.is_empty() {
        let delivery = delivery(relative_url, key.clone(), &fields)?;
        return Ok(Call::single(Provider::Social, key, delivery)?);
    }
    let batch = fields.get("batch").ok_or("There is no batch.")?;
    let members: Vec<Member> = serde_json::from_str(batch).map_err(|_| "The batch is no JSON.")?;
    if !(1..=BATCH_MAX).contains(&members.len()) {
        return Err("Too many requests in batch message. Maximum batch size is 50".into());
    }
    let deliveries: Result<_, _> = members.iter().map(of_member).collect();
    Ok(Call::bulk(Provider::Social, key, deliveries?))
}

fn of_member(member: &Member) -> Result<Delivery, &'static str> {
    let key = member.headers.iter().find(|header| header.name.eq_ignore_ascii_case("idempotency-key"));
    let key = key.ok_or("A member of the batch has no Idempotency-Key.")?;
    if member.method != "POST" {
        return Err("Unsupported method");
    }
    delivery(&member.relative_url, key.value.clone(), &fields(member.body.as_bytes()))
}

fn delivery(relative_url: &str, notification: String, fields: &Fields) -> Result<Delivery, &'static str> {
    let to = user(relative_url).ok_or("Unknown path components")?.to_owned();
    let text = fields.get("template").ok_or("There is no template.")?;
    if !(1..=TEXT_CHARACTERS_MAX).contains(&text.chars().count()) {
        return Err("The template has 1 to 180 characters.");
    }
    let words = format!("{text}\n{}", fields.get("href").map(String::as_str).unwrap_or_default());
    Ok(Delivery { notification, to, words })
}

fn fields(form: &[u8]) -> Fields {
    form_urlencoded::parse(form).into_owned().collect()
}

pub(super) fn takes_batch(call: &Call) -> (Answer, Vec<usize>) {
    let (mut answers, mut taken) = (Vec::new(), Vec::new());
    for (place, delivery) in call.deliveries.iter().enumerate() {
        if delivery.is_refused() {
            answers.push(json!({"code": 400, "body": refusal()}));
        } else {
            answers.push(json!({"code": 200, "body": SUCCESS}));
            taken.push(place);
        }
    }
    (Answer::new(200, json!(answers).to_string()), taken)
}

pub(super) fn refusal() -> String {
    error("(#200) Cannot send notifications to a user who has not installed the app", 200, false)
}

pub(super) fn error(message: &str, code: i64, is_transient: bool) -> String {
    let error = json!({
        "message": message,
        "type": "OAuthException",
        "code": code,
        "is_transient": is_transient,
        "fbtrace_id": "stand-in",
    });
    json!({"error": error}).to_string()
}
