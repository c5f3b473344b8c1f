//! A store in memory, tampered with in every way there is.

use std::{ops::RangeInclusive, sync::Mutex};

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::{
    aggregate::{OpenRound, Session},
    chance::Seed,
    fairness::{ClientSeed, FairnessKey, Revealed},
    identity::{GameId, ReleaseDigest, SessionId},
    json::Json,
    listing::{self, Listing},
    money::Amount,
    record::{Destination, Migrated, Observed, Payment, Reply},
    store::{Commit, CommitError, Waiting, Walk},
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
        self.record(aggregate, act, transfers);
    }

    /// Plays a game on a release, as [`crate::steps`] does: documents of an older version are migrated first.
    fn play(&self, id: &AggregateId, playing: &Playing) {
        let mut aggregates = self.aggregates.lock().unwrap();
        let aggregate = aggregates.entry(id.clone()).or_insert_with(|| Aggregate::new(id.clone()));
        let game: GameId = "savings".parse().unwrap();
        let mut documents = aggregate.documents.get(&game).cloned().unwrap_or_default();
        let kept = aggregate.state_version(&game).unwrap_or(playing.state_version);
        if kept > playing.state_version {
            return;
        }
        let migrated = (kept < playing.state_version).then(|| {
            let version = Json::parse(playing.state_version.to_string()).unwrap();
            let after = documents.keys().map(|key| (format!("{key}-"), version.clone())).collect();
            Migrated { from: kept, before: (*documents).clone(), after }
        });
        if let Some(migrated) = &migrated {
            documents = Arc::new(migrated.after.clone());
        }
        let key = format!("key-{}", playing.key);
        let written =
            if playing.deletes { documents.contains_key(&key).then_some(None) } else { Some(Some(json("0"))) };
        let written = BTreeMap::from_iter(written.map(|value| (key, value)));
        if !playing.is_void {
            let changed = Arc::make_mut(&mut documents);
            for (key, value) in &written {
                match value {
                    Some(value) => changed.insert(key.clone(), value.clone()),
                    None => changed.remove(key),
                };
            }
            aggregate.keep_documents(&game, playing.state_version, documents);
        }
        let play = Play {
            session: SessionId::from_entropy([0; 16]),
            currency: "EUR".parse().unwrap(),
            locale: "en".parse().unwrap(),
            game,
            release: ReleaseDigest::of(&playing.state_version.to_le_bytes()),
            method: "save".to_owned(),
            params: json("{}"),
            seed: Seed::from_bytes([0; 32]),
            fair: None,
            round: None,
            state_version: playing.state_version,
            migrated,
            observed: Observed::default(),
            draws: Vec::new(),
            documents: if playing.is_void { BTreeMap::new() } else { written },
            effects: Vec::new(),
            void: playing.is_void.then(|| "fault-after-draw".to_owned()),
        };
        self.record(aggregate, Act::Played(Box::new(play)), Vec::new());
    }

    fn record(&self, aggregate: &mut Aggregate, act: Act, transfers: Vec<Transfer>) {
        let step = aggregate.step + 1;
        let key = format!("key-{step}").parse().unwrap();
        aggregate.answered.remember(&key, step);
        let record = Record {
            format: crate::record::FORMAT,
            aggregate: aggregate.id.clone(),
            step,
            previous: aggregate.head,
            at_ms: step,
            key: Some(key),
            act,
            transfers,
            reply: Reply::Result(json("null")),
        };
        let (encoded, digest) = record.encode().unwrap();
        aggregate.step = step;
        aggregate.head = digest;
        self.records.lock().unwrap().insert((aggregate.id.clone(), step), encoded.bytes);
    }

    /// Forges the newest record of an aggregate, and the aggregate's digest of it with it.
    fn forge(&self, id: &AggregateId, forge: impl FnOnce(&mut Play)) {
        let mut aggregates = self.aggregates.lock().unwrap();
        let aggregate = aggregates.get_mut(id).unwrap();
        let mut records = self.records.lock().unwrap();
        let bytes = records.get_mut(&(id.clone(), aggregate.step)).unwrap();
        let mut record = Record::decode(bytes).unwrap();
        let Act::Played(play) = &mut record.act else { panic!("{record:?}") };
        forge(play);
        let (encoded, digest) = record.encode().unwrap();
        *bytes = encoded.bytes;
        aggregate.head = digest;
    }
}

