//! `croupier ledger check` on the files of a stopped host, whole and tampered with.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use croupier::record::Record;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use crate::{
    harness::Host,
    load::{Acknowledged, Ended, Player},
};

fn check(data: &Path, json: bool) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.args(["ledger", "check", "--data"]).arg(data);
    if json {
        command.arg("--json");
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A host that was played on and has ended: three players, of whom bob has an open round of blackjack.
fn played() -> Host {
    let mut host = Host::start();
    for player in ["alice", "bob", "carol"] {
        let token = host.player(player, 100_000);
        for call in 0..10 {
            let key = format!("{player}-{call}");
            host.call(&token, "fruit-slots.spin", json!({ "line_stake": 1, "idempotency_key": key }))
                .or_else(|_free_spins_wait| host.call(&token, "fruit-slots.free_spin", json!({})))
                .unwrap();
        }
        while player == "bob" && host.call(&token, "blackjack.deal", json!({ "stake": 100 })).unwrap()["turn"].is_null()
        {
        }
    }
    assert!(host.terminate().0.success());
    host
}

#[test]
fn a_whole_store_is_proved_and_totalled() {
    let mut host = played();
    let (status, stdout, stderr) = check(&host.data(), false);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.starts_with("3 aggregates, "), "{stdout}");
    assert!(stdout.contains("every chain is whole and all accounts sum to zero"), "{stdout}");

    let (status, stdout, _) = check(&host.data(), true);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &report["aggregates"]), (Some(0), &json!(3)));
    let accounts = report["accounts"].as_object().unwrap();
    assert_eq!(accounts["operator"]["EUR"], -300_000);
    assert_eq!(accounts["escrow"]["EUR"].as_i64().unwrap() % 10, 0);
    assert!(accounts["escrow"]["EUR"].as_i64().unwrap() >= 100);
    assert_eq!(accounts.values().map(|held| held["EUR"].as_i64().unwrap()).sum::<i64>(), 0);

    // The host proves its own store, and nobody else does so meanwhile.
    host.restart();
    assert_eq!(host.check_ledger(), report);
    let (status, _, stderr) = check(&host.data(), false);
    assert_eq!(status, Some(1));
    assert!(stderr.contains(&format!("process {}", host.process_id())), "{stderr}");
    assert!(stderr.contains("a running host proves its own store"), "{stderr}");

    let (status, _, stderr) = check(&host.data().join("nowhere"), false);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("is no directory of a host"), "{stderr}");
}

#[test]
fn a_store_in_use_is_proved_as_well() {
    let host = Host::start();
    let mut players: Vec<_> = (0..4)
        .map(|seed| Player::new(&host, format!("player-{seed}"), ChaCha8Rng::seed_from_u64(100 + seed)))
        .collect();
    let acknowledged = Acknowledged::default();
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for player in &mut players {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    assert_eq!(player.act(host.address(), &acknowledged), Ended::Answered);
                }
            });
        }
        for number in 0..30 {
            // New players come in before, between and after those that are there.
            for name in ["a", "player-0", "player-2", "z"] {
                host.operator("player.create", json!({ "player": format!("{name}-{number}") })).unwrap();
            }
            host.check_ledger();
        }
        enough.store(true, Ordering::Relaxed);
    });
    let acknowledged = Acknowledged::default();
    players.iter_mut().for_each(|player| player.prove(&host, &acknowledged));
}

/// The store's files, opened by somebody who has no business there.
pub(crate) struct Tampering {
    aggregates: Keyspace,
    records: Keyspace,
}

impl Tampering {
    pub(crate) fn record(&self, step: u64) -> Vec<u8> {
        self.records.get(key("bob", step)).unwrap().unwrap().to_vec()
    }

    pub(crate) fn replace(&self, step: u64, record: &[u8]) {
        self.records.insert(key("bob", step), record).unwrap();
    }

    pub(crate) fn edit_record(&self, step: u64, edit: impl FnOnce(&mut Value)) {
        let mut record: Value = serde_json::from_slice(&self.record(step)).unwrap();
        edit(&mut record);
        self.replace(step, record.to_string().as_bytes());
    }

    pub(crate) fn remove(&self, step: u64) {
        self.records.remove(key("bob", step)).unwrap();
    }

