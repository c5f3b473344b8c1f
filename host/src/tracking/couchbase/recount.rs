//! Counting anew: every batch from before a generation is counted in it, in the order of all batches, by any number of
//! hosts at once. Those that came after count in it by themselves.

use super::{
    super::Progress,
    batches::{Batch, Batches, Finished},
    counts::{Mark, deltas},
    kinds::{self, BatchId, Kinds},
    plan::{Generation, Plan},
    writer::Writers,
};
use crate::{cluster::Written, facts::View, identity::ViewName, store::StoreError};
use serde::{Deserialize, Serialize};

/// Facts that are counted before it is said how far they are.
const PIECE: usize = 5000;

/// How far a generation is counted anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Through {
    batch: Option<BatchId>,
    facts: u64,
}

impl Batches {
    /// Says what is counted. Batches come only from hosts that have done so: where there is no plan yet, there are none.
    pub(super) async fn declare(&self, views: &[View]) -> Result<(), StoreError> {
        let declare = |found: Option<Plan>| {
            let declared = found.clone().unwrap_or_default().declaring(views, found.is_none());
            (found.as_ref() != Some(&declared)).then_some(declared)
        };
        Ok(self.documents.change(Kinds::Index, kinds::PLAN, declare).await?)
    }

    /// Has everything, or one view, counted anew. Whether there is such a view.
    pub(super) async fn forget_counts(&self, view: Option<&ViewName>) -> Result<bool, StoreError> {
        for _ in self.documents.tries() {
            let (plan, expected) = self.documents.find::<Plan>(Kinds::Index, kinds::PLAN).await?;
            let Some(plan) = plan.unwrap_or_default().counting_anew(view) else { return Ok(false) };
            // Not known to be written and tried again, it is counted anew once more: no harm.
            if self.documents.write(Kinds::Index, kinds::PLAN, &plan, expected).await? == Written::Yes {
                return Ok(true);
            }
        }
        Err(self.documents.contended(Kinds::Index, kinds::PLAN).into())
    }

    pub(super) async fn recount_some(&self) -> Result<Option<Progress>, StoreError> {
        let plan = self.plan().await?;
        let Some(generation) = plan.waiting() else { return Ok(None) };
        let key = kinds::progress(generation.number);
        let mut through: Through = self.documents.read(Kinds::Index, &key).await?.unwrap_or_default();
        let enough = through.facts + PIECE as u64;
        // Read after the plan: whoever is not among them counts in the generation by itself.
        let writers: Writers = self.documents.read(Kinds::Index, kinds::WRITERS).await?.unwrap_or_default();
        while through.facts < enough {
            let Some(id) = self.next_after(through.batch, &writers).await? else {
                self.documents
                    .change(Kinds::Index, kinds::PLAN, |plan: Option<Plan>| plan?.finishing(generation.number))
                    .await?;
                break;
            };
            through = Through { batch: Some(id), facts: through.facts + self.count_anew(id, generation).await? };
        }
        // Others may be ahead.
        let further = |found: Option<Through>| found.is_none_or(|found| found.batch < through.batch).then_some(through);
        self.documents.change(Kinds::Index, &key, further).await?;
        Ok(Some(Progress { view: generation.view.as_ref().map(|view| view.name.clone()), facts: through.facts }))
    }

    /// The batch after one, in the order of all batches.
    async fn next_after(&self, after: Option<BatchId>, writers: &Writers) -> Result<Option<BatchId>, StoreError> {
        let (first, mut number) = after.map_or((0, 1), |after| (after.writer, after.number + 1));
        for writer in writers.range(first..).map(|(writer, _)| *writer) {
            if writer != first {
                number = 1;
            }
            let id = BatchId { writer, number };
            if matches!(self.get(id).await?.0, Some(Batch::Intent(_) | Batch::Fixed { .. })) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// How many facts the batch has.
    async fn count_anew(&self, id: BatchId, generation: &Generation) -> Result<u64, StoreError> {
        for _ in self.documents.tries() {
            match self.get(id).await?.0 {
                Some(Batch::Fixed { facts, generations }) => {
                    let count = facts.len() as u64;
                    if !generations.contains(&generation.number) {
                        let generation = generation.clone();
                        let deltas = tokio::task::spawn_blocking(move || deltas(&facts, &[generation])).await;
                        let deltas = deltas.map_err(|error| StoreError::Unavailable(error.to_string()))?;
                        self.apply(deltas, Mark::Anew(id)).await?;
                    }
                    return Ok(count);
                }
                // It is not fixed yet in which generations it counts.
                Some(Batch::Intent(_)) => {
                    let _finished: Finished = self.finish(id).await?;
                }
                None | Some(Batch::Sealed) => {
                    return Err(StoreError::Corrupt(format!("batch {id} of the tracking store is missing")));
                }
            }
        }
        Err(self.documents.contended(Kinds::Batches, &id.to_string()).into())
    }
}
