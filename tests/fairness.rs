//! Provably fair play: committed to before, revealed after, and computed again from files alone.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use croupier::identity::Digest;
use serde_json::{Value, json};

use crate::harness::{Host, Options, reason};

fn fair_host() -> Host {
    let config = "[fairness]\ngames = [\"roulette\", \"blackjack\"]\n".to_owned();
    Host::start_with(Options { config, ..Options::default() })
}

fn spin(host: &Host, token: &str) {
    host.call(token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })).unwrap();
}

/// The newest round of a player.
fn newest_round(host: &Host, token: &str) -> Value {
    let rounds = host.call(token, "round.list", json!({ "limit": 1 })).unwrap();
    host.call(token, "round.get", json!({ "round": rounds["rows"][0]["round"] })).unwrap()
}

fn verify(server_seed: &Value, files: &[&Path]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.args(["fair", "verify", "--server-seed", server_seed.as_str().unwrap()]).args(files);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn export(host: &Host, round: &str, file: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.args(["round", "export", round, "--data"]).arg(host.data()).arg("--output").arg(file);
    assert!(command.status().unwrap().success());
}

#[test]
fn what_was_committed_to_is_played_revealed_and_proved() {
    let mut host = fair_host();
    let token = host.player("alice", 100_000);
    let committed = host.call(&token, "fairness.commitment", json!({})).unwrap();
    assert_eq!(
        (&committed["pair"], &committed["nonce"], &committed["client_seed"]),
        (&json!(0), &json!(0), &json!(""))
    );
    assert_eq!(committed["games"], json!(["blackjack", "roulette"]));

    spin(&host, &token);
    let first = newest_round(&host, &token);
    let fair = &first["calls"][0]["fair"];
    assert_eq!((&fair["commitment"], &fair["nonce"]), (&committed["commitment"], &json!(0)));
    // Another game's chance is its own, and a look is no call of a pair.
    host.call(&token, "fruit-slots.spin", json!({ "line_stake": 1 })).unwrap();
    assert!(newest_round(&host, &token)["calls"][0].get("fair").is_none());
    host.call(&token, "blackjack.table", json!({})).unwrap();
    spin(&host, &token);
    assert_eq!(newest_round(&host, &token)["calls"][0]["fair"]["nonce"], 1);

    // The key outlives the process, so that the commitment does.
    host.kill();
    host.restart();
    assert_eq!(host.call(&token, "fairness.commitment", json!({})).unwrap()["commitment"], committed["commitment"]);
    let error = host.call(&token, "fairness.revealed", json!({ "pair": 0 })).unwrap_err();
    assert_eq!(reason(&error), "seed_not_revealed");

    let rotate = json!({ "client_seed": "alice's own", "idempotency_key": "rotate" });
    let rotated = host.call(&token, "fairness.rotate", rotate.clone()).unwrap();
    assert_eq!(host.call(&token, "fairness.rotate", rotate).unwrap(), rotated, "a retry reveals no other pair");
    let revealed = &rotated["revealed"];
    assert_eq!((&revealed["pair"], &revealed["nonces"]), (&json!(0), &json!(2)));
    let server_seed = &revealed["server_seed"];
    let bytes = data_encoding::HEXLOWER.decode(server_seed.as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(committed["commitment"], Digest::of(&bytes).to_string());
    assert_eq!((&rotated["next"]["pair"], &rotated["next"]["nonce"]), (&json!(1), &json!(0)));
    assert_ne!(rotated["next"]["commitment"], committed["commitment"]);
    let of_old = host.call(&token, "fairness.revealed", json!({ "pair": 0 })).unwrap();
    assert_eq!(of_old["server_seed"], *server_seed);

    while host.call(&token, "blackjack.deal", json!({ "stake": 100 })).unwrap()["turn"].is_null() {}
    while host.call(&token, "blackjack.stand", json!({})).is_ok() {}
    let second = newest_round(&host, &token);
    assert_eq!(second["calls"][0]["fair"]["client_seed"], "alice's own");
    let rotated = host.call(&token, "fairness.rotate", json!({ "client_seed": "" })).unwrap();
    host.check_ledger();
    let exported = host.operator("round.export", json!({ "round": second["summary"]["round"] })).unwrap();
    assert_eq!(exported["open"], false);
    let error = host.operator("round.export", json!({ "round": "player/alice/1" })).unwrap_err();
    assert_eq!(reason(&error), "round_not_found");
    assert_eq!(host.replayed()["flawed"], 0, "a fair step is a step like any other");

    let directory = tempfile::tempdir().unwrap();
    let [spun, dealt] = [&first, &second].map(|round| {
        let file = directory.path().join(format!("{}.json", round["summary"]["game"].as_str().unwrap()));
        export(&host, round["summary"]["round"].as_str().unwrap(), &file);
        file
    });
    let written: Value = serde_json::from_slice(&fs::read(&dealt).unwrap()).unwrap();
    assert_eq!(written, exported, "the operator is given the same as the command writes");
    let (status, stdout, stderr) = verify(server_seed, &[&spun]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.contains("of roulette: 1 calls and 1 draws follow from the server seed"), "{stdout}");
    let (status, _, stderr) = verify(&rotated["revealed"]["server_seed"], &[&dealt]);
    assert_eq!(status, Some(0), "{stderr}");
    let (status, _, stderr) = verify(server_seed, &[&dealt]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("it was played under the commitment"), "{stderr}");

    // A result that was chosen after all, in a file whose digests all fit.
    let mut forged: Value = serde_json::from_slice(&fs::read(&spun).unwrap()).unwrap();
    let mut record: Value = serde_json::from_str(forged["records"][0]["record"].as_str().unwrap()).unwrap();
    let drawn = &mut record["act"]["played"]["draws"][0]["below"][1];
    *drawn = json!((drawn.as_u64().unwrap() + 1) % 37);
    let digest = Digest::of(record.to_string().as_bytes()).to_string();
    forged["records"][0] = json!({ "step": record["step"], "digest": digest, "record": record.to_string() });
    forged["head"] = digest.into();
    fs::write(&spun, forged.to_string()).unwrap();
    let (status, _, stderr) = verify(server_seed, &[&spun]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("draw 0 does not follow from the seed"), "{stderr}");
}

#[test]
fn a_host_without_fair_games_says_so() {
    let host = Host::start();
    let token = host.player("alice", 1_000);
    for (method, params) in [("fairness.commitment", json!({})), ("fairness.rotate", json!({ "client_seed": "a" }))] {
        assert_eq!(reason(&host.call(&token, method, params).unwrap_err()), "fairness_disabled", "{method}");
    }
    let error = host.call(&token, "fairness.rotate", json!({ "client_seed": "\u{e4}" })).unwrap_err();
    assert_eq!(error["code"], -32602, "{error}");
}
