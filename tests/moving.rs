//! `croupier store export` and `import`: the real binary between stores of both kinds, whole, interrupted and refused.

mod content;
mod interrupted;
mod refused;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use couchbase_node::Node;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    couchbase,
    harness::{Host, Options},
};

const SESSION_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// What a command has said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What a command that succeeds prints.
    fn printed(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// What a command that fails says, as all of ours do: in one line, with 1.
    fn complaint(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.stderr.starts_with("error: ") && self.stderr.trim_end().lines().count() == 1, "{}", self.stderr);
        self.stderr
    }
}

/// `croupier store <deed> <file> <store>`
fn command(deed: &str, file: &Path, store: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.args(["store", deed]).arg(file).args(store);
    command
}

fn run(deed: &str, file: &Path, store: &[&str]) -> Said {
    Said::of(command(deed, file, store).output().unwrap())
}

/// Begins a command that is to be killed.
fn spawn(deed: &str, file: &Path, store: &[&str]) -> Child {
    command(deed, file, store).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A cluster, with a scope for hosts, and a configuration that names it.
struct Bucket {
    runtime: Runtime,
    node: Node,
    folder: TempDir,
}

impl Bucket {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let node = runtime.block_on(async {
            let node = couchbase::node().await;
            couchbase::open_within(&node, crate::harness::PATIENCE).await;
            node
        });
        let bucket = Self { runtime, node, folder: tempfile::tempdir().unwrap() };
        fs::write(bucket.config(), format!("[store]\n{}", bucket.section())).unwrap();
        bucket
    }

    /// The end of a configuration, of which `[store]` was begun.
    fn section(&self) -> String {
        format!(
            "kind = \"couchbase\"\n[couchbase]\nconnection = \"{}\"\nuser = \"Administrator\"\npassword = \"password\"\n",
            self.node.connection_string()
        )
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("cluster.toml")
    }
}

/// A host whose session tokens others understand.
fn host(config: &str) -> Host {
    let prelude = format!("export CROUPIER_OPERATOR_SESSION_KEY={SESSION_KEY};");
    Host::start_with(Options { config: config.to_owned(), prelude, ..Options::default() })
}

/// A host on a store that has arrived: its directory is made by the import.
fn host_on(directory: &Path) -> Host {
    let mut host = host("");
    host.kill();
    fs::remove_dir_all(host.data()).unwrap();
    fs::rename(directory, host.data()).unwrap();
    host.restart();
    host
}

fn spin(host: &Host, token: &str, key: &str) -> Value {
    let params = json!({ "bets": [{ "kind": "red", "stake": 100 }], "idempotency_key": key });
    host.call(token, "roulette.spin", params).unwrap()
}

/// Everything that must be the same before and after.
fn seen_by(host: &Host, tokens: &[(String, String)]) -> Vec<Value> {
    let of_player = |(_, token): &(String, String)| {
        json!({
            "balance": host.balance(token),
            "rounds": host.call(token, "round.list", json!({ "limit": 100 })).unwrap(),
            "history": host.call(token, "wallet.history", json!({ "limit": 100 })).unwrap(),
        })
    };
    tokens.iter().map(of_player).collect()
}