    /// Edits a record, and then every digest that depends on it, so that all chains are whole.
    pub(crate) fn forge(&self, step: u64, edit: impl FnOnce(&mut Value)) {
        let newest = self.newest();
        let mut record = Record::decode(&self.record(step)).unwrap();
        let mut edited = serde_json::to_value(&record).unwrap();
        edit(&mut edited);
        let (mut encoded, mut head) = Record::decode(edited.to_string().as_bytes()).unwrap().encode().unwrap();
        self.replace(step, &encoded.bytes);
        for step in step + 1..=newest {
            record = Record::decode(&self.record(step)).unwrap();
            record.previous = head;
            (encoded, head) = record.encode().unwrap();
            self.replace(step, &encoded.bytes);
        }
        self.edit_aggregate("head", |stored| *stored = head.to_string().into());
    }

    /// Edits one part of bob's aggregate; the others stay as they are, byte for byte.
    fn edit_aggregate(&self, part: &str, edit: impl FnOnce(&mut Value)) {
        let aggregate = self.aggregates.get("player/bob").unwrap().unwrap();
        let mut parts: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&aggregate).unwrap();
        let mut edited = serde_json::from_str(parts[part].get()).unwrap();
        edit(&mut edited);
        parts.insert(part.to_owned(), to_raw_value(&edited).unwrap());
        self.aggregates.insert("player/bob", serde_json::to_string(&parts).unwrap()).unwrap();
    }

    /// The number of bob's newest step.
    fn newest(&self) -> u64 {
        let aggregate: Value = serde_json::from_slice(&self.aggregates.get("player/bob").unwrap().unwrap()).unwrap();
        aggregate["step"].as_u64().unwrap()
    }
}

