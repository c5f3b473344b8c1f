//! Several hosts on one cluster: any player on any host, one truth.

use std::{thread, time::Duration};

use couchbase_node::{Fault, Node};
use croupier::{cluster::SetUp, store::Couchbase};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{node, open_within, settings};
use crate::{
    harness::{Host, OPERATOR_TOKEN, Options, PATIENCE, reason},
    hostile::components::Handmade,
    load::{self, Acknowledged, Ended},
    stores::conformance::players::{Player, assert_proved},
};

pub(super) const SESSION_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A cluster, and hosts on it.
pub(super) struct House<const HOSTS: usize> {
    pub(super) hosts: [Host; HOSTS],
    pub(super) node: Node,
    pub(super) runtime: Runtime,
}

impl<const HOSTS: usize> House<HOSTS> {
    pub(super) fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let node = runtime.block_on(async {
            let node = node().await;
            // Makes the collections, as 'croupier store init' does.
            open_within(&node, PATIENCE).await;
            node
        });
        let hosts = std::array::from_fn(|_| {
            let config = format!(
                "kind = \"couchbase\"\n[couchbase]\nconnection = \"{}\"\nuser = \"Administrator\"\npassword = \"password\"\n",
                node.connection_string()
            );
            let prelude = format!("export CROUPIER_OPERATOR_SESSION_KEY={SESSION_KEY};");
            Host::start_with(Options { config, prelude, ..Options::default() })
        });
        Self { hosts, node, runtime }
    }
}

/// 'croupier store init' as this user, on this node.
fn init(node: &Node, user: &str, password: &str) -> (Option<i32>, String, String) {
    let config = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[operator]\nsession_key = \"{SESSION_KEY}\"\n[store]\nkind = \"couchbase\"\n\
         [couchbase]\nconnection = \"{}\"\nuser = \"{user}\"\n",
        node.connection_string()
    );
    std::fs::write(config.path(), text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.args(["store", "init", "--config"]).arg(config.path()).env("CROUPIER_COUCHBASE_PASSWORD", password);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_bucket_is_made_ready_and_one_that_is_not_safe_is_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let started = |durability_min| {
        let settings = couchbase_node::Settings { durability_min, ..Default::default() };
        runtime.block_on(Node::start(settings)).unwrap()
    };
    let lax = started(couchbase_node::Durability::None);
    let (status, stdout, stderr) = init(&lax, "Administrator", "password");
    assert_eq!(status, Some(1), "{stdout}{stderr}");
    assert!(stderr.contains("set the bucket's minimum durability to 'majority'"), "{stderr}");
    let node = started(couchbase_node::Durability::Majority);
    for _ in 0..2 {
        let (status, stdout, stderr) = init(&node, "Administrator", "password");
        assert_eq!(status, Some(0), "{stdout}{stderr}");
        assert!(stdout.contains("1 replicas, minimum durability 'majority'"), "{stdout}");
        assert!(stdout.contains("ready for hosts"), "{stdout}");
    }
    let (status, _, stderr) = init(&node, "Administrator", "wrong");
    assert_eq!(status, Some(1));
    assert!(stderr.contains("couchbase.user, and the password in CROUPIER_COUCHBASE_PASSWORD"), "{stderr}");
    runtime.block_on(node.stop());
    let (status, _, stderr) = init(&node, "Administrator", "password");
    assert_eq!(status, Some(1));
    assert!(stderr.contains("cannot be reached"), "{stderr}");
}

/// Only a host that is told whom to believe speaks with a node that proves itself so, and it never speaks in the clear.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_speaks_tls_with_a_node_that_it_is_told_to_believe() {
    let node = node().await;
    let directory = tempfile::tempdir().unwrap();
    let certificates = directory.path().join("cluster.pem");
    let with = |certificates: Option<&std::path::Path>| {
        let mut settings = settings(&node);
        settings.cluster.connection = node.tls_connection_string();
        settings.cluster.certificates = certificates.map(Into::into);
        settings
    };
    let nobody = Couchbase::connect(&with(None), SetUp::Create).await.err().unwrap();
    assert!(nobody.to_string().contains("cannot be reached"), "{nobody}");
    for (content, flaw) in [("", "there is no certificate in it"), ("-----BEGIN CERTIFICATE-----\nx", "cluster.pem")] {
        std::fs::write(&certificates, content).unwrap();
        let wrong = Couchbase::connect(&with(Some(&certificates)), SetUp::Create).await.err().unwrap();
        assert!(wrong.to_string().contains(flaw), "{wrong}");
    }
    std::fs::write(&certificates, node.certificate()).unwrap();
    let store = Couchbase::connect(&with(Some(&certificates)), SetUp::Create).await.unwrap();
    let mut alice = Player::new("alice");
    for _ in 0..20 {
        alice.step_on(&store, 1).await;
    }
    assert_proved(&store, [&alice]).await;
}

