//! `croupier game`: keys and signatures as files, and what is asked of a host, whose part a stub plays here.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
    thread::{self, JoinHandle},
};

use croupier::{
    identity::ReleaseDigest,
    signing::{PublicKey, PublisherKeys, SecretKey, Signature},
};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::OPERATOR_TOKEN;

/// What a command has said.
#[derive(Debug)]
struct Said {
    success: bool,
    stdout: String,
    stderr: String,
}

/// `croupier game <arguments>` in a folder, with the operator's token in the environment.
fn game(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.arg("game").args(arguments).current_dir(folder).env("CROUPIER_OPERATOR_TOKEN", OPERATOR_TOKEN);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { success: status.success(), stdout: text(stdout), stderr: text(stderr) }
}

impl Said {
    /// What a command that succeeds prints.
    fn printed(self) -> String {
        assert!(self.success, "{}", self.stderr);
        self.stdout
    }

    /// What a command that fails says.
    fn complaint(self) -> String {
        assert!(!self.success, "it has succeeded: {}", self.stdout);
        self.stderr
    }
}

/// A folder with the component `dice.wasm`, and its digest.
fn folder() -> (TempDir, ReleaseDigest) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("dice.wasm"), b"the component").unwrap();
    (folder, ReleaseDigest::of(b"the component"))
}

/// A host that gives the answers it is told to, one after the other.
struct Stub {
    url: String,
    requests: JoinHandle<Vec<Request>>,
}

/// What a stub was asked.
struct Request {
    head: String,
    body: Value,
}

impl Stub {
    /// Answers with results.
    fn answering(results: impl IntoIterator<Item = Value>) -> Self {
        let answers = results.into_iter().map(|result| json!({ "jsonrpc": "2.0", "id": 1, "result": result }));
        Self::saying(answers.map(|answer| ("200 OK", answer.to_string())).collect())
    }

    /// Refuses one call.
    fn refusing(error: Value) -> Self {
        Self::saying(vec![("200 OK", json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string())])
    }

    fn saying(answers: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = move |(status, body): (&str, String)| serve(listener.accept().unwrap().0, status, &body);
        Self { url, requests: thread::spawn(move || answers.into_iter().map(answer).collect()) }
    }

    /// Runs a command against the stub. What it said, and the requests, once all answers are given.
    fn ask(self, folder: &Path, arguments: &[&str]) -> (Said, Vec<Request>) {
        let said = game(folder, &[arguments, &["--host", &self.url]].concat());
        // A stub that still waits for a call gets an empty one, which fails the test instead of holding it.
        drop(TcpStream::connect(self.url.trim_start_matches("http://")));
        (said, self.requests.join().unwrap())
    }

    /// As [`Stub::ask`], for a command that needs no files: method and params of each request.
    fn ask_for(self, arguments: &[&str]) -> (Said, Vec<(String, Value)>) {
        let (said, requests) = self.ask(Path::new("."), arguments);
        let calls = requests
            .into_iter()
            .map(|Request { body, .. }| (body["method"].as_str().unwrap().to_owned(), body["params"].clone()));
        (said, calls.collect())
    }
}

fn serve(connection: TcpStream, status: &str, body: &str) -> Request {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head = head + line + "\n";
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).unwrap();
    let head_of_answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    reader.get_mut().write_all((head_of_answer + body).as_bytes()).unwrap();
    Request { head, body: serde_json::from_slice(&sent).unwrap() }
}

fn state(active: &ReleaseDigest) -> Value {
    json!({
        "game": "dice", "title": "Dice", "version": "0.1.0", "active": active, "candidate": null, "disabled": false,
        "owner": "acme", "releases": 2,
    })
}

fn published(release: &ReleaseDigest) -> Value {
    json!({
        "game": "dice", "version": "0.1.0", "release": release, "new": true, "active": false, "owner": "acme",
        "elapsed_ms": 12,
    })
}

