//! The protocol as its clients see it: bodies in, bodies out, against a small service.

mod any_bytes;
mod batches;
mod canonical;
mod requests;
mod specification;

use std::sync::Mutex;

use futures_util::FutureExt;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::{Error, Limits, Params, RawJson, Service, answer};

/// The methods of the specification's examples, `echo`, and a memory of the calls.
#[derive(Default)]
struct Toy {
    calls: Mutex<Vec<String>>,
}

impl Service for Toy {
    type Caller = ();

    async fn call(&self, _: &(), method: &str, params: Params) -> Result<RawJson, Error> {
        self.calls.lock().unwrap().push(method.to_owned());
        let result = match (method, params) {
            ("subtract", Params::ByPosition(items)) => number(&items[0])? - number(&items[1])?,
            ("subtract", params) => {
                let members = params.by_name()?;
                number(&members["minuend"])? - number(&members["subtrahend"])?
            }
            ("sum", Params::ByPosition(items)) => items.iter().map(number).sum::<Result<i64, _>>()?,
            ("get_data", _) => return Ok(raw(&json!(["hello", 5]))),
            ("update" | "notify_hello" | "notify_sum", _) => return Ok(raw(&Value::Null)),
            ("echo", Params::Absent) => return Ok(raw(&Value::Null)),
            ("echo", Params::ByName(members)) => return Ok(raw(&members.into())),
            ("echo", Params::ByPosition(items)) => return Ok(raw(&items.into())),
            ("by_name", params) => return Ok(raw(&params.by_name()?.into())),
            ("fault", _) => return Err(Error::game(7, "no such bet", Some(raw(&json!({"bets": [1]}))))),
            ("closed", _) => return Err(Error::host(-32001, "closed", "the table is closed").with("until_ms", 5)),
            _ => return Err(Error::method_not_found()),
        };
        Ok(raw(&result.into()))
    }
}

fn number(value: &Value) -> Result<i64, Error> {
    value.as_i64().ok_or_else(|| Error::invalid_params("not an integer"))
}

fn raw(value: &Value) -> RawJson {
    to_raw_value(value).unwrap().into()
}

/// Small bounds, so that a test can pass them by hand.
const LIMITS: Limits = Limits { batch_entries_max: 8, depth_max: 4, body_bytes_max: 1_000 };

fn answer_bytes(body: &[u8]) -> Option<Vec<u8>> {
    answer(body, &LIMITS, &Toy::default(), &()).now_or_never().expect("the toy service never waits")
}

fn answer_text(body: &str) -> Option<String> {
    answer_bytes(body.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn answer_json(body: &[u8]) -> Value {
    serde_json::from_slice(&answer_bytes(body).expect("an answer")).unwrap()
}

/// Code, reason and pointer of an error response.
fn refusal(response: &Value) -> (i64, &str, Option<&str>) {
    let error = &response["error"];
    let data = &error["data"];
    (error["code"].as_i64().unwrap(), data["reason"].as_str().unwrap_or_default(), data["pointer"].as_str())
}
