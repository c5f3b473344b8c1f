//! Over the wire, from a host of its own process: what a player's client and the operator see of hostile games.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};

use super::GAMES;
use crate::harness::{Host, Options, reason, unique};

const BALANCE: u64 = 10_000;

/// Games that break down: the step is void, and is recorded as such.
const BROKEN: &[(&str, i32, &str)] = &[
    ("misbehaving.memory_bomb", -32031, "game_out_of_memory"),
    ("misbehaving.reply_of_100_mb", -32031, "game_out_of_memory"),
    ("memory-giant.play", -32031, "game_out_of_memory"),
    ("table-bomb.play", -32031, "game_out_of_memory"),
    ("table-giant.play", -32031, "game_out_of_memory"),
    ("misbehaving.stack_overflow", -32032, "game_stack_overflow"),
    ("misbehaving.stack_overflow_through_the_host", -32032, "game_stack_overflow"),
    ("misbehaving.panic_after_stake", -32033, "game_trapped"),
    ("misbehaving.panic_after_draw", -32033, "game_trapped"),
    ("misbehaving.panic_with_a_long_message", -32033, "game_trapped"),
    ("divides-by-zero.play", -32033, "game_trapped"),
    ("reads-outside-of-memory.play", -32033, "game_trapped"),
    ("calls-nobody.play", -32033, "game_trapped"),
    ("calls-back.play", -32033, "game_trapped"),
    ("misbehaving.million_host_calls", -32034, "game_too_many_host_calls"),
    ("misbehaving.log_without_end", -32034, "game_too_many_host_calls"),
    ("misbehaving.read_keys_without_end", -32034, "game_too_many_host_calls"),
    ("misbehaving.draw_below_zero", -32035, "game_invalid_draw"),
    ("misbehaving.draw_without_weights", -32035, "game_invalid_draw"),
    ("misbehaving.draw_with_weights_of_zero", -32035, "game_invalid_draw"),
    ("misbehaving.draw_with_too_many_weights", -32035, "game_invalid_draw"),
    ("misbehaving.shuffle_too_much", -32035, "game_invalid_draw"),
    ("misbehaving.shuffle_four_thousand_million", -32035, "game_invalid_draw"),
    ("misbehaving.draw_without_end", -32035, "game_invalid_draw"),
    ("misbehaving.draw_the_only_one_without_end", -32035, "game_invalid_draw"),
    ("misbehaving.shuffle_without_end", -32035, "game_invalid_draw"),
    ("misbehaving.shuffle_nothing_without_end", -32035, "game_invalid_draw"),
    ("misbehaving.reply_of_4_mb", -32036, "game_too_much_data"),
    ("misbehaving.reply_over_the_limit", -32036, "game_too_much_data"),
    ("misbehaving.fault_over_the_limit", -32036, "game_too_much_data"),
    ("misbehaving.fault_of_a_long_message", -32036, "game_too_much_data"),
    ("misbehaving.hand_over_too_much", -32036, "game_too_much_data"),
    ("list-too-long.play", -32036, "game_too_much_data"),
    ("misbehaving.reply_that_claims_100_mb", -32037, "game_invalid_reply"),
    ("misbehaving.reply_outside_of_memory", -32037, "game_invalid_reply"),
    ("misbehaving.reply_invalid_utf8", -32037, "game_invalid_reply"),
    ("misbehaving.reply_nothing", -32037, "game_invalid_reply"),
    ("misbehaving.reply_invalid_json", -32037, "game_invalid_reply"),
    ("misbehaving.reply_two_values", -32037, "game_invalid_reply"),
    ("misbehaving.reply_no_number", -32037, "game_invalid_reply"),
    ("misbehaving.reply_too_deep", -32037, "game_invalid_reply"),
    ("misbehaving.reply_half_a_character", -32037, "game_invalid_reply"),
    ("misbehaving.reply_a_number_past_all_bounds", -32037, "game_invalid_reply"),
    ("misbehaving.fault_with_code_0", -32037, "game_invalid_reply"),
    ("misbehaving.fault_with_code_1000", -32037, "game_invalid_reply"),
    ("misbehaving.fault_with_a_code_of_the_host", -32037, "game_invalid_reply"),
    ("misbehaving.fault_with_the_smallest_code", -32037, "game_invalid_reply"),
    ("misbehaving.fault_with_data_that_is_not_json", -32037, "game_invalid_reply"),
    ("misbehaving.fault_with_data_that_is_too_deep", -32037, "game_invalid_reply"),
    ("misbehaving.keep_a_round_open_without_stake", -32037, "game_invalid_reply"),
    ("misbehaving.hand_over_invalid_utf8", -32037, "game_invalid_reply"),
    ("misbehaving.hand_over_a_text_outside_of_memory", -32037, "game_invalid_reply"),
    ("reply-of-no-kind.play", -32037, "game_invalid_reply"),
    ("reply-outside-of-memory.play", -32037, "game_invalid_reply"),
    ("room-outside-of-memory.play", -32037, "game_invalid_reply"),
    ("list-outside-of-memory.play", -32037, "game_invalid_reply"),
    ("list-without-end.play", -32037, "game_invalid_reply"),
    ("keys-into-nowhere.play", -32037, "game_invalid_reply"),
    ("handle-forgery.play", -32037, "game_invalid_reply"),
    ("handle-leak.play", -32038, "game_too_many_handles"),
];

