//! A store in memory, tampered with in every way there is.

use std::{ops::RangeInclusive, sync::Mutex};

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::{
    aggregate::Session,
    identity::SessionId,
    json::Json,
    money::Amount,
    record::{Payment, Reply},
    store::{Commit, CommitError},
};

/// A store in memory that anybody may tamper with.
#[derive(Default)]
struct Memory {
    aggregates: Mutex<BTreeMap<AggregateId, Aggregate>>,
    records: Mutex<BTreeMap<(AggregateId, u64), Vec<u8>>>,
    /// Steps that are taken while records are looked at, as in a store in use.
    meanwhile: Mutex<Vec<AggregateId>>,
}

impl Memory {
    /// Takes a step: every fourth opens a session, the others move money.
    fn step(&self, id: &AggregateId) {
        let mut aggregates = self.aggregates.lock().unwrap();
        let aggregate = aggregates.entry(id.clone()).or_insert_with(|| Aggregate::new(id.clone()));
        let step = aggregate.step + 1;
        let currency = "EUR".parse().unwrap();
        let amount = Amount::new(step).unwrap();
        let payment = Payment { currency, amount, reason: None };
        let (act, transfers) = match step % 4 {
            0 => {
                let session = Session {
                    id: SessionId::from_entropy([u8::try_from(step % 256).unwrap(); 16]),
                    currency,
                    locale: "en".parse().unwrap(),
                    opened_at_ms: step,
                    expires_at_ms: step + 50,
                };
                aggregate.open_session(session.clone());
                (Act::SessionOpened(session), Vec::new())
            }
            3 => {
                let made =
                    aggregate.ledger.transfer(Account::Player, Account::Operator, currency, Amount::new(1).unwrap());
                (Act::Withdrawn(payment), vec![made.unwrap()])
            }
            _ => {
                let made = aggregate.ledger.transfer(Account::Operator, Account::Player, currency, amount);
                (Act::Deposited(payment), vec![made.unwrap()])
            }
        };
        let key = format!("key-{step}").parse().unwrap();
        aggregate.answered.remember(&key, step);
        let record = Record {
            format: crate::record::FORMAT,
            aggregate: id.clone(),
            step,
            previous: aggregate.head,
            at_ms: step,
            key: Some(key),
            act,
            transfers,
            reply: Reply::Result(Json::parse("null".to_owned()).unwrap()),
        };
        let (encoded, digest) = record.encode().unwrap();
        aggregate.step = step;
        aggregate.head = digest;
        self.records.lock().unwrap().insert((id.clone(), step), encoded.bytes);
    }
}

#[async_trait]
impl Store for Memory {
    async fn load(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        Ok(self.aggregates.lock().unwrap().get(id).cloned().map(Arc::new))
    }

    async fn commit(&self, _: Commit) -> Result<(), CommitError> {
        unreachable!("a check reads only")
    }

    async fn records(&self, id: &AggregateId, steps: RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let range = (id.clone(), *steps.start())..=(id.clone(), *steps.end());
        let records = self.records.lock().unwrap();
        Ok(records.range(range).map(|((_, step), bytes)| (*step, bytes.clone())).collect())
    }

    async fn record_after(&self, step: Option<(&AggregateId, u64)>) -> Result<Option<(AggregateId, u64)>, StoreError> {
        if let Some(id) = self.meanwhile.lock().unwrap().pop() {
            self.step(&id);
        }
        let records = self.records.lock().unwrap();
        let after = |key: &&(AggregateId, u64)| step.is_none_or(|(id, step)| (&key.0, key.1) > (id, step));
        Ok(records.keys().find(after).cloned())
    }

    async fn aggregates_after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        let aggregates = self.aggregates.lock().unwrap();
        let rest = aggregates.values().filter(|aggregate| after.is_none_or(|after| aggregate.id > *after));
        Ok(rest.take(count_max).cloned().map(Arc::new).collect())
    }

    async fn outbox(&self, _: usize) -> Result<Vec<(AggregateId, u64)>, StoreError> {
        Ok(Vec::new())
    }

    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn failed(&self) -> StoreError {
        std::future::pending().await
    }

    async fn close(&self) {}
}

const PLAYERS: [&str; 3] = ["player/alice", "player/bob", "player/carol"];
const STEPS: u64 = 9;

fn id(player: usize) -> AggregateId {
    PLAYERS[player].parse().unwrap()
}

fn store() -> Memory {
    let store = Memory::default();
    for _ in 0..STEPS {
        (0..PLAYERS.len()).for_each(|player| store.step(&id(player)));
    }
    store
}

fn checked(store: &Memory) -> Result<Report, Broken> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(check(store, |_| {}))
}

#[test]
fn a_whole_store_proves() {
    let report = checked(&store()).unwrap();
    assert_eq!((report.aggregates, report.records), (3, 3 * STEPS));
    assert_eq!(checked(&Memory::default()).unwrap().aggregates, 0);
}

#[test]
fn a_transfer_within_one_account_is_no_way_to_make_money() {
    let store = store();
    let key = (id(0), 1);
    let mut record = Record::decode(&store.records.lock().unwrap()[&key]).unwrap();
    record.transfers[0].from = Account::Player;
    store.records.lock().unwrap().insert(key, record.encode().unwrap().0.bytes);
    assert!(checked(&store).unwrap_err().to_string().contains("record 1 of player/alice"));
}

proptest! {
    #[test]
    fn any_byte_flipped_in_any_record_names_that_record(player in 0..3usize, step in 1..=STEPS, at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let store = store();
        {
            let mut records = store.records.lock().unwrap();
            let bytes = records.get_mut(&(id(player), step)).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        match checked(&store) {
            Err(Broken::Record { aggregate, step: named, .. }) => prop_assert_eq!((aggregate, named), (id(player), step)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_record_that_is_missing_or_left_over_is_named(player in 0..3usize, step in 1..=STEPS, beyond in any::<bool>(), gap in 1..10u64) {
        let store = store();
        let named = if beyond { STEPS + gap } else { step };
        {
            let mut records = store.records.lock().unwrap();
            let bytes = records.remove(&(id(player), step)).unwrap();
            if beyond {
                records.insert((id(player), named), bytes.clone());
                records.insert((id(player), step), bytes);
            }
        }
        match checked(&store) {
            Err(Broken::Record { aggregate, step, .. }) => prop_assert_eq!((aggregate, step), (id(player), named)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn steps_taken_meanwhile_are_no_flaw(meanwhile in prop::collection::vec(0..5usize, 0..40)) {
        let store = store();
        let names = ["player/a", "player/alice", "player/bob", "player/bob-2", "player/z"];
        *store.meanwhile.lock().unwrap() = meanwhile.into_iter().map(|name| names[name].parse().unwrap()).collect();
        prop_assert!(checked(&store).is_ok());
    }
}
