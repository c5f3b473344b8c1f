//! Statistics of the running host: they are what a recount of everybody's rounds gives, whatever happens in between.

pub(crate) mod recount;

use std::{fs, path::PathBuf, process::Command, sync::LazyLock, thread};

use croupier::facts::Period;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use self::recount::{VIEWS, prove, rounds, view, wait_until_carried, wait_until_tracked};
use crate::{
    harness::{self, Host, Options, reason},
    load::{Acknowledged, Ended, Player},
};

/// A folder with a game that tells of things, and fruit-slots.
static GAMES: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = harness::root();
    harness::build("telling", ["tests/telling_games/teller", "games/fruit-slots"].map(|game| root.join(game)).to_vec())
});

fn players(host: &Host, count: u64) -> Vec<(String, Player)> {
    let player = |seed| {
        let name = format!("player-{seed}");
        let player = Player::new(host, name.clone(), ChaCha8Rng::seed_from_u64(seed));
        (name, player)
    };
    (0..count).map(player).collect()
}

fn names(players: &[(String, Player)]) -> Vec<&str> {
    players.iter().map(|(name, _)| name.as_str()).collect()
}

/// Everybody plays at once until so many calls more are acknowledged, or until the host is killed then.
fn play(host: &mut Host, players: &mut [(String, Player)], acknowledged: &Acknowledged, calls: u64, kill: bool) {
    let enough = acknowledged.count() + calls;
    let address = host.address().to_owned();
    thread::scope(|scope| {
        for (_, player) in players {
            let address = &address;
            scope.spawn(move || {
                while acknowledged.count() < enough || kill {
                    match player.act(address, acknowledged) {
                        Ended::Answered => {}
                        Ended::Broken => break,
                        Ended::Refused => panic!("a step was refused"),
                    }
                }
            });
        }
        acknowledged.wait_for(enough);
        if kill {
            host.kill();
        }
    });
}

#[test]
fn statistics_are_a_recount_of_everybodys_rounds() {
    let mut host = Host::start_with(Options { config: VIEWS.to_owned(), ..Options::default() });
    let mut players = players(&host, 4);
    let acknowledged = Acknowledged::default();
    play(&mut host, &mut players, &acknowledged, 600, false);
    assert!(prove(&host, &names(&players)) > 100);
    assert!(host.terminate().0.success());
    host.restart();
    prove(&host, &names(&players));
}

#[test]
fn every_fact_is_counted_once_over_kills_under_load() {
    const KILLS: u32 = 10;
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut host = Host::start_with(Options { config: VIEWS.to_owned(), ..Options::default() });
    let mut players = players(&host, 6);
    let acknowledged = Acknowledged::default();
    let mut rounds = 0;
    for kill in 0..KILLS {
        let calls = random.random_range(1..400);
        play(&mut host, &mut players, &acknowledged, calls, true);
        host.restart();
        for (_, player) in &mut players {
            player.prove(&host, &acknowledged);
        }
        // Sometimes the next kill comes before everything of this one is counted.
        if kill % 2 == 1 {
            rounds = prove(&host, &names(&players));
        }
    }
    host.check_ledger();
    println!("{rounds} rounds, each counted once over {KILLS} kills");
}

/// A tracking store that takes nothing: the disk is smaller than its reserve.
const FULL: &str = "[tracking]\ndisk_reserve_mib = 1000000000\n";

fn waiting(host: &Host) -> usize {
    let waiting = host.operator("outbox.list", json!({ "to": "tracking", "limit": 100 })).unwrap();
    waiting.as_array().unwrap().len()
}

#[test]
fn players_do_not_wait_for_a_tracking_store_that_takes_nothing() {
    let mut host = Host::start_with(Options { config: format!("{FULL}{VIEWS}"), ..Options::default() });
    let mut players = players(&host, 3);
    let acknowledged = Acknowledged::default();
    play(&mut host, &mut players, &acknowledged, 200, false);
    host.wait_for_log(&["steps could not be carried on"]);
    assert_eq!(waiting(&host), 100);
    assert_eq!(host.operator("stats.games", json!({})).unwrap()["games"], json!([]));
    assert!(host.terminate().0.success());
    host.set_config(VIEWS);
    host.restart();
    prove(&host, &names(&players));
}