/// Requests that the contract refuses; the game makes the refusal's code a fault of its own.
const REFUSED: &[(&str, &str)] = &[
    ("pay_without_stake", "no-open-round"),
    ("refund_without_stake", "no-open-round"),
    ("stake_over_balance", "insufficient-funds"),
    ("stake_nothing", "zero-amount"),
    ("stake_past_the_largest_amount", "amount-too-large"),
    ("stake_the_largest_number", "amount-too-large"),
    ("pay_past_the_largest_amount", "amount-too-large"),
    ("pay_the_largest_number", "amount-too-large"),
    ("pay_past_the_largest_balance", "amount-too-large"),
    ("pay_nothing", "zero-amount"),
    ("refund_over_stake", "refund-over-stake"),
    ("refund_twice", "refund-over-stake"),
    ("too_many_transfers", "too-many-transfers"),
    ("documents_over_the_limit", "too-large"),
    ("document_over_the_limit", "too-large"),
    ("document_without_key", "invalid-key"),
    ("document_with_a_long_key", "invalid-key"),
    ("document_with_a_path_for_a_key", "invalid-key"),
    ("document_with_a_foreign_key", "invalid-key"),
    ("document_with_a_nul_in_its_key", "invalid-key"),
    ("document_that_is_not_json", "invalid-json"),
    ("document_that_is_too_deep", "invalid-json"),
    ("too_many_effects", "too-many-effects"),
    ("effect_over_the_limit", "too-large"),
    ("effect_of_a_long_template", "too-large"),
    ("effect_that_is_not_json", "invalid-json"),
    ("effect_that_is_too_deep", "invalid-json"),
];

/// A host that never stops a game for its computing: how long a step takes must not decide what is tested.
fn patient_host() -> Host {
    let prelude = "export CROUPIER_GAMES_STEP_COMPUTE_MS_MAX=60000;".to_owned();
    Host::start_with(Options { games: Some(GAMES.clone()), prelude, ..Options::default() })
}

/// A player of one of these hosts.
struct Player<'a> {
    host: &'a Host,
    name: String,
    token: String,
}

impl<'a> Player<'a> {
    fn new(host: &'a Host, name: &str) -> Self {
        Self { host, name: name.to_owned(), token: host.player(name, BALANCE) }
    }

    fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.host.call(&self.token, method, params)
    }

    fn fails(&self, method: &str, params: Value) -> Value {
        self.call(method, params).expect_err(method)
    }

    fn steps(&self) -> u64 {
        self.host.operator("player.get", json!({ "player": self.name })).unwrap()["steps"].as_u64().unwrap()
    }

    /// Nothing has moved, and no round is or was open.
    fn assert_untouched(&self, after: &str) {
        assert_eq!(self.host.balance(&self.token), BALANCE, "{after}");
        assert_eq!(self.call("round.list", json!({})).unwrap()["rows"], json!([]), "{after}");
        let documents = self.call("misbehaving.tell_the_secret", json!({})).unwrap();
        assert_eq!(documents, json!([[], null]), "{after}");
    }
}

fn assert_honest_game_is_served(host: &Host) {
    let honest = host.player(&unique("honest"), BALANCE);
    host.call(&honest, "fruit-slots.spin", json!({ "line_stake": 5 })).unwrap();
}