fn key(player: &str, step: u64) -> Vec<u8> {
    let mut key = format!("player/{player}\0").into_bytes();
    key.extend(step.to_be_bytes());
    key
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

pub(crate) fn tampered(host: &Host, directory: &Path, tamper: fn(&Tampering)) -> PathBuf {
    copy(&host.data(), directory);
    let database = Database::builder(directory.join("store")).open().unwrap();
    let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
    tamper(&Tampering { aggregates: keyspace("aggregates"), records: keyspace("records") });
    database.persist(PersistMode::SyncAll).unwrap();
    directory.to_owned()
}

/// What was done to the store, how, and what the check says about it.
type Case = (&'static str, fn(&Tampering), &'static str);

const CASES: &[Case] = &[
    ("nothing", |_| {}, ""),
    (
        "a digit of a deposit flipped",
        |store| {
            let mut record = store.record(2);
            let digit = record.windows(8).position(|text| text == b"\"amount\"").unwrap() + 9;
            record[digit] ^= 1;
            store.replace(2, &record);
        },
        "record 2 of player/bob is broken",
    ),
    (
        "a byte of a reply flipped",
        |store| {
            let mut record = store.record(7);
            // The first letter of a symbol becomes another: whatever was shown, the record still reads.
            let window = b"\"window\":[[\"";
            let letter = record.windows(window.len()).position(|text| text == window).unwrap() + window.len();
            record[letter] ^= 1;
            store.replace(7, &record);
        },
        "record 7 of player/bob is broken: record 8 holds another digest of it",
    ),
    (
        "a byte of the newest record flipped",
        |store| {
            let mut record = store.record(store.newest());
            let digit = record.windows(8).position(|text| text == b"\"at_ms\":").unwrap() + 9;
            record[digit] ^= 1;
            store.replace(store.newest(), &record);
        },
        "of player/bob is broken: the aggregate holds another digest of it",
    ),
    (
        "a record's link to the one before changed",
        |store| store.edit_record(7, |record| record["previous"] = "0f".repeat(32).into()),
        "record 7 of player/bob is broken: it holds another digest of the record before it",
    ),
    (
        "a record written as it means, but not byte for byte",
        |store| {
            let mut record = store.record(5);
            record.push(b' ');
            store.replace(5, &record);
        },
        "record 5 of player/bob is broken: record 6 holds another digest of it",
    ),
    ("a record deleted", |store| store.remove(6), "record 6 of player/bob is broken: it is missing"),
    ("the first record deleted", |store| store.remove(1), "record 1 of player/bob is broken: it is missing"),
    ("the newest record deleted", |store| store.remove(store.newest()), "of player/bob is broken: it is missing"),
    (
        "two records swapped",
        |store| {
            let (fifth, eighth) = (store.record(5), store.record(8));
            store.replace(5, &eighth);
            store.replace(8, &fifth);
        },
        "record 5 of player/bob is broken: it says it is record 8 of player/bob",
    ),
    (
        "another player's record put in its place",
        |store| {
            let record = store.records.get(key("alice", 5)).unwrap().unwrap();
            store.replace(5, &record);
        },
        "record 5 of player/bob is broken: it says it is record 5 of player/alice",
    ),
    (
        "a balance raised in the aggregate",
        |store| {
            store.edit_aggregate("ledger", |ledger| {
                let balance = ledger["player"]["EUR"].as_i64().unwrap();
                ledger["player"]["EUR"] = (balance + 1).into();
            });
        },
        "player/bob is not what its records made it: its accounts are others",
    ),
    (
        "a balance raised and paid for by the operator",
        |store| {
            store.edit_aggregate("ledger", |ledger| {
                for (account, change) in [("player", 1), ("operator", -1)] {
                    let position = ledger[account]["EUR"].as_i64().unwrap();
                    ledger[account]["EUR"] = (position + change).into();
                }
            });
        },
        "player/bob is not what its records made it: its accounts are others",
    ),
    (
        "a balance below zero",
        |store| store.edit_aggregate("ledger", |ledger| ledger["player"]["EUR"] = (-1).into()),
        "player/bob is not what its records made it: its accounts are others",
    ),
    (
        "a better hand in the open round's documents",
        |store| store.edit_aggregate("documents", |games| games["blackjack"] = json!({ "state": "aces" })),
        "player/bob is not what its records made it: its documents are others",
    ),
    (
        "an open round dropped",
        |store| store.edit_aggregate("rounds", |rounds| drop(rounds.as_object_mut().unwrap().remove("blackjack"))),
        "player/bob is not what its records made it: its open rounds are others",
    ),
    (
        "a session prolonged",
        |store| {
            store.edit_aggregate("sessions", |sessions| sessions[0]["expires_at_ms"] = 9_000_000_000_000_u64.into())
        },
        "player/bob is not what its records made it: its sessions are others",
    ),
    (
        "keys forgotten, so that a retry would play again",
        |store| store.edit_aggregate("answered", |keys| *keys = "".into()),
        "player/bob is not what its records made it: its idempotency keys are others",
    ),
    (
        "a record beyond the newest step",
        |store| store.replace(store.newest() + 1, &store.record(store.newest())),
        "is broken: it lies beyond step",
    ),
    (
        "a record far beyond the newest step",
        |store| store.replace(u64::MAX, &store.record(2)),
        "record 18446744073709551615 of player/bob is broken: it lies beyond step",
    ),
    (
        "an aggregate dropped, its records left",
        |store| store.aggregates.remove("player/bob").unwrap(),
        "record 1 of player/bob is broken: its aggregate is missing",
    ),
    (
        "the first aggregate dropped",
        |store| store.aggregates.remove("player/alice").unwrap(),
        "record 1 of player/alice is broken: its aggregate is missing",
    ),
    (
        "the last aggregate dropped",
        |store| store.aggregates.remove("player/carol").unwrap(),
        "record 1 of player/carol is broken: its aggregate is missing",
    ),
    (
        "all aggregates dropped",
        |store| {
            ["alice", "bob", "carol"]
                .into_iter()
                .for_each(|player| store.aggregates.remove(format!("player/{player}")).unwrap())
        },
        "record 1 of player/alice is broken: its aggregate is missing",
    ),
    (
        "an aggregate put back to what it was before its newest step",
        |store| {
            let record: Value = serde_json::from_slice(&store.record(store.newest())).unwrap();
            store.edit_aggregate("step", |step| *step = (step.as_u64().unwrap() - 1).into());
            store.edit_aggregate("head", |head| *head = record["previous"].clone());
        },
        "player/bob is not what its records made it",
    ),
    (
        "an aggregate under another's name",
        |store| {
            let bob = store.aggregates.get("player/bob").unwrap().unwrap();
            store.aggregates.insert("player/alice", bob).unwrap();
        },
        "player/alice",
    ),
];

#[test]
fn whatever_was_tampered_with_is_named() {
    let host = played();
    let directory = tempfile::tempdir().unwrap();
    for (number, (name, tamper, expected)) in CASES.iter().enumerate() {
        let data = tampered(&host, &directory.path().join(number.to_string()), *tamper);
        let (status, stdout, stderr) = check(&data, false);
        assert_eq!(status, Some(i32::from(!expected.is_empty())), "{name}: {stdout}{stderr}");
        assert!(stderr.contains(expected), "{name}: {stderr}");
        fs::remove_dir_all(data).unwrap();
    }
}
