//! Players who call without pause, remember what they were told, and later hold the host to it.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex},
};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json, value::RawValue};

use crate::harness::{Host, OPERATOR_TOKEN, PATIENCE, post};

/// What a player remembers for retries: less than the host's window of keys.
const RETRIES_MAX: usize = 100;
const BATCH_MAX: usize = 8;
const OPENING_BALANCE: u32 = 1_000_000_000;

/// How many calls were acknowledged, by all players together.
#[derive(Default)]
pub(crate) struct Acknowledged {
    count: Mutex<u64>,
    grown: Condvar,
}

impl Acknowledged {
    pub(crate) fn add(&self, calls: usize) {
        *self.count.lock().unwrap() += calls as u64;
        self.grown.notify_all();
    }

    pub(crate) fn count(&self) -> u64 {
        *self.count.lock().unwrap()
    }

    /// Waits until there are `count`.
    pub(crate) fn wait_for(&self, count: u64) {
        let few = |acknowledged: &mut u64| *acknowledged < count;
        let (acknowledged, waited) = self.grown.wait_timeout_while(self.count.lock().unwrap(), PATIENCE, few).unwrap();
        assert!(!waited.timed_out(), "only {acknowledged} of {count} calls were acknowledged in {PATIENCE:?}");
    }
}

/// One call as it was sent.
#[derive(Clone)]
struct Call {
    method: String,
    params: Value,
    /// The whole request object.
    text: String,
}

/// One call and what the host said to it.
struct Answered {
    call: Call,
    /// The whole response object.
    response: String,
}

impl Answered {
    fn result(&self) -> Option<Value> {
        serde_json::from_str::<Value>(&self.response).unwrap().get_mut("result").map(Value::take)
    }
}

/// What was sent and not answered.
struct Request {
    path: &'static str,
    calls: Vec<Call>,
    batch: bool,
}

impl Request {
    fn body(&self) -> String {
        let texts: Vec<_> = self.calls.iter().map(|call| call.text.as_str()).collect();
        if self.batch { format!("[{}]", texts.join(",")) } else { texts[0].to_owned() }
    }
}

/// How a request ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All calls were answered, with results or with the game's own faults.
    Answered,
    /// The store refused some of the calls: a retry will tell what became of them.
    Refused,
    /// The connection broke: nobody knows what became of it.
    Broken,
}

/// A player and all that they know.
pub(crate) struct Player {
    name: String,
    token: String,
    random: ChaCha8Rng,
    calls: u64,
    /// Free spins that wait, and what may be done at the blackjack table, as far as is known.
    free_spins: u64,
    actions: Vec<String>,
    unanswered: Option<Request>,
    /// Answered with a result, oldest first; those before `proved` were found in the store already.
    answered: Vec<Answered>,
    proved: usize,
    proved_step: u64,
    proved_balance: i64,
}

impl Player {
    pub(crate) fn new(host: &Host, name: String, random: ChaCha8Rng) -> Self {
        let token = host.player(&name, OPENING_BALANCE.into());
        let player = Self {
            name,
            token,
            random,
            calls: 0,
            free_spins: 0,
            actions: Vec::new(),
            unanswered: None,
            answered: Vec::new(),
            proved: 0,
            proved_step: 0,
            proved_balance: 0,
        };
        Self { proved_step: player.prove_money(host), proved_balance: OPENING_BALANCE.into(), ..player }
    }

    /// Sends one request of the player's own choice.
    pub(crate) fn act(&mut self, address: &str, acknowledged: &Acknowledged) -> Ended {
        let request = self.choose();
        self.send(address, request, acknowledged)
    }

    fn send(&mut self, address: &str, request: Request, acknowledged: &Acknowledged) -> Ended {
        let token = if request.path == "/rpc" { &self.token } else { OPERATOR_TOKEN };
        let Ok((status, body)) = post(address, request.path, token, request.body().as_bytes()) else {
            self.unanswered = Some(request);
            return Ended::Broken;
        };
        assert_eq!(status, 200, "{body}");
        let responses = responses(&body, request.batch);
        assert_eq!(responses.len(), request.calls.len(), "{body}");
        if let Some(refusal) = responses.iter().find(|response| is_refusal(response)) {
            assert!(refusal.contains("\"store_"), "{refusal}");
            self.unanswered = Some(request);
            return Ended::Refused;
        }
        acknowledged.add(responses.len());
        for (call, response) in request.calls.into_iter().zip(responses) {
            self.learn(Answered { call, response });
        }
        Ended::Answered
    }

