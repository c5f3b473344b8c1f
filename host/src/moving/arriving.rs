//! One aggregate that arrives: its records are proved, and what they make is committed as its steps once were, so that a
//! store has a part of its steps at any time, and goes on from there.

use std::sync::Arc;

use super::{MovingError, sections::Records};
use crate::{
    aggregate::Aggregate,
    ledger::Chain,
    record::EncodedRecord,
    store::{Commit, CommitError, Standing, Store},
};

pub(super) struct Arriving {
    store: Arc<dyn Store>,
    standing: Standing,
    /// As it was found in the store, if it was.
    found: Option<Arc<Aggregate>>,
    chain: Chain,
}

impl Arriving {
    pub(super) async fn begin(store: Arc<dyn Store>, standing: Standing) -> Result<Self, MovingError> {
        let id = &standing.aggregate.id;
        let found = store.stored(id).await?;
        let chain = Chain::new(id.clone());
        Ok(Self { store, standing, found, chain })
    }

    /// The next records: those that are there are compared, the others committed. `under_way` as in [`Commit`].
    pub(super) async fn take(&mut self, records: Records, under_way: usize) -> Result<(), MovingError> {
        let Records { first, records, .. } = records;
        let id = &self.standing.aggregate.id;
        let there = self.found.as_ref().map_or(0, |found| found.step);
        let last = first + records.len() as u64 - 1;
        // Nothing is asked of what cannot be there.
        let found = if first > there { Vec::new() } else { self.store.records(id, first..=last.min(there)).await? };
        let mut new = Vec::new();
        for (step, bytes) in (first..).zip(records) {
            let is_there = step <= there;
            if is_there
                && found.get(usize::try_from(step - first).unwrap_or(usize::MAX)) != Some(&(step, bytes.clone()))
            {
                return Err(MovingError::differs(id, format!("its record {step} is another than in the file")));
            }
            self.chain.add(step, &bytes)?;
            match &self.found {
                Some(found) if found.step == step => {
                    self.chain.check_end(found).map_err(|broken| MovingError::differs(id, broken.to_string()))?;
                }
                _ => {}
            }
            if !is_there {
                let destinations = self.standing.waiting.destinations(step);
                new.push(EncodedRecord { step, destinations, bytes, told: None });
            }
        }
        // Before anything of it is written, where its records come in one.
        if last == self.standing.aggregate.step {
            self.chain.check_end(&self.standing.aggregate)?;
        }
        match new.first() {
            Some(first) => self.commit(first.step - 1, new, under_way).await,
            None => Ok(()),
        }
    }

    /// Whether all of it was there.
    pub(super) fn was_there(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.step == self.standing.aggregate.step)
    }

    async fn commit(&self, expected: u64, records: Vec<EncodedRecord>, under_way: usize) -> Result<(), MovingError> {
        let aggregate = Arc::new(self.chain.made().clone());
        let id = aggregate.id.clone();
        let committed = self.store.commit(Commit { expected, aggregate, records, under_way }).await;
        committed.map_err(|error| match error {
            CommitError::Conflict => MovingError::differs(&id, "somebody plays it: stop all hosts of the store first"),
            CommitError::TooLarge { size, size_max } => MovingError::TooLarge { what: id.to_string(), size, size_max },
            CommitError::Store(error) => error.into(),
        })
    }
}
