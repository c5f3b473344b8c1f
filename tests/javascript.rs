//! Games in JavaScript and TypeScript: built by the real command, played over the wire, proved by their own tests.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{self, Host, Options, reason};

const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// The shipped game in JavaScript, one that reaches for what it must not have, and one that uses all that there is.
static GAMES: LazyLock<PathBuf> = LazyLock::new(|| {
    ensure_node();
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("javascript");
    let games = ["games/plinko", "tests/javascript_games/sly", "tests/javascript_games/keen"]
        .map(|game| harness::root().join(game));
    let built = croupier(&games.each_ref().map(PathBuf::as_path), &output).output().unwrap();
    assert!(built.status.success(), "{}", words(&built));
    output
});

/// The component of the shipped game in JavaScript.
pub(crate) fn plinko() -> PathBuf {
    GAMES.join("plinko.wasm")
}

/// Node.js and npm: where they are missing and can be installed, installs Debian's.
pub(crate) fn ensure_node() {
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if is_there("node") && is_there("npm") {
        return;
    }
    let install = "apt-get update && apt-get install --yes --no-install-recommends nodejs npm";
    let installed = Command::new("sh").args(["-c", install]).output().unwrap();
    assert!(
        installed.status.success(),
        "these tests need Node.js 20 or newer and npm, and '{install}' failed: install them from https://nodejs.org\n{}",
        words(&installed)
    );
}

/// `croupier build`
fn croupier(games: &[&Path], output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.arg("build").args(games).arg("--output").arg(output);
    command
}