#[test]
fn what_is_handed_over_again_after_kills_is_counted_once() {
    const KILLS: u32 = 5;
    let mut host = Host::start_with(Options { config: format!("{FULL}{VIEWS}"), ..Options::default() });
    let mut players = players(&host, 4);
    let acknowledged = Acknowledged::default();
    play(&mut host, &mut players, &acknowledged, 1500, true);
    let (store, before) = (host.data().join("store"), host.data().with_file_name("before"));
    assert!(Command::new("cp").arg("-r").args([&store, &before]).status().unwrap().success());

    // Kills while the steps that have waited are carried on, one batch after the other.
    host.set_config(VIEWS);
    for _ in 0..KILLS {
        host.restart();
        host.kill();
    }
    host.restart();
    let rounds = prove(&host, &names(&players));
    host.kill();

    // The store as it was before: it has forgotten, as it may in a crash, that anything was carried on.
    fs::remove_dir_all(&store).unwrap();
    fs::rename(before, store).unwrap();
    host.set_config(&format!("{FULL}{VIEWS}"));
    host.restart();
    assert_eq!(waiting(&host), 100);
    host.kill();
    host.set_config(VIEWS);
    host.restart();
    assert_eq!(prove(&host, &names(&players)), rounds);
    println!("{rounds} rounds, all handed over twice, each counted once");
}

const STORIES: &str = r#"
[[tracking.views]]
name = "bosses"
filter = { kind = "event", game = "teller", event = "won", props = { level = { min = 2 } } }
key = ["props.boss.name"]
reduce = "count"
"#;

const GREETINGS: &str = r#"
[railgun]
deliver = false

[[railgun.providers]]
name = "push"
kind = "airship"
secret = "nobody's"
app_key = "nobody's"

[[railgun.grants]]
game = "teller"
channels = ["push"]
templates = ["hello"]
"#;

fn stories() -> Host {
    let config = STORIES.to_owned();
    Host::start_with(Options { games: Some(GAMES.clone()), config, ..Options::default() })
}

fn tell(host: &Host, token: &str, name: &str, level: i64, boss: &str, times: usize) {
    host.call(token, "teller.tell", json!({ "name": name, "level": level, "boss": boss, "times": times })).unwrap();
}

#[test]
fn what_games_tell_of_is_counted_and_what_is_for_the_player_goes_its_own_way() {
    let config = format!("{STORIES}{GREETINGS}");
    let host = Host::start_with(Options { games: Some(GAMES.clone()), config, ..Options::default() });
    let tokens = ["alice", "bob"].map(|player| host.player(player, 10_000));
    tell(&host, &tokens[0], "won", 1, "ogre", 1);
    tell(&host, &tokens[0], "won", 2, "ogre", 3);
    tell(&host, &tokens[1], "won", 3, "troll", 1);
    tell(&host, &tokens[1], "lost", 3, "troll", 2);
    host.call(&tokens[1], "teller.greet", json!({})).unwrap();
    host.call(&tokens[1], "teller.play", json!({ "stake": 100, "pay": 50 })).unwrap();
    assert_eq!(reason(&host.call(&tokens[0], "teller.fail", json!({})).unwrap_err()), "game_trapped");
    wait_until_tracked(&host);

    let events = host.operator("stats.events", json!({ "game": "teller" })).unwrap();
    let row = |name: &str, count: u64| json!({ "from": 0, "name": name, "count": count });
    assert_eq!(events, json!({ "rows": [row("lost", 2), row("won", 5)], "complete": true }));
    let only = host.operator("stats.events", json!({ "game": "teller", "name": "lost" })).unwrap();
    assert_eq!(only["rows"], json!([row("lost", 2)]));
    assert_eq!(view(&host, &json!({ "name": "bosses" })), [(json!(["ogre"]), json!(3)), (json!(["troll"]), json!(1))]);
    assert_eq!(view(&host, &json!({ "name": "bosses", "prefix": ["troll"] })), [(json!(["troll"]), json!(1))]);

    let teller = &host.operator("stats.games", json!({ "game": "teller" })).unwrap()["games"][0];
    assert_eq!(teller["events"], 7);
    assert_eq!(teller["faults"], json!({ "game_trapped": 1 }));
    assert_eq!((&teller["players"], &teller["sessions"]), (&json!(2), &json!(2)));
    let money = &teller["currencies"]["EUR"];
    assert_eq!((&money["rounds"], &money["rtp"], &money["rtp_low"]), (&json!(1), &json!(0.5), &Value::Null));
    wait_until_carried(&host, "notifications");
}