#[test]
fn a_made_key_signs_what_the_library_proves() {
    let (folder, release) = folder();
    let printed = game(folder.path(), &["keygen", "--out", "acme.key"]).printed();
    let secret = folder.path().join("acme.key");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let secret: SecretKey = fs::read_to_string(secret).unwrap().parse().unwrap();
    let entry = format!("acme={}", secret.public_key());
    assert!(printed.contains(&format!("[publishing]\nkeys = [\"{entry}\"]\n")), "{printed}");
    assert!(printed.contains(&format!("CROUPIER_PUBLISHING_KEYS={entry}\n")), "{printed}");

    let printed = game(folder.path(), &["sign", "--key", "acme.key", "dice.wasm"]).printed();
    assert!(printed.contains(&release.to_string()), "{printed}");
    let signature = fs::read_to_string(folder.path().join("dice.wasm.sig")).unwrap();
    let keys = PublisherKeys::parse([entry.as_str()]).unwrap();
    let signer = keys.signer(&Signature::parse(&signature).unwrap(), &release).unwrap();
    assert_eq!(signer.as_str(), "acme");
}

#[test]
fn a_key_is_never_overwritten_and_no_two_are_alike() {
    let (folder, _) = folder();
    let public_key = |file: &str| -> PublicKey {
        let printed = game(folder.path(), &["keygen", "--out", file, "--publisher", "acme"]).printed();
        let key = printed.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
        key.parse().unwrap()
    };
    assert_ne!(public_key("one"), public_key("two"));
    let before = fs::read(folder.path().join("one")).unwrap();
    let complaint = game(folder.path(), &["keygen", "--out", "one"]).complaint();
    assert!(complaint.contains("one exists and is left as it is"), "{complaint}");
    assert_eq!(fs::read(folder.path().join("one")).unwrap(), before);
    let complaint = game(folder.path(), &["keygen", "--out", "My Key"]).complaint();
    assert!(complaint.contains("--publisher"), "{complaint}");
    assert!(!folder.path().join("My Key").exists());
}

#[test]
fn what_is_no_secret_key_signs_nothing() {
    let (folder, _) = folder();
    game(folder.path(), &["keygen", "--out", "acme.key"]).printed();
    for (key, component, words) in [
        ("dice.wasm", "dice.wasm", "dice.wasm: a secret key is one line"),
        ("missing.key", "dice.wasm", "missing.key: No such file"),
        ("acme.key", "missing.wasm", "missing.wasm: No such file"),
    ] {
        let complaint = game(folder.path(), &["sign", "--key", key, component]).complaint();
        assert!(complaint.contains(words), "{complaint}");
    }
    assert!(!folder.path().join("dice.wasm.sig").exists());
}

#[test]
fn a_release_is_published_with_the_signature_beside_it() {
    let (folder, release) = folder();
    game(folder.path(), &["keygen", "--out", "acme.key"]).printed();
    game(folder.path(), &["sign", "--key", "acme.key", "dice.wasm"]).printed();
    let arguments = ["publish", "dice.wasm", "--activate", "--percent", "10", "--why", "a try"];
    let (said, requests) = Stub::answering([published(&release)]).ask(folder.path(), &arguments);
    let line = format!("dice 0.1.0, release {}: published in 12 ms, candidate at 10 %, owner acme\n", short(&release));
    assert_eq!(said.printed(), line);
    let [Request { head, body }] = &requests[..] else { panic!("there was one call") };
    assert!(head.starts_with("POST /operator HTTP/1.1\n"), "{head}");
    assert!(head.to_lowercase().contains(&format!("authorization: bearer {OPERATOR_TOKEN}\n")), "{head}");
    let signature = fs::read_to_string(folder.path().join("dice.wasm.sig")).unwrap();
    let params = json!({
        "component": BASE64.encode(b"the component"), "signature": signature, "activate": true, "percent": 10,
        "why": "a try",
    });
    assert_eq!(*body, json!({ "jsonrpc": "2.0", "id": 1, "method": "game.publish", "params": params }));
}