fn words(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn host() -> Host {
    Host::start_with(Options { games: Some(GAMES.clone()), ..Options::default() })
}

/// A copy of a game's folder somewhere else, as a designer outside this repository would have it.
fn copy(game: &str) -> TempDir {
    let (copy, game) = (tempfile::tempdir().unwrap(), harness::root().join(game));
    fs::create_dir(copy.path().join("src")).unwrap();
    for file in fs::read_dir(game.join("src")).unwrap().map(|file| file.unwrap().path()) {
        fs::copy(&file, copy.path().join("src").join(file.file_name().unwrap())).unwrap();
    }
    let mut package: Value = serde_json::from_slice(&fs::read(game.join("package.json")).unwrap()).unwrap();
    package["dependencies"]["croupier-sdk"] = json!(format!("file:{}", harness::root().join("sdk/js").display()));
    fs::write(copy.path().join("package.json"), package.to_string()).unwrap();
    copy
}

#[test]
fn a_player_drops_balls_and_sees_them_in_balance_and_rounds() {
    let mut host = host();
    let token = host.player("alice", 10_000);
    let drop = json!({ "stake": 100, "risk": "medium", "balls": 3, "idempotency_key": "drop" });
    let dropped = host.call(&token, "plinko.drop", drop.clone()).unwrap();
    let paid = dropped["payout"].as_u64().unwrap();
    assert_eq!(dropped["stake"], 300);
    assert_eq!(host.balance(&token), 10_000 - 300 + paid);
    assert_eq!(host.call(&token, "plinko.drop", drop).unwrap(), dropped, "a retry pays nothing");
    assert_eq!(host.balance(&token), 10_000 - 300 + paid);

    let rounds = host.call(&token, "round.list", json!({})).unwrap();
    let round = &rounds["rows"][0];
    assert_eq!((&round["staked"], &round["paid"]), (&json!(300), &json!(paid)));
    let round = host.call(&token, "round.get", json!({ "round": round["round"] })).unwrap();
    let turns = |draw: &Value| {
        let path = draw["below"][1].as_u64().unwrap();
        format!("{path:016b}").replace('0', "L").replace('1', "R")
    };
    let drawn: String = round["calls"][0]["draws"].as_array().unwrap().iter().map(turns).collect();
    let shown: String =
        dropped["balls"].as_array().unwrap().iter().map(|ball| ball["turns"].as_str().unwrap()).collect();
    assert_eq!(drawn, shown);
    assert_eq!(host.check_ledger()["aggregates"], 1);
    let report = host.replayed();
    assert_eq!((&report["flawed"], &report["rounds"]), (&json!(0), &json!(1)), "{report}");
}

#[test]
fn what_plinko_refuses_takes_nothing() {
    let host = host();
    let token = host.player("alice", 100);
    let refused = |params: Value| host.call(&token, "plinko.drop", params).unwrap_err();
    assert_eq!(
        refused(json!({ "stake": 15, "risk": "low" })),
        json!({ "code": 1, "message": "the stake of a ball is in steps of 10", "data": { "step": 10 } })
    );
    let poor = refused(json!({ "stake": 110, "risk": "low" }));
    assert_eq!((&poor["code"], &poor["data"]), (&json!(900), &json!({ "refusal": "insufficient-funds" })));
    let invalid = refused(json!({ "stake": 10, "risk": "none" }));
    assert_eq!((&invalid["code"], &invalid["data"]["pointer"]), (&json!(-32602), &json!("/risk")));
    assert_eq!(host.balance(&token), 100);
    let rules = host.call(&token, "plinko.rules", json!({})).unwrap();
    assert_eq!(rules["rtp_ppm"], 975_000);
}

#[test]
fn a_component_has_no_clock_and_no_chance_of_its_own() {
    const WAYS: &[(&str, &str)] = &[
        ("Math.random()", "a game has no Math.random: chance comes from the host"),
        ("Reflect.get(Math, 'random')()", "a game has no Math.random"),
        ("new Function('return Math.random()')()", "a game has no Math.random"),
        ("Date.now()", "a game has no Date.now: the time of a call is table.nowMs"),
        ("new Date()", "a game has no Date"),
        ("Date()", "a game has no Date"),
        ("new Date.prototype.constructor()", "a game has no Date"),
        ("(async () => {}).constructor('return Date.now()')(); Date.now()", "a game has no Date.now"),
        ("Object.getPrototypeOf(function* () {}).constructor('yield Date.now()')().next()", "a game has no Date.now"),
        ("performance.now()", "a game has no performance.now"),
        ("performance.timeOrigin", "a game has no performance.timeOrigin"),
        ("setTimeout(() => {}, 0)", "a game has no setTimeout"),
        ("crypto.getRandomValues(new Uint8Array(8))", "a game has no crypto.getRandomValues"),
        ("new WeakRef({})", "a game has no WeakRef"),
        ("console.log('here')", "a game has no console.log: the operator's log is table.info"),
        ("delete globalThis.Date; delete globalThis.performance; Date", "ReferenceError: Date is not defined"),
        ("throw new RangeError('as broken as can be')", "RangeError: as broken as can be"),
        ("throw 'only words'", "only words"),
    ];
    let host = host();
    let token = host.player("alice", 10_000);
    for (code, panic) in WAYS {
        let error = host.call(&token, "sly.run", json!({ "code": code })).unwrap_err();
        assert_eq!(reason(&error), "game_trapped", "{code}: {error}");
        host.wait_for_log(&["the game broke down", panic]);
        assert_eq!(host.balance(&token), 10_000, "{code}");
    }
    assert_eq!(host.call(&token, "sly.run", json!({ "code": "6 * 7" })), Ok(json!(42)));
    assert_eq!(host.balance(&token), 9_900);
}

#[test]
fn a_game_that_takes_too_much_is_stopped() {
    const WAYS: &[(&str, &[&str])] = &[
        ("for (;;) {}", &["game_timeout"]),
        ("const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))", &["game_out_of_memory", "game_trapped"]),
        ("(function deeper() { return deeper() + 1 })()", &["game_stack_overflow", "game_trapped"]),
        ("'x'.repeat(70_000)", &["game_too_much_data"]),
    ];
    let host = host();
    let token = host.player("alice", 10_000);
    for (code, reasons) in WAYS {
        let error = host.call(&token, "sly.run", json!({ "code": code })).unwrap_err();
        assert!(reasons.contains(&reason(&error)), "{code}: {error}");
        assert_eq!(host.balance(&token), 10_000, "{code}");
    }
    assert_eq!(host.call(&token, "sly.run", json!({ "code": "1" })), Ok(json!(1)));
}

#[test]
fn only_the_state_lives_from_call_to_call() {
    let host = host();
    let token = host.player("alice", 10_000);
    for calls in 1..=3 {
        assert_eq!(host.call(&token, "sly.count", json!({})), Ok(json!([calls, 1, 1])));
    }
    let other = host.player("bob", 10_000);
    assert_eq!(host.call(&other, "sly.count", json!({})), Ok(json!([1, 1, 1])));
}

#[test]
fn amounts_are_exact_up_to_the_largest() {
    let host = host();
    let token = host.player("alice", AMOUNT_MAX);
    let moved = host.call(&token, "sly.move", json!({ "stake": AMOUNT_MAX, "pay": AMOUNT_MAX - 1, "refund": 1 }));
    assert_eq!(moved, Ok(json!([0, AMOUNT_MAX - 1, AMOUNT_MAX])));
    assert_eq!(host.balance(&token), AMOUNT_MAX);
    let moved = host.call(&token, "sly.move", json!({ "stake": AMOUNT_MAX - 2, "pay": 4_503_599_627_370_497_u64 }));
    assert_eq!(moved, Ok(json!([2, 4_503_599_627_370_499_u64])));
    let over = host.call(&token, "sly.move", json!({ "stake": 1, "pay": AMOUNT_MAX })).unwrap_err();
    assert_eq!(over["data"], json!({ "refusal": "amount-too-large" }));
    assert_eq!(host.balance(&token), 4_503_599_627_370_499);
    host.check_ledger();
}

#[test]
fn what_is_no_amount_moves_nothing() {
    let host = host();
    let token = host.player("alice", 10_000);
    for (amount, panic) in [
        ("half", "an amount is a whole number from 0 to 9007199254740991, not 0.5"),
        ("negative", "not -1"),
        ("rounded", "not 9007199254740992"),
        ("text", "not 5"),
    ] {
        let error = host.call(&token, "sly.misuse", json!({ "amount": amount })).unwrap_err();
        assert_eq!(reason(&error), "game_trapped", "{amount}");
        host.wait_for_log(&["the game broke down", panic]);
    }
    let refused = host.call(&token, "sly.misuse", json!({ "amount": "huge" })).unwrap_err();
    assert_eq!(refused["data"], json!({ "refusal": "amount-too-large" }));
    assert_eq!(host.balance(&token), 10_000);
}

#[test]
fn json_loses_no_digit() {
    let host = host();
    let token = host.player("alice", 10_000);
    let exact = json!({ "kept": [AMOUNT_MAX, 0.1, "9007199254740993", { "é": null }] });
    assert_eq!(host.call(&token, "sly.keep", exact.clone()), Ok(exact));
    let rounded = host.call(&token, "sly.keep", json!({ "kept": [AMOUNT_MAX + 2] })).unwrap_err();
    assert_eq!(rounded["code"], 901, "{rounded}");
}

#[test]
fn draws_cross_the_boundary_whole() {
    let host = host();
    let token = host.player("alice", 10_000);
    let drawn = host.call(&token, "sly.draw", json!({})).unwrap();
    let mut drawn: Vec<_> = drawn.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect();
    assert!(drawn[0] < AMOUNT_MAX && drawn[1] == 1, "{drawn:?}");
    drawn[2..].sort_unstable();
    assert_eq!(drawn[2..], [0, 1, 2]);
}

#[test]
fn the_same_sources_give_the_same_bytes_anywhere() {
    let built = fs::read(GAMES.join("plinko.wasm")).unwrap();
    let (elsewhere, output) = (copy("games/plinko"), tempfile::tempdir().unwrap());
    let again = croupier(&[elsewhere.path()], output.path()).output().unwrap();
    assert!(again.status.success(), "{}", words(&again));
    assert!(fs::read(output.path().join("plinko.wasm")).unwrap() == built, "two builds differ");
}

#[test]
fn a_game_that_does_not_build_says_why() {
    LazyLock::force(&GAMES);
    for (source, why) in [
        ("export default game(;", "game.js:1:20: ERROR: Unexpected \";\""),
        ("const now = Date.now(); export default now;", "a game has no Date.now: the time of a call is table.nowMs"),
        ("import { readFileSync } from 'node:fs'; export default readFileSync;", "Could not resolve \"node:fs\""),
        ("export default {};", "the default export is no game: declare it with game({ ... })"),
    ] {
        let (game, output) = (copy("games/plinko"), tempfile::tempdir().unwrap());
        fs::write(game.path().join("src/game.js"), source).unwrap();
        let built = croupier(&[game.path()], output.path()).output().unwrap();
        assert!(!built.status.success() && words(&built).contains(why), "{source}: {}", words(&built));
    }
}

#[test]
fn without_node_a_build_says_what_to_install() {
    let (nowhere, game) = (tempfile::tempdir().unwrap(), harness::root().join("games/plinko"));
    let built = croupier(&[&game], nowhere.path()).env("PATH", nowhere.path()).output().unwrap();
    assert!(!built.status.success());
    let said = words(&built);
    assert!(said.contains("built with Node.js 20 or newer and npm, but 'node' cannot be run"), "{said}");
    assert!(said.contains("https://nodejs.org") && said.lines().count() == 1, "{said}");
}

/// Stands in for a computer that has an old one, or none.
#[test]
fn without_node_dev_plays_the_other_games() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let node = directory.path().join("node");
    fs::write(&node, "#!/bin/sh\necho v18.19.0\n").unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let mut dev = Command::new(env!("CARGO_BIN_EXE_croupier"))
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(directory.path().join("data"))
        .current_dir(harness::root())
        .env("PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines().map(Result::unwrap);
    let left_out = lines.find(|line| line.starts_with("left out"));
    let playing = lines.find(|line| line.starts_with("playing"));
    dev.kill().unwrap();
    dev.wait().unwrap();
    let left_out = left_out.expect("a line about the games that are left out");
    assert!(left_out.contains("games/plinko") && left_out.contains("'node --version' says 'v18.19.0'"), "{left_out}");
    let playing = playing.expect("the others are played");
    assert!(playing.contains("blackjack, fruit-slots, roulette on"), "{playing}");
}

#[test]
fn the_sdk_and_the_games_pass_their_own_tests() {
    LazyLock::force(&GAMES);
    let root = harness::root();
    let types = root.join("sdk/js/node_modules/typescript/bin/tsc");
    for folder in ["sdk/js", "games/plinko", "tests/javascript_games/sly", "tests/javascript_games/keen"] {
        let checked = Command::new("node").arg(&types).current_dir(root.join(folder)).output().unwrap();
        assert!(checked.status.success(), "the types of {folder}:\n{}", words(&checked));
    }
    for folder in ["sdk/js", "games/plinko"] {
        let tested = Command::new("node").arg("--test").current_dir(root.join(folder)).output().unwrap();
        assert!(tested.status.success(), "{folder}:\n{}", words(&tested));
    }
}

/// A lockfile with the addresses of one computer's registry would not install on another.
#[test]
fn lockfiles_name_no_registry() {
    for folder in ["sdk/js", "games/plinko", "tests/javascript_games/sly", "tests/javascript_games/keen"] {
        let lockfile = fs::read_to_string(harness::root().join(folder).join("package-lock.json")).unwrap();
        let named = lockfile.lines().find(|line| line.contains("resolved") && line.contains("://"));
        assert_eq!(named, None, "{folder}");
    }
}

/// `croupier simulate`
fn simulate(game: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.arg("simulate").arg(GAMES.join(format!("{game}.wasm"))).args(arguments).output().unwrap()
}

/// Of each batch a sample is played through the ordinary calls too, or there is no report.
#[test]
fn plinko_plays_its_bets_by_itself() {
    let report = |threads| {
        let arguments = ["--rounds", "70k", "--seed", "4", "--threads", threads, "--json", "-"];
        let said = simulate("plinko", &[&arguments[..], &["--bet", "low", "--bet", "medium"]].concat());
        assert_eq!(said.status.code(), Some(0), "{}", words(&said));
        said.stdout
    };
    let alone = report("1");
    let read: Value = serde_json::from_slice(&alone).unwrap();
    let bets = read["bets"].as_array().unwrap();
    assert!(bets.len() == 2 && bets.iter().all(|bet| bet["rounds"] == 70_000), "{read}");
    assert_eq!(report("2"), alone, "a run does not depend on its threads");
    let said = simulate("plinko", &["--rounds", "600", "--seed", "4", "--json", "-"]);
    assert!(said.status.code().is_some_and(|status| status < 2), "{}", words(&said));
    let all: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(all["bets"].as_array().unwrap().len(), 4);
}

/// What it keeps and draws, and who it takes a player for, is the same when it plays by itself, to the byte.
#[test]
fn a_game_that_uses_all_of_the_table_is_simulated_as_it_is_played() {
    let said = simulate("keen", &["--bet", "all", "--rounds", "700", "--seed", "1"]);
    assert_eq!(said.status.code(), Some(0), "{}", words(&said));
    for (bet, why) in [
        ("lost", "bet `lost`, round 0: the coin is lost (fault 7)"),
        ("broken", "the game broke down: it trapped: TypeError: broken"),
        ("remembers", "the game's own simulation is not what is played: call 0, 'remember'"),
    ] {
        let said = simulate("keen", &["--bet", bet, "--rounds", "700", "--seed", "1"]);
        assert_eq!(said.status.code(), Some(2), "{bet}: {}", words(&said));
        assert!(words(&said).contains(why), "{bet}: {}", words(&said));
    }
}

/// Call by call, as a file says; without one the command says what to do.
#[test]
fn a_game_without_bets_is_simulated_by_a_strategy() {
    let folder = tempfile::tempdir().unwrap();
    let strategy = folder.path().join("strategy.toml");
    let text = "[[bets]]\nname = \"even\"\ncall = \"move\"\nparams = { stake = 10, pay = 9, refund = 1 }\n";
    fs::write(&strategy, text).unwrap();
    let arguments = ["--strategy", strategy.to_str().unwrap(), "--rounds", "1500", "--seed", "1", "--json", "-"];
    let said = simulate("sly", &arguments);
    assert!(said.status.code().is_some_and(|status| status < 2), "{}", words(&said));
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(report["bets"][0]["rounds"], 1_500);
    assert_eq!(simulate("sly", &arguments).stdout, said.stdout, "the same seed gives the same report");
    let said = simulate("sly", &[]);
    assert_eq!(said.status.code(), Some(2));
    assert!(words(&said).contains("'sly' exports no simulation"), "{}", words(&said));
}
