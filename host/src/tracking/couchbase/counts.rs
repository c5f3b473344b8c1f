//! Roll-ups and groups of views, a document each, and how a batch changes each of them once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    batches::Batches,
    kinds::{self, BatchId, Kinds},
    plan::Generation,
};
use crate::{
    cluster::Written,
    facts::{Fact, GroupTally, Tally},
    identity::GameId,
    store::StoreError,
};

/// Marks of batches that a count carries along without asking whether they are done.
const MARKS_KEPT: usize = 8;

/// Something that is counted, with what it has counted lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Count<T> {
    pub(super) value: T,
    /// The newest batch of each writer that was counted here, unless it is done and forgotten.
    batches: BTreeMap<u64, u64>,
    /// Up to which batch was counted anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anew: Option<BatchId>,
}

/// On whose account a count is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A batch that counts in the generation by itself, after those of its writer that were before it.
    Batch(BatchId),
    /// A batch from before the generation, in the order of all batches.
    Anew(BatchId),
}

/// What can be added to a count.
pub(super) trait Delta: Clone + Serialize + DeserializeOwned + Send + Sync {
    fn add_all(&mut self, other: &Self);
}

impl Delta for Tally {
    fn add_all(&mut self, other: &Self) {
        self.add_all(other);
    }
}

/// A group, with its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) key: Vec<String>,
    pub(super) tally: GroupTally,
}

impl Delta for Group {
    fn add_all(&mut self, other: &Self) {
        self.tally.add_all(&other.tally);
    }
}

/// What some facts change, by the keys of documents.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    pub(super) games: Vec<GameId>,
    pub(super) tallies: BTreeMap<String, Tally>,
    /// Keys of groups by the lists that they are to be in.
    pub(super) groups: BTreeMap<String, Vec<Vec<String>>>,
    pub(super) group_tallies: BTreeMap<String, Group>,
}

/// What facts change in some generations, from nothing but the facts.
pub(super) fn deltas(facts: &[Fact], generations: &[Generation]) -> Deltas {
    let mut deltas = Deltas::default();
    let games: BTreeSet<_> = facts.iter().filter_map(|fact| fact.what.play()).map(|play| play.game.clone()).collect();
    deltas.games = games.into_iter().collect();
    for Generation { number, view, .. } in generations {
        for fact in facts {
            match view {
                None => {
                    for bucket in fact.buckets() {
                        deltas.tallies.entry(kinds::bucket(*number, &bucket)).or_default().add(fact);
                    }
                }
                Some(view) => {
                    let Some(entry) = view.entry(fact) else { continue };
                    let nothing = || Group { key: entry.key.clone(), tally: GroupTally::nothing(view.reduce) };
                    let key = kinds::group(*number, &entry.key);
                    let group = deltas.group_tallies.entry(key).or_insert_with(|| {
                        let list = kinds::group_list_of(*number, &entry.key);
                        deltas.groups.entry(list).or_default().push(entry.key.clone());
                        nothing()
                    });
                    group.tally.add(&entry);
                }
            }
        }
    }
    deltas
}

impl<T> Count<T> {
    fn has(&self, mark: Mark) -> bool {
        match mark {
            Mark::Batch(id) => self.batches.get(&id.writer).is_some_and(|number| *number >= id.number),
            Mark::Anew(id) => self.anew.is_some_and(|anew| anew >= id),
        }
    }

    fn remember(&mut self, mark: Mark) {
        match mark {
            Mark::Batch(id) => {
                self.batches.insert(id.writer, id.number);
            }
            Mark::Anew(id) => self.anew = Some(id),
        }
    }
}

impl Batches {
    pub(super) async fn apply_one<T: Delta>(&self, key: &str, delta: &T, mark: Mark) -> Result<(), StoreError> {
        for _ in self.documents.tries() {
            let (found, expected) = self.documents.find::<Count<T>>(Kinds::Counts, key).await?;
            if found.as_ref().is_some_and(|found| found.has(mark)) {
                return Ok(());
            }
            // After the count was read, and not before: see the module `batches`.
            if let Mark::Batch(id) = mark
                && self.is_done_now(id).await?
            {
                return Ok(());
            }
            let mut count = match found {
                None => Count { value: delta.clone(), batches: BTreeMap::new(), anew: None },
                Some(mut found) => {
                    found.value.add_all(delta);
                    found
                }
            };
            self.forget_done(&mut count.batches).await?;
            count.remember(mark);
            if self.documents.write(Kinds::Counts, key, &count, expected).await? == Written::Yes {
                return Ok(());
            }
        }
        Err(self.documents.contended(Kinds::Counts, key).into())
    }

    /// Writers come and go: what they have left is forgotten where it may be.
    async fn forget_done(&self, batches: &mut BTreeMap<u64, u64>) -> Result<(), StoreError> {
        if batches.len() > MARKS_KEPT {
            let ids: Vec<_> =
                batches.iter().map(|(writer, number)| BatchId { writer: *writer, number: *number }).collect();
            for id in self.which_are_done(&ids).await? {
                batches.remove(&id.writer);
            }
        }
        Ok(())
    }
}
