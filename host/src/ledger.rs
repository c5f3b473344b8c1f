//! Proves a store: every chain of records is whole, every aggregate is what its records made it, no record is left
//! over, and all accounts of every currency sum to zero. Reads only; names the first broken record otherwise.

use std::{collections::BTreeMap, fmt, sync::Arc};

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::{
    aggregate::{Aggregate, OpenRound},
    identity::{AggregateId, Digest},
    money::{Account, Currency, Transfer},
    record::{Act, Play, Record},
    store::{Store, StoreError},
};

#[cfg(test)]
mod tests;

const AGGREGATES_PER_PAGE: usize = 256;
const RECORDS_PER_PAGE: u64 = 1000;

/// What a whole store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// Aggregates that were proved.
    pub aggregates: u64,
    /// Records that were proved.
    pub records: u64,
    /// Every account's position over all aggregates, in minor units; those of one currency sum to zero.
    pub accounts: BTreeMap<Account, BTreeMap<Currency, i128>>,
}

/// What is wrong with a store, and where.
#[derive(Debug, Error)]
pub enum Broken {
    /// A record that is not what its successor, or its aggregate, says it was.
    #[error("record {step} of {aggregate} is broken: {flaw}")]
    Record {
        /// Whose.
        aggregate: AggregateId,
        /// Which step's.
        step: u64,
        /// What is wrong.
        flaw: String,
    },
    /// An aggregate that its records do not lead to.
    #[error("{aggregate} is not what its records made it: {flaw}")]
    Aggregate {
        /// Which.
        aggregate: AggregateId,
        /// What is wrong.
        flaw: String,
    },
    /// A currency with money out of nowhere.
    #[error("the accounts in {currency} sum to {sum} instead of 0")]
    Sum {
        /// Which.
        currency: Currency,
        /// To what.
        sum: i128,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Walks a store and proves it. `progress` hears of every aggregate: how many so far, and how many records.
/// On a store in use it proves each aggregate as it was when it was read.
///
/// What nothing in the store speaks of any more it cannot miss: an aggregate that is gone with all its records, or was
/// put back together with them to what it was before; nor records without an aggregate, where the store does not list
/// its records.
///
/// # Errors
/// [`Broken`]: the first flaw, in the store's order of aggregates and in that of steps.
pub async fn check(store: &dyn Store, mut progress: impl FnMut(&Report)) -> Result<Report, Broken> {
    let mut report = Report::default();
    let mut after: Option<Arc<Aggregate>> = None;
    check_nothing_follows(store, None).await?;
    loop {
        let page = store.aggregates_after(after.as_ref().map(|after| &after.id), AGGREGATES_PER_PAGE).await?;
        if page.is_empty() {
            break;
        }
        for aggregate in page {
            check_aggregate(store, &aggregate).await?;
            check_nothing_follows(store, Some(&aggregate)).await?;
            report.add(&aggregate);
            progress(&report);
            after = Some(aggregate);
        }
    }
    report.check_sums()?;
    Ok(report)
}

pub(crate) async fn check_aggregate(store: &dyn Store, aggregate: &Aggregate) -> Result<(), Broken> {
    let mut chain = Chain::new(aggregate.id.clone());
    while chain.step() < aggregate.step {
        let last = aggregate.step.min(chain.step() + RECORDS_PER_PAGE);
        let records = store.records(&aggregate.id, chain.step() + 1..=last).await?;
        for (step, bytes) in records {
            let record = chain.read(step, &bytes)?;
            if record.previous != chain.made.head {
                // One of two was changed: this record, unless what follows vouches for it, or the one before.
                let vouched = vouched_for(store, aggregate, step).await? == Some(Digest::of(&bytes));
                return Err(if vouched && step > 1 {
                    chain.broken(step - 1, &format!("record {step} holds another digest of it"))
                } else {
                    chain.broken(step, "it holds another digest of the record before it")
                });
            }
            chain.link(&record, Digest::of(&bytes))?;
        }
        if chain.step() < last {
            return Err(chain.broken(chain.step() + 1, "it is missing"));
        }
    }
    chain.check_end(aggregate)
}

/// The digest that a record should have, as its successor or its aggregate says.
async fn vouched_for(store: &dyn Store, aggregate: &Aggregate, step: u64) -> Result<Option<Digest>, Broken> {
    if step == aggregate.step {
        return Ok(Some(aggregate.head));
    }
    let next = store.records(&aggregate.id, step + 1..=step + 1).await?;
    Ok(next.first().and_then(|(_, bytes)| Record::decode(bytes).ok()).map(|record| record.previous))
}

/// Proves that the next record after an aggregate's newest (or the very first of the store) belongs to an aggregate
/// that knows of it.
async fn check_nothing_follows(store: &dyn Store, aggregate: Option<&Arc<Aggregate>>) -> Result<(), Broken> {
    let mut newest = aggregate.cloned();
    loop {
        let seen = newest.as_ref().map(|newest| (&newest.id, newest.step));
        let Some((owner, step)) = store.record_after(seen).await? else { return Ok(()) };
        // A store in use may have moved on since it was read; then the aggregate itself says so.
        match store.stored(&owner).await? {
            Some(owner) if owner.step < step => {
                let flaw = format!("it lies beyond step {}, the newest of its aggregate", owner.step);
                return Err(Broken::Record { aggregate: owner.id.clone(), step, flaw });
            }
            Some(moved_on) if newest.as_ref().is_some_and(|newest| newest.id == moved_on.id) => newest = Some(moved_on),
            Some(_) => return Ok(()),
            None => {
                let flaw = "its aggregate is missing".to_owned();
                return Err(Broken::Record { aggregate: owner, step, flaw });
            }
        }
    }
}

/// The records of an aggregate, and what they make of it.
pub(crate) struct Chain {
    made: Aggregate,
}

impl Chain {
    /// Before the first record.
    pub(crate) fn new(aggregate: AggregateId) -> Self {
        Self { made: Aggregate::new(aggregate) }
    }

    /// What the records so far have made.
    pub(crate) fn made(&self) -> &Aggregate {
        &self.made
    }

    /// Proves the next record, and does what it says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn add(&mut self, step: u64, bytes: &[u8]) -> Result<(), Broken> {
        let record = self.read(step, bytes)?;
        if record.previous != self.made.head {
            return Err(self.broken(step, "it holds another digest of the record before it"));
        }
        self.link(&record, Digest::of(bytes))
    }

    fn step(&self) -> u64 {
        self.made.step
    }

    fn read(&self, step: u64, bytes: &[u8]) -> Result<Record, Broken> {
        if step != self.step() + 1 {
            return Err(self.broken(self.step() + 1, "it is missing"));
        }
        let record = Record::decode(bytes).map_err(|error| self.broken(step, &format!("it does not read: {error}")))?;
        if record.aggregate != self.made.id || record.step != step {
            return Err(self.broken(step, &format!("it says it is record {} of {}", record.step, record.aggregate)));
        }
        Ok(record)
    }

    fn link(&mut self, record: &Record, digest: Digest) -> Result<(), Broken> {
        for transfer in &record.transfers {
            self.transfer(transfer).map_err(|flaw| self.broken(record.step, &flaw))?;
        }
        if let Act::Played(play) = &record.act {
            self.check_release(play).map_err(|flaw| self.broken(record.step, &flaw))?;
            self.check_documents(play).map_err(|flaw| self.broken(record.step, &flaw))?;
        }
        self.check_fairness(&record.act).map_err(|flaw| self.broken(record.step, &flaw))?;
        act(&mut self.made, record);
        if let Some(key) = &record.key {
            self.made.answered.remember(key, record.step);
        }
        self.made.step = record.step;
        self.made.head = digest;
        Ok(())
    }

    fn transfer(&mut self, transfer: &Transfer) -> Result<(), String> {
        let Transfer { from, to, currency, amount, balance } = transfer;
        if from == to {
            return Err(format!("a transfer goes from {from} to {to}"));
        }
        let made = self.made.ledger.transfer(from.clone(), to.clone(), *currency, *amount);
        let made = made.map_err(|error| format!("a transfer cannot be made: {error}"))?;
        if made.balance == *balance {
            Ok(())
        } else {
            Err(format!("a transfer leads to {}, not {balance}", made.balance))
        }
    }

    /// A round is played to its end on the release that opened it.
    fn check_release(&self, play: &Play) -> Result<(), String> {
        match self.made.rounds.get(&play.game) {
            Some(round) if round.release != play.release => {
                Err(format!("it plays a round of release {} on release {}", round.release, play.release))
            }
            _ => Ok(()),
        }
    }

    /// No call of a pair of seeds is left out, and a pair is revealed as it was committed to.
    fn check_fairness(&self, act: &Act) -> Result<(), String> {
        let pair = &self.made.fairness;
        match act {
            Act::Played(play) => match &play.fair {
                Some(fair)
                    if (fair.pair, &fair.client_seed, fair.nonce) != (pair.number, &pair.client_seed, pair.nonce) =>
                {
                    Err(format!(
                        "it is call {} of pair {} where call {} of pair {} comes",
                        fair.nonce, fair.pair, pair.nonce, pair.number
                    ))
                }
                _ => Ok(()),
            },
            Act::SeedsRotated { revealed, .. } => {
                if (revealed.pair, revealed.nonces) != (pair.number, pair.nonce) {
                    return Err(format!(
                        "it reveals pair {} after {} calls, and {} were made of pair {}",
                        revealed.pair, revealed.nonces, pair.nonce, pair.number
                    ));
                }
                if revealed.server_seed.commitment() == revealed.commitment {
                    Ok(())
                } else {
                    Err("it reveals another server seed than was committed to".to_owned())
                }
            }
            _ => Ok(()),
        }
    }

    /// A release sees documents of its own version only, if need be by migrating those that are there.
    fn check_documents(&self, play: &Play) -> Result<(), String> {
        let kept = self.made.documents.get(&play.game);
        let migrated = play.migrated.as_ref();
        if migrated.is_some_and(|migrated| kept.is_none_or(|kept| **kept != migrated.before)) {
            return Err("it migrates documents that were not there".to_owned());
        }
        let read = migrated.map_or(play.state_version, |migrated| migrated.from);
        match self.made.state_version(&play.game) {
            Some(kept) if kept != read && play.void.is_none() => {
                Err(format!("it reads state version {read} where {kept} was kept"))
            }
            _ => Ok(()),
        }
    }

    /// Proves that an aggregate is what its records, all of which were added, have made.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) fn check_end(&self, aggregate: &Aggregate) -> Result<(), Broken> {
        let made = &self.made;
        if made.head != aggregate.head {
            return Err(self.broken(made.step, "the aggregate holds another digest of it"));
        }
        let parts = [
            ("accounts", made.ledger == aggregate.ledger),
            ("sessions", made.sessions == aggregate.sessions),
            ("open rounds", made.rounds == aggregate.rounds),
            ("documents", made.documents == aggregate.documents),
            ("state versions", made.state_versions == aggregate.state_versions),
            ("seeds", made.fairness == aggregate.fairness),
            ("idempotency keys", made.answered == aggregate.answered),
        ];
        if let Some((part, _)) = parts.into_iter().find(|(_, same)| !same) {
            return Err(self.differs(format!("its {part} are others")));
        }
        for currency in aggregate.ledger.balances().map(|(currency, _)| currency) {
            let rounds = aggregate.rounds.values().filter(|round| round.currency == currency);
            let staked: u64 = rounds.map(|round| round.staked.get()).sum();
            if i64::try_from(staked).ok() != Some(aggregate.ledger.position(&Account::Escrow, currency)) {
                return Err(self.differs(format!("escrow in {currency} is not what its open rounds have staked")));
            }
        }
        Ok(())
    }

