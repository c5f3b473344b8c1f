//! What a designer does: `croupier new`, `croupier dev`, and the guide, word for word.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{
    harness::{self, Running},
    javascript,
};

/// The binary of these tests comes first on the path, servers choose their own port, and what was compiled for other tests is
/// not compiled again.
fn environment(command: &mut Command) -> &mut Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_croupier"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), env::var("PATH").unwrap());
    let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
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

/// What Cargo reads of a folder: the root of its workspace, and the packages of that.
fn cargo_reads(folder: &Path) -> (PathBuf, Vec<String>) {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", folder.display(), said(&output));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let names = packages.map(|package| package["name"].as_str().unwrap().to_owned()).collect();
    (metadata["workspace_root"].as_str().unwrap().into(), names)
}

#[test]
fn a_game_builds_below_any_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"games/*\"]\nexclude = [\"games/apart\"]\n";
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    let games = root.join("games");
    fs::create_dir(&games).unwrap();
    let new = |parent: &Path, arguments: &[&str]| {
        let made = croupier(parent, &[&["new"], arguments].concat());
        assert!(made.status.success(), "{}", said(&made));
        said(&made)
    };

    // The first member that the pattern finds makes a workspace of it.
    let words = new(&games, &["dice"]);
    assert!(words.contains(&format!("a member of the workspace {}", root.join("Cargo.toml").display())), "{words}");
    new(&games, &["wheel"]);
    let both = (root.clone(), vec!["dice".to_owned(), "wheel".to_owned()]);
    assert_eq!(cargo_reads(&games.join("wheel")), both);

    // Neither named nor wanted.
    for (parent, name) in [(&root, "beside"), (&games, "apart")] {
        let words = new(parent, &[name]);
        assert!(!words.contains("workspace"), "{words}");
        let game = parent.join(name);
        assert_eq!(cargo_reads(&game), (game.clone(), vec![name.to_owned()]));
        assert_eq!(cargo_reads(&root), both);
    }

    // Counted among the members, and none: what to add is said, and helps.
    let words = new(&games, &["drop", "--lang", "js"]);
    assert!(words.contains("Add \"games/drop\" to the 'exclude'") && words.contains("Cargo.toml"), "{words}");
    fs::create_dir(root.join("more")).unwrap();
    let manifest = manifest
        .replace("games/*\"", "games/*\", \"more/*\"")
        .replace("\"games/apart\"", "\"games/apart\", \"games/drop\"");
    fs::write(root.join("Cargo.toml"), &manifest).unwrap();
    let words = new(&root.join("more"), &["dice"]);
    assert!(words.contains("Add \"more/dice\" to") && words.contains("two packages named `dice`"), "{words}");
    fs::write(root.join("Cargo.toml"), manifest.replace("\"games/drop\"", "\"games/drop\", \"more/dice\"")).unwrap();
    let game = root.join("more/dice");
    assert_eq!(cargo_reads(&game), (game.clone(), vec!["dice".to_owned()]));
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

/// A line of the guide that goes on until it is stopped, in a terminal of its own.
const SERVERS: [&str; 2] = ["croupier dev", "croupier serve"];

/// The commands of the guide, in order.
fn commands() -> Vec<String> {
    let guide = fs::read_to_string(harness::root().join("sdk/GUIDE.md")).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// A terminal: what a command changes of folder and variables holds for the next.
struct Terminal {
    home: tempfile::TempDir,
}

impl Terminal {
    fn run(&self, line: &str, variables: &[(&str, &str)]) -> Output {
        let state = self.home.path().join(".state");
        let variables: String = variables.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
        let script = format!(
            "[ -e {state} ] && . {state}\n{variables}{line}\nstatus=$?\n{{ export -p; echo \"cd '$PWD'\"; }} > {state}\nexit $status",
            state = state.display()
        );
        let mut command = Command::new("bash");
        environment(&mut command).args(["-c", &script]).current_dir(self.home.path()).output().unwrap()
    }

    /// A variable as it is now, or the folder.
    fn value(&self, expression: &str) -> String {
        let output = self.run(&format!("echo {expression}"), &[]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn the_guide_leads_from_nothing_to_a_published_game() {
    javascript::ensure_node();
    let terminal = Terminal { home: tempfile::tempdir().unwrap() };
    let mut served: Option<Served> = None;
    for line in commands() {
        if SERVERS.contains(&line.as_str()) {
            // The one before it is stopped first.
            drop(served.take());
            let folder = PathBuf::from(terminal.value("$PWD"));
            let mut exported = Vec::new();
            for name in ["CROUPIER_PUBLISHING_KEYS", "CROUPIER_PUBLISHING_REQUIRE_SIGNED", "CROUPIER_OPERATOR_TOKEN"] {
                exported.push(format!("{name}={}", terminal.value(&format!("${name}"))));
            }
            exported.retain(|variable| !variable.ends_with('='));
            let shell = format!("exec env {} {line}", exported.join(" "));
            served = Some(Served::start(&folder, &shell));
            continue;
        }
        let host = served.as_ref().map(|served| format!("http://{}", served.address)).unwrap_or_default();
        let variables: &[_] = if host.is_empty() { &[] } else { &[("CROUPIER_HOST", host.as_str())] };
        let output = terminal.run(&line, variables);
        assert!(output.status.success(), "{line}\n{}", said(&output));
        match line.as_str() {
            "croupier check target/games/lucky-dice.wasm" => {
                assert!(
                    said(&output).contains("passed: lucky-dice 0.1.0 has 0 errors, 0 warnings, 0 notes"),
                    "{}",
                    said(&output)
                );
            }
            line if line.starts_with("croupier simulate") => {
                assert!(said(&output).contains("AGREES"), "{}", said(&output));
                let folder = PathBuf::from(terminal.value("$PWD"));
                let title = if folder.ends_with("lucky-dice") { "Lucky Dice" } else { "Lucky Drop" };
                assert!(fs::read_to_string(folder.join("report.html")).unwrap().contains(title));
            }
            "croupier game list" => assert!(said(&output).contains("lucky-dice"), "{}", said(&output)),
            "cargo test" => follow_dev(served.as_ref()),
            _ => {}
        }
    }
    assert!(served.is_some());
}

/// Where `dev` runs, what has just been tested comes to be played.
fn follow_dev(dev: Option<&Served>) {
    let Some(dev) = dev else { return };
    let declared = || dev.call("", "/rpc", "game.list", &json!({}))[0]["rtp_ppm"].clone();
    let mut swaps = 1;
    while declared() != 972_222 {
        dev.program.wait_for_lines(swaps, &["a file is live"]);
        swaps += 1;
    }
}
