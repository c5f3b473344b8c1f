//! Players whose steps are real: chained records that move money and conserve it, so that a store that holds them can
//! be proved.

use std::{collections::BTreeMap, sync::Arc};

use croupier::{
    aggregate::{Aggregate, Session},
    chance::Seed,
    identity::{AggregateId, ReleaseDigest, SessionId},
    json::Json,
    ledger,
    money::{Account, Amount, Transfer},
    record::{Act, Destination, Effect, EncodedRecord, FORMAT, Observed, Payment, Play, Record, Reply},
    store::{Commit, Store},
};
use serde_json::json;

/// What a player does in one step.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Deposit(u64),
    Withdraw(u64),
    OpenSession,
    /// A game that keeps and answers with texts and may have effects of both kinds.
    Play {
        kept: String,
        answer: String,
        has_effect: bool,
    },
}

/// A player, and all that a store should hold of it.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    pub(crate) aggregate: Arc<Aggregate>,
    pub(crate) records: Vec<Vec<u8>>,
}

impl Player {
    /// One who has done nothing yet.
    pub(crate) fn new(name: &str) -> Self {
        let id = format!("player/{name}").parse().unwrap();
        Self { aggregate: Arc::new(Aggregate::new(id)), records: Vec::new() }
    }

    pub(crate) fn id(&self) -> &AggregateId {
        &self.aggregate.id
    }

    pub(crate) fn step(&self) -> u64 {
        self.aggregate.step
    }

    /// So many steps of every kind. The mark tells them from others on the same version.
    pub(crate) fn next(&self, steps: u64, mark: u64) -> Commit {
        let deeds = (0..steps).map(|step| match (mark + step) % 6 {
            0 | 3 => Deed::Play {
                kept: format!("kept {mark}"),
                answer: format!("{mark}: \u{20ac} \u{1f3b0} \"\\/\u{8}\n"),
                has_effect: mark.is_multiple_of(2),
            },
            1 => Deed::OpenSession,
            2 => Deed::Withdraw(1),
            _ => Deed::Deposit(2 + mark % 1000),
        });
        next(&self.aggregate, deeds)
    }

    /// The player once this commit is made.
    pub(crate) fn after(&self, commit: &Commit) -> Self {
        let mut after = self.clone();
        after.aggregate = commit.aggregate.clone();
        after.records.extend(commit.records.iter().map(|record| record.bytes.clone()));
        after
    }

    /// The steps that somebody there wants to know of.
    pub(crate) fn steps_to(&self, to: Destination) -> Vec<u64> {
        let goes_there = |bytes: &[u8]| Record::decode(bytes).unwrap().destinations().contains(to);
        (1..).zip(&self.records).filter(|(_, bytes)| goes_there(bytes)).map(|(step, _)| step).collect()
    }

    /// Commits, which must succeed.
    pub(crate) async fn commit(&mut self, store: &dyn Store, commit: Commit) {
        let after = self.after(&commit);
        store.commit(commit).await.unwrap();
        *self = after;
    }

    /// Takes so many steps, which must succeed.
    pub(crate) async fn step_on(&mut self, store: &dyn Store, steps: u64) {
        self.commit(store, self.next(steps, self.step())).await;
    }

    /// The store holds this and nothing else of the player.
    pub(crate) async fn assert_stored(&self, store: &dyn Store) {
        let aggregate = (self.step() > 0).then(|| self.aggregate.clone());
        assert_eq!(store.stored(self.id()).await.unwrap(), aggregate);
        assert_eq!(store.records(self.id(), 0..=u64::MAX).await.unwrap(), self.numbered(1, self.step()));
    }

    /// These steps' records with their numbers.
    pub(crate) fn numbered(&self, first: u64, last: u64) -> Vec<(u64, Vec<u8>)> {
        let records = (1..).zip(&self.records).filter(|(step, _)| (first..=last).contains(step));
        records.map(|(step, bytes)| (step, bytes.clone())).collect()
    }
}

/// The ledger proves, and the store holds these players and nobody else.
pub(crate) async fn assert_proved<'a>(store: &dyn Store, players: impl IntoIterator<Item = &'a Player>) {
    let (mut aggregates, mut records) = (0, 0);
    for player in players {
        player.assert_stored(store).await;
        aggregates += u64::from(player.step() > 0);
        records += player.step();
    }
    let report = ledger::check(store, |_| {}).await.unwrap();
    assert_eq!((report.aggregates, report.records), (aggregates, records));
}