    fn learn(&mut self, answered: Answered) {
        let Some(result) = answered.result() else {
            let error: Value = serde_json::from_str(&answered.response).unwrap();
            assert!(error["error"]["code"].as_i64().unwrap() > 0, "no fault of the game's: {error}");
            return;
        };
        match answered.call.method.split_once('.').unwrap() {
            ("fruit-slots", _) => self.free_spins = result["free_spins_left"].as_u64().unwrap(),
            ("blackjack", _) => self.actions = serde_json::from_value(result["actions"].clone()).unwrap(),
            _ => {}
        }
        self.answered.push(answered);
    }

    /// Calls that the rules allow as far as is known, so that a repeat of one cannot mean something else later.
    fn choose(&mut self) -> Request {
        let count = if self.random.random_bool(0.4) { self.random.random_range(2..=BATCH_MAX) } else { 1 };
        let batch = count > 1 || self.random.random_bool(0.1);
        match self.random.random_range(0..20) {
            0 => {
                let amount = self.random.random_range(1..1000);
                let params = json!({ "player": self.name, "currency": "EUR", "amount": amount });
                Request { path: "/operator", calls: vec![self.call("wallet.deposit", params)], batch }
            }
            1..6 => {
                let action = if self.actions.is_empty() {
                    let stake = 2 * self.random.random_range(50..500);
                    self.call("blackjack.deal", json!({ "stake": stake }))
                } else {
                    let action = self.actions[self.random.random_range(0..self.actions.len())].clone();
                    self.call(&format!("blackjack.{action}"), json!({}))
                };
                Request { path: "/rpc", calls: vec![action], batch }
            }
            _ if self.free_spins > 0 => {
                let count = count.min(usize::try_from(self.free_spins).unwrap());
                let calls = (0..count).map(|_| self.call("fruit-slots.free_spin", json!({}))).collect();
                Request { path: "/rpc", calls, batch: batch || count > 1 }
            }
            _ => {
                let calls = (0..count).map(|_| self.spin_something()).collect();
                Request { path: "/rpc", calls, batch }
            }
        }
    }

    fn spin_something(&mut self) -> Call {
        if self.random.random_bool(0.5) {
            let line_stake = self.random.random_range(1..10);
            self.call("fruit-slots.spin", json!({ "line_stake": line_stake }))
        } else {
            let (number, stake) = (self.random.random_range(0..37), self.random.random_range(100..1000));
            let bets =
                json!([{ "kind": "straight", "number": number, "stake": stake }, { "kind": "red", "stake": stake }]);
            self.call("roulette.spin", json!({ "bets": bets }))
        }
    }

    fn call(&mut self, method: &str, params: Value) -> Call {
        let id = self.calls;
        self.calls += 1;
        let mut keyed = params.clone();
        keyed["idempotency_key"] = format!("{}-{id}", self.name).into();
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": keyed }).to_string();
        Call { method: method.to_owned(), params, text }
    }

    /// The player's bearer token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// How many results the player was told.
    pub(crate) fn results(&self) -> usize {
        self.answered.len()
    }

