//! Aggregates with their records and outboxes: as this host knows them, and as they are stored.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use quick_cache::{Weighter, sync::Cache};

use super::{
    super::{Commit, CommitError, Standing, StoreError, Waiting},
    DOCUMENT_BYTES_MAX, Settings,
    collections::Collections,
    decode, encode,
    index::Index,
    journal::{Addition, Journal, Journals},
    lists::{self, Lists},
    outbox::Outbox,
    queues::{Begun, Ended, Queues, Stale},
    raw,
};
use crate::{aggregate::Aggregate, cluster::Client, identity::AggregateId, record::Destination};

/// Records that ride in an aggregate's document, beside the aggregate itself.
const TAIL_BYTES_MAX: usize = 8 << 20;
/// Documents that are read or written side by side, where there are many.
const AT_ONCE: usize = 32;
/// Aggregates that are looked at in one go when nothing else is to be done.
const STALE_MAX: usize = 2000;

/// The aggregates.
pub(super) struct Aggregates {
    client: Arc<Client>,
    index: Index,
    journals: Arc<Journals>,
    cache: Cache<AggregateId, Arc<Known>, KnownSize>,
    /// Held while the cache is changed: how often something was forgotten. What was read before that may be older than
    /// what was forgotten, and is not remembered.
    forgotten: Mutex<u64>,
    queues: Queues,
    lists: Lists,
    bytes_max: usize,
}

/// An aggregate as this host knows it.
pub(super) struct Known {
    pub(super) aggregate: Arc<Aggregate>,
    journal: Journal,
}

#[derive(Clone)]
struct KnownSize;

impl Weighter<AggregateId, Arc<Known>> for KnownSize {
    /// As text and as what was read from it.
    fn weight(&self, _id: &AggregateId, known: &Arc<Known>) -> u64 {
        1000 + 3 * known.journal.bytes() as u64
    }
}

impl Aggregates {
    pub(super) fn new(client: Arc<Client>, host: u64, settings: &Settings) -> Self {
        let entries = usize::try_from(settings.cache_bytes / 8192).unwrap_or(usize::MAX);
        Self {
            index: Index::new(client.clone()),
            journals: Arc::new(Journals::new(client.clone(), Collections::Aggregates, Collections::Records)),
            cache: Cache::with_weighter(entries, settings.cache_bytes, KnownSize),
            forgotten: Mutex::default(),
            queues: Queues::default(),
            lists: Lists::new(client.clone(), host),
            bytes_max: settings.aggregate_bytes_max,
            client,
        }
    }

    /// An aggregate as this host knows it, else as it is stored.
    pub(super) async fn known(&self, id: &AggregateId) -> Result<Option<Arc<Known>>, StoreError> {
        match self.cache.get(id) {
            Some(known) => Ok(Some(known)),
            None => self.read(id).await,
        }
    }

    pub(super) async fn read(&self, id: &AggregateId) -> Result<Option<Arc<Known>>, StoreError> {
        let forgotten = *self.forgotten();
        let Some(journal) = self.journals.get(id.as_str()).await? else { return Ok(None) };
        let known = Arc::new(Known { aggregate: aggregate(id, &journal)?, journal });
        let now = self.forgotten();
        if *now == forgotten {
            self.remember(&now, &known);
        }
        Ok(Some(known))
    }

    pub(super) async fn is_current(&self, aggregate: &Aggregate) -> Result<bool, StoreError> {
        let is_current = self.journals.last(aggregate.id.as_str()).await? == aggregate.step;
        if !is_current {
            self.forget(&aggregate.id);
        }
        Ok(is_current)
    }

