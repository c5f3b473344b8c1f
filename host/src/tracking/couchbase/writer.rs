//! The writer of this host, one among others: it hands over batches one at a time, and takes care at its start of what
//! writers before it have left.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    batches::{Batch, Batches, Finished},
    kinds::{self, BatchId, Kinds},
};
use crate::{
    cluster::Written,
    facts::{Fact, What},
    store::StoreError,
};

/// About how large a batch's document may become: well below what a cluster takes.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// About how large a fact is beside its properties.
const FACT_BYTES: usize = 512;

/// Everybody who has ever written, with the number after their last batch where they are known to be gone.
pub(super) type Writers = BTreeMap<u64, Option<u64>>;

/// A writer, from its registration until it ends or somebody else declares it gone.
#[derive(Debug)]
pub(super) struct Writer {
    id: u64,
    /// The number of the next batch. There may be one already, if it is not known how an attempt has ended.
    next: u64,
}

impl Writer {
    pub(super) async fn register(batches: &Batches) -> Result<Self, StoreError> {
        let id = rand::random();
        let add = |writers: Option<Writers>| {
            let mut writers = writers.unwrap_or_default();
            writers.insert(id, None).is_none().then_some(writers)
        };
        batches.documents.change(Kinds::Index, kinds::WRITERS, add).await?;
        Ok(Self { id, next: 1 })
    }

    /// Counts facts, of which some may be counted already. Where this fails or is given up, what was begun is finished
    /// by whoever comes next.
    pub(super) async fn record(&mut self, batches: &Batches, facts: Vec<Fact>) -> Result<(), StoreError> {
        for facts in parts(facts) {
            self.record_part(batches, facts).await?;
        }
        Ok(())
    }

    async fn record_part(&mut self, batches: &Batches, facts: Vec<Fact>) -> Result<(), StoreError> {
        let batch = Batch::Intent(facts);
        for _ in batches.documents.tries() {
            let id = BatchId { writer: self.id, number: self.next };
            let written = batches.insert(id, &batch).await?;
            match batches.finish(id).await? {
                Finished::Missing => {}
                // Another host has taken this one for gone. Nothing is lost: the batch was not taken either.
                Finished::Sealed => *self = Self::register(batches).await?,
                Finished::Done { ahead } => {
                    self.next += 1;
                    // Else it was one of ours whose fate was not known, perhaps with other facts.
                    if written == Written::Yes {
                        return finish_all(batches, ahead).await;
                    }
                }
            }
        }
        Err(batches.documents.contended(Kinds::Batches, &format!("{:016x}", self.id)).into())
    }

    /// Finishes what others have begun, and sees to it that nothing comes from them any more. One that is alive after all
    /// goes on under a new name.
    pub(super) async fn adopt_others(&self, batches: &Batches) -> Result<(), StoreError> {
        let writers: Writers = batches.documents.read(Kinds::Index, kinds::WRITERS).await?.unwrap_or_default();
        let others = writers.iter().filter(|(writer, end)| **writer != self.id && end.is_none());
        let mut ends = Writers::new();
        for writer in others.map(|(writer, _)| *writer) {
            ends.insert(writer, Some(seal(batches, writer).await?));
        }
        let end = |writers: Option<Writers>| {
            let mut writers = writers.unwrap_or_default();
            let before = writers.clone();
            writers.extend(ends.clone());
            (writers != before).then_some(writers)
        };
        Ok(batches.documents.change(Kinds::Index, kinds::WRITERS, end).await?)
    }
}

/// What others had claimed of the same steps is only counted when their batches are done.
async fn finish_all(batches: &Batches, ahead: Vec<BatchId>) -> Result<(), StoreError> {
    for id in ahead {
        batches.finish(id).await?;
    }
    Ok(())
}

/// Brings a writer's batches to their end: the number after the last.
async fn seal(batches: &Batches, writer: u64) -> Result<u64, StoreError> {
    let mut number = batches.done(writer).await? + 1;
    loop {
        let id = BatchId { writer, number };
        match batches.finish(id).await? {
            Finished::Done { .. } => number += 1,
            Finished::Sealed => return Ok(number),
            // Where it is not known to have been written, the next look tells.
            Finished::Missing => {
                let _written: Written = batches.insert(id, &Batch::Sealed).await?;
            }
        }
    }
}

/// Facts in parts that are no too large documents, the facts of a step in one of them.
fn parts(facts: Vec<Fact>) -> Vec<Vec<Fact>> {
    let mut by_step = BTreeMap::<_, Vec<_>>::new();
    let mut met = BTreeSet::new();
    for fact in facts {
        if met.insert(fact.id.clone()) {
            let step = (fact.id.source.clone(), fact.id.aggregate.clone(), fact.id.step);
            by_step.entry(step).or_default().push(fact);
        }
    }
    let (mut parts, mut bytes) = (Vec::<Vec<_>>::new(), BATCH_BYTES_MAX);
    for facts in by_step.into_values() {
        let size: usize = facts.iter().map(size).sum();
        bytes += size;
        match parts.last_mut() {
            Some(part) if bytes <= BATCH_BYTES_MAX => part.extend(facts),
            _ => {
                parts.push(facts);
                bytes = size;
            }
        }
    }
    parts
}

fn size(fact: &Fact) -> usize {
    let props = match &fact.what {
        What::Event { props, name, .. } => props.as_str().len() + name.len(),
        _ => 0,
    };
    FACT_BYTES + props
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::samples;

    #[test]
    fn a_part_has_whole_steps_and_is_no_larger_than_it_may_be() {
        assert_eq!(parts(Vec::new()), Vec::<Vec<Fact>>::new());
        let facts: Vec<_> = (0..20_000).map(samples::numbered).flat_map(|fact| [fact.clone(), fact]).collect();
        let parts = parts(facts);
        assert!(parts.len() > 2);
        assert!(parts.iter().all(|part| part.iter().map(size).sum::<usize>() <= BATCH_BYTES_MAX));
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 20_000);
    }
}
