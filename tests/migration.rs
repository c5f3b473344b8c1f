//! State across releases: documents that a newer release migrates, and contracts that games were built against.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use croupier::{
    aggregate::Documents,
    engine::{Answer, CONTRACT_VERSION, Done, Engine, NotRun, Release, Settings, Step},
    json::Json,
    record::{Act, Migrated, Record},
    store::{Embedded, EmbeddedSettings, Store as _},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{self, GAMES, Host, Options, reason},
    hostile::{
        self,
        components::{BALANCE, Handmade, LOOP, Migration},
        observation::step,
    },
};

/// The releases of `savings` that have a state version.
static SAVINGS: LazyLock<PathBuf> = LazyLock::new(|| {
    let games = ["savings-1", "savings-2"].map(|game| harness::root().join("tests/migrating_games").join(game));
    harness::build("migrating", games.to_vec())
});

pub(crate) fn savings(release: u32) -> Vec<u8> {
    fs::read(SAVINGS.join(format!("savings-{release}.wasm"))).unwrap()
}

/// The oldest release of `savings`, built against the oldest contract: `save` keeps 7 coins.
pub(crate) fn unversioned() -> Vec<u8> {
    let game = Handmade {
        id: "savings".to_owned(),
        methods: vec!["save".to_owned()],
        imports: r#"(import "croupier:game/store@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))"#,
        items: r#"(data (i32.const 64000) "state{\"coins\":7}")"#,
        handle: "(call $put (i32.const 64000) (i32.const 5) (i32.const 64005) (i32.const 11) (i32.const 64100))",
        ..Handmade::default()
    };
    game.component()
}

/// A release of `savings` whose `save` answers `"played"`, after a migration of its own.
fn migrating(migration: Migration) -> Handmade {
    let methods = vec!["save".to_owned()];
    Handmade { id: "savings".to_owned(), methods, ..Handmade::migrating(migration) }
}

/// What is wrong with a migration, and what the operator reads about it.
fn failing() -> Vec<(Handmade, &'static str)> {
    let to = |documents: &[(&str, &str)]| migrating(Migration::to(1, documents));
    let running = |on_migrate| migrating(Migration { on_migrate, ..Migration::to(1, &[]) });
    let large = format!("\"{}\"", "x".repeat(9 << 10));
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let refusing = Migration { answer: Err("the coins\nare gone".to_owned()), ..Migration::to(1, &[]) };
    let panicking = Handmade {
        imports: r#"(import "croupier:game/log@0.1.0" "write" (func $log (param i32 i32 i32 i32)))"#,
        items: r#"(data (i32.const 64000) "panicno coins left")"#,
        ..running("(call $log (i32.const 64000) (i32.const 5) (i32.const 64005) (i32.const 13)) (unreachable)")
    };
    let drawing = Handmade {
        imports: r#"(import "croupier:game/random@0.1.0" "below" (func $below (param i64) (result i64)))"#,
        ..running("(drop (call $below (i64.const 6)))")
    };
    let asking = Handmade { imports: BALANCE, ..running("(drop (call $balance))") };
    let writing = Handmade {
        imports: r#"(import "croupier:game/store@0.1.0" "delete" (func $delete (param i32 i32)))"#,
        ..running("(call $delete (i32.const 64000) (i32.const 5))")
    };
    vec![
        (migrating(refusing), r"has failed: the coins\\nare gone"),
        (panicking, "no coins left"),
        (running("(unreachable)"), "it trapped"),
        (running(LOOP), "it computed longer than a step may"),
        (running("(drop (memory.grow (i32.const 10000)))"), "it wanted more memory"),
        (drawing, "it called an import outside of a call"),
        (asking, "it called an import outside of a call"),
        (writing, "it called an import outside of a call"),
        (running("(return (i32.const 0x7ffffff0))"), "out of bounds"),
        (running("(i32.store8 (i32.const 256) (i32.const 2))"), "discriminant"),
        (
            running("(i32.store (i32.const 264) (i32.const 0x7fffffff))"),
            "the migration of a player's documents has failed",
        ),
        (to(&[("", "1")]), "a key is 1 to 64 of"),
        (to(&[("../alice", "1")]), "a key is 1 to 64 of"),
        (to(&[("state", "{'coins':7}")]), "the document state cannot be kept"),
        (to(&[("state", &deep)]), "nested deeper than"),
        (to(&[("state", &large), ("more", &large)]), "a player's documents have 16384 bytes"),
        (to(&[("state", "1"), ("state", "2")]), "the document state is there twice"),
    ]
}

fn engine(step_compute_ms_max: u64) -> Arc<Engine> {
    let step_compute_max = Duration::from_millis(step_compute_ms_max);
    Arc::new(Engine::start(Settings { step_compute_max, ..Settings::default() }).unwrap())
}

