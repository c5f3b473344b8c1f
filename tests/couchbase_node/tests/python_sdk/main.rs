//! The official Python SDK against the node as a process: another language, another implementation of the protocol.

#![expect(clippy::unwrap_used, reason = "in tests, helpers included, a failed unwrap is the report")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// The release of the SDK that is asked.
const SDK: &str = "couchbase==4.6.3";

/// What the SDK is to say of each operation, in the order of `check.py`.
const EXPECTED: &str = include_str!("expected.txt");

#[test]
fn the_python_sdk_understands_the_node() {
    let python = python_with_sdk();
    let node = Process::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python_sdk/check.py");
    let control = node.ports["control"].to_string();
    let connection = node.ports["connection_string"].as_str().unwrap();
    let said = output(Command::new(python).arg(script).args([connection, &control]), "the SDK");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&said), lines(EXPECTED));
}

/// A node as a process of its own, which ends with the test.
struct Process {
    child: Child,
    ports: Value,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_couchbase-node")).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports = serde_json::from_str(&line).unwrap();
        Self { child, ports }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A Python that has the SDK: made once, below the build's folder, and used again.
fn python_with_sdk() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-sdk");
    fs::create_dir_all(&folder).unwrap();
    // Another test process may be making it.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let environment = folder.join(SDK);
    let (python, made) = (environment.join("bin/python"), environment.join("made"));
    if !made.exists() {
        let needed =
            "Python 3.9 or later with the modules venv and pip (on Debian: apt install python3-venv python3-pip)";
        output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment), needed);
        let from = "the package index, or what PIP_INDEX_URL names instead";
        output(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--only-binary=:all:", SDK]), from);
        File::create(made).unwrap();
    }
    python
}

/// What a command writes. Panics with all that it wrote, and with what the test needs, if it fails.
fn output(command: &mut Command, needed: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("this test needs {needed}: {command:?}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "this test needs {needed}: {command:?}: {}\n{said}{complained}", output.status);
    said
}