#[test]
fn a_game_that_breaks_down_gets_its_own_error_and_moves_nothing() {
    let mut host = patient_host();
    let player = Player::new(&host, "alice");
    for (method, code, word) in BROKEN {
        let steps = player.steps();
        let key = json!({ "idempotency_key": method });
        let error = player.fails(method, key.clone());
        assert_eq!((&error["code"], reason(&error)), (&json!(code), *word), "{method}: {error}");
        assert!(error["message"].as_str().unwrap().ends_with("; the step is void"), "{error}");
        // The void step has its place in the chain, and is never run again.
        assert_eq!(player.steps(), steps + 1, "{method}");
        assert_eq!(player.fails(method, key), error);
        assert_eq!(player.steps(), steps + 1, "{method}");
        player.assert_untouched(method);
        let (game, method) = method.split_once('.').unwrap();
        let game = format!(r#""game":"{game}""#);
        host.wait_for_log(&["the game broke down", &game, r#""release":""#, &format!(r#""method":"{method}""#)]);
    }
    assert_honest_game_is_served(&host);
    let steps = player.steps();
    let report = host.check_ledger();
    assert_eq!(report["aggregates"], 2);
    assert!(report["records"].as_u64().unwrap() > steps, "{report}");
    assert!(host.is_alive());
    assert_eq!(host.replayed()["flawed"], 0, "void steps are void again, in the same way");
}

#[test]
fn what_the_contract_refuses_is_an_ordinary_answer() {
    let mut host = patient_host();
    let player = Player::new(&host, "alice");
    for (method, code) in REFUSED {
        let steps = player.steps();
        let fault = player.fails(&format!("misbehaving.{method}"), json!({}));
        assert_eq!((&fault["code"], &fault["message"]), (&json!(7), &json!(code)), "{method}: {fault}");
        assert_eq!(player.steps(), steps, "{method}");
        player.assert_untouched(method);
    }
    assert_honest_game_is_served(&host);
    assert_eq!(host.check_ledger()["aggregates"], 2);
    assert!(host.is_alive());
}

#[test]
fn a_fault_moves_nothing_and_is_recorded_once_chance_was_asked() {
    let host = patient_host();
    let player = Player::new(&host, "alice");
    let steps = player.steps();
    let fault = player.fails("misbehaving.fault_after_stake", json!({ "idempotency_key": "k" }));
    assert_eq!(fault["code"], 8);
    assert_eq!(player.steps(), steps);

    let drawn = player.fails("misbehaving.fault_after_draw", json!({ "idempotency_key": "d" }));
    assert_eq!(drawn["code"], 9);
    assert_eq!(player.steps(), steps + 1);
    assert_eq!(player.fails("misbehaving.fault_after_draw", json!({ "idempotency_key": "d" })), drawn);
    assert_eq!(player.steps(), steps + 1);
    let other = player.fails("misbehaving.behave", json!({ "idempotency_key": "d" }));
    assert_eq!(reason(&other), "idempotency_conflict");
    // Without a key, too: whoever looks for draws that were thrown away finds them.
    player.fails("misbehaving.fault_after_draw", json!({}));
    assert_eq!(player.steps(), steps + 2);
    player.assert_untouched("faults");
    assert_eq!(host.check_ledger()["aggregates"], 1);
}

#[test]
fn an_open_round_outlives_the_break_downs_of_its_game() {
    let mut host = patient_host();
    let player = Player::new(&host, "alice");
    player.call("misbehaving.keep_a_round_open", json!({})).unwrap();
    for method in ["panic_after_stake", "memory_bomb", "reply_invalid_json", "fault_after_draw", "pay_nothing"] {
        player.fails(&format!("misbehaving.{method}"), json!({}));
        assert_eq!(host.balance(&player.token), BALANCE - 100, "{method}");
    }
    let rounds = player.call("round.list", json!({})).unwrap();
    let round = &rounds["rows"][0];
    assert_eq!((&round["open"], &round["staked"], &round["calls"]), (&json!(true), &json!(100), &json!(1)));
    player.call("misbehaving.behave", json!({})).unwrap();
    let rounds = player.call("round.list", json!({})).unwrap();
    assert_eq!((&rounds["rows"][0]["open"], &rounds["rows"][0]["calls"]), (&json!(false), &json!(2)));
    assert_eq!(host.check_ledger()["aggregates"], 1);
    assert_eq!(host.replayed()["flawed"], 0, "void steps of a round see the round again");
}

#[test]
fn endless_loops_of_one_game_do_not_keep_others_from_answering() {
    const LOOPING_PLAYERS: u32 = 40;
    // However long a step has to wait for its place here: it is looped for, not timed.
    let prelude =
        "export CROUPIER_GAMES_STEP_COMPUTE_MS_MAX=30 CROUPIER_GAMES_ADMISSION_WAIT_MS_MAX=600000;".to_owned();
    let mut host = Host::start_with(Options { games: Some(GAMES.clone()), prelude, ..Options::default() });
    let honest = host.player("honest", 1_000_000);
    let served = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..LOOPING_PLAYERS {
            let (host, served) = (&host, &served);
            scope.spawn(move || {
                let player = Player::new(host, &format!("player-{number}"));
                while !served.load(Ordering::Relaxed) {
                    let error = player.fails("misbehaving.endless_loop", json!({}));
                    assert_eq!((&error["code"], reason(&error)), (&json!(-32030), "game_timeout"));
                }
                player.assert_untouched("endless loops");
            });
        }
        // The games are being kept busy from here on.
        host.wait_for_log(&["the game broke down", r#""method":"endless_loop""#]);
        let honest_calls = [
            ("fruit-slots.paytable", json!({})),
            ("roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })),
            ("wallet.balance", json!({})),
        ];
        let rounds = std::iter::repeat_n(&honest_calls, 10).flatten();
        let answers: Vec<_> = rounds.map(|(method, params)| host.call(&honest, method, params.clone())).collect();
        served.store(true, Ordering::Relaxed);
        answers.into_iter().for_each(|answer| drop(answer.unwrap()));
    });
    assert_eq!(host.check_ledger()["aggregates"], LOOPING_PLAYERS + 1);
    assert!(host.is_alive());
}

#[test]
fn the_operator_reads_what_broke_in_the_log() {
    let host = patient_host();
    let player = Player::new(&host, "alice");
    player.fails("misbehaving.panic_after_stake", json!({}));
    let line: Value = serde_json::from_str(&host.wait_for_log(&["the plot is lost"])).unwrap();
    let fields = &line["fields"];
    assert_eq!(line["level"], "ERROR");
    assert_eq!((&fields["game"], &fields["method"]), (&json!("misbehaving"), &json!("panic_after_stake")));
    let games = host.call(&player.token, "game.list", json!({})).unwrap();
    let game = games.as_array().unwrap().iter().find(|game| game["game"] == "misbehaving").unwrap();
    assert_eq!(fields["release"], game["release"]);
    assert!(fields["panic"].as_str().unwrap().contains("computing.rs"), "{fields}");
    assert!(fields["backtrace"].as_str().unwrap().contains("misbehaving::computing::lose_the_plot"), "{fields}");
    // What the client hears says nothing of it.
    let error = player.fails("misbehaving.panic_after_stake", json!({}));
    assert!(!error.to_string().contains("plot"), "{error}");

    player.fails("misbehaving.panic_with_a_long_message", json!({}));
    let line = host.wait_for_log(&["the game broke down", "long long"]);
    assert!(line.len() < 10_000, "a line of {} bytes", line.len());
}

#[test]
fn a_game_neither_floods_nor_forges_the_log() {
    let mut host = patient_host();
    let player = Player::new(&host, "alice");
    player.call("misbehaving.log_flood", json!({})).unwrap();
    player.call("misbehaving.log_forgery", json!({})).unwrap();
    host.wait_for_log(&[r"half a line\\n2026-01-01", r#""method":"log_forgery""#, "WARN", r"\\u{1b}"]);
    let (_, log) = host.terminate();
    let flood: Vec<_> = log.lines().filter(|line| line.contains("floodflood")).collect();
    assert_eq!(flood.len(), 32);
    assert!(flood.iter().all(|line| line.len() < 5000));
}

#[test]
fn a_game_keeps_its_documents_for_each_player_apart() {
    let host = patient_host();
    let (alice, bob) = (Player::new(&host, "alice"), Player::new(&host, "bob"));
    alice.call("misbehaving.keep_a_secret", json!({})).unwrap();
    assert_eq!(alice.call("misbehaving.tell_the_secret", json!({})).unwrap(), json!([["secret"], "mine"]));
    assert_eq!(bob.call("misbehaving.tell_the_secret", json!({})).unwrap(), json!([[], null]));
}

#[test]
fn replies_of_broken_games_do_not_spoil_a_batch() {
    let host = patient_host();
    let player = Player::new(&host, "alice");
    let entry = |id: u32, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let methods = ["reply_too_deep", "reply_half_a_character", "reply_a_number_past_all_bounds", "reply_invalid_json"];
    let broken = (1..).zip(methods).map(|(id, method)| entry(id, &format!("misbehaving.{method}")));
    let batch: Vec<_> = broken.chain([entry(9, "wallet.balance")]).collect();
    let (_, answer) = host.post("/rpc", &player.token, json!(batch).to_string().as_bytes()).unwrap();
    let answers: Vec<Value> = serde_json::from_str(&answer).unwrap();
    let of = |id: u32| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert!((1..=4).all(|id| reason(&of(id)["error"]) == "game_invalid_reply"), "{answer}");
    assert_eq!(of(9)["result"]["balance"], BALANCE);
}