/// A call of a game that writes or deletes one document.
#[derive(Clone, Debug)]
struct Playing {
    state_version: u32,
    key: u8,
    deletes: bool,
    is_void: bool,
}

fn playing() -> impl Strategy<Value = Playing> {
    let parts = (0..4_u32, 0..3_u8, any::<bool>(), prop::bool::weighted(0.2));
    parts.prop_map(|(state_version, key, deletes, is_void)| Playing { state_version, key, deletes, is_void })
}

/// A store in which a game was played once without a state version, and then on a release that has one.
fn migrated_store() -> Memory {
    let store = Memory::default();
    for state_version in [0, 2] {
        store.play(&id(0), &Playing { state_version, key: 0, deletes: false, is_void: false });
    }
    store
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

#[async_trait]
impl Store for Memory {
    async fn load(&self, _: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
        unreachable!("a check asks for what is stored")
    }

    async fn stored(&self, id: &AggregateId) -> Result<Option<Arc<Aggregate>>, StoreError> {
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

    fn walk<'a>(&'a self, _: Option<&AggregateId>) -> Box<dyn Walk + 'a> {
        unimplemented!("nobody asks")
    }

    async fn is_current(&self, _: &Aggregate) -> Result<bool, StoreError> {
        unimplemented!("nobody asks")
    }

    async fn carried(&self, _: Destination, _: &[Waiting]) -> Result<(), StoreError> {
        unimplemented!("nobody asks")
    }

    async fn outbox(&self, _: Destination, _: usize, _: usize) -> Result<Vec<Waiting>, StoreError> {
        Ok(Vec::new())
    }

    async fn outbox_grew(&self, _: Destination) {
        unimplemented!("nobody asks")
    }

    async fn listings(&self) -> Result<Vec<Listing>, StoreError> {
        unreachable!("a check looks at aggregates and records")
    }

    async fn listing(&self, _: &GameId) -> Result<Option<Listing>, StoreError> {
        unreachable!("a check looks at aggregates and records")
    }

    async fn commit_acts(&self, _: &Listing, _: &[listing::Act]) -> Result<(), CommitError> {
        unreachable!("a check reads only")
    }

    async fn acts(&self, _: &GameId, _: RangeInclusive<u64>) -> Result<Vec<listing::Act>, StoreError> {
        unreachable!("a check looks at aggregates and records")
    }

    async fn acts_elsewhere(&self) {
        unimplemented!("nobody asks")
    }

    async fn put_release(&self, _: &ReleaseDigest, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("a check reads only")
    }

    async fn release(&self, _: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
        unreachable!("a check looks at aggregates and records")
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

#[test]
fn documents_of_another_version_than_their_records_made_are_found() {
    let game: GameId = "savings".parse().unwrap();
    let flaw = |store: &Memory| checked(store).unwrap_err().to_string();
    let store = migrated_store();
    checked(&store).unwrap();
    for version in [None, Some(1), Some(3)] {
        let mut aggregates = store.aggregates.lock().unwrap();
        let versions = &mut aggregates.get_mut(&id(0)).unwrap().state_versions;
        match version {
            Some(version) => versions.insert(game.clone(), version),
            None => versions.remove(&game),
        };
        drop(aggregates);
        assert!(flaw(&store).contains("its state versions are others"));
    }
}

/// Even by somebody who makes every digest right again.
#[test]
fn a_forged_migration_is_found() {
    type Forgery = (fn(&mut Play), &'static str);
    let forgeries: [Forgery; 5] = [
        (|play| play.migrated = None, "it reads state version 2 where 0 was kept"),
        (|play| play.state_version = 3, "its state versions are others"),
        (|play| play.migrated.as_mut().unwrap().from = 1, "it reads state version 1 where 0 was kept"),
        (|play| play.migrated.as_mut().unwrap().before.clear(), "it migrates documents that were not there"),
        (|play| play.migrated.as_mut().unwrap().after.clear(), "its documents are others"),
    ];
    for (forge, expected) in forgeries {
        let store = migrated_store();
        store.forge(&id(0), forge);
        let flaw = checked(&store).unwrap_err().to_string();
        assert!(flaw.contains(expected), "{flaw}");
    }
}

#[test]
fn a_round_that_changed_its_release_is_found() {
    let store = migrated_store();
    let records = store.records.lock().unwrap();
    let plays = records.values().filter_map(|bytes| match Record::decode(bytes).unwrap().act {
        Act::Played(play) => Some(play),
        _ => None,
    });
    let play = plays.into_iter().next().unwrap();
    let mut chain = Chain::new(id(0));
    assert_eq!(chain.check_release(&play), Ok(()));
    let amount = Amount::new(0).unwrap();
    let mut round = OpenRound {
        opened_by: 1,
        opened_at_ms: 1,
        release: play.release,
        currency: play.currency,
        calls: 1,
        staked: amount,
        paid: amount,
    };
    chain.made.rounds.insert(play.game.clone(), round.clone());
    assert_eq!(chain.check_release(&play), Ok(()));
    round.release = ReleaseDigest::of(b"another");
    chain.made.rounds.insert(play.game.clone(), round);
    assert!(chain.check_release(&play).unwrap_err().contains("it plays a round of release"));
}

#[test]
fn a_call_that_was_left_out_of_a_pair_of_seeds_is_found() {
    let store = migrated_store();
    let plays = store.records.lock().unwrap().values().find_map(|bytes| match Record::decode(bytes).unwrap().act {
        Act::Played(play) => Some(play),
        _ => None,
    });
    let key = FairnessKey::new([7; 32]);
    let mut chain = Chain::new(id(0));
    let (fair, seed) = chain.made.fairness.next_call(&key, &id(0));
    let mut play = Play { fair: Some(fair), seed, ..*plays.unwrap() };
    let check = |chain: &Chain, play: &Play| chain.check_fairness(&Act::Played(Box::new(play.clone())));
    assert_eq!(check(&chain, &play), Ok(()));
    chain.made.fairness.advance();
    assert!(check(&chain, &play).unwrap_err().contains("it is call 0 of pair 0 where call 1 of pair 0 comes"));
    play.fair = Some(chain.made.fairness.next_call(&key, &id(0)).0);
    assert_eq!(check(&chain, &play), Ok(()));

    let rotation = |revealed: Revealed| Act::SeedsRotated { revealed, client_seed: ClientSeed::default() };
    let revealed = chain.made.fairness.revealed(&key, &id(0));
    assert_eq!(chain.check_fairness(&rotation(revealed.clone())), Ok(()));
    let fewer = rotation(Revealed { nonces: 0, ..revealed.clone() });
    assert!(chain.check_fairness(&fewer).unwrap_err().contains("1 were made"));
    let other = rotation(Revealed { server_seed: key.server_seed(&id(1), 0), ..revealed });
    assert!(chain.check_fairness(&other).unwrap_err().contains("another server seed than was committed to"));
}

proptest! {
    #[test]
    fn documents_prove_through_whatever_releases_they_went(calls in prop::collection::vec((0..3usize, playing()), 0..40)) {
        let store = Memory::default();
        for (player, playing) in &calls {
            store.play(&id(*player), playing);
        }
        prop_assert!(checked(&store).is_ok(), "{:?}", checked(&store));
    }

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
