//! A walk over one snapshot of the database. The outbox lies in the order of commits and aggregates in that of their
//! ids, so what waits is gathered for many aggregates at a time.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use async_trait::async_trait;
use fjall::{Readable as _, Snapshot};

use super::{
    super::{Outbox, Standing, StoreError},
    tables::{Tables, decode_aggregate, read_step_key, unavailable},
};
use crate::{identity::AggregateId, record::Destination};

/// Aggregates that are read in one go.
const PAGE: usize = 64;
/// Aggregates with steps that wait, of which they are gathered in one reading of the outbox.
const GATHERED_MAX: usize = 1 << 16;

pub(super) struct Walk<'a> {
    tables: &'a Tables,
    snapshot: Snapshot,
    after: Option<AggregateId>,
    gathered: Option<Gathered>,
    gathered_max: usize,
}

/// What waits of a stretch of aggregates, from where the walk was on.
struct Gathered {
    waiting: BTreeMap<AggregateId, Outbox>,
    /// The first aggregate beyond the stretch; none where it goes to the end.
    until: Option<AggregateId>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tables: &'a Tables, after: Option<&AggregateId>) -> Self {
        Self::gathering(tables, after, GATHERED_MAX)
    }

    fn gathering(tables: &'a Tables, after: Option<&AggregateId>, gathered_max: usize) -> Self {
        let snapshot = tables.database.snapshot();
        Self { tables, snapshot, after: after.cloned(), gathered: None, gathered_max }
    }

    fn page(&mut self) -> Result<Vec<Standing>, StoreError> {
        let start = self.after.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str().as_bytes()));
        let range = self.snapshot.range::<&[u8], _>(&self.tables.aggregates, (start, Bound::Unbounded));
        let aggregates: Vec<_> = range
            .take(PAGE)
            .map(|entry| {
                let (key, document) = entry.into_inner().map_err(unavailable)?;
                decode_aggregate(&String::from_utf8_lossy(&key), &document)
            })
            .collect::<Result<_, _>>()?;
        let mut page = Vec::with_capacity(aggregates.len());
        for aggregate in aggregates {
            let waiting = self.waiting(&aggregate.id)?;
            self.after = Some(aggregate.id.clone());
            page.push(Standing { aggregate: Arc::new(aggregate), waiting });
        }
        Ok(page)
    }

    /// What waits of the next aggregate of the walk.
    fn waiting(&mut self, id: &AggregateId) -> Result<Outbox, StoreError> {
        let is_within = |gathered: &Gathered| gathered.until.as_ref().is_none_or(|until| id < until);
        let mut gathered = match self.gathered.take().filter(is_within) {
            Some(gathered) => gathered,
            None => gather(self.tables, &self.snapshot, id, self.gathered_max)?,
        };
        let waiting = gathered.waiting.remove(id).unwrap_or_default();
        self.gathered = Some(gathered);
        Ok(waiting)
    }
}

#[async_trait]
impl super::Walk for Walk<'_> {
    async fn next(&mut self) -> Result<Vec<Standing>, StoreError> {
        tokio::task::block_in_place(|| self.page())
    }
}

/// What waits of the first aggregates from this one on.
fn gather(tables: &Tables, snapshot: &Snapshot, from: &AggregateId, count_max: usize) -> Result<Gathered, StoreError> {
    let mut gathered = Gathered { waiting: BTreeMap::new(), until: None };
    for to in Destination::ALL {
        for key in tables.outbox.all(to, snapshot) {
            let (id, step) = read_step_key(&key?)?;
            if id < *from || gathered.until.as_ref().is_some_and(|until| id >= *until) {
                continue;
            }
            gathered.waiting.entry(id).or_default().insert(to, step);
            if gathered.waiting.len() > count_max {
                gathered.until = gathered.waiting.pop_last().map(|(id, _)| id);
            }
        }
    }
    Ok(gathered)
}

#[cfg(test)]
mod tests {
    use super::{super::*, Walk, *};
    use crate::record::{Destinations, EncodedRecord};

    /// However many are gathered at a time: of every aggregate all that waits is found.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_waits_is_gathered_in_stretches_of_any_length() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            directory: directory.path().join("store"),
            cache_bytes: 1 << 20,
            aggregate_bytes_max: 1 << 20,
            disk_reserve_bytes: 0,
        };
        let store = Embedded::open(&settings).unwrap();
        let mut expected = BTreeMap::new();
        // Committed in another order than that of ids; of some nothing waits.
        for number in (0..150_u64).map(|number| number * 37 % 150) {
            let mut aggregate = Aggregate::new(format!("player/p{number}").parse().unwrap());
            aggregate.step = 3;
            let mut waiting = Outbox::default();
            let records = (1..=3).map(|step| {
                let destinations =
                    Destinations { notifications: number % 3 == 0, tracking: number % 5 == 0 && step != 2 };
                destinations.iter().for_each(|to| waiting.insert(to, step));
                EncodedRecord { step, destinations, bytes: b"{}".to_vec(), told: None }
            });
            let records = records.collect();
            expected.insert(aggregate.id.clone(), waiting);
            let commit = Commit { expected: 0, aggregate: Arc::new(aggregate), records, under_way: 1 };
            store.commit(commit).await.unwrap();
        }
        for gathered_max in [1, 2, 7, 40, 150] {
            let mut walk = Walk::gathering(&store.tables, None, gathered_max);
            let mut found = BTreeMap::new();
            loop {
                let page = walk.page().unwrap();
                if page.is_empty() {
                    break;
                }
                found.extend(page.into_iter().map(|standing| (standing.aggregate.id.clone(), standing.waiting)));
            }
            assert_eq!(found, expected, "{gathered_max} at a time");
        }
        store.close().await;
    }
}