    pub(crate) fn has_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }

    /// Holds the host to everything since the last proof: what was not answered is tried again and then stands; what
    /// was answered is answered again byte for byte; the rounds in the store are those answers, in their order,
    /// no more and no less; and the balance is what its movements made it.
    pub(crate) fn prove(&mut self, host: &Host, acknowledged: &Acknowledged) {
        self.retry_unanswered(host, acknowledged);
        self.prove_retries(host);
        self.proved_step = self.prove_steps(host);
        self.proved_balance = i64::try_from(host.balance(&self.token)).unwrap();
        self.proved = self.answered.len();
    }

    /// As [`Self::prove`], where no step may be there that was not answered.
    pub(crate) fn prove_nothing_else(&mut self, host: &Host, acknowledged: &Acknowledged) {
        self.prove_steps(host);
        self.prove(host, acknowledged);
    }

    /// What the store says has happened since the last proof is what the player was told, one for one. The newest
    /// step.
    fn prove_steps(&self, host: &Host) -> u64 {
        self.prove_rounds(host).max(self.prove_money(host))
    }

    fn retry_unanswered(&mut self, host: &Host, acknowledged: &Acknowledged) {
        let Some(request) = self.unanswered.take() else { return };
        let (path, body, batch) = (request.path, request.body(), request.batch);
        assert_eq!(self.send(host.address(), request, acknowledged), Ended::Answered);
        let token = if path == "/rpc" { &self.token } else { OPERATOR_TOKEN };
        let (_, again) = host.post(path, token, body.as_bytes()).unwrap();
        let again = responses(&again, batch);
        let results = again.iter().filter(|response| !response.contains(r#""error""#));
        let told = self.answered.iter().rev().take(results.clone().count()).rev();
        assert!(results.eq(told.map(|answered| &answered.response)), "another reply to the same key");
    }

    fn prove_retries(&self, host: &Host) {
        let first = self.proved.max(self.answered.len().saturating_sub(RETRIES_MAX));
        let retried = &self.answered[first..];
        for (path, token) in [("/rpc", self.token.as_str()), ("/operator", OPERATOR_TOKEN)] {
            let at_path = |answered: &&Answered| (answered.call.method == "wallet.deposit") == (path == "/operator");
            let retried: Vec<_> = retried.iter().filter(at_path).collect();
            if retried.is_empty() {
                continue;
            }
            let texts: Vec<_> = retried.iter().map(|answered| answered.call.text.as_str()).collect();
            let (_, body) = host.post(path, token, format!("[{}]", texts.join(",")).as_bytes()).unwrap();
            for (answered, response) in retried.into_iter().zip(responses(&body, true)) {
                assert_eq!(response, answered.response, "another reply to {}", answered.call.text);
            }
        }
    }

    /// The rounds of the store are the player's calls of games, one for one.
    fn prove_rounds(&self, host: &Host) -> u64 {
        let mut steps = BTreeMap::new();
        let mut before = None;
        loop {
            let page = host.call(&self.token, "round.list", page(before)).unwrap();
            let calls = page["rows"].as_array().unwrap().iter().enumerate().map(|(id, row)| {
                json!({ "jsonrpc": "2.0", "id": id, "method": "round.get", "params": { "round": row["round"] } })
            });
            let calls: Vec<_> = calls.collect();
            for calls in calls.chunks(100) {
                let body = Value::from(calls.to_vec()).to_string();
                let (_, body) = host.post("/rpc", &self.token, body.as_bytes()).unwrap();
                for round in serde_json::from_str::<Vec<Value>>(&body).unwrap() {
                    for call in round["result"]["calls"].as_array().unwrap_or_else(|| panic!("{round}")) {
                        steps.insert(call["step"].as_u64().unwrap(), call.clone());
                    }
                }
            }
            before = page["next"].as_u64();
            if before.is_none_or(|step| step <= self.proved_step) {
                break;
            }
        }
        let found = steps.range(self.proved_step + 1..).map(|(_, step)| {
            (step["method"].as_str().unwrap().to_owned(), step["params"].clone(), step["reply"]["result"].clone())
        });
        let found: Vec<_> = found.collect();
        let played = self.answered[self.proved..].iter().filter(|answered| answered.call.method != "wallet.deposit");
        let told = played.map(|answered| {
            let (_, method) = answered.call.method.split_once('.').unwrap();
            (method.to_owned(), answered.call.params.clone(), answered.result().unwrap())
        });
        assert_eq!(found, told.collect::<Vec<_>>(), "the store and {} disagree", self.name);
        steps.last_key_value().map_or(0, |(step, _)| *step)
    }

    /// The balance is what its movements since the last proof have made of it, and the deposits are the player's own.
    fn prove_money(&self, host: &Host) -> u64 {
        let balance = i64::try_from(host.balance(&self.token)).unwrap();
        let (rows, newest) = history(host, &self.token, self.proved_step);
        let change: i64 = rows.iter().map(|row| row["change"].as_i64().unwrap()).sum();
        assert_eq!(self.proved_balance + change, balance, "{}", self.name);
        let rows = rows.iter().rev().filter(|row| row["kind"] == "deposit").map(|row| row["change"].clone());
        let told = self.answered[self.proved..].iter().filter(|answered| answered.call.method == "wallet.deposit");
        let told = told.map(|answered| answered.call.params["amount"].clone());
        // The first of all is the player's opening balance.
        assert!(rows.skip(usize::from(self.proved_step == 0)).eq(told), "{}", self.name);
        newest
    }
}

/// All movements of money after a step, newest first, and the newest step of all.
pub(crate) fn history(host: &Host, token: &str, after: u64) -> (Vec<Value>, u64) {
    let mut rows = Vec::new();
    let mut before = None;
    loop {
        let mut page = host.call(token, "wallet.history", page(before)).unwrap();
        let all = page["rows"].as_array_mut().unwrap();
        rows.extend(all.drain(..).filter(|row| row["step"].as_u64().unwrap() > after));
        before = page["next"].as_u64();
        if before.is_none_or(|step| step <= after) {
            let newest = rows.first().map_or(after, |row| row["step"].as_u64().unwrap());
            return (rows, newest);
        }
    }
}

fn page(before: Option<u64>) -> Value {
    json!({ "before": before, "limit": 100 })
}

/// The response objects of an answer, as they were sent.
fn responses(body: &str, batch: bool) -> Vec<String> {
    if !batch {
        return vec![body.to_owned()];
    }
    let responses: Vec<&RawValue> = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    responses.into_iter().map(|response| response.get().to_owned()).collect()
}

fn is_refusal(response: &str) -> bool {
    let response: Value = serde_json::from_str(response).unwrap();
    response["error"]["code"].as_i64().is_some_and(|code| code < 0)
}
