//! Batches: bounds, order, concurrency.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::super::{Error, Limits, Params, RawJson, Service, answer};
use super::{LIMITS, Toy, answer_json, answer_text, raw, refusal};

fn batch(entries: usize) -> String {
    let entries: Vec<_> = (0..entries).map(|id| format!(r#"{{"jsonrpc":"2.0","method":"{id}","id":{id}}}"#)).collect();
    format!("[{}]", entries.join(","))
}

#[test]
fn a_batch_over_the_bound_is_one_error() {
    let entry = r#"{"jsonrpc":"2.0","method":"echo","id":1}"#;
    let batch = |entries| format!("[{}]", vec![entry; entries].join(","));
    assert_eq!(answer_json(batch(LIMITS.batch_entries_max).as_bytes()).as_array().map(Vec::len), Some(8));
    let response = answer_json(batch(LIMITS.batch_entries_max + 1).as_bytes());
    assert_eq!(refusal(&response), (-32600, "batch_too_large", None));
    assert_eq!(response["error"]["data"]["batch_entries_max"], 8);
}

#[test]
fn equal_ids_are_both_answered() {
    let responses = answer_json(
        br#"[{"jsonrpc":"2.0","method":"sum","params":[1],"id":1},{"jsonrpc":"2.0","method":"sum","params":[2],"id":1}]"#,
    );
    assert_eq!(responses[0], json!({"jsonrpc": "2.0", "id": 1, "result": 1}));
    assert_eq!(responses[1], json!({"jsonrpc": "2.0", "id": 1, "result": 2}));
}

#[test]
fn what_is_wrong_with_one_entry_is_answered_in_its_place() {
    let text = answer_text(
        r#"[{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}, "\ud800", [{}], 1e999,
            {"jsonrpc":"2.0","method":"echo","params":{"a":1,"a":2},"id":2},
            {"jsonrpc":"2.0","method":"echo"},
            {"jsonrpc":"2.0","method":"sum","params":[3],"id":3}]"#,
    );
    let responses: Vec<Value> = serde_json::from_str(&text.unwrap()).unwrap();
    let ids: Vec<_> = responses.iter().map(|response| response["id"].to_string()).collect();
    assert_eq!(ids, ["1", "null", "null", "null", "2", "3"]);
    let codes: Vec<_> = responses.iter().map(|response| response["error"]["code"].as_i64().unwrap_or(0)).collect();
    assert_eq!(codes, [0, -32600, -32600, -32600, -32602, 0]);
}

#[test]
fn notifications_of_a_batch_are_called_in_its_order() {
    let toy = Toy::default();
    let body = br#"[{"jsonrpc":"2.0","method":"update"},{"jsonrpc":"2.0","method":"echo","id":1},{"jsonrpc":"2.0","method":"nonesuch"}]"#;
    let answer = futures_util::FutureExt::now_or_never(answer(body, &LIMITS, &toy, &())).flatten().unwrap();
    assert_eq!(answer, br#"[{"jsonrpc":"2.0","id":1,"result":null}]"#);
    assert_eq!(*toy.calls.lock().unwrap(), ["update", "echo", "nonesuch"]);
}

/// Notes every poll of every call. A call is ready at its third poll, or at its first if its number is even and
/// `uneven` is set; between, it wakes itself at once, as hastily as a future can.
struct Polled {
    polls: Mutex<Vec<usize>>,
    uneven: bool,
}

impl Service for Polled {
    type Caller = ();

    async fn call(&self, _: &(), method: &str, _: Params) -> Result<RawJson, Error> {
        let number: usize = method.parse().unwrap();
        let mut polls_left = if self.uneven && number.is_multiple_of(2) { 0 } else { 2 };
        poll_fn(|context| {
            self.polls.lock().unwrap().push(number);
            if polls_left == 0 {
                return Poll::Ready(());
            }
            polls_left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Ok(raw(&number.into()))
    }
}

#[tokio::test]
async fn every_call_is_submitted_in_order_before_any_goes_on() {
    let limits = Limits { body_bytes_max: 1 << 20, batch_entries_max: 1_000, ..LIMITS };
    for entries in [1, 2, 29, 30, 31, 32, 100, 1_000] {
        for uneven in [false, true] {
            let service = Polled { polls: Mutex::default(), uneven };
            let bytes = answer(batch(entries).as_bytes(), &limits, &service, &()).await.unwrap();
            let in_order: Vec<_> = (0..entries).collect();
            assert_eq!(service.polls.lock().unwrap()[..entries], in_order);
            let responses: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
            let results: Vec<_> = responses.iter().map(|response| response["result"].as_u64().unwrap()).collect();
            assert_eq!(results, (0..entries as u64).collect::<Vec<_>>());
        }
    }
}

/// Lets a call go on when all of its batch have come.
struct Together(Barrier);

impl Service for Together {
    type Caller = ();

    async fn call(&self, _: &(), _: &str, _: Params) -> Result<RawJson, Error> {
        self.0.wait().await;
        Ok(raw(&Value::Null))
    }
}

#[tokio::test]
async fn calls_of_a_batch_run_concurrently_in_a_task_of_their_own() {
    for entries in [8, 100] {
        let service = Arc::new(Together(Barrier::new(entries)));
        let limits = Limits::default();
        let task = tokio::spawn(async move { answer(batch(entries).as_bytes(), &limits, &*service, &()).await });
        assert!(task.await.unwrap().is_some());
    }
}
