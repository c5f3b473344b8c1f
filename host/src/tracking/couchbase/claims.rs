//! Which steps were counted, in documents of some steps of an aggregate each. A step is counted by the batch that was
//! first to claim it. Nobody waits for a claim: it stands until its batch is done, whoever brings it there, and then
//! its steps are among those that were counted.

use std::collections::BTreeMap;

use rangemap::RangeInclusiveSet;
use serde::{Deserialize, Serialize};

use super::kinds::{self, BatchId};
use crate::facts::Fact;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// By batches that are done.
    counted: RangeInclusiveSet<u64>,
    /// By batches that may not be: at most one of each writer.
    open: Vec<Claim>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    batch: BatchId,
    steps: RangeInclusiveSet<u64>,
}

impl Claims {
    /// Batches whose claims stand.
    pub(super) fn open(&self) -> impl Iterator<Item = BatchId> {
        self.open.iter().map(|claim| claim.batch)
    }

    /// What a batch has claimed.
    pub(super) fn of(&self, batch: BatchId) -> RangeInclusiveSet<u64> {
        self.open.iter().find(|claim| claim.batch == batch).map(|claim| claim.steps.clone()).unwrap_or_default()
    }

    /// Claims for a batch what nobody has claimed: `None` where there is nothing to be written, because it has claimed
    /// before, or everything is taken. Claims of batches that are done are folded.
    pub(super) fn claiming(&self, batch: BatchId, steps: &[u64], is_done: impl Fn(BatchId) -> bool) -> Option<Self> {
        if self.open().any(|open| open == batch) {
            return None;
        }
        let is_taken =
            |step: &u64| self.counted.contains(step) || self.open.iter().any(|claim| claim.steps.contains(step));
        let free: RangeInclusiveSet<u64> =
            steps.iter().filter(|step| !is_taken(step)).map(|step| *step..=*step).collect();
        if free.is_empty() {
            return None;
        }
        let mut claims = self.clone();
        claims.open.retain(|claim| {
            if is_done(claim.batch) {
                claims.counted.extend(claim.steps.iter().cloned());
            }
            !is_done(claim.batch)
        });
        claims.open.push(Claim { batch, steps: free });
        Some(claims)
    }

    /// Batches that have claimed some of these steps before this one could.
    pub(super) fn ahead(&self, batch: BatchId, steps: &[u64]) -> Vec<BatchId> {
        let others = self.open.iter().filter(|claim| claim.batch != batch);
        let overlapping = others.filter(|claim| steps.iter().any(|step| claim.steps.contains(step)));
        overlapping.map(|claim| claim.batch).collect()
    }
}

/// The steps of facts, by the documents in which they are claimed.
pub(super) fn steps_of(facts: &[Fact]) -> BTreeMap<String, Vec<u64>> {
    let mut steps = BTreeMap::<_, Vec<_>>::new();
    for fact in facts {
        let steps: &mut Vec<u64> = steps.entry(kinds::claims(&fact.id)).or_default();
        if !steps.contains(&fact.id.step) {
            steps.push(fact.id.step);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(writer: u64, number: u64) -> BatchId {
        BatchId { writer, number }
    }

    fn steps(claims: &Claims, id: BatchId) -> Vec<u64> {
        claims.of(id).into_iter().flatten().collect()
    }

    #[test]
    fn a_step_is_claimed_once_and_claims_are_folded_when_they_are_done() {
        let nobody = |_: BatchId| false;
        let (one, other, late) = (batch(1, 1), batch(2, 1), batch(1, 2));
        let claims = Claims::default().claiming(one, &[1, 2, 3], nobody).unwrap();
        assert_eq!(claims.claiming(one, &[1, 2, 3, 4], nobody), None, "it has claimed");
        assert_eq!(claims.claiming(other, &[2, 3], nobody), None, "all is taken");
        assert_eq!(claims.ahead(other, &[3, 4]), [one]);
        let claims = claims.claiming(other, &[3, 4, 7], nobody).unwrap();
        assert_eq!((steps(&claims, one), steps(&claims, other)), (vec![1, 2, 3], vec![4, 7]));
        let folded = claims.claiming(late, &[1, 5, 7], |open| open == one).unwrap();
        assert_eq!((steps(&folded, one), steps(&folded, late)), (vec![], vec![5]));
        assert_eq!(folded.open().collect::<Vec<_>>(), [other, late]);
        assert_eq!(folded.ahead(late, &[1, 5, 7]), [other]);
        assert_eq!(folded.claiming(one, &[1, 2, 3], nobody), None, "whoever comes late with it finds it counted");
        let text = serde_json::to_string(&folded).unwrap();
        assert_eq!(serde_json::from_str::<Claims>(&text).unwrap(), folded);
    }
}
