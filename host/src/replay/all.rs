//! A whole store: every chain is proved, and every step of every game taken again, on all processors.

use std::{ops::RangeInclusive, sync::Arc};

use serde::Serialize;
use tokio::task::JoinSet;

use super::{Replayed, Replayer};
use crate::{
    aggregate::Aggregate,
    identity::AggregateId,
    ledger::{self, Broken},
    store::{Store, StoreError},
};

const AGGREGATES_PER_PAGE: usize = 256;
/// Records of one aggregate that are taken again in one go, so that a player of many rounds keeps no processor waiting.
const RECORDS_AT_ONCE: u64 = 500;
/// Flaws that are told one by one.
const FLAWS_MAX: usize = 100;

/// What a whole store was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Aggregates whose chains were proved.
    pub aggregates: u64,
    /// Records that were looked at.
    pub records: u64,
    /// Steps that came out as they were recorded, to the last byte.
    pub identical: u64,
    /// Rounds that were played to their end in them.
    pub rounds: u64,
    /// Steps of games that were stopped because they computed too long; they are not taken again.
    pub stopped: u64,
    /// Records with a flaw, those of broken chains among them.
    pub flawed: u64,
    /// The first of them, in the order of aggregates and steps.
    pub flaws: Vec<Flawed>,
}

/// A record that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Flawed {
    /// Whose.
    pub aggregate: AggregateId,
    /// Which step's; 0 where it is the aggregate itself.
    pub step: u64,
    /// What is wrong with it.
    pub flaw: String,
}

/// A part of the work.
enum Part {
    Chain(Arc<Aggregate>),
    Steps(AggregateId, RangeInclusive<u64>),
}

/// Proves every chain of a store and takes every step of a game again. `progress` hears of every part that is done. On a
/// store in use each aggregate is taken as it was when it was read.
///
/// # Errors
/// Where the store does not answer. What is wrong with what it answers is in the report.
pub async fn all(
    replayer: &Arc<Replayer>,
    store: &Arc<dyn Store>,
    mut progress: impl FnMut(&Report),
) -> Result<Report, StoreError> {
    let at_once = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut report = Report::default();
    let mut parts = JoinSet::new();
    let mut after = None;
    loop {
        let page = store.aggregates_after(after.as_ref(), AGGREGATES_PER_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for aggregate in page {
            report.aggregates += 1;
            for part in parts_of(aggregate) {
                if parts.len() >= at_once {
                    report.take(parts.join_next().await)?;
                    progress(&report);
                }
                parts.spawn(done(replayer.clone(), store.clone(), part));
            }
        }
    }
    while let Some(part) = parts.join_next().await {
        report.take(Some(part))?;
        progress(&report);
    }
    report.in_order();
    Ok(report)
}

fn parts_of(aggregate: Arc<Aggregate>) -> impl Iterator<Item = Part> {
    let (id, last) = (aggregate.id.clone(), aggregate.step);
    let firsts = (1..=last).step_by(usize::try_from(RECORDS_AT_ONCE).unwrap_or(usize::MAX));
    let steps = firsts.map(move |first| Part::Steps(id.clone(), first..=last.min(first + RECORDS_AT_ONCE - 1)));
    std::iter::once(Part::Chain(aggregate)).chain(steps)
}

async fn done(replayer: Arc<Replayer>, store: Arc<dyn Store>, part: Part) -> Result<Report, StoreError> {
    let mut report = Report::default();
    match part {
        Part::Chain(aggregate) => match ledger::check_aggregate(&*store, &aggregate).await {
            Ok(()) => {}
            Err(Broken::Store(error)) => return Err(error),
            Err(Broken::Record { aggregate, step, flaw }) => report.flaw(aggregate, step, flaw),
            Err(broken) => report.flaw(aggregate.id.clone(), 0, broken.to_string()),
        },
        Part::Steps(id, steps) => {
            for (step, record) in store.records(&id, steps).await? {
                report.records += 1;
                match replayer.replay(&record).await {
                    Ok(Replayed::Identical { closes_round }) => {
                        report.identical += 1;
                        report.rounds += u64::from(closes_round);
                    }
                    Ok(Replayed::NotPlayed) => {}
                    Ok(Replayed::Stopped) => report.stopped += 1,
                    Err(flaw) => report.flaw(id.clone(), step, flaw.to_string()),
                }
            }
        }
    }
    Ok(report)
}

impl Report {
    fn flaw(&mut self, aggregate: AggregateId, step: u64, flaw: String) {
        self.flawed += 1;
        self.flaws.push(Flawed { aggregate, step, flaw });
    }

    fn take(
        &mut self,
        part: Option<Result<Result<Self, StoreError>, tokio::task::JoinError>>,
    ) -> Result<(), StoreError> {
        let Some(part) = part else { return Ok(()) };
        let part =
            part.map_err(|error| StoreError::Unavailable(format!("a part of the work broke off: {error}")))??;
        self.records += part.records;
        self.identical += part.identical;
        self.rounds += part.rounds;
        self.stopped += part.stopped;
        self.flawed += part.flawed;
        self.flaws.extend(part.flaws);
        self.flaws.sort();
        self.flaws.truncate(FLAWS_MAX);
        Ok(())
    }

    /// A record that breaks its chain and comes out otherwise has one flaw, which is told in both ways.
    fn in_order(&mut self) {
        let mut told: Vec<Flawed> = Vec::with_capacity(self.flaws.len());
        for flawed in std::mem::take(&mut self.flaws) {
            match told.last_mut() {
                Some(last) if (&last.aggregate, last.step) == (&flawed.aggregate, flawed.step) => {
                    last.flaw = format!("{}; {}", last.flaw, flawed.flaw);
                    self.flawed -= 1;
                }
                _ => told.push(flawed),
            }
        }
        self.flaws = told;
    }
}