    pub(super) async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let Commit { expected, aggregate, records, .. } = commit;
        let id = &aggregate.id;
        let is_expected = |known: &Option<Arc<Known>>| known.as_ref().map_or(0, |known| known.journal.last) == expected;
        let mut before = self.known(id).await?;
        if !is_expected(&before) {
            before = self.read(id).await?;
        }
        if !is_expected(&before) {
            // It is older than what is stored, or what was just read is, if somebody was quicker still.
            self.forget(id);
            return Err(CommitError::Conflict);
        }
        let head = encode(id.as_str(), &*aggregate)?;
        if head.get().len() > self.bytes_max {
            return Err(CommitError::TooLarge { size: head.get().len(), size_max: self.bytes_max });
        }
        let begun = self.queues.begin(id, &records);
        let entries = records.into_iter().map(|record| raw(id.as_str(), record.bytes)).collect::<Result<_, _>>();
        let written = match entries {
            Ok(entries) => {
                let addition = Addition::new(head, entries, begun.change.clone());
                self.write(before.as_deref(), &aggregate, &begun, addition).await
            }
            Err(error) => Err(error.into()),
        };
        let ended = match &written {
            Ok(()) => Ended::Written,
            Err(CommitError::Conflict | CommitError::TooLarge { .. }) => Ended::NotWritten,
            Err(CommitError::Store(_)) => Ended::Unknown,
        };
        self.queues.end(id, &begun, ended);
        written
    }

    async fn write(
        &self,
        before: Option<&Known>,
        aggregate: &Arc<Aggregate>,
        begun: &Begun,
        addition: Addition,
    ) -> Result<(), CommitError> {
        let id = &aggregate.id;
        if !begun.change.added.is_empty() {
            self.lists.add(id).await?;
        }
        if before.is_none() {
            self.index.add_aggregate(id.as_str()).await?;
        }
        let bytes_max = (self.bytes_max + TAIL_BYTES_MAX).min(DOCUMENT_BYTES_MAX);
        let before = before.map(|known| &known.journal);
        match self.journals.append(id.as_str(), before, addition, bytes_max).await {
            Ok(journal) if journal.is_known() => {
                self.journals.move_entries_beside(id.as_str(), &journal);
                self.remember(&self.forgotten(), &Arc::new(Known { aggregate: aggregate.clone(), journal }));
                Ok(())
            }
            // What this host knows is not what is stored.
            unknown => {
                self.forget(id);
                unknown.map(drop)
            }
        }
    }

    /// Puts a version into the cache, unless there is a newer one.
    fn remember(&self, _forgotten: &MutexGuard<'_, u64>, known: &Arc<Known>) {
        let id = &known.aggregate.id;
        if self.cache.peek(id).is_none_or(|newest| newest.journal.last <= known.journal.last) {
            self.cache.insert(id.clone(), known.clone());
        }
    }

    fn forget(&self, id: &AggregateId) {
        let mut forgotten = self.forgotten();
        *forgotten += 1;
        self.cache.remove(id);
    }

    fn forgotten(&self) -> MutexGuard<'_, u64> {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn records(
        &self,
        id: &AggregateId,
        steps: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.journals.entries(id.as_str(), steps).await
    }

    /// Aggregates and what waits of them, as their documents say, in the order of these ids. Past this host's memory.
    pub(super) async fn standing(&self, ids: impl IntoIterator<Item = String>) -> Result<Vec<Standing>, StoreError> {
        let looks = ids.into_iter().map(|id| async move {
            let id: AggregateId = id.parse().map_err(|_| StoreError::Corrupt(format!("'{id}' is no aggregate")))?;
            let Some(journal) = self.journals.get(id.as_str()).await? else { return Ok::<_, StoreError>(None) };
            Ok(Some(Standing { aggregate: aggregate(&id, &journal)?, waiting: journal.outbox }))
        });
        // An id may have been listed whose first step was never taken.
        stream::iter(looks).buffered(AT_ONCE).try_filter_map(|found| async move { Ok(found) }).try_collect().await
    }

    pub(super) async fn after(
        &self,
        after: Option<&AggregateId>,
        count_max: usize,
    ) -> Result<Vec<Arc<Aggregate>>, StoreError> {
        let mut after = after.map(|after| after.as_str().to_owned());
        loop {
            let mut ids = self.index.aggregates_after(after.as_deref()).await?;
            ids.truncate(count_max);
            after = ids.last().cloned();
            let found = self.standing(ids).await?;
            if !found.is_empty() || after.is_none() {
                return Ok(found.into_iter().map(|standing| standing.aggregate).collect());
            }
        }
    }

    pub(super) async fn outbox(
        &self,
        to: Destination,
        steps_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Waiting>, StoreError> {
        let oldest = self.queues.oldest(to, steps_max).into_iter();
        let records = oldest.map(|(place, aggregate, step)| async move {
            let record = self.record(&aggregate, step).await?;
            Ok::<_, StoreError>(Waiting { aggregate, step, place, record: record.into(), told: None })
        });
        let mut records = stream::iter(records).buffered(AT_ONCE);
        let (mut waiting, mut bytes) = (Vec::new(), 0);
        while bytes < bytes_max
            && let Some(next) = records.next().await
        {
            let next = next?;
            bytes += next.record.len();
            waiting.push(next);
        }
        Ok(waiting)
    }

    /// A record that waits, from this host's memory where it is there still.
    async fn record(&self, id: &AggregateId, step: u64) -> Result<Vec<u8>, StoreError> {
        let cached = self.cache.peek(id);
        if let Some(record) = cached.as_ref().and_then(|known| known.journal.tail_entry(step)) {
            return Ok(record.to_vec());
        }
        let found = self.records(id, step..=step).await?.pop();
        found.map(|(_, record)| record).ok_or_else(|| StoreError::Corrupt(format!("record {step} of {id} is missing")))
    }

    pub(super) fn carried(&self, to: Destination, steps: &[Waiting]) {
        for Waiting { aggregate, step, place, .. } in steps {
            self.queues.carried(to, *place, aggregate, *step);
        }
    }

    pub(super) async fn outbox_grew(&self, to: Destination) {
        self.queues.grew(to).await;
    }

    /// Takes over what a host has left that is gone. Whether anything is left of it.
    pub(super) async fn adopt_from(&self, gone: u64) -> Result<bool, StoreError> {
        let ids = lists::listed(&self.client, gone).await?;
        let mut looks = stream::iter(ids)
            .map(|id| async move {
                let found = self.journals.get(id.as_str()).await?;
                Ok::<_, StoreError>((id, found.map(|found| found.outbox).unwrap_or_default()))
            })
            .buffer_unordered(AT_ONCE);
        let mut is_left = false;
        while let Some(found) = looks.next().await {
            let (id, outbox) = found?;
            is_left |= !outbox.is_empty();
            self.queues.adopt(&id, &outbox);
        }
        Ok(is_left)
    }

    /// Brings documents up to date that still speak of what was carried on, some of those that were not used for a while
    /// or, at the end, all. Whether no aggregate is listed then.
    pub(super) async fn refresh(&self, at_the_end: bool) -> Result<bool, StoreError> {
        let count_max = if at_the_end { usize::MAX } else { STALE_MAX };
        let stale = self.queues.stale(count_max, at_the_end);
        let refreshing = stream::iter(stale).for_each_concurrent(AT_ONCE, |stale| async move {
            match self.take_out(&stale).await {
                Ok(()) => self.queues.refreshed(&stale, || self.lists.remove(&stale.id)),
                Err(error) => tracing::debug!(aggregate = %stale.id, %error, "its outbox is brought up to date later"),
            }
        });
        refreshing.await;
        self.lists.tidy().await
    }

    async fn take_out(&self, stale: &Stale) -> Result<(), StoreError> {
        if stale.carried.is_empty() && !stale.is_unsure {
            return Ok(());
        }
        let id = stale.id.as_str();
        let mut cached = self.cache.peek(&stale.id).filter(|_| !stale.is_unsure);
        loop {
            let known = match cached.take() {
                Some(known) => known,
                None => match self.read(&stale.id).await? {
                    Some(known) => known,
                    None => return Ok(()),
                },
            };
            if stale.is_unsure {
                let mut waiting = known.journal.outbox.clone();
                waiting.remove_all(&stale.carried);
                self.queues.adopt(&stale.id, &waiting);
            }
            if stale.carried.is_empty() || is_apart(&known.journal.outbox, &stale.carried) {
                return Ok(());
            }
            if let Some(journal) = self.journals.take_out(id, &known.journal, &stale.carried).await? {
                let known = Arc::new(Known { aggregate: known.aggregate.clone(), journal });
                self.remember(&self.forgotten(), &known);
                return Ok(());
            }
        }
    }

    pub(super) async fn forget_lists_of(&self, gone: u64) -> Result<(), StoreError> {
        lists::forget(&self.client, gone).await
    }
}

/// An aggregate that is what its key says.
fn aggregate(id: &AggregateId, journal: &Journal) -> Result<Arc<Aggregate>, StoreError> {
    let aggregate: Aggregate = decode(id.as_str(), &journal.head)?;
    if aggregate.id != *id {
        return Err(StoreError::Corrupt(format!("{id}: it is {}", aggregate.id)));
    }
    Ok(Arc::new(aggregate))
}

/// Whether nothing of these is in the outbox.
fn is_apart(outbox: &Outbox, carried: &Outbox) -> bool {
    let mut without = outbox.clone();
    without.remove_all(carried);
    without == *outbox
}
