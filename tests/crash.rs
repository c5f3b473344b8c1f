//! kill -9 under load, again and again: what was acknowledged is there, and nothing is half there.

use std::thread;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    harness::Host,
    load::{Acknowledged, Ended, Player},
};

const KILLS: u32 = 20;
const CLIENTS: u64 = 4;
const PLAYERS_PER_CLIENT: u64 = 3;

#[test]
fn what_was_acknowledged_survives_twenty_kills_under_load() {
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let mut host = Host::start();
    let mut clients: Vec<Vec<Player>> = (0..CLIENTS)
        .map(|client| {
            let player = |number| {
                let seed = client * PLAYERS_PER_CLIENT + number;
                Player::new(&host, format!("player-{seed}"), ChaCha8Rng::seed_from_u64(seed))
            };
            (0..PLAYERS_PER_CLIENT).map(player).collect()
        })
        .collect();
    let acknowledged = Acknowledged::default();
    let mut broken = 0;
    for _ in 0..KILLS {
        let enough = acknowledged.count() + random.random_range(1..500);
        let address = host.address().to_owned();
        thread::scope(|scope| {
            for players in &mut clients {
                let (address, acknowledged) = (&address, &acknowledged);
                scope.spawn(move || {
                    let mut turn = 0;
                    loop {
                        turn = (turn + 1) % players.len();
                        let player = &mut players[turn];
                        match player.act(address, acknowledged) {
                            Ended::Answered => {}
                            Ended::Broken => break,
                            Ended::Refused => panic!("a host that is alive has refused a step"),
                        }
                    }
                });
            }
            acknowledged.wait_for(enough);
            host.kill();
        });
        host.restart();
        host.check_ledger();
        for player in clients.iter_mut().flatten() {
            broken += u32::from(player.has_unanswered());
            player.prove(&host, &acknowledged);
        }
        host.check_ledger();
    }
    let results: usize = clients.iter().flatten().map(Player::results).sum();
    let report = host.check_ledger();
    assert_eq!(report["aggregates"], CLIENTS * PLAYERS_PER_CLIENT);
    // Every step is accounted for: three open each player, and each result is one.
    assert_eq!(report["records"], 3 * CLIENTS * PLAYERS_PER_CLIENT + results as u64);
    println!(
        "{} calls acknowledged over {KILLS} kills, {results} of them steps; {broken} requests cut off",
        acknowledged.count()
    );
}
