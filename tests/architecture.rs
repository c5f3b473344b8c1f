//! Holds the module graph of `host/src`, so that it stays as README's Architecture section draws it.
//! Reads the sources as text; test modules are free.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::harness;

/// Every module with those of ours that it uses. A module comes after all that it uses, so there are no circles.
#[rustfmt::skip]
const MODULES: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("text", &[]),
    ("identity", &["text"]),
    ("rpc", &[]),
    ("bindings", &[]),
    ("telemetry", &[]),
    ("signals", &[]),
    ("data_directory", &[]),
    ("packaging", &[]),
    ("cluster", &[]),
    ("clock", &[]),
    ("client", &[]),
    ("json", &["limits"]),
    ("money", &["identity", "text"]),
    ("tokens", &["identity"]),
    ("signing", &["identity", "limits"]),
    ("chance", &["limits", "text"]),
    ("fairness", &["chance", "identity", "limits"]),
    ("idempotency", &["identity", "limits", "text"]),
    ("rounds", &["identity", "limits", "money"]),
    ("notifications", &["identity", "json"]),
    ("errors", &["identity", "json", "money", "notifications", "rpc"]),
    ("aggregate", &["fairness", "idempotency", "identity", "json", "limits", "money", "rounds"]),
    ("examples", &["chance", "rpc"]),
    ("scaffold", &["identity"]),
    ("listing", &["identity", "limits"]),
    ("record", &["aggregate", "chance", "errors", "fairness", "identity", "json", "money", "rounds"]),
    ("store", &["aggregate", "cluster", "identity", "listing", "record"]),
    ("ledger", &["aggregate", "identity", "money", "record", "store"]),
    ("moving", &["aggregate", "identity", "ledger", "listing", "record", "store"]),
    ("relay", &["limits", "record", "store"]),
    ("facts", &["identity", "json", "limits", "money", "record"]),
    ("templates", &["identity", "json", "limits", "notifications"]),
    ("providers", &["identity", "json", "limits", "notifications"]),
    ("queue", &["clock", "notifications", "store"]),
    ("register", &["clock", "identity", "notifications", "store"]),
    (
        "railgun",
        &[
            "clock", "identity", "notifications", "providers", "queue", "record", "register", "relay", "store", "templates",
        ],
    ),
    ("tracking", &["cluster", "facts", "identity", "limits", "relay", "store"]),
    (
        "engine",
        &[
            "aggregate", "bindings", "chance", "errors", "identity", "json", "limits", "money", "notifications", "record",
            "rounds",
        ],
    ),
    ("catalog", &["clock", "engine", "errors", "identity", "limits", "listing", "rpc", "signing", "store"]),
    (
        "config",
        &[
            "catalog", "cluster", "engine", "facts", "identity", "limits", "notifications", "providers", "queue", "railgun",
            "register", "rpc", "signing", "store", "telemetry", "tracking",
        ],
    ),
    (
        "steps",
        &[
            "aggregate", "catalog", "chance", "clock", "engine", "errors", "fairness", "identity", "json", "limits", "money",
            "notifications", "record", "rounds", "store",
        ],
    ),
    ("replay", &["aggregate", "engine", "errors", "identity", "ledger", "record", "steps", "store"]),
    (
        "check",
        &[
            "aggregate", "catalog", "chance", "engine", "examples", "facts", "identity", "json", "limits", "money", "rounds",
            "rpc", "signing", "steps",
        ],
    ),
    (
        "api",
        &[
            "catalog", "clock", "engine", "errors", "facts", "fairness", "identity", "json", "ledger", "limits", "listing", "money",
            "notifications", "queue", "railgun", "record", "register", "replay", "rpc", "signing", "steps", "store", "templates",
            "tokens", "tracking",
        ],
    ),
    (
        "simulation",
        &[
            "aggregate", "catalog", "chance", "engine", "facts", "identity", "json", "money", "record", "rounds",
        ],
    ),
    ("http", &["api", "rpc", "store"]),
    (
        "host",
        &[
            "api", "catalog", "cluster", "config", "data_directory", "engine", "fairness", "http", "queue", "railgun", "record", "register", "relay", "rpc", "steps", "store",
            "templates", "tokens", "tracking",
        ],
    ),
    (
        "bench",
        &[
            "aggregate", "catalog", "chance", "config", "engine", "fairness", "identity", "json", "listing", "money", "record",
            "rounds", "signals", "steps", "store",
        ],
    ),
    (
        "cli",
        &[
            "api", "bench", "catalog", "chance", "check", "client", "cluster", "config", "data_directory", "engine", "examples",
            "fairness", "host", "identity", "ledger", "listing", "moving", "packaging", "record", "replay", "scaffold", "signals", "signing", "simulation", "store", "telemetry", "tracking",
        ],
    ),
];