fn documents(of: &[(&str, &str)]) -> BTreeMap<String, Json> {
    of.iter().map(|(key, value)| ((*key).to_owned(), Json::parse((*value).to_owned()).unwrap())).collect()
}

async fn migrate(engine: &Engine, release: &Release, method: &str, migrated: &Migrated) -> Result<Done, NotRun> {
    let documents = Documents::new(migrated.before.clone());
    engine.run(release, Step { documents, migrate_from: Some(migrated.from), ..step("savings", method) }).await
}

#[tokio::test]
async fn a_step_sees_the_migrated_documents_and_says_what_they_were() {
    let engine = engine(60_000);
    let expected = [
        (1, 0, r#"{"coins":7}"#, documents(&[("state", r#"{"coins":[7]}"#), ("z", " 1.50")]), "[7]"),
        (
            2,
            1,
            r#"{"coins":[7,5]}"#,
            documents(&[("coins", "[7,5]"), ("state", r#"{"total":12}"#), ("z", " 1.50")]),
            r#"{"coins":[7,5],"total":12}"#,
        ),
    ];
    for (number, from, state, after, reply) in expected {
        let release = engine.load(savings(number)).await.unwrap();
        assert_eq!(release.state_version(), number);
        let migrated = Migrated { from, before: documents(&[("state", state), ("z", " 1.50")]), after };
        let done = migrate(&engine, &release, "show", &migrated).await.unwrap();
        let Ok(Answer::Reply { body, .. }) = &done.answer else { panic!("{:?}", done.answer) };
        assert_eq!(body.as_str(), reply);
        assert_eq!(*done.documents, migrated.after);
        assert!(done.written.is_empty(), "{:?}", done.written);
        assert_eq!(done.observed.documents["state"].as_ref(), migrated.after.get("state"));
        assert_eq!(done.migrated.as_ref(), Some(&migrated));
        // What the record says of it is enough to run it again.
        let again = migrate(&engine, &release, "show", &done.migrated.unwrap()).await.unwrap();
        assert_eq!((again.observed, again.migrated), (done.observed, Some(migrated)));
    }
}

#[tokio::test]
async fn a_migration_that_breaks_down_is_no_step() {
    let engine = engine(30);
    for (game, words) in failing() {
        let release = engine.load(game.component()).await.unwrap();
        let before = documents(&[("state", r#"{"coins":7}"#)]);
        let outcome = migrate(&engine, &release, "save", &Migrated { from: 0, before, after: BTreeMap::new() }).await;
        assert_eq!(outcome.err(), Some(NotRun::MigrationFailed), "{words}");
        // Without documents from before there is nothing to fail at.
        assert!(engine.run(&release, step("savings", "save")).await.unwrap().answer.is_ok(), "{words}");
    }
}

#[tokio::test]
async fn a_migration_may_write_to_the_log_and_may_leave_nothing() {
    let engine = engine(60_000);
    let game = Handmade {
        imports: r#"(import "croupier:game/log@0.1.0" "write" (func $log (param i32 i32 i32 i32)))"#,
        ..migrating(Migration {
            on_migrate: "(call $log (i32.const 64000) (i32.const 4) (i32.const 64000) (i32.const 4))",
            ..Migration::to(u32::MAX, &[])
        })
    };
    let release = engine.load(game.component()).await.unwrap();
    assert_eq!(release.state_version(), u32::MAX);
    let migrated = Migrated { from: 3, before: documents(&[("state", "1")]), after: BTreeMap::new() };
    let done = migrate(&engine, &release, "save", &migrated).await.unwrap();
    assert!(done.answer.is_ok() && done.documents.is_empty());
    assert_eq!(done.migrated, Some(migrated));
}

#[tokio::test]
async fn a_state_version_that_is_none_is_refused() {
    let engine = engine(30);
    let versions = |version, on_version| migrating(Migration { on_version, ..Migration::to(version, &[]) });
    for (game, words) in [
        (versions(0, ""), "its description is wrong: its state version is 0"),
        (versions(1, "(unreachable)"), "it broke down while describing itself: it trapped"),
        (versions(1, LOOP), "it broke down while describing itself: it computed longer than a step may"),
        (
            Handmade { imports: BALANCE, ..versions(1, "(drop (call $balance))") },
            "it broke down while describing itself: it called an import outside of a call",
        ),
    ] {
        let refused = engine.load(game.component()).await.unwrap_err().to_string();
        assert!(refused.contains(words), "'{refused}' does not say '{words}'");
    }
}

#[tokio::test]
async fn games_of_compatible_contracts_link_and_others_are_told_what_to_rebuild() {
    let engine = engine(60_000);
    for version in ["0.1.0", CONTRACT_VERSION, "0.1.9"] {
        let release = engine.load(Handmade::built_against(version).component()).await.unwrap();
        assert_eq!(release.state_version(), 0);
        assert!(engine.run(&release, step("handmade", "play")).await.unwrap().answer.is_ok(), "{version}");
    }
    let newer = Handmade::built_against("0.1.9");
    let with_a_clock = newer
        .contract
        .replace("interface log {", "interface clock { now: func() -> u64; }\ninterface log {")
        .replace("import log;", "import log; import clock;");
    let with_a_lottery = newer.contract.replace("interface random {", "interface random { lottery: func() -> u64;");
    let games = [
        ("0.2.0", Handmade { imports: BALANCE, ..Handmade::built_against("0.2.0") }),
        ("1.0.0", Handmade::built_against("1.0.0")),
        (
            "0.1.9",
            Handmade {
                contract: with_a_clock,
                imports: r#"(import "croupier:game/clock@0.1.0" "now" (func (result i64)))"#,
                ..newer.clone()
            },
        ),
        (
            "0.1.9",
            Handmade {
                contract: with_a_lottery,
                imports: r#"(import "croupier:game/random@0.1.0" "lottery" (func (result i64)))"#,
                ..newer
            },
        ),
    ];
    for (version, game) in games {
        let refused = engine.load(game.component()).await.unwrap_err().to_string();
        let words = format!(
            "it was built against croupier:game@{version}, and this host speaks croupier:game@{CONTRACT_VERSION}: \
             rebuild the game with croupier-sdk {}",
            env!("CARGO_PKG_VERSION")
        );
        assert!(refused.contains(&words), "'{refused}' does not say '{words}'");
    }
}

/// The hostile games play a whole component of the oldest contract; here it is made sure that they are one.
#[test]
fn a_component_says_which_contract_it_was_built_against() {
    let holds = |component: &[u8], words: &str| component.windows(words.len()).any(|part| part == words.as_bytes());
    let oldest = hostile::misbehaving();
    assert!(holds(&oldest, "croupier:game/game@0.1.0") && !holds(&oldest, CONTRACT_VERSION));
    let newest = format!("croupier:game/game@{CONTRACT_VERSION}");
    for game in ["fruit-slots", "blackjack", "roulette"] {
        let component = fs::read(GAMES.join(format!("{game}.wasm"))).unwrap();
        assert!(holds(&component, &newest) && !holds(&component, "croupier:game/migration@"), "{game}");
    }
    assert!(holds(&savings(1), &newest) && holds(&savings(1), "croupier:game/migration@"));
}

/// A host whose one game changes its release.
struct House {
    host: Host,
    _games: TempDir,
}

impl House {
    fn open(component: &[u8]) -> Self {
        let games = tempfile::tempdir().unwrap();
        fs::write(games.path().join("savings.wasm"), component).unwrap();
        Self {
            host: Host::start_with(Options { games: Some(games.path().to_owned()), ..Options::default() }),
            _games: games,
        }
    }

    fn activate(&self, component: &[u8]) {
        self.host.publish(component).unwrap();
    }

    fn steps(&self, player: &str) -> u64 {
        self.host.operator("player.get", json!({ "player": player })).unwrap()["steps"].as_u64().unwrap()
    }

    fn fails(&self, token: &str, method: &str, expected: &str) -> Value {
        let error = self.host.call(token, method, json!({})).unwrap_err();
        assert_eq!(reason(&error), expected, "{error}");
        error
    }

    /// Ends the host, on which every step must come out again as it was; every migration that a player's records speak of,
    /// and whether its step is void.
    fn migrations(mut self, player: &str) -> Vec<(Migrated, u32, bool)> {
        assert_eq!(self.host.replayed()["flawed"], 0);
        let settings = EmbeddedSettings {
            directory: self.host.data().join("store"),
            cache_bytes: 1 << 20,
            aggregate_bytes_max: 1 << 20,
            disk_reserve_bytes: 0,
        };
        let store = Embedded::open(&settings).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let records =
            runtime.block_on(store.records(&format!("player/{player}").parse().unwrap(), 1..=u64::MAX)).unwrap();
        let plays = records.iter().filter_map(|(_, bytes)| match Record::decode(bytes).unwrap().act {
            Act::Played(play) => Some(*play),
            _ => None,
        });
        plays.filter_map(|play| Some((play.migrated?, play.state_version, play.void.is_some()))).collect()
    }
}

#[test]
fn documents_follow_the_releases_of_their_game() {
    let house = House::open(&unversioned());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|player| house.host.player(player, 1_000));
    for player in [&alice, &carol] {
        house.host.call(player, "savings.save", json!({})).unwrap();
    }

    house.activate(&savings(1));
    let steps = house.steps("alice");
    assert_eq!(house.host.call(&alice, "savings.show", json!({})), Ok(json!([7])));
    assert_eq!(house.steps("alice"), steps + 1, "what was migrated is kept");
    assert_eq!(house.host.call(&alice, "savings.show", json!({})), Ok(json!([7])));
    assert_eq!(house.steps("alice"), steps + 1, "and looking leaves no trace again");
    assert_eq!(house.host.call(&alice, "savings.save", json!({ "worth": 5 })), Ok(json!([7, 5])));
    assert_eq!(house.host.call(&bob, "savings.save", json!({ "worth": 3 })), Ok(json!([3])), "nothing to migrate");
    assert_eq!(house.host.check_ledger()["aggregates"], 3);

    // A rollback: who has played the newer release waits for it, who has not plays on.
    house.activate(&unversioned());
    for (token, player) in [(&alice, "alice"), (&bob, "bob")] {
        let steps = house.steps(player);
        let error = house.fails(token, "savings.save", "state_too_new");
        assert_eq!((&error["data"]["kept"], &error["data"]["read"]), (&json!(1), &json!(0)));
        assert_eq!(house.steps(player), steps);
    }
    house.host.call(&carol, "savings.save", json!({})).unwrap();

    house.activate(&savings(2));
    assert_eq!(house.host.call(&alice, "savings.show", json!({})), Ok(json!({ "coins": [7, 5], "total": 12 })));
    assert_eq!(house.host.call(&bob, "savings.show", json!({})), Ok(json!({ "coins": [3], "total": 3 })));
    assert_eq!(house.host.call(&carol, "savings.show", json!({})), Ok(json!({ "coins": [7], "total": 7 })));
    assert_eq!(house.host.check_ledger()["aggregates"], 3);
    assert_eq!(house.host.balance(&alice), 1_000);

    let migrated = |from, before: &[(&str, &str)], after: &[(&str, &str)]| Migrated {
        from,
        before: documents(before),
        after: documents(after),
    };
    let expected = [
        (migrated(0, &[("state", r#"{"coins":7}"#)], &[("state", r#"{"coins":[7]}"#)]), 1, false),
        (
            migrated(1, &[("state", r#"{"coins":[7,5]}"#)], &[("coins", "[7,5]"), ("state", r#"{"total":12}"#)]),
            2,
            false,
        ),
    ];
    assert_eq!(house.migrations("alice"), expected);
}

#[test]
fn a_migration_that_fails_refuses_the_call_and_leaves_everything_as_it_was() {
    let house = House::open(&unversioned());
    let token = house.host.player("alice", 1_000);
    house.host.call(&token, "savings.save", json!({})).unwrap();
    let steps = house.steps("alice");
    for (game, words) in failing() {
        house.activate(&game.component());
        let params = json!({ "idempotency_key": "k" });
        let error = house.host.call(&token, "savings.save", params).unwrap_err();
        assert_eq!((&error["code"], reason(&error)), (&json!(-32040), "migration_failed"), "{words}");
        assert!(!error.to_string().contains("coins"), "the guest's words are not for players: {error}");
        let release = house.host.call(&token, "game.list", json!({})).unwrap()[0]["release"].clone();
        house.host.wait_for_log(&[words, r#""game":"savings""#, release.as_str().unwrap()]);
        assert_eq!(house.steps("alice"), steps, "{words}");
    }
    // The key is free, and the documents are what they were.
    house.activate(&savings(1));
    let params = json!({ "worth": 5, "idempotency_key": "k" });
    assert_eq!(house.host.call(&token, "savings.save", params), Ok(json!([7, 5])));
    assert_eq!(house.host.check_ledger()["aggregates"], 1);
}

#[test]
fn a_call_that_fails_after_its_migration_migrates_nothing() {
    let house = House::open(&unversioned());
    let token = house.host.player("alice", 1_000);
    house.host.call(&token, "savings.save", json!({})).unwrap();

    house.activate(&savings(1));
    let steps = house.steps("alice");
    assert_eq!(house.host.call(&token, "savings.decline", json!({})).unwrap_err()["code"], 1);
    assert_eq!(house.steps("alice"), steps);
    assert_eq!(house.host.call(&token, "savings.decline_late", json!({})).unwrap_err()["code"], 2);
    assert_eq!(house.steps("alice"), steps + 1, "chance was drawn: the step is void, and recorded");
    assert_eq!(house.host.check_ledger()["aggregates"], 1);

    // The older release can still read what it has written.
    house.activate(&unversioned());
    house.host.call(&token, "savings.save", json!({})).unwrap();
    house.activate(&savings(1));
    assert_eq!(house.host.call(&token, "savings.show", json!({})), Ok(json!([7])));
    assert_eq!(house.host.check_ledger()["aggregates"], 1);
    let void: Vec<_> =
        house.migrations("alice").into_iter().map(|(migrated, to, void)| (migrated.from, to, void)).collect();
    assert_eq!(void, [(0, 1, true), (0, 1, false)]);
}