/// Runs the command on a host's files: whether it succeeded, and what it said.
pub(crate) fn rebuild(host: &Host, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    let config = host.data().with_file_name("croupier.toml");
    let output = command.args(["tracking", "rebuild", "--config"]).arg(config).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.success(), said.concat())
}

#[test]
fn the_views_of_the_readme_count_what_it_says() {
    let readme = fs::read_to_string(harness::root().join("README.md")).unwrap();
    let (_, views) = readme.split_once("**Views**").unwrap();
    let (_, views) = views.split_once("```toml\n").unwrap();
    let (views, _) = views.split_once("```").unwrap();
    let host = Host::start_with(Options { games: Some(GAMES.clone()), config: views.to_owned(), ..Options::default() });
    for player in ["alice", "bob"] {
        let token = host.player(player, 1000);
        tell(&host, &token, "won", 1, "dwarf", 1);
        tell(&host, &token, "won", 2, "ogre", 2);
        host.call(&token, "teller.play", json!({ "stake": 100, "pay": 50 })).unwrap();
    }
    wait_until_tracked(&host);
    assert_eq!(view(&host, &json!({ "name": "bosses" })), [(json!(["ogre"]), json!(2))]);
    let payouts = view(&host, &json!({ "name": "payouts", "prefix": ["teller"] }));
    // Midnight may come in between.
    let sums: u64 = payouts.iter().map(|(_, stats)| stats["sum"].as_u64().unwrap()).sum();
    assert_eq!(sums, 100, "{payouts:?}");
}

#[test]
fn a_view_that_means_something_else_is_counted_anew_by_the_host_and_by_the_command() {
    let mut host = stories();
    let token = host.player("alice", 10_000);
    tell(&host, &token, "won", 1, "ogre", 1);
    tell(&host, &token, "won", 2, "troll", 2);
    wait_until_tracked(&host);
    let params = json!({ "name": "bosses" });
    assert_eq!(view(&host, &params), [(json!(["troll"]), json!(2))]);
    assert!(host.terminate().0.success());

    host.set_config(&STORIES.replace("min = 2", "min = 1"));
    host.restart();
    host.wait_for_log(&["the view is counted anew", "bosses"]);
    let all = [(json!(["ogre"]), json!(1)), (json!(["troll"]), json!(2))];
    assert_eq!(view(&host, &params), all);
    let games = host.operator("stats.games", json!({})).unwrap();
    let (success, said) = rebuild(&host, &[]);
    assert!(!success && said.contains("stop the host first"), "{said}");
    assert!(host.terminate().0.success());

    for arguments in [[].as_slice(), &["--view", "bosses"]] {
        let (success, said) = rebuild(&host, arguments);
        assert!(success && said.contains("everything is counted"), "{said}");
    }
    let (success, said) = rebuild(&host, &["--view", "none"]);
    assert!(!success && said.contains("there is no view 'none'"), "{said}");
    host.restart();
    assert_eq!(view(&host, &params), all);
    assert_eq!(host.operator("stats.games", json!({})).unwrap(), games);
}

#[test]
fn a_host_does_not_start_with_views_that_make_no_sense_and_says_which() {
    let mut host = stories();
    assert!(host.terminate().0.success());
    for (view, words) in [
        (STORIES.replace("props.boss.name", "boss.name"), "there is no field 'boss.name'"),
        (STORIES.replace("min = 2", "mn = 2"), "unknown field `mn`"),
        (STORIES.replace("\"count\"", "\"sum\""), "view bosses: sum, stats and distinct need a value"),
        (STORIES.repeat(2), "there are two views 'bosses'"),
    ] {
        host.set_config(&view);
        let said = host.start_second();
        assert!(said.contains(words), "{view}: {said}");
        // The command reads the same file.
        let (success, said) = rebuild(&host, &[]);
        assert!(!success && said.contains(words), "{view}: {said}");
    }
}