#[test]
fn several_releases_are_published_one_after_the_other() {
    let (folder, release) = folder();
    fs::copy(folder.path().join("dice.wasm"), folder.path().join("again.wasm")).unwrap();
    let stub = Stub::answering([published(&release), published(&release)]);
    let (said, requests) = stub.ask(folder.path(), &["publish", "dice.wasm", "again.wasm", "--json"]);
    let lines: Vec<Value> = said.printed().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [published(&release), published(&release)]);
    let unsigned = json!({ "component": BASE64.encode(b"the component"), "activate": false });
    assert!(requests.iter().all(|request| request.body["params"] == unsigned), "{}", requests[0].body);
}

#[test]
fn a_signature_of_the_build_before_is_not_even_sent() {
    let (folder, release) = folder();
    game(folder.path(), &["keygen", "--out", "acme.key"]).printed();
    game(folder.path(), &["sign", "--key", "acme.key", "dice.wasm"]).printed();
    fs::write(folder.path().join("dice.wasm"), b"another build").unwrap();
    let complaint = game(folder.path(), &["publish", "dice.wasm", "--host", &nobody()]).complaint();
    assert!(complaint.contains("dice.wasm.sig: the signature is for another release"), "{complaint}");
    assert!(complaint.contains(&release.to_string()), "{complaint}");
    let arguments = ["publish", "dice.wasm", "--signature", "missing.sig", "--host", &nobody()];
    let complaint = game(folder.path(), &arguments).complaint();
    assert!(complaint.contains("missing.sig: No such file"), "{complaint}");
}

#[test]
fn a_host_that_has_got_other_bytes_is_found_out() {
    let (folder, _) = folder();
    let stub = Stub::answering([published(&ReleaseDigest::of(b"other"))]);
    let (said, _) = stub.ask(folder.path(), &["publish", "dice.wasm"]);
    let complaint = said.complaint();
    assert!(complaint.contains("the host has got other bytes"), "{complaint}");
}

#[test]
fn a_release_is_activated_by_the_beginning_of_its_digest() {
    let releases = ["aa11", "ab22"].map(|digits| digits.repeat(16));
    let rows = releases.each_ref().map(|release| {
        json!({
            "release": release, "version": "0.1.0", "bytes": 1, "published_at_ms": 0, "publisher": null,
            "state_version": 1, "broken": null,
        })
    });
    let known = json!({ "releases": rows, "history": [] });
    let whole: ReleaseDigest = releases[1].parse().unwrap();

    let (said, calls) = Stub::answering([known.clone(), state(&whole)]).ask_for(&["activate", "dice", "AB"]);
    assert!(said.printed().contains("dice  0.1.0    ab22ab22ab22  "));
    let expected = [
        ("game.releases".to_owned(), json!({ "game": "dice" })),
        ("game.activate".to_owned(), json!({ "game": "dice", "release": whole })),
    ];
    assert_eq!(calls, expected);

    for (prefix, words) in [
        ("a", "2 releases of dice begin with a: aa11aa11aa11, ab22ab22ab22"),
        ("0", "no release of dice begins with 0"),
    ] {
        let (said, _) = Stub::answering([known.clone()]).ask_for(&["activate", "dice", prefix]);
        let complaint = said.complaint();
        assert!(complaint.contains(words), "{complaint}");
    }

    let arguments = ["activate", "dice", &releases[1], "--percent", "5", "--why", "a try"];
    let (said, calls) = Stub::answering([state(&whole)]).ask_for(&arguments);
    said.printed();
    let params = json!({ "game": "dice", "release": whole, "percent": 5, "why": "a try" });
    assert_eq!(calls, [("game.activate".to_owned(), params)]);
}

