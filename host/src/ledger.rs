//! Proves a store: every chain of records is whole, every aggregate is what its records made it, and all accounts of
//! every currency sum to zero. Reads only; names the first broken record otherwise.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::{
    aggregate::Aggregate,
    identity::{AggregateId, Digest},
    money::{Account, Currency, Ledger},
    record::Record,
    store::{Store, StoreError},
};

const AGGREGATES_PER_PAGE: usize = 256;
const RECORDS_PER_PAGE: u64 = 1000;

/// What a whole store holds.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
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
/// # Errors
/// [`Broken`]: the first flaw, in the order of aggregates and steps.
pub async fn check(store: &dyn Store, mut progress: impl FnMut(&Report)) -> Result<Report, Broken> {
    let mut report = Report::default();
    let mut after = None;
    loop {
        let page = store.aggregates_after(after.as_ref(), AGGREGATES_PER_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for aggregate in page {
            check_aggregate(store, &aggregate).await?;
            report.add(&aggregate);
            progress(&report);
        }
    }
    report.check_sums()?;
    Ok(report)
}

async fn check_aggregate(store: &dyn Store, aggregate: &Aggregate) -> Result<(), Broken> {
    let mut chain = Chain::new(aggregate.id.clone());
    while chain.step < aggregate.step {
        let last = aggregate.step.min(chain.step + RECORDS_PER_PAGE);
        let records = store.records(&aggregate.id, chain.step + 1..=last).await?;
        for (step, bytes) in records {
            chain.link(step, &bytes)?;
        }
        if chain.step < last {
            return Err(chain.broken(chain.step + 1, "it is missing"));
        }
    }
    chain.check_end(aggregate)
}

/// The records of an aggregate, replayed.
struct Chain {
    aggregate: AggregateId,
    step: u64,
    head: Digest,
    ledger: Ledger,
}

impl Chain {
    fn new(aggregate: AggregateId) -> Self {
        Self { aggregate, step: 0, head: Digest::ZERO, ledger: Ledger::default() }
    }

    fn link(&mut self, step: u64, bytes: &[u8]) -> Result<(), Broken> {
        if step != self.step + 1 {
            return Err(self.broken(self.step + 1, "it is missing"));
        }
        let record = Record::decode(bytes).map_err(|error| self.broken(step, &format!("it does not read: {error}")))?;
        if record.aggregate != self.aggregate || record.step != step {
            return Err(self.broken(step, &format!("it says it is record {} of {}", record.step, record.aggregate)));
        }
        if record.previous != self.head {
            // Either of the two was changed; the earlier one is where a reader has to look first.
            let culprit = self.step.max(1);
            return Err(self.broken(culprit, &format!("record {step} holds another digest of the record before it")));
        }
        for transfer in &record.transfers {
            let made =
                self.ledger.transfer(transfer.from.clone(), transfer.to.clone(), transfer.currency, transfer.amount);
            match made {
                Ok(made) if made == *transfer => {}
                Ok(made) => {
                    return Err(
                        self.broken(step, &format!("a transfer leads to {}, not {}", made.balance, transfer.balance))
                    );
                }
                Err(error) => return Err(self.broken(step, &format!("a transfer cannot be made: {error}"))),
            }
        }
        self.step = step;
        self.head = Digest::of(bytes);
        Ok(())
    }

    fn check_end(&self, aggregate: &Aggregate) -> Result<(), Broken> {
        if self.head != aggregate.head {
            return Err(self.broken(self.step, "the aggregate holds another digest of it"));
        }
        let positions = |ledger: &Ledger| ledger.positions().map(|(a, c, p)| (a.clone(), c, p)).collect::<Vec<_>>();
        if positions(&self.ledger) != positions(&aggregate.ledger) {
            let flaw = "its accounts differ from the sum of its transfers".to_owned();
            return Err(Broken::Aggregate { aggregate: self.aggregate.clone(), flaw });
        }
        for currency in aggregate.ledger.balances().map(|(currency, _)| currency) {
            let staked: u64 = aggregate
                .rounds
                .values()
                .filter(|round| round.currency == currency)
                .map(|round| round.staked.get())
                .sum();
            if i64::try_from(staked).ok() != Some(aggregate.ledger.position(&Account::Escrow, currency)) {
                let flaw = format!("escrow in {currency} is not what its open rounds have staked");
                return Err(Broken::Aggregate { aggregate: self.aggregate.clone(), flaw });
            }
        }
        Ok(())
    }

    fn broken(&self, step: u64, flaw: &str) -> Broken {
        Broken::Record { aggregate: self.aggregate.clone(), step, flaw: flaw.to_owned() }
    }
}

impl Report {
    fn add(&mut self, aggregate: &Aggregate) {
        self.aggregates += 1;
        self.records += aggregate.step;
        for (account, currency, position) in aggregate.ledger.positions() {
            *self.accounts.entry(account.clone()).or_default().entry(currency).or_default() += i128::from(position);
        }
    }

    fn check_sums(&self) -> Result<(), Broken> {
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
