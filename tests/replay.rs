//! `croupier replay` and `croupier round export`: what was played is played again, from the files of a stopped host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{
    harness::{GAMES, Host},
    hostile::components::Handmade,
    ledger::{Tampering, tampered},
    load::{Acknowledged, Ended, Player},
};

/// Exit status, output and errors of a command.
fn croupier(arguments: &[&str], files: &[&Path]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    let Output { status, stdout, stderr } = command.args(arguments).args(files).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A round of bob's that has several calls, and one with void steps and other games in between.
fn blackjack(host: &Host, token: &str) -> String {
    loop {
        let dealt = host.call(token, "blackjack.deal", json!({ "stake": 100 })).unwrap();
        if !dealt["turn"].is_null() {
            break;
        }
    }
    host.call(token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })).unwrap();
    // Not allowed now, or a card: either is an ordinary answer.
    let _refused = host.call(token, "blackjack.insure", json!({}));
    let rounds = host.call(token, "round.list", json!({})).unwrap();
    let round = rounds["rows"][0]["round"].as_str().unwrap().to_owned();
    while host.call(token, "blackjack.stand", json!({})).is_ok() {}
    round
}

/// A host that was played on and has ended, and a round of bob's on it.
fn played() -> (Host, String) {
    let mut host = Host::start();
    let token = host.player("bob", 100_000);
    for call in 0..5 {
        let key = format!("bob-{call}");
        host.call(&token, "fruit-slots.spin", json!({ "line_stake": 1, "idempotency_key": key }))
            .or_else(|_free_spins_wait| host.call(&token, "fruit-slots.free_spin", json!({})))
            .unwrap();
    }
    let round = blackjack(&host, &token);
    assert!(host.terminate().0.success());
    (host, round)
}

#[test]
fn a_whole_store_is_played_again() {
    let mut host = Host::start();
    let acknowledged = Acknowledged::default();
    for seed in 0..4 {
        let mut player = Player::new(&host, format!("player-{seed}"), ChaCha8Rng::seed_from_u64(seed));
        for _ in 0..150 {
            assert_eq!(player.act(host.address(), &acknowledged), Ended::Answered);
        }
    }
    let report = host.replayed();
    assert_eq!(report["flawed"], 0, "{report}");
    assert!(report["identical"].as_u64().unwrap() > 200, "{report}");
    assert!(report["rounds"].as_u64().unwrap() > 100, "{report}");

    let (status, stdout, _) = croupier(&["replay", "--all", "--data"], &[&host.data()]);
    assert_eq!(status, Some(0));
    assert!(stdout.contains("whole rounds identical, byte for byte"), "{stdout}");
    let (status, _, stderr) = croupier(&["replay", "--all", "--data"], &[&host.data().join("nowhere")]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("holds no embedded store"), "{stderr}");
}

/// A game that puts one of two documents which are too large for each other, and looks at neither.
#[test]
fn documents_that_nobody_read_count_again() {
    let large = format!("\"{}\"", "x".repeat(9000));
    let items = format!("(data (i32.const 64000) \"ab\") (data (i32.const 200000) \"{}\")", large.replace('"', "\\22"));
    let game = Handmade {
        imports: r#"(import "croupier:game/store@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
            (import "croupier:game/random@0.1.0" "below" (func $below (param i64) (result i64)))"#,
        items: items.leak(),
        memory: "4",
        handle: "(call $put (i32.add (i32.const 64000) (i32.wrap_i64 (call $below (i64.const 2)))) (i32.const 1)
            (i32.const 200000) (i32.const 9002) (i32.const 64100))",
        ..Handmade::default()
    };
    let mut host = Host::start();
    host.publish(&game.component()).unwrap();
    let token = host.player("alice", 0);
    for _ in 0..30 {
        host.call(&token, "handmade.play", json!({})).unwrap();
    }
    let report = host.replayed();
    assert_eq!((&report["flawed"], &report["identical"]), (&json!(0), &json!(30)), "{report}");
    let (_, stdout, _) = croupier(&["round", "export", "player/alice/4", "--data"], &[&host.data()]);
    assert_eq!(stdout, "", "a call without a stake is no round");
}

/// What was done to the store, how, and what is said about it.
type Case = (&'static str, fn(&Tampering), &'static str);

