//! Two hosts on one directory, disks that take no more, clients that hang up, and a shutdown in the middle of it all.

use std::{fs, io::Write as _, net::TcpStream, path::PathBuf, process::Command, thread};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::{
    harness::{Host, Options, get, reason},
    load::{Acknowledged, Ended, Player, history},
};

#[test]
fn a_second_host_on_the_same_directory_is_refused_and_told_who_has_it() {
    let host = Host::start();
    let token = host.player("alice", 10_000);
    let said = host.start_second();
    assert!(said.contains(&format!("in use by another croupier (process {})", host.process_id())), "{said}");
    host.call(&token, "fruit-slots.spin", json!({ "line_stake": 1 })).unwrap();
}

/// Calls until the host is gone; whether it ever refused a step and said so.
fn play_until_the_end(player: &mut Player, address: &str, acknowledged: &Acknowledged) -> bool {
    loop {
        match player.act(address, acknowledged) {
            Ended::Answered => {}
            Ended::Refused => return true,
            Ended::Broken => return false,
        }
    }
}

fn players(host: &Host, count: u64) -> Vec<Player> {
    let player = |seed| Player::new(host, format!("player-{seed}"), ChaCha8Rng::seed_from_u64(seed));
    (0..count).map(player).collect()
}

#[test]
fn a_write_that_fails_ends_the_host_and_loses_nothing_that_was_answered() {
    let mut host = Host::start();
    let mut players = players(&host, 4);
    host.kill();
    host.limit_files();
    host.restart();
    let acknowledged = Acknowledged::default();
    let refused = thread::scope(|scope| {
        let (address, acknowledged) = (host.address().to_owned(), &acknowledged);
        let clients: Vec<_> = players
            .iter_mut()
            .map(|player| {
                let address = address.clone();
                scope.spawn(move || play_until_the_end(player, &address, acknowledged))
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).filter(|refused| *refused).count()
    });
    let (status, log) = host.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the store has failed; commits are refused from here on"), "{log}");
    assert!(log.contains("what was answered is kept, restart the host"), "{log}");
    println!("{} calls acknowledged, {refused} of 4 clients were told store_unavailable", acknowledged.count());
    assert!(refused > 0, "nobody was told");

    host.set_prelude("");
    host.restart();
    host.check_ledger();
    for player in &mut players {
        player.prove(&host, &acknowledged);
    }
    host.check_ledger();
}

#[test]
fn too_little_room_on_the_disk_refuses_steps_and_nothing_else() {
    let mut host = Host::start();
    let token = host.player("alice", 10_000);
    let keyed = json!({ "line_stake": 1, "idempotency_key": "before" });
    let first = host.call(&token, "fruit-slots.spin", keyed.clone()).unwrap();
    let balance = host.balance(&token);
    assert!(host.terminate().0.success());

    // A pebibyte to be kept free.
    host.set_prelude("export CROUPIER_STORE_DISK_RESERVE_MIB=1073741824;");
    host.restart();
    assert_refused_for_room(&host, &token);
    assert_eq!(host.balance(&token), balance);
    assert_eq!(host.call(&token, "fruit-slots.spin", keyed).unwrap(), first);
    assert_eq!(host.call(&token, "round.list", json!({})).unwrap()["rows"].as_array().unwrap().len(), 1);
    assert!(history(&host, &token, 0).0.len() >= 2);
    host.check_ledger();
    assert!(host.terminate().0.success());

    host.set_prelude("");
    host.restart();
    assert_eq!(get(host.address(), "/readyz"), (200, "ready\n".to_owned()));
    host.call(&token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })).unwrap();
}

fn assert_refused_for_room(host: &Host, token: &str) {
    let refused = [
        host.call(token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })),
        host.call(token, "session.close", json!({})),
        host.operator("player.create", json!({ "player": "bob" })),
        host.operator(
            "wallet.deposit",
            json!({ "player": "alice", "currency": "EUR", "amount": 1, "idempotency_key": "full" }),
        ),
    ];
    for refused in refused {
        assert_eq!(reason(&refused.unwrap_err()), "store_full");
    }
    let (status, body) = get(host.address(), "/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("no room left"), "{body}");
    assert_eq!(get(host.address(), "/healthz").0, 200);
}

/// A disk of its own for the host, in a mount namespace of its own, which goes when the host does.
const SMALL_DISK: &str = r#"
    mkdir -p "$(dirname "$1")/data"
    exec unshare USER --mount sh -c 'mount -t tmpfs -o size=64m tmpfs "$(dirname "$1")/data" && exec "$0" serve --config "$1"' "$0" "$1"
"#;

#[test]
fn steps_are_taken_again_when_there_is_room_again() {
    let may_mount = |user: &str| {
        let arguments = format!("{user} --mount mount -t tmpfs tmpfs /mnt");
        Command::new("unshare").args(arguments.split_whitespace()).output().is_ok_and(|tried| tried.status.success())
    };
    let Some(user) = ["", "--map-root-user"].into_iter().find(|user| may_mount(user)) else {
        // The measurement is then injected: store::space holds the same in a unit test.
        println!("no tmpfs can be mounted here");
        return;
    };
    let prelude = format!("export CROUPIER_STORE_DISK_RESERVE_MIB=16;{}", SMALL_DISK.replace("USER", user));
    let host = Host::start_with(Options { prelude, ..Options::default() });
    let token = host.player("alice", 10_000);
    let data = PathBuf::from(format!("/proc/{}/root{}", host.process_id(), host.data().display()));
    let filler = data.join("filler");
    fs::write(&filler, vec![1; 50 << 20]).unwrap();
    host.wait_for_refusal(&token);
    assert_refused_for_room(&host, &token);
    let balance = host.balance(&token);
    host.wait_for_log(&["the disk is nearly full"]);

    fs::remove_file(&filler).unwrap();
    // A measurement holds for a moment; the step is refused until the next one.
    while host.call(&token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })).is_err() {}
    host.wait_for_log(&["there is room on the disk again"]);
    assert_eq!(get(host.address(), "/readyz").0, 200);
    assert!([balance - 100, balance + 100].contains(&host.balance(&token)));
    host.check_ledger();
}

