//! `croupier check`: finds what is wrong with a game, and nothing where nothing is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

use crate::{harness, javascript};

/// Each way in which the game is suspect, by the byte that says so, and what is found of it. `h` is honest.
const SUSPECT: &[(u8, &[&str])] = &[
    (b'h', &[]),
    (b'b', &["payout_without_chance", "payout_without_draws"]),
    (b'd', &["payout_ignores_chance"]),
    (b'g', &["state_grows"]),
    (b'i', &["chance_ignored", "return_too_low"]),
    (b'k', &["payout_without_draws"]),
    (b'l', &["reply_breaks_schema"]),
    (b'p', &["malfunction"]),
    (b'r', &["return_too_low"]),
    (b's', &["malfunction"]),
    (b'w', &["max_win_exceeded", "return_too_high"]),
];

/// A component for each of them, named by its byte.
static COMPONENTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = harness::build("suspect", vec![harness::root().join("tests/suspect_games/suspect")]);
    let component = fs::read(built.join("suspect.wasm")).unwrap();
    let variant = b"this game's way to cheat: h";
    let at = component.windows(variant.len()).position(|bytes| bytes == variant).unwrap() + variant.len() - 1;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suspects");
    fs::create_dir_all(&folder).unwrap();
    for (byte, _) in SUSPECT {
        let mut component = component.clone();
        component[at] = *byte;
        fs::write(folder.join(format!("{}.wasm", char::from(*byte))), component).unwrap();
    }
    folder
});

/// Status and reports of `croupier check --json`.
fn check(arguments: &[&str]) -> (i32, Vec<Value>) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_croupier")).arg("check").args(arguments).arg("--json").output().unwrap();
    let reports = String::from_utf8(output.stdout).unwrap();
    let reports = reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), reports)
}

fn errors(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    let errors = findings.filter(|finding| finding["severity"] == "error");
    errors.map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn what_is_wrong_with_a_game_is_found_and_nothing_else() {
    let (status, reports) = check(&[COMPONENTS.to_str().unwrap(), "--calls", "1600"]);
    assert_eq!((status, reports.len()), (1, SUSPECT.len()));
    let mut suspect = SUSPECT.to_vec();
    suspect.sort_unstable();
    for ((byte, expected), report) in suspect.into_iter().zip(&reports) {
        let mut found = errors(report);
        found.sort_unstable();
        assert_eq!(found, expected, "{}: {report:#}", char::from(byte));
    }
    let slow = &reports[SUSPECT.iter().filter(|(byte, _)| *byte < b's').count()];
    let seen = slow["findings"][0]["seen"].as_str().unwrap();
    assert!(seen.starts_with("game_timeout, 5 times"), "{seen}");
}

#[test]
fn the_shipped_games_pass() {
    let plinko = javascript::plinko();
    let games = harness::GAMES.to_str().unwrap();
    let (status, reports) = check(&[games, plinko.to_str().unwrap(), "--calls", "2000"]);
    let named: Vec<_> = reports.iter().map(|report| report["game"].as_str().unwrap()).collect();
    assert_eq!(named, ["blackjack", "fruit-slots", "roulette", "plinko"]);
    for report in &reports {
        assert!(errors(report).is_empty(), "{report:#}");
        assert!(report["measured"]["rounds"].as_u64().unwrap() > 20, "{report:#}");
        let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]).collect();
        assert!(!codes.iter().any(|code| *code == "seldom_answered" || *code == "bad_example"), "{report:#}");
    }
    // Few bets made at random lie on the layout; its examples do.
    let spin = &reports[2]["measured"]["methods"]["spin"];
    assert!(spin["replies"].as_u64() > spin["faults"].as_u64(), "{spin}");
    assert_eq!(status, 0);
}

#[test]
fn what_no_host_takes_in_and_what_is_not_there_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("game.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let (status, reports) = check(&[file.to_str().unwrap()]);
    assert_eq!((status, errors(&reports[0])), (1, vec!["not_a_component"]));
    assert_eq!(check(&["no/such/file.wasm"]).0, 2);
    let honest = COMPONENTS.join("h.wasm");
    let signed = folder.path().join("honest.wasm");
    fs::copy(&honest, &signed).unwrap();
    fs::write(folder.path().join("honest.wasm.sig"), "no signature").unwrap();
    let (status, reports) = check(&[signed.to_str().unwrap(), "--calls", "8"]);
    assert_eq!((status, errors(&reports[0])), (1, vec!["bad_signature"]));
}

#[test]
fn the_same_seed_finds_the_same() {
    let honest = COMPONENTS.join("h.wasm");
    let measured = |seed: &str| {
        let (_, mut reports) = check(&[honest.to_str().unwrap(), "--calls", "400", "--seed", seed]);
        let mut measured = reports.remove(0)["measured"].take();
        measured["step_us"].take();
        measured
    };
    assert_eq!(measured("7"), measured("7"));
    assert_ne!(measured("7"), measured("8"));
}