/// Crates that belong to one part each, and the modules in which they may be named.
const CRATES: &[(&str, &[&str])] = &[
    ("wasmtime", &["bindings", "engine"]),
    ("fjall", &["queue", "register", "store", "tracking"]),
    ("couchbase", &["cluster"]),
    ("rustls_pki_types", &["cluster"]),
    ("rustix", &["store"]),
    // The bench sets a bare handler beside the host.
    ("axum", &["http", "bench"]),
    ("hyper", &["bench"]),
    ("hyper_util", &["bench"]),
    ("http_body_util", &["http", "bench"]),
    ("wit_component", &["packaging"]),
    ("wasm_encoder", &["packaging"]),
    ("wasmparser", &["packaging"]),
    ("jsonschema", &["rpc"]),
    // Words in templates; conditions in strategies.
    ("minijinja", &["simulation", "templates"]),
    ("form_urlencoded", &["providers"]),
    ("httpdate", &["providers"]),
    ("reqwest", &["providers", "register"]),
    ("xxhash_rust", &["engine"]),
    ("arc_swap", &["catalog"]),
    // The contract has an interface of that name, which engine implements.
    ("notify", &["catalog", "engine", "packaging"]),
    ("clap", &["cli"]),
    ("ureq", &["cli"]),
    ("jiff", &["cli", "facts"]),
    ("indicatif", &["cli", "bench"]),
    ("tracing_subscriber", &["telemetry"]),
    ("toml", &["config", "simulation"]),
    ("hmac", &["fairness", "providers", "tokens"]),
    ("ed25519_dalek", &["signing"]),
    ("rand_chacha", &["chance"]),
];

/// Modules of rules alone: they can be run anywhere and again, because they ask nobody and wait for nothing.
const PURE: &[&str] = &[
    "aggregate",
    "chance",
    "client",
    "errors",
    "examples",
    "facts",
    "fairness",
    "idempotency",
    "identity",
    "json",
    "limits",
    "listing",
    "money",
    "notifications",
    "record",
    "rounds",
    "rpc",
    "signing",
    "text",
];

/// What only a module that is not pure may name.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", ""),
    ("std", "fs"),
    ("std", "net"),
    ("std", "process"),
    ("std", "thread"),
    ("std", "env"),
    ("std", "time"),
];

/// A longer file has a second thing in it.
const LINES_MAX: usize = 450;

/// A source file of the host without its comments and its tests, line by line as it is in the file.
struct Source {
    /// Below `host/src`.
    path: String,
    text: String,
}

