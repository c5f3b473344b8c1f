//! Many writers at once: who loses a race tries again, and nothing is lost or done twice.

use std::{collections::BTreeMap, sync::Arc};

use croupier::{
    identity::AggregateId,
    store::{CommitError, Store},
};
use futures_util::future::join_all;

use super::{
    Subject, open_hosts,
    players::{Deed, Player, assert_proved, euro, next},
};

const WRITERS: usize = 50;
const STEPS_EACH: usize = 2;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

pub(crate) async fn fifty_writers_lose_and_double_nothing(subject: &dyn Subject) {
    let hosts = open_hosts(subject).await;
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(hosts[writer % hosts.len()].clone(), writer)));
    let answered = join_all(writers.collect::<Vec<_>>()).await.into_iter().flat_map(Result::unwrap);
    let mut records = BTreeMap::<AggregateId, BTreeMap<u64, Vec<u8>>>::new();
    for (id, step, bytes) in answered {
        let twice = records.entry(id).or_default().insert(step, bytes);
        assert_eq!(twice, None, "step {step} was answered twice");
    }
    let mut players = Vec::new();
    for name in NAMES {
        let mut player = Player::new(name);
        let stored = hosts[0].stored(player.id()).await.unwrap().unwrap();
        let steps = (WRITERS * STEPS_EACH) as u64;
        assert_eq!(stored.step, steps);
        assert_eq!(stored.ledger.balance(euro()).get(), steps, "one cent a step");
        player.aggregate = stored;
        player.records = records.remove(player.id()).unwrap().into_values().collect();
        players.push(player);
    }
    for store in hosts {
        assert_proved(&*store, &players).await;
    }
}

/// The records of a writer's own steps.
async fn write(store: Arc<dyn Store>, writer: usize) -> Vec<(AggregateId, u64, Vec<u8>)> {
    let mut answered = Vec::new();
    for turn in 0..NAMES.len() * STEPS_EACH {
        let nobody = Player::new(NAMES[(writer + turn) % NAMES.len()]);
        loop {
            let before = store.load(nobody.id()).await.unwrap().unwrap_or_else(|| nobody.aggregate.clone());
            let commit = next(&before, [Deed::Deposit(1)]);
            let record = (nobody.id().clone(), commit.aggregate.step, commit.records[0].bytes.clone());
            match store.commit(commit).await {
                Ok(()) => {
                    answered.push(record);
                    break;
                }
                Err(CommitError::Conflict) => {
                    // Where nobody is there yet, that too must be asked again.
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    answered
}