#[test]
fn any_player_is_served_by_any_host() {
    let house = House::<2>::open();
    let [one, other] = &house.hosts;
    let token = one.player("alice", 100_000);
    let body =
        br#"{"jsonrpc":"2.0","id":7,"method":"fruit-slots.spin","params":{"line_stake":5,"idempotency_key":"k"}}"#;
    let first = one.post("/rpc", &token, body).unwrap();
    assert_eq!(other.post("/rpc", &token, body).unwrap(), first, "a retry on another host");
    let balance = one.balance(&token);
    assert_eq!(other.balance(&token), balance);
    // In turn: what one host knows is behind after every call of the other.
    for turn in 0..20 {
        let host = if turn % 2 == 0 { other } else { one };
        host.call(&token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })).unwrap();
        assert_eq!(one.balance(&token), other.balance(&token));
    }
    let rounds = |host: &Host| host.call(&token, "round.list", json!({ "limit": 100 })).unwrap();
    assert_eq!(rounds(one), rounds(other));
    assert_eq!(rounds(one)["rows"].as_array().unwrap().len(), 21);
    assert_eq!(one.check_ledger()["aggregates"], 1);
}

#[test]
fn a_session_that_was_closed_is_over_on_every_host() {
    let house = House::<2>::open();
    let [one, other] = &house.hosts;
    let token = one.player("alice", 1000);
    assert_eq!(other.balance(&token), 1000);
    one.call(&token, "session.close", json!({})).unwrap();
    let looks = other.call(&token, "wallet.balance", json!({})).unwrap_err();
    assert_eq!(reason(&looks), "session_ended");
    let plays = other.call(&token, "fruit-slots.spin", json!({ "line_stake": 1 })).unwrap_err();
    assert_eq!(reason(&plays), "session_ended");
}

/// Calls until a host says this; it has a while to learn it.
fn until_said(host: &Host, token: &str, wanted: &str) {
    let begun = std::time::Instant::now();
    loop {
        let said = host.call(token, "handmade.play", json!({})).unwrap_or_else(|error| error);
        if said == wanted {
            println!("another host has learnt of it within {:?}", begun.elapsed());
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
    }
}

#[test]
fn what_one_host_publishes_every_host_plays() {
    let house = House::<2>::open();
    let [one, other] = &house.hosts;
    let token = one.player("alice", 1000);
    for (word, publisher, player) in [("one", one, other), ("two", other, one), ("three", one, other)] {
        let game = Handmade { body: format!("\"{word}\""), ..Handmade::default() };
        publisher.publish(&game.component()).unwrap();
        until_said(player, &token, word);
    }
    one.operator("game.rollback", json!({ "game": "handmade" })).unwrap();
    until_said(other, &token, "two");
    let acts = |host: &Host| host.operator("game.releases", json!({ "game": "handmade" })).unwrap();
    assert_eq!(acts(one), acts(other));
}

/// One player whom everybody plays at once, through both hosts: every call is one step.
#[test]
fn a_hot_player_is_played_through_both_hosts_at_once() {
    const CALLS: usize = 40;
    let house = House::<2>::open();
    let hosts = &house.hosts;
    let token = hosts[0].player("alice", 1_000_000);
    thread::scope(|scope| {
        for host in hosts {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..CALLS {
                        let bets = json!({ "bets": [{ "kind": "red", "stake": 100 }] });
                        let played = host.call(&token, "roulette.spin", bets);
                        if let Err(error) = played {
                            assert_eq!(reason(&error), "contended", "{error}");
                        }
                    }
                });
            }
        }
    });
    let report = hosts[0].check_ledger();
    assert_eq!(report["aggregates"], 1);
    assert_eq!(report, hosts[1].check_ledger());
}