/// Steps on an aggregate.
pub(crate) fn next(before: &Aggregate, deeds: impl IntoIterator<Item = Deed>) -> Commit {
    let mut aggregate = before.clone();
    let records = deeds.into_iter().map(|deed| step(&mut aggregate, deed)).collect();
    Commit { expected: before.step, aggregate: Arc::new(aggregate), records, under_way: 1 }
}

fn step(aggregate: &mut Aggregate, deed: Deed) -> EncodedRecord {
    let step = aggregate.step + 1;
    let (act, transfers) = match deed {
        Deed::Deposit(amount) => deposit(aggregate, amount),
        Deed::Withdraw(amount) if aggregate.ledger.balance(euro()).get() < amount => deposit(aggregate, amount),
        Deed::Withdraw(amount) => {
            let transfer = transfer(aggregate, Account::Player, Account::Operator, amount);
            (Act::Withdrawn(payment(amount)), vec![transfer])
        }
        Deed::OpenSession => {
            let session = Session {
                id: SessionId::from_entropy(u128::from(step).to_le_bytes()),
                currency: euro(),
                locale: "en".parse().unwrap(),
                opened_at_ms: step,
                expires_at_ms: step + 50,
            };
            aggregate.open_session(session.clone());
            (Act::SessionOpened(session), Vec::new())
        }
        Deed::Play { kept, answer, has_effect } => (play(aggregate, &kept, &answer, has_effect), Vec::new()),
    };
    let record = Record {
        format: FORMAT,
        aggregate: aggregate.id.clone(),
        step,
        previous: aggregate.head,
        at_ms: step,
        key: Some(format!("key-{step}").parse().unwrap()),
        act,
        transfers,
        reply: Reply::Result(Json::of(&step).unwrap()),
    };
    let (encoded, digest) = record.encode().unwrap();
    aggregate.answered.remember(&record.key.unwrap(), step);
    (aggregate.step, aggregate.head) = (step, digest);
    encoded
}

fn play(aggregate: &mut Aggregate, kept: &str, answer: &str, has_effect: bool) -> Act {
    let game = "dice".parse().unwrap();
    let documents = BTreeMap::from([("kept".to_owned(), Json::of(kept).unwrap())]);
    let data = Json::of(&json!({ "step": aggregate.step })).unwrap();
    let effects = [
        Effect::Event { name: "played".to_owned(), props: data.clone() },
        Effect::Notification { channel: "push".to_owned(), template: "played".to_owned(), data, delay_ms: 0 },
    ];
    let effects = effects.into_iter().filter(|_| has_effect).collect();
    aggregate.keep_documents(&game, 0, Arc::new(documents.clone()));
    Act::Played(Box::new(Play {
        session: SessionId::from_entropy([0; 16]),
        currency: euro(),
        locale: "en".parse().unwrap(),
        game,
        release: ReleaseDigest::of(b"dice"),
        method: "roll".to_owned(),
        params: Json::of(answer).unwrap(),
        seed: Seed::from_bytes([7; 32]),
        fair: None,
        round: None,
        state_version: 0,
        migrated: None,
        observed: Observed::default(),
        draws: Vec::new(),
        documents: documents.into_iter().map(|(key, value)| (key, Some(value))).collect(),
        effects,
        void: None,
    }))
}

fn deposit(aggregate: &mut Aggregate, amount: u64) -> (Act, Vec<Transfer>) {
    let transfer = transfer(aggregate, Account::Operator, Account::Player, amount);
    (Act::Deposited(payment(amount)), vec![transfer])
}

fn transfer(aggregate: &mut Aggregate, from: Account, to: Account, amount: u64) -> Transfer {
    aggregate.ledger.transfer(from, to, euro(), Amount::new(amount).unwrap()).unwrap()
}

fn payment(amount: u64) -> Payment {
    Payment { currency: euro(), amount: Amount::new(amount).unwrap(), reason: None }
}

pub(crate) fn euro() -> croupier::money::Currency {
    "EUR".parse().unwrap()
}