const CASES: &[Case] = &[
    (
        "a bit of a draw flipped",
        |store| {
            let mut record = store.record(5);
            let draw = record.windows(9).position(|text| text == b"{\"below\":").unwrap();
            // The last digit becomes another: whatever was drawn, the record still reads.
            let digit = draw + record[draw..].iter().position(|byte| *byte == b']').unwrap() - 1;
            record[digit] ^= 1;
            store.replace(5, &record);
        },
        "record 5 of player/bob: it comes out otherwise: at act.played.draws[0].below[1] recorded",
    ),
    (
        "another release named",
        |store| store.edit_record(4, |record| record["act"]["played"]["release"] = "0f".repeat(32).into()),
        "its release 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f is not there",
    ),
    ("a record deleted", |store| store.remove(6), "record 6 of player/bob: it is missing"),
    (
        "a whole chain forged from one record on",
        |store| {
            // The player's reply, the digests after it and the head: all of it fits, and still it is not what the game does.
            store.forge(4, |record| {
                let stops = &mut record["reply"]["result"]["stops"][0];
                *stops = json!((stops.as_u64().unwrap() + 1) % 30);
            });
        },
        "record 4 of player/bob: it comes out otherwise: at reply.result.stops[0]",
    ),
];

#[test]
fn what_was_changed_is_found_and_named() {
    let (host, _) = played();
    let directory = tempfile::tempdir().unwrap();
    for (place, (what, tamper, said)) in CASES.iter().enumerate() {
        let data = tampered(&host, &directory.path().join(place.to_string()), *tamper);
        let (status, stdout, stderr) = croupier(&["replay", "--all", "--data"], &[&data]);
        assert_eq!(status, Some(1), "{what}: {stdout}");
        assert!(stdout.contains(said), "{what}: {stdout}{stderr}");
    }
    let changed = directory.path().join("release");
    let data = tampered(&host, &changed, |_| {});
    let releases = fs::read_dir(data.join("store/releases")).unwrap().map(|entry| entry.unwrap().path());
    for release in releases {
        let mut bytes = fs::read(&release).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(release, bytes).unwrap();
    }
    let (status, stdout, _) = croupier(&["replay", "--all", "--data"], &[&data]);
    assert_eq!(status, Some(1));
    assert!(stdout.contains("has other bytes: somebody changed them"), "{stdout}");
}

fn edited(file: &Path, name: &str, edit: impl FnOnce(&mut Value)) -> PathBuf {
    let mut round: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    edit(&mut round);
    let edited = file.with_file_name(name);
    fs::write(&edited, round.to_string()).unwrap();
    edited
}

#[test]
fn a_round_is_taken_out_and_proves_itself() {
    let (host, round) = played();
    let directory = tempfile::tempdir().unwrap();
    let data = host.data();
    let (status, stdout, stderr) = croupier(&["replay", &round, "--data"], &[&data]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.starts_with(&format!("round {round} of blackjack on release ")), "{stdout}");

    let (whole, bare) = (directory.path().join("whole.json"), directory.path().join("bare.json"));
    let export = |file: &Path, more: &[&str]| {
        let arguments = [&["round", "export", &round, "--output", file.to_str().unwrap()], more, &["--data"]].concat();
        let (status, _, stderr) = croupier(&arguments, &[&data]);
        assert_eq!(status, Some(0), "{stderr}");
    };
    export(&whole, &["--with-release"]);
    export(&bare, &[]);
    let (status, stdout, stderr) = croupier(&["replay", "--json"], &[&whole]);
    assert_eq!(status, Some(0), "{stderr}");
    let proof: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&proof["round"], &proof["open"]), (&json!(round), &json!(false)));
    assert!(proof["identical"].as_u64().unwrap() >= 2 && proof["records"].as_u64() > proof["identical"].as_u64());

    // The component may come from elsewhere.
    let (status, _, stderr) = croupier(&["replay"], &[&bare]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("is not there: give the component with --release"), "{stderr}");
    let component = GAMES.join("blackjack.wasm");
    let (status, _, stderr) = croupier(&["replay", "--release", component.to_str().unwrap()], &[&bare]);
    assert_eq!(status, Some(0), "{stderr}");

    type Edit = fn(&mut Value);
    let cases: &[(&str, Edit, &str)] = &[
        (
            "digit.json",
            |round| {
                let record =
                    round["records"][0]["record"].as_str().unwrap().replacen("\"amount\":1", "\"amount\":2", 1);
                round["records"][0]["record"] = record.into();
            },
            "somebody changed it",
        ),
        ("missing.json", |round| drop(round["records"].as_array_mut().unwrap().remove(1)), "it is missing"),
        ("cut.json", |round| drop(round["records"].as_array_mut().unwrap().pop()), "another digest of it"),
        ("other.json", |round| round["format"] = "croupier round 9".into(), "this croupier reads 'croupier round 1'"),
    ];
    for (name, edit, said) in cases {
        let (status, _, stderr) = croupier(&["replay"], &[&edited(&whole, name, edit)]);
        assert_eq!(status, Some(1), "{name}");
        assert!(stderr.contains(said), "{name}: {stderr}");
    }
    let (status, _, stderr) = croupier(&["replay", "player/bob/1", "--data"], &[&data]);
    assert_eq!((status, stderr.contains("there is no round player/bob/1")), (Some(1), true), "{stderr}");
}