#[test]
fn a_game_is_rolled_back_disabled_and_enabled() {
    let active = ReleaseDigest::of(b"active");
    for act in ["rollback", "disable", "enable"] {
        let (said, calls) = Stub::answering([state(&active)]).ask_for(&[act, "dice", "--why", "too generous"]);
        assert!(said.printed().contains(&short(&active)));
        assert_eq!(calls, [(format!("game.{act}"), json!({ "game": "dice", "why": "too generous" }))]);
    }
}

#[test]
fn games_and_releases_are_shown_as_tables_or_as_they_came() {
    let active = ReleaseDigest::of(b"active");
    let games = json!([state(&active)]);
    let (said, calls) = Stub::answering([games.clone()]).ask_for(&["list"]);
    assert!(said.printed().starts_with("GAME  VERSION  ACTIVE "));
    assert_eq!(calls, [("game.list".to_owned(), json!({}))]);
    let (said, _) = Stub::answering([games.clone()]).ask_for(&["list", "--json"]);
    assert_eq!(said.printed(), format!("{games}\n"));

    let releases = json!({ "releases": [], "history": [] });
    let (said, calls) = Stub::answering([releases]).ask_for(&["releases", "dice"]);
    assert_eq!(said.printed(), "no releases\n");
    assert_eq!(calls, [("game.releases".to_owned(), json!({ "game": "dice" }))]);
}

#[test]
fn releases_that_are_not_intact_fail_the_proof() {
    let rows = |intact: bool| {
        let reason = if intact { Value::Null } else { "its bytes were changed".into() };
        json!([{ "game": "dice", "release": ReleaseDigest::ZERO, "intact": intact, "reason": reason }])
    };
    let (said, calls) = Stub::answering([rows(true)]).ask_for(&["verify"]);
    assert!(said.printed().contains("yes"));
    assert_eq!(calls, [("game.verify".to_owned(), json!({}))]);
    for format in [&[][..], &["--json"]] {
        let (said, calls) = Stub::answering([rows(false)]).ask_for(&[&["verify", "dice"], format].concat());
        assert!(said.stdout.contains("its bytes were changed"), "{}", said.stdout);
        assert!(said.complaint().contains("1 of 1 releases are not intact"));
        assert_eq!(calls, [("game.verify".to_owned(), json!({ "game": "dice" }))]);
    }
}

#[test]
fn a_refusal_is_shown_with_its_reason() {
    let error = json!({
        "code": -32040, "message": "the release is not signed", "data": { "reason": "signature_required" },
    });
    let (folder, _) = folder();
    for arguments in [&["list"][..], &["publish", "dice.wasm"], &["list", "--json"]] {
        let (said, _) = Stub::refusing(error.clone()).ask(folder.path(), arguments);
        assert_eq!(said.stdout, "");
        let complaint = said.complaint();
        assert!(complaint.contains(": the release is not signed (signature_required)"), "{complaint}");
    }
}

#[test]
fn a_host_that_is_not_there_or_is_none_is_told_apart() {
    let complaint = game(Path::new("."), &["list", "--host", &nobody()]).complaint();
    assert!(complaint.contains("cannot be reached: is it running?"), "{complaint}");
    for (status, body) in [("502 Bad Gateway", "<html>"), ("302 Found", "")] {
        let (said, _) = Stub::saying(vec![(status, body.to_owned())]).ask_for(&["list"]);
        let complaint = said.complaint();
        assert!(complaint.contains(&format!("status {} and no JSON-RPC", &status[..3])), "{complaint}");
    }
    let (said, _) = Stub::answering([json!({ "unlike": "a list" })]).ask_for(&["list"]);
    let complaint = said.complaint();
    assert!(complaint.contains("game.list: the host's answer is not as expected"), "{complaint}");
    let complaint = game(Path::new("."), &["list", "--host", "127.0.0.1:7070"]).complaint();
    assert!(complaint.contains("a URL begins with http:// or https://"), "{complaint}");
}

/// An address where nobody listens any more.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn short(release: &ReleaseDigest) -> String {
    release.to_string()[..12].to_owned()
}
