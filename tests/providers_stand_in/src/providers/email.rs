//! SendGrid's form: <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Call, Delivery, Rejected, Request};
use crate::{Credentials, Provider};

const PERSONALIZATIONS_MAX: usize = 1000;
const SUBSTITUTIONS_BYTES_MAX: usize = 10_000;

#[derive(Deserialize)]
struct Mail {
    personalizations: Vec<Personalization>,
    #[serde(rename = "from")]
    _from: Address,
    subject: Option<String>,
    content: Vec<Content>,
}

#[derive(Deserialize)]
struct Personalization {
    to: Vec<Address>,
    subject: Option<String>,
    #[serde(default)]
    substitutions: BTreeMap<String, String>,
    custom_args: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
}

#[derive(Deserialize)]
struct Content {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

pub(super) fn read(request: &Request, credentials: &Credentials) -> Result<Call, Rejected> {
    if request.header("authorization") != format!("Bearer {}", credentials.api_key) {
        return Err(Rejected::Unauthorized);
    }
    let mail: Mail = serde_json::from_slice(&request.body).map_err(|_| "Bad Request")?;
    if !(1..=PERSONALIZATIONS_MAX).contains(&mail.personalizations.len()) {
        return Err("The personalization block is limited to 1000 personalizations per API request.".into());
    }
    let kinds: Vec<_> = mail.content.iter().map(|content| content.kind.as_str()).collect();
    if !matches!(kinds[..], ["text/plain"] | ["text/html"] | ["text/plain", "text/html"])
        || mail.content.iter().any(|content| content.value.is_empty())
    {
        return Err("The content value must be a string at least one character in length.".into());
    }
    let mut met = HashSet::new();
    let mut deliveries = Vec::new();
    for personalization in &mail.personalizations {
        let delivery = delivery(&mail, personalization)?;
        if !met.insert(delivery.to.to_ascii_lowercase()) {
            return Err("Each unique email address in the personalizations array should only be included once.".into());
        }
        deliveries.push(delivery);
    }
    let key = request.key()?;
    match <[Delivery; 1]>::try_from(deliveries) {
        Ok([delivery]) => Ok(Call::single(Provider::Email, key, delivery)?),
        Err(deliveries) => Ok(Call::bulk(Provider::Email, key, deliveries)),
    }
}

/// What one recipient reads.
fn delivery(mail: &Mail, personalization: &Personalization) -> Result<Delivery, &'static str> {
    let substitutions = personalization.substitutions.iter();
    if substitutions.map(|(tag, text)| tag.len() + text.len()).sum::<usize>() > SUBSTITUTIONS_BYTES_MAX {
        return Err("The total size of the substitutions is limited to 10000 bytes.");
    }
    let [Address { email }] = &personalization.to[..] else { return Err("The to array is required.") };
    let subject = personalization.subject.as_ref().or(mail.subject.as_ref()).ok_or("The subject is required.")?;
    let mut words = subject.clone();
    for content in &mail.content {
        let substituted = personalization.substitutions.iter();
        let body = substituted.fold(content.value.clone(), |body, (tag, text)| body.replace(tag, text));
        words.push_str(&format!("\n{}\n{body}", content.kind));
    }
    let notification = personalization.custom_args.get("notification").ok_or("There is no notification.")?.clone();
    Ok(Delivery { notification, to: email.clone(), words })
}

pub(super) fn accepted(number: u64) -> Answer {
    Answer { status: 202, headers: vec![("x-message-id", format!("stand-in.{number}"))], body: String::new() }
}

pub(super) fn error(message: &str, field: Option<&str>) -> String {
    json!({"errors": [{"message": message, "field": field, "help": null}]}).to_string()
}
