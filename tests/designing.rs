//! What a designer does: `croupier new` and `croupier dev`.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{
    harness::{self, Running},
    javascript,
};

/// The binary of these tests comes first on the path, servers choose their own port, and what was compiled is kept.
fn environment(command: &mut Command) -> &mut Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_croupier"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), env::var("PATH").unwrap());
    let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("designer");
    command.env("PATH", path).env("CROUPIER_SERVER_LISTEN", "127.0.0.1:0").env("CARGO_TARGET_DIR", compiled)
}

fn croupier(folder: &Path, arguments: &[&str]) -> Output {
    environment(&mut Command::new("croupier")).args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// A host that a designer has started, and as whom to call it.
struct Served {
    program: Running,
    address: String,
}

impl Served {
    /// Runs a line of a shell that becomes a server.
    fn start(folder: &Path, line: &str) -> Self {
        let mut command = Command::new("sh");
        let program = Running::start(environment(&mut command).args(["-c", line]).current_dir(folder));
        let address = program.wait_for(|line| {
            let (_, address) = line.split_once("http://").or_else(|| line.split_once("listening address="))?;
            let end = address.find(|character: char| !(character.is_ascii_digit() || ".:".contains(character)));
            Some(address[..end.unwrap_or(address.len())].to_owned())
        });
        Self { program, address }
    }

    /// What `dev` has printed after this.
    fn printed(&self, name: &str) -> String {
        self.program.wait_for(|line| Some(line.strip_prefix(name)?.to_owned()))
    }

    fn call(&self, token: &str, path: &str, method: &str, params: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let (_, answer) = harness::post(&self.address, path, token, body.as_bytes()).unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }
}

#[test]
fn a_game_is_made_once_and_under_a_name_that_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let made = croupier(folder.path(), &["new", "lucky-dice"]);
    assert!(made.status.success() && said(&made).contains("cd lucky-dice\ncargo test"), "{}", said(&made));
    for (arguments, words) in [
        (&["new", "lucky-dice"][..], "lucky-dice is there and not empty: nothing was written"),
        (&["new", "Lucky"], "'Lucky' is no game id"),
        (&["new", "other", "--sdk", "./nowhere"], "there is no SDK in ./nowhere"),
        (&["new", "other", "--lang", "js", "--sdk", "https://example.com/croupier.git"], "npm cannot install"),
    ] {
        let refused = croupier(folder.path(), arguments);
        assert!(!refused.status.success() && said(&refused).contains(words), "{}", said(&refused));
    }
    assert!(!folder.path().join("other").exists());
}

#[test]
fn dev_plays_what_changes_and_keeps_the_player() {
    javascript::ensure_node();
    let folder = tempfile::tempdir().unwrap();
    assert!(croupier(folder.path(), &["new", "lucky-drop", "--lang", "js"]).status.success());
    let game = folder.path().join("lucky-drop");
    let dev = Served::start(&game, "exec croupier dev");
    dev.program.wait_for_lines(1, &["playing lucky-drop on http://"]);
    let token = dev.printed("TOKEN=");

    // The lines are made from the game's own schemas, and can be pasted.
    let line = dev.program.wait_for(|line| line.contains("\"lucky-drop.throw\"").then(|| line.to_owned()));
    assert!(line.contains("\"stake\":100"), "{line}");
    let pasted = Command::new("sh").args(["-c", &line]).env("TOKEN", &token).output().unwrap();
    let answer: Value = serde_json::from_slice(&pasted.stdout).unwrap();
    assert_eq!(answer["result"]["dice"].as_array().map(Vec::len), Some(2), "{answer}");
    let statistics = || dev.call(&token, "/rpc", "lucky-drop.statistics", &json!({}));
    let balance = || dev.call(&token, "/rpc", "wallet.balance", &json!({}))["balance"].clone();
    let before = (statistics(), balance());
    assert_eq!(before.0["throws"], 1);

    let source = game.join("src/game.js");
    let good = fs::read_to_string(&source).unwrap();
    fs::write(&source, good.replace("table.stake(stake);", "table.stake(stake;")).unwrap();
    // In esbuild's own words, with the place.
    dev.program.wait_for_lines(1, &["game.js:", "ERROR: Expected \")\" but found \";\""]);
    assert_eq!((statistics(), balance()), before, "what was built before is played on");

    let louder = good.replace("table.stake(stake);", "table.stake(stake); table.info(`thrown for ${stake}`);");
    fs::write(&source, louder).unwrap();
    // The first was live when it began.
    dev.program.wait_for_lines(2, &["a file is live", "new=true"]);
    assert_eq!((statistics(), balance()), before, "the player has kept everything");
    dev.call(&token, "/rpc", "lucky-drop.throw", &json!({ "stake": 200 }));
    dev.program.wait_for_lines(1, &["thrown for 200"]);
    assert_eq!(statistics()["throws"], 2);
}