#[test]
fn what_is_tracked_begins_again_where_the_store_was_lost_and_games_go_on() {
    let mut host = stories();
    let token = host.player("alice", 10_000);
    let play = |host: &Host| host.call(&token, "teller.play", json!({ "stake": 100, "pay": 50 })).unwrap();
    play(&host);
    wait_until_tracked(&host);
    assert!(host.terminate().0.success());
    fs::remove_dir_all(host.data().join("tracking")).unwrap();
    host.restart();
    assert_eq!(host.operator("stats.games", json!({})).unwrap(), json!({ "games": [], "complete": true }));
    play(&host);
    wait_until_tracked(&host);
    assert_eq!(host.operator("stats.games", json!({})).unwrap()["games"][0]["rounds"], 1);
    assert_eq!(rounds(&host, "alice").len(), 2);
    host.check_ledger();

    // One that cannot be read is not taken for one that is new.
    assert!(host.terminate().0.success());
    let tracking = host.data().join("tracking");
    fs::remove_dir_all(&tracking).unwrap();
    fs::write(&tracking, "no directory").unwrap();
    let said = host.start_second();
    assert!(said.contains("the tracking store in") && said.contains("cannot be opened"), "{said}");
}

const SOURCES: &str = r#"
[[tracking.views]]
name = "paid"
key = ["source", "player"]
value = "paid"
reduce = "sum"
"#;

#[test]
fn several_hosts_feed_one_tracking_store_one_after_the_other_and_their_players_are_not_mixed_up() {
    let shared = tempfile::tempdir().unwrap();
    let [berlin, paris] = ["berlin", "paris"]
        .map(|source| format!("[tracking]\nsource = \"{source}\"\ndirectory = {:?}\n{SOURCES}", shared.path()));
    let options =
        |config: &str| Options { games: Some(GAMES.clone()), config: config.to_owned(), ..Options::default() };
    let play = |host: &Host, pay: u64| {
        let token = host.player("alice", 1000);
        host.call(&token, "teller.play", json!({ "stake": 100, "pay": pay })).unwrap();
        wait_until_tracked(host);
    };
    let mut first = Host::start_with(options(&berlin));
    let mut second = Host::start_with(options("[tracking]\nenabled = false"));
    play(&first, 50);
    assert!(second.terminate().0.success());
    second.set_config(&paris);
    let said = second.start_second();
    assert!(said.contains("another process is using it"), "{said}");
    assert!(first.terminate().0.success());
    second.restart();
    // Her steps have the same numbers as those of the first one's alice.
    play(&second, 30);
    let paid = [(json!(["berlin", "alice"]), json!(50)), (json!(["paris", "alice"]), json!(30))];
    assert_eq!(view(&second, &json!({ "name": "paid" })), paid);
    let game = &second.operator("stats.games", json!({})).unwrap()["games"][0];
    assert_eq!((&game["rounds"], &game["players"], &game["sessions"]), (&json!(2), &json!(2), &json!(2)));
}

#[test]
fn statistics_refuse_what_makes_no_sense_and_say_why() {
    let mut host = stories();
    let hour = Period::Hour.length_ms();
    for (method, params, pointer) in [
        ("stats.games", json!({ "from": 0 }), "/to"),
        ("stats.games", json!({ "from": 5, "to": 4 }), "/to"),
        ("stats.rollup", json!({ "game": "teller", "by": "hour", "from": 0, "to": 1001 * hour }), "/to"),
        ("stats.rollup", json!({ "game": "teller", "by": "week", "from": 0, "to": hour }), "/by"),
        ("stats.events", json!({ "game": "teller", "by": "day" }), "/by"),
        ("stats.view", json!({ "name": "bosses", "limit": 1001 }), "/limit"),
    ] {
        let error = host.operator(method, params.clone()).unwrap_err();
        assert_eq!((&error["code"], &error["data"]["pointer"]), (&json!(-32602), &json!(pointer)), "{params}: {error}");
    }
    assert_eq!(reason(&host.operator("stats.view", json!({ "name": "none" })).unwrap_err()), "view_not_found");
    let discovered = host.operator("rpc.discover", json!({})).unwrap();
    let methods: Vec<_> = discovered["methods"].as_array().unwrap().iter().map(|method| &method["name"]).collect();
    for method in ["stats.events", "stats.games", "stats.rollup", "stats.view"] {
        assert!(methods.contains(&&json!(method)));
    }
    assert!(host.terminate().0.success());
    host.set_config("[tracking]\nenabled = false\n");
    host.restart();
    let token = host.player("alice", 1000);
    host.call(&token, "teller.play", json!({ "stake": 100, "pay": 50 })).unwrap();
    assert_eq!(reason(&host.operator("stats.games", json!({})).unwrap_err()), "tracking_disabled");
    assert_eq!(host.operator("outbox.list", json!({ "to": "tracking" })).unwrap(), json!([]));
}