#[test]
fn kills_of_either_host_lose_and_double_nothing() {
    const CLIENTS: u64 = 3;
    let kills = std::env::var("CROUPIER_TEST_KILLS").map_or(6, |kills| kills.parse().unwrap());
    let mut house = House::<2>::open();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut players: Vec<load::Player> = (0..CLIENTS)
        .map(|seed| load::Player::new(&house.hosts[0], format!("player-{seed}"), ChaCha8Rng::seed_from_u64(seed)))
        .collect();
    let acknowledged = Acknowledged::default();
    for kill in 0..kills {
        let addresses = [0, 1].map(|host| house.hosts[host].address().to_owned());
        let enough = acknowledged.count() + random.random_range(20..100);
        let killed = kill % 2;
        thread::scope(|scope| {
            for (turn, player) in players.iter_mut().enumerate() {
                let (addresses, acknowledged) = (&addresses, &acknowledged);
                scope.spawn(move || {
                    // Now through this host, now through that, until one of them is gone.
                    for turn in turn.. {
                        if player.act(&addresses[turn % 2], acknowledged) != Ended::Answered {
                            return;
                        }
                    }
                });
            }
            acknowledged.wait_for(enough);
            house.hosts[killed].kill();
        });
        // The other host tells what became of what was cut off.
        for player in &mut players {
            player.prove(&house.hosts[1 - killed], &acknowledged);
        }
        house.hosts[killed].restart();
        house.hosts[killed].check_ledger();
    }
    let report = house.hosts[0].check_ledger();
    assert_eq!(report["aggregates"], CLIENTS);
    println!("{} calls acknowledged over {kills} kills", acknowledged.count());
}

/// A node that is gone is named at once, nothing is half done, and everything goes on when it is back.
#[test]
fn a_node_that_goes_and_comes_again_is_told_and_found() {
    let House { hosts: [host], node, runtime } = House::<1>::open();
    let token = host.player("alice", 100_000);
    let spin = || host.call(&token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] }));
    spin().unwrap();
    let balance = host.balance(&token);
    runtime.block_on(node.stop());
    let error = spin().unwrap_err();
    assert_eq!(reason(&error), "store_unavailable", "{error}");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "player.get", "params": { "player": "alice" } });
    let (status, answer) = host.post("/operator", OPERATOR_TOKEN, body.to_string().as_bytes()).unwrap();
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(reason(&answer["error"]), "store_unavailable");
    runtime.block_on(node.restart()).unwrap();
    let begun = std::time::Instant::now();
    while let Err(error) = spin() {
        assert_eq!(reason(&error), "store_unavailable");
        assert!(begun.elapsed() < PATIENCE, "the host has not found the node again");
    }
    println!("played again {:?} after the node was back", begun.elapsed());
    assert!(host.balance(&token) <= balance + 10_000);
    assert_eq!(host.check_ledger()["aggregates"], 1);
}

/// A node that takes 5 s for whatever it is asked, while everybody plays: calls are refused by name and in time, and
/// what the node does late is done once.
#[test]
fn a_node_that_is_slow_is_told_and_what_it_does_late_is_done_once() {
    const CLIENTS: u64 = 3;
    const SLOWNESS: Duration = Duration::from_secs(5);
    let house = House::<1>::open();
    let [host] = &house.hosts;
    let mut players: Vec<load::Player> = (0..CLIENTS)
        .map(|seed| load::Player::new(host, format!("player-{seed}"), ChaCha8Rng::seed_from_u64(seed)))
        .collect();
    let acknowledged = Acknowledged::default();
    for delayed in [Fault::delay(SLOWNESS).always(), Fault::delay_answer(SLOWNESS).always()] {
        thread::scope(|scope| {
            let playing: Vec<_> = players
                .iter_mut()
                .map(|player| {
                    scope.spawn(|| {
                        let mut ends = std::iter::repeat_with(|| {
                            let t = std::time::Instant::now();
                            let e = player.act(host.address(), &acknowledged);
                            if t.elapsed().as_millis() > 500 {
                                eprintln!("{e:?} {:?}", t.elapsed());
                            }
                            e
                        });
                        ends.find(|ended| *ended != Ended::Answered)
                    })
                })
                .collect();
            acknowledged.wait_for(acknowledged.count() + 100);
            house.node.faults().add(delayed);
            for player in playing {
                assert_eq!(player.join().unwrap(), Some(Ended::Refused));
            }
        });
        house.node.faults().clear();
        let spin = || host.call(players[0].token(), "session.info", json!({}));
        let begun = std::time::Instant::now();
        while let Err(error) = spin() {
            assert_eq!(reason(&error), "store_unavailable");
            assert!(begun.elapsed() < PATIENCE, "the host has not found the node again");
        }
        for player in &mut players {
            player.prove(host, &acknowledged);
        }
    }
    assert_eq!(host.check_ledger()["aggregates"], CLIENTS);
}