impl Host {
    fn wait_for_refusal(&self, token: &str) {
        while self.call(token, "roulette.spin", json!({ "bets": [{ "kind": "red", "stake": 100 }] })).is_ok() {}
    }
}

/// The bytes of a call over HTTP.
fn request(host: &Host, token: &str, body: &str) -> String {
    format!(
        "POST /rpc HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        host.address(),
        body.len()
    )
}

#[test]
fn clients_that_hang_up_leave_whole_steps_or_none() {
    const PLAYERS: usize = 4;
    const CALLS: usize = 60;
    let host = Host::start();
    thread::scope(|scope| {
        for number in 0..PLAYERS {
            let host = &host;
            scope.spawn(move || {
                let token = host.player(&format!("player-{number}"), 1_000_000);
                let bodies: Vec<_> = (0..CALLS)
                    .map(|call| {
                        let params =
                            json!({ "bets": [{ "kind": "red", "stake": 100 }], "idempotency_key": format!("k{call}") });
                        json!({ "jsonrpc": "2.0", "id": call, "method": "roulette.spin", "params": params }).to_string()
                    })
                    .collect();
                for (call, body) in bodies.iter().enumerate() {
                    let request = request(host, &token, body);
                    let mut connection = TcpStream::connect(host.address()).unwrap();
                    match call % 3 {
                        // All was sent, and the client is gone at once.
                        0 | 1 => connection.write_all(request.as_bytes()).unwrap(),
                        // The client is gone in the middle of its request.
                        _ => connection.write_all(&request.as_bytes()[..request.len() - 1]).unwrap(),
                    }
                    drop(connection);
                }
                let stakes = || {
                    let (rows, _) = history(host, &token, 0);
                    let change: i64 = rows.iter().map(|row| row["change"].as_i64().unwrap()).sum();
                    (rows.iter().filter(|row| row["kind"] == "stake").count(), change)
                };
                assert!(stakes().0 <= CALLS - CALLS / 3, "half a request was played");
                for body in &bodies {
                    let (_, answer) = host.post("/rpc", &token, body.as_bytes()).unwrap();
                    assert!(answer.contains(r#""result""#), "{answer}");
                    assert_eq!(host.post("/rpc", &token, body.as_bytes()).unwrap().1, answer);
                }
                let (stakes, change) = stakes();
                assert_eq!(stakes, CALLS);
                assert_eq!(change, i64::try_from(host.balance(&token)).unwrap());
            });
        }
    });
    assert_eq!(host.check_ledger()["records"], PLAYERS * (3 + CALLS));
}

#[test]
fn a_shutdown_under_load_answers_what_it_has_begun_and_nothing_else_happens() {
    let mut host = Host::start();
    let mut players = players(&host, 4);
    let acknowledged = Acknowledged::default();
    for round in 1..=5 {
        let enough = acknowledged.count() + 50;
        let address = host.address().to_owned();
        let log = thread::scope(|scope| {
            for player in &mut players {
                let (address, acknowledged) = (&address, &acknowledged);
                scope.spawn(move || {
                    assert!(!play_until_the_end(player, address, acknowledged), "a step was refused");
                });
            }
            acknowledged.wait_for(enough);
            let (status, log) = host.terminate();
            assert_eq!(status.code(), Some(0), "{log}");
            log
        });
        assert!(!log.contains("are cut"), "shutdown {round}: {log}");
        host.restart();
        for player in &mut players {
            player.prove_nothing_else(&host, &acknowledged);
        }
        host.check_ledger();
    }
    println!("{} calls acknowledged over 5 shutdowns", acknowledged.count());
}

const SHORT_WAIT: &str = "export CROUPIER_SERVER_SHUTDOWN_WAIT_MS_MAX=300;";

#[test]
fn idle_connections_do_not_hold_a_shutdown_up() {
    let mut host = Host::start();
    let token = host.player("alice", 10_000);
    let _never_used = TcpStream::connect(host.address()).unwrap();
    let mut kept_alive = TcpStream::connect(host.address()).unwrap();
    let balance = r#"{"jsonrpc":"2.0","id":1,"method":"wallet.balance"}"#;
    kept_alive.write_all(request(&host, &token, balance).as_bytes()).unwrap();
    read_answer(&mut kept_alive);
    let (status, log) = host.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("are cut"), "{log}");
    assert_eq!(std::io::Read::read(&mut kept_alive, &mut [0; 10]).unwrap(), 0);
}

#[test]
fn a_client_that_never_ends_its_request_holds_a_shutdown_up_for_no_longer_than_configured() {
    let mut host = Host::start_with(Options { prelude: SHORT_WAIT.to_owned(), ..Options::default() });
    let token = host.player("alice", 10_000);
    let mut slow = TcpStream::connect(host.address()).unwrap();
    let request = request(&host, &token, r#"{"jsonrpc":"2.0","id":1,"method":"wallet.balance"}"#);
    slow.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
    // Another call on another connection is answered: by then the slow one was accepted, for it came first.
    host.balance(&token);
    let (status, log) = host.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("some connections did not end in time and are cut"), "{log}");
}

/// Reads one answer whose length is given: its body.
fn read_answer(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        std::io::Read::read_exact(connection, &mut byte).unwrap();
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    std::io::Read::read_exact(connection, &mut body).unwrap();
    String::from_utf8(body).unwrap()
}
