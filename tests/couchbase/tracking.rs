//! Two hosts on one application store feed one tracking store, and are killed at any time.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use couchbase_node::{Node, Settings};
use croupier::{
    cluster::{self, SetUp},
    store::Couchbase,
    tracking,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{
    hosts::{House, SESSION_KEY},
    settings,
};
use crate::{
    harness::{Host, Options, PATIENCE, post},
    load::Acknowledged,
    tracking::{
        rebuild,
        recount::{VIEWS, prove, rounds, wait_until_tracked},
    },
};

const TRACKING: &str = "croupier-tracking";

/// A node with a bucket for each store, and what hosts need in both.
fn node(runtime: &Runtime) -> Node {
    runtime.block_on(async {
        let buckets = ["croupier", TRACKING].map(str::to_owned).to_vec();
        let node = Node::start(Settings { buckets, ..Settings::default() }).await.unwrap();
        let store = settings(&node);
        Couchbase::connect(&store, SetUp::Create).await.unwrap();
        let tracking = cluster::Settings { bucket: TRACKING.to_owned(), scope: "tracking".to_owned(), ..store.cluster };
        tracking::Couchbase::set_up(&tracking).await.unwrap();
        node
    })
}

fn cluster(node: &Node) -> String {
    let connection = node.connection_string();
    format!("connection = \"{connection}\"\nuser = \"Administrator\"\npassword = \"password\"\n")
}

fn host(node: &Node) -> Host {
    let cluster = cluster(node);
    let config = format!(
        "kind = \"couchbase\"\n[couchbase]\n{cluster}[tracking_couchbase]\n{cluster}[tracking]\nkind = \"couchbase\"\n{VIEWS}"
    );
    let prelude = format!("export CROUPIER_OPERATOR_SESSION_KEY={SESSION_KEY};");
    Host::start_with(Options { config, prelude, ..Options::default() })
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Waits until as many rounds are counted as there are. What a host that was killed had still to carry on, another one
/// takes over after a while.
fn wait_until_counted(hosts: &[Host], players: &[&str]) {
    let closed: usize = players.iter().map(|player| rounds(&hosts[0], player).len()).sum();
    let begun = Instant::now();
    loop {
        let games = hosts[0].operator("stats.games", json!({})).unwrap();
        let counted: u64 = games["games"].as_array().unwrap().iter().map(|game| game["rounds"].as_u64().unwrap()).sum();
        if counted >= closed as u64 && games["complete"] == true {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{counted} of {closed} rounds are counted: {games}");
    }
    hosts.iter().for_each(wait_until_tracked);
}

/// Plays a round through any host that answers. What becomes of it is in the player's records.
fn play(address: &str, token: &str, random: &mut ChaCha8Rng) -> bool {
    let (method, params) = if random.random_bool(0.5) {
        ("fruit-slots.spin", json!({ "line_stake": 1 }))
    } else {
        ("roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] }))
    };
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let answered = post(address, "/rpc", token, body.as_bytes());
    answered.is_ok_and(|(_, answer)| {
        serde_json::from_str::<Value>(&answer).is_ok_and(|answer| answer["result"] != Value::Null)
    })
}

/// Runs the command on a host's configuration: whether it succeeded, and what it said.
fn init(host: &Host) -> (bool, String) {
    let config = host.data().with_file_name("croupier.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    let output = command.args(["tracking", "init", "--config"]).arg(config).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.success(), said.concat())
}

#[test]
fn a_host_that_counts_alone_says_so_and_the_command_makes_what_is_needed_to_share() {
    let mut house = House::<1>::open();
    let host = &mut house.hosts[0];
    host.wait_for_log(&["this host counts only what it carries on itself", "tracking.kind"]);
    let (success, said) = init(host);
    assert!(!success && said.contains("tracking.kind is \"embedded\""), "{said}");
    assert!(host.terminate().0.success());
    // The store's bucket serves as well, with another scope.
    let cluster = cluster(&house.node);
    host.set_config(&format!(
        "kind = \"couchbase\"\n[couchbase]\n{cluster}[tracking_couchbase]\nbucket = \"croupier\"\n{cluster}[tracking]\n\
         kind = \"couchbase\"\n"
    ));
    let said = host.start_second();
    assert!(said.contains("make it with 'croupier tracking init'"), "{said}");
    for _ in 0..2 {
        let (success, said) = init(host);
        assert!(success && said.contains("bucket 'croupier', scope 'tracking': ready to track"), "{said}");
    }
    host.restart();
    let token = host.player("alice", 1000);
    host.call(&token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })).unwrap();
    wait_until_counted(&house.hosts, &["alice"]);
}

#[test]
fn two_hosts_that_are_killed_feed_one_tracking_store_which_counts_every_fact_once() {
    const CLIENTS: u64 = 4;
    let kills = number("CROUPIER_TEST_TRACKING_KILLS", 12);
    let crowd = number("CROUPIER_TEST_TRACKING_CROWD", 60);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let node = node(&runtime);
    let mut hosts = [host(&node), host(&node)];
    let names: Vec<_> = (0..=crowd).map(|number| format!("player-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let tokens: Vec<_> = names.iter().map(|name| hosts[0].player(name, 1_000_000)).collect();
    let addresses = Mutex::new([0, 1].map(|host| hosts[host].address().to_owned()));
    let (answered, is_over) = (Acknowledged::default(), AtomicBool::new(false));
    let mut random = ChaCha8Rng::seed_from_u64(number("CROUPIER_TEST_TRACKING_SEED", 5));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (tokens, addresses, answered, is_over) = (&tokens, &addresses, &answered, &is_over);
            scope.spawn(move || {
                let mut random = ChaCha8Rng::seed_from_u64(client);
                while !is_over.load(Ordering::Relaxed) {
                    // Every other call is the hot player's, whom all clients play through both hosts.
                    let player = if random.random_bool(0.5) { 0 } else { random.random_range(0..tokens.len()) };
                    let address = addresses.lock().unwrap()[random.random_range(0..2)].clone();
                    if play(&address, &tokens[player], &mut random) {
                        answered.add(1);
                    }
                }
            });
        }
        for _ in 0..kills {
            answered.wait_for(answered.count() + random.random_range(1..150));
            let killed = random.random_range(0..2);
            hosts[killed].kill();
            hosts[killed].restart();
            addresses.lock().unwrap()[killed] = hosts[killed].address().to_owned();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    for host in &hosts {
        assert_eq!(host.check_ledger()["aggregates"], crowd + 1);
    }
    wait_until_counted(&hosts, &names);
    let proved: Vec<_> = hosts.iter().map(|host| prove(host, &names)).collect();
    assert_eq!(proved[0], proved[1]);
    // Counted anew from the batches, while both hosts go on.
    let (success, said) = rebuild(&hosts[0], &[]);
    assert!(success && said.contains("everything is counted"), "{said}");
    assert_eq!(prove(&hosts[1], &names), proved[0]);
    let mut collections = BTreeMap::<_, u64>::new();
    for document in node.documents(TRACKING) {
        *collections.entry(document.collection).or_default() += 1;
    }
    println!("{} rounds of {} players, each counted once over {kills} kills; {collections:?}", proved[0], crowd + 1);
}