    fn broken(&self, step: u64, flaw: &str) -> Broken {
        Broken::Record { aggregate: self.made.id.clone(), step, flaw: flaw.to_owned() }
    }

    fn differs(&self, flaw: String) -> Broken {
        Broken::Aggregate { aggregate: self.made.id.clone(), flaw }
    }
}

/// What a record's act made of the aggregate, money aside.
fn act(aggregate: &mut Aggregate, record: &Record) {
    if let Act::Played(play) = &record.act
        && play.fair.is_some()
    {
        aggregate.fairness.advance();
    }
    match &record.act {
        Act::SeedsRotated { client_seed, .. } => aggregate.fairness = aggregate.fairness.after(client_seed.clone()),
        Act::SessionOpened(session) => aggregate.open_session(session.clone()),
        Act::SessionClosed { session } => {
            aggregate.close_session(session);
        }
        Act::Played(play) if play.void.is_none() => {
            write(aggregate, play);
            match play.round.as_ref().filter(|round| round.open) {
                Some(mark) => {
                    let round = OpenRound {
                        opened_by: mark.id.opened_by,
                        opened_at_ms: mark.opened_at_ms,
                        release: play.release,
                        currency: play.currency,
                        calls: mark.call + 1,
                        staked: mark.staked,
                        paid: mark.paid,
                    };
                    aggregate.rounds.insert(play.game.clone(), round);
                }
                None => {
                    aggregate.rounds.remove(&play.game);
                }
            }
        }
        Act::Created {} | Act::Deposited(_) | Act::Withdrawn(_) | Act::Played(_) => {}
    }
}

