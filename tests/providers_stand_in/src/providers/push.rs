//! Airship's form: <https://docs.airship.com/developer/rest-api/ua/operations/push>.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Delivery, Rejected, Request};
use crate::{Credentials, Provider};

const PUSHES_MAX: usize = 100;

#[derive(Deserialize)]
struct Push {
    audience: BTreeMap<String, String>,
    device_types: Vec<String>,
    notification: BTreeMap<String, Value>,
}

pub(super) fn read(request: &Request, credentials: &Credentials) -> Result<Call, Rejected> {
    let Credentials { app_key, app_secret, .. } = credentials;
    let basic = format!("Basic {}", BASE64.encode(format!("{app_key}:{app_secret}").as_bytes()));
    let shown = request.header("authorization");
    let has_token = shown == format!("Bearer {app_secret}") && request.header("x-ua-appkey") == app_key;
    if shown != basic && !has_token {
        return Err(Rejected::Unauthorized);
    }
    if !request.header("accept").contains("version=3") {
        return Err("no such version of the API".into());
    }
    let key = request.key()?;
    let unreadable = |_| "Could not parse request body.";
    if request.body.starts_with(b"[") {
        let pushes: Vec<Push> = serde_json::from_slice(&request.body).map_err(unreadable)?;
        if !(1..=PUSHES_MAX).contains(&pushes.len()) {
            return Err("There are 1 to 100 pushes of a call.".into());
        }
        let deliveries: Result<_, _> = pushes.iter().map(delivery).collect();
        return Ok(Call::bulk(Provider::Push, key, deliveries?));
    }
    let push = serde_json::from_slice(&request.body).map_err(unreadable)?;
    Ok(Call::single(Provider::Push, key, delivery(&push)?)?)
}

fn delivery(push: &Push) -> Result<Delivery, &'static str> {
    let to = push.audience.get("named_user").or_else(|| push.audience.get("channel")).ok_or("Invalid audience")?;
    let platform = push.device_types.first().and_then(|device| push.notification.get(device));
    let platform = platform.ok_or("There is no platform.")?;
    let notification = platform["extra"]["notification"].as_str().ok_or("There is no notification.")?;
    let alert = push.notification.get("alert").and_then(Value::as_str).ok_or("There is no alert.")?;
    let words = format!("{}\n{alert}", platform["title"]);
    Ok(Delivery { notification: notification.to_owned(), to: to.clone(), words })
}

pub(super) fn accepted(pushes: usize, number: u64) -> Answer {
    let push_ids: Vec<_> = (0..pushes).map(|nth| format!("stand-in-{number}-{nth}")).collect();
    let body = json!({"ok": true, "operation_id": format!("stand-in-{number}"), "push_ids": push_ids});
    Answer::new(202, body.to_string())
}

pub(super) fn error(error: &str, code: i64) -> String {
    json!({"ok": false, "error": error, "error_code": code}).to_string()
}