impl Source {
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Where a path such as `root::name`, or a group such as `root::{name, ...}`, is written.
    fn uses_of(&self, root: &str) -> Vec<(usize, String)> {
        let mut uses = Vec::new();
        for (at, _) in self.text.match_indices(&format!("{root}::")) {
            if self.text[..at].ends_with(|before: char| is_of_name(before) || before == ':') {
                continue;
            }
            let rest_at = at + root.len() + "::".len();
            let line = |at: usize| self.text[..at].lines().count().max(1);
            if self.text[rest_at..].starts_with('{') {
                let names = group(&self.text[rest_at + 1..]);
                uses.extend(names.into_iter().map(|(offset, name)| (line(rest_at + 2 + offset), name.to_owned())));
            } else {
                uses.push((line(rest_at), name(&self.text[rest_at..]).to_owned()));
            }
        }
        uses
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn name(text: &str) -> &str {
    &text[..text.find(|character| !is_of_name(character)).unwrap_or(text.len())]
}

/// The first names of a group's members, each with its place, up to the brace that closes the group.
fn group(text: &str) -> Vec<(usize, &str)> {
    let (mut names, mut depth, mut begins) = (Vec::new(), 0, true);
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ if begins && is_of_name(character) => {
                names.push((at, name(&text[at..])));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

/// The host's files, tests left out.
fn sources() -> Vec<Source> {
    let root = harness::root().join("host/src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.len() > 30, "where is the host's source?");
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if is_test || path.file_name().is_some_and(|name| name == "main.rs") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path, text: text.lines().map(without_comment).collect() });
        }
    }
}

fn without_comment(line: &str) -> String {
    let code = if line.trim_start().starts_with("//") { "" } else { line };
    format!("{code}\n")
}

fn assert_none(mut broken: Vec<String>, rule: &str) {
    broken.sort();
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn modules_use_only_what_the_table_says() {
    let table: BTreeMap<_, BTreeSet<_>> =
        MODULES.iter().map(|(module, uses)| (*module, uses.iter().copied().collect())).collect();
    let sources = sources();
    let mut broken = Vec::new();
    let mut used = BTreeMap::<_, BTreeSet<_>>::new();
    for source in sources.iter().filter(|source| source.path != "lib.rs") {
        let module = source.module();
        let Some(allowed) = table.get(module) else {
            broken.push(format!("host/src/{}: the module {module} is not in the table", source.path));
            continue;
        };
        for (line, name) in source.uses_of("crate") {
            if name == module {
                continue;
            }
            if !allowed.contains(name.as_str()) {
                broken.push(format!("host/src/{}:{line}: {module} may not use {name}", source.path));
            }
            used.entry(module).or_default().insert(name);
        }
    }
    for (module, uses) in MODULES {
        let unused = uses.iter().filter(|name| !used.get(module).is_some_and(|used| used.contains(**name)));
        broken.extend(unused.map(|name| format!("{module} does not use {name} any more: take it out of the table")));
    }
    assert_none(broken, "the module graph is MODULES in tests/architecture.rs");
}

#[test]
fn there_are_no_circles_between_modules() {
    let mut before = BTreeSet::new();
    for (module, uses) in MODULES {
        for name in *uses {
            assert!(before.contains(name), "{module} uses {name}, which must come before it in MODULES");
        }
        before.insert(*module);
    }
}

#[test]
fn crates_stay_in_the_parts_they_belong_to() {
    let mut broken = Vec::new();
    for source in sources() {
        for (crate_name, modules) in CRATES.iter().filter(|(_, modules)| !modules.contains(&source.module())) {
            let uses = source.uses_of(crate_name).into_iter();
            broken.extend(
                uses.map(|(line, _)| format!("host/src/{}:{line}: {crate_name}, not of {modules:?}", source.path)),
            );
        }
    }
    assert_none(broken, "these crates are used by their own modules only");
}

#[test]
fn rules_do_no_io() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.module())) {
        for (root, name) in IMPURE {
            let uses = source.uses_of(root).into_iter().filter(|(_, used)| name.is_empty() || used == name);
            broken.extend(uses.map(|(line, used)| format!("host/src/{}:{line}: {root}::{used}", source.path)));
        }
    }
    assert_none(broken, "these modules ask nobody and wait for nothing");
}

#[test]
fn no_file_is_too_long() {
    let length = |source: Source| (source.text.lines().count(), source.path);
    let long = sources().into_iter().map(length).filter(|(lines, _)| *lines > LINES_MAX);
    let long = long.map(|(lines, path)| format!("host/src/{path}: {lines} lines of at most {LINES_MAX}")).collect();
    assert_none(long, "look for the second thing in these files");
}

#[test]
fn uses_are_found_in_every_form() {
    let text =
        "use crate::{\n    alpha::{One, Two},\n    beta,\n};\nlet x = crate::gamma::make();\nmycrate::delta();\n";
    let source = Source { path: "steps/play.rs".to_owned(), text: text.to_owned() };
    assert_eq!(source.module(), "steps");
    let found: Vec<_> = source.uses_of("crate").into_iter().map(|(line, name)| format!("{line} {name}")).collect();
    assert_eq!(found, ["2 alpha", "3 beta", "5 gamma"]);
}

/// README's first command names no program, and the workspace has several: Cargo runs the only one that a package has by default.
#[test]
fn cargo_run_runs_croupier() {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(harness::root());
    let output = command.output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("what Cargo reads of the workspace");
    let packages = metadata["packages"].as_array().unwrap();
    let by_default: Vec<_> = packages.iter().filter_map(|package| package["default_run"].as_str()).collect();
    assert_eq!(by_default, ["croupier"]);
}