fn write(aggregate: &mut Aggregate, play: &Play) {
    let mut kept = match &play.migrated {
        Some(migrated) => Arc::new(migrated.after.clone()),
        None => aggregate.documents.remove(&play.game).unwrap_or_default(),
    };
    let documents = Arc::make_mut(&mut kept);
    for (key, value) in &play.documents {
        match value {
            Some(value) => documents.insert(key.clone(), value.clone()),
            None => documents.remove(key),
        };
    }
    aggregate.keep_documents(&play.game, play.state_version, kept);
}

impl Report {
    /// One more aggregate that was proved.
    pub(crate) fn add(&mut self, aggregate: &Aggregate) {
        self.aggregates += 1;
        self.records += aggregate.step;
        for (account, currency, position) in aggregate.ledger.positions() {
            *self.accounts.entry(account.clone()).or_default().entry(currency).or_default() += i128::from(position);
        }
    }

    /// # Errors
    /// A currency whose accounts do not sum to zero.
    pub(crate) fn check_sums(&self) -> Result<(), Broken> {
        let mut sums = BTreeMap::<Currency, i128>::new();
        for (currency, position) in self.accounts.values().flatten() {
            *sums.entry(*currency).or_default() += position;
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some((currency, sum)) => Err(Broken::Sum { currency, sum }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} aggregates, {} records: every chain is whole and all accounts sum to zero",
            self.aggregates, self.records
        )?;
        for (account, held) in &self.accounts {
            for (currency, position) in held {
                writeln!(f, "{:<40} {position:>24} {currency}", account.to_string())?;
            }
        }
        Ok(())
    }
}