/// Played on embedded, moved to Couchbase, played on there, moved back.
#[test]
fn what_is_played_moves_to_a_cluster_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let bucket = Bucket::new();
    let config = bucket.config();
    let cluster = ["--config", config.to_str().unwrap()];

    let mut first = host("");
    let tokens: Vec<_> =
        ["alice", "bob", "carol"].map(|player| (player.to_owned(), first.player(player, 100_000))).into();
    for (player, token) in &tokens {
        for call in 0..20 {
            spin(&first, token, &format!("{player}-{call}"));
        }
    }
    // An open round, to be finished elsewhere.
    let bob = &tokens[1].1;
    while first.call(bob, "blackjack.deal", json!({ "stake": 100 })).unwrap()["turn"].is_null() {}
    let answered = spin(&first, bob, "asked-again");
    let seen = seen_by(&first, &tokens);
    let report = first.check_ledger();
    let releases = first.operator("game.releases", json!({ "game": "roulette" })).unwrap();
    assert!(first.terminate().0.success());

    let embedded = first.data();
    let embedded = ["--data", embedded.to_str().unwrap()];
    let summary = run("export", &file("one"), &embedded).printed();
    assert!(summary.contains("3 aggregates, ") && summary.contains("3 games, "), "{summary}");
    assert!(summary.contains("session.key") && summary.contains("all accounts sum to zero"), "{summary}");
    let summary = run("import", &file("one"), &cluster).printed();
    assert_eq!(summary.matches("every chain is whole and all accounts sum to zero").count(), 2, "{summary}");
    run("export", &file("two"), &cluster).printed();
    assert_eq!(fs::read(file("one")).unwrap(), fs::read(file("two")).unwrap(), "as it is in the other store");
    run("export", &file("again"), &embedded).printed();
    assert_eq!(fs::read(file("one")).unwrap(), fs::read(file("again")).unwrap(), "an export changes nothing");
    let piped = command("export", Path::new("-"), &cluster).output().unwrap();
    assert!(piped.status.success() && piped.stdout == fs::read(file("one")).unwrap(), "the file and nothing else");

    let mut second = host(&bucket.section());
    assert_eq!(second.check_ledger(), report);
    assert_eq!(seen_by(&second, &tokens), seen);
    assert_eq!(second.operator("game.releases", json!({ "game": "roulette" })).unwrap(), releases);
    assert_eq!(spin(&second, bob, "asked-again"), answered, "the same key, the same answer");
    second.call(bob, "blackjack.stand", json!({})).unwrap();
    for (player, token) in &tokens {
        for call in 0..20 {
            spin(&second, token, &format!("{player}-there-{call}"));
        }
    }
    second.player("dora", 500);
    // A store in use may be exported.
    run("export", &file("in-use"), &cluster).printed();
    let seen = seen_by(&second, &tokens);
    let report = second.check_ledger();
    assert!(second.terminate().0.success());

    run("export", &file("three"), &cluster).printed();
    let back = file("back");
    let returned = ["--data", back.to_str().unwrap()];
    run("import", &file("three"), &returned).printed();
    run("export", &file("four"), &returned).printed();
    assert_eq!(fs::read(file("three")).unwrap(), fs::read(file("four")).unwrap());
    let third = host_on(&back);
    assert_eq!(third.check_ledger(), report);
    assert_eq!(seen_by(&third, &tokens), seen);
    spin(&third, bob, "played-on");
    assert_eq!(third.check_ledger()["aggregates"], 4);
}

/// The counts of the tracking store are the same whether its steps were carried on before the move or after it.
#[test]
fn what_waits_is_carried_on_after_the_move() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is tracked while there is no room for it: everything waits.
    let mut first = host("[tracking]\ndisk_reserve_mib = 1000000000\n");
    let token = first.player("alice", 100_000);
    for call in 0..30 {
        spin(&first, &token, &format!("alice-{call}"));
    }
    assert!(first.terminate().0.success());
    let (data, file, moved) = (first.data(), folder.path().join("file"), folder.path().join("moved"));
    let summary = run("export", &file, &["--data", data.to_str().unwrap()]).printed();
    // The session, the deposit, and what every round has told.
    assert!(summary.contains(" 32 waiting to be carried on, "), "{summary}");
    run("import", &file, &["--data", moved.to_str().unwrap()]).printed();
    let mut second = host_on(&moved);
    wait_for_rounds(&second, 30);
    assert!(second.terminate().0.success());
    // Taken in once, and not again when it comes once more.
    let (data, file, moved) = (second.data(), folder.path().join("file-2"), folder.path().join("moved-2"));
    let summary = run("export", &file, &["--data", data.to_str().unwrap()]).printed();
    assert!(summary.contains(" 0 waiting to be carried on, "), "{summary}");
    run("import", &file, &["--data", moved.to_str().unwrap()]).printed();
    let third = host_on(&moved);
    spin(&third, &token, "one-more");
    wait_for_rounds(&third, 1);
}

/// Until so many rounds of roulette were counted, and no more.
fn wait_for_rounds(host: &Host, expected: u64) {
    let begun = std::time::Instant::now();
    loop {
        let games = host.operator("stats.games", json!({})).unwrap();
        let text = games.to_string();
        let rounds = games["games"].as_array().into_iter().flatten().find(|game| game["game"] == "roulette");
        let rounds = rounds.and_then(|game| game["rounds"].as_u64()).unwrap_or(0);
        assert!(rounds <= expected, "{text}");
        if rounds == expected {
            return;
        }
        assert!(begun.elapsed() < crate::harness::PATIENCE, "{text}");
    }
}
