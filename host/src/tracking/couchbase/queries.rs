//! Answers, from documents whose keys are known: the buckets of a range, and the lists of a view's groups.

use std::{collections::BTreeSet, ops::Range};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    super::{Counted, EventCount, Group, Series, Total, ViewQuery},
    batches::{AT_ONCE, Batches},
    counts::{self, Count},
    kinds::{self, Kinds},
};
use crate::{
    facts::{Bucket, Period, Rollup, Tally, spans},
    identity::{GameId, ViewName},
    store::StoreError,
};

/// Buckets of one answer: more than any question may be about.
const BUCKETS_MAX: u64 = 10_000;

impl Batches {
    /// The generation of the roll-ups that answers, and whether it is whole.
    async fn rollups(&self) -> Result<(u64, bool), StoreError> {
        let plan = self.plan().await?;
        let missing = || StoreError::Corrupt("the plan of the tracking store is missing".to_owned());
        let (generation, complete) = plan.scope(None).and_then(|scope| scope.answers()).ok_or_else(missing)?;
        Ok((generation.number, complete))
    }

    pub(super) async fn series(&self, series: Series) -> Result<Counted<Vec<(u64, Rollup)>>, StoreError> {
        let (generation, complete) = self.rollups().await?;
        let tallies = self.tallies(generation, &series).await?;
        let rows = tallies.into_iter().map(|(start_ms, tally)| (start_ms, tally.rollup()));
        Ok(Counted { answer: rows.collect(), complete })
    }

    pub(super) async fn events(
        &self,
        series: Series,
        name: Option<String>,
        rows_max: usize,
    ) -> Result<Counted<Vec<EventCount>>, StoreError> {
        let (generation, complete) = self.rollups().await?;
        let tallies = self.tallies(generation, &series).await?;
        let rows = tallies.iter().flat_map(|(start_ms, tally)| {
            let events = tally.events().filter(|(found, _)| name.as_ref().is_none_or(|name| name == found));
            events.map(|(name, count)| EventCount { start_ms: *start_ms, name: name.to_owned(), count })
        });
        Ok(Counted { answer: rows.take(rows_max).collect(), complete })
    }

    pub(super) async fn totals(
        &self,
        game: Option<GameId>,
        range: Option<Range<u64>>,
    ) -> Result<Counted<Vec<Total>>, StoreError> {
        let (generation, complete) = self.rollups().await?;
        let games: BTreeSet<GameId> = match &game {
            Some(game) => BTreeSet::from([game.clone()]),
            None => self.documents.listed(Kinds::Index, kinds::GAMES).await?,
        };
        let spans = range.map_or_else(|| vec![(Period::Ever, 0..1)], spans);
        let mut totals = Vec::new();
        for of in games {
            let (mut sum, mut is_met) = (Tally::default(), game.is_some());
            for (period, range) in spans.clone() {
                let series = Series { game: of.clone(), release: None, period, range };
                for (_, tally) in self.tallies(generation, &series).await? {
                    sum.add_all(&tally);
                    is_met = true;
                }
            }
            // A game without facts in the range has a row if it has facts at all; listed, it may have none yet.
            if is_met || spans.first().is_none_or(|(period, _)| *period != Period::Ever) {
                totals.push(Total { game: of, rollup: sum.rollup(), members_counted: true });
            }
        }
        Ok(Counted { answer: totals, complete })
    }

    /// The buckets of a series that have facts, in their order.
    async fn tallies(&self, generation: u64, series: &Series) -> Result<Vec<(u64, Tally)>, StoreError> {
        let Series { game, release, period, range } = series;
        let starts = starts(*period, range)?;
        let reading = starts.into_iter().map(|start_ms| {
            let bucket = Bucket { game: game.clone(), release: *release, period: *period, start_ms };
            let (documents, key) = (self.documents.clone(), kinds::bucket(generation, &bucket));
            async move {
                let count = documents.read::<Count<Tally>>(Kinds::Counts, &key).await?;
                Ok::<_, StoreError>(count.map(|count| (start_ms, count.value)))
            }
        });
        let found: Vec<_> = stream::iter(reading).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    pub(super) async fn view(
        &self,
        name: ViewName,
        query: ViewQuery,
    ) -> Result<Option<Counted<Vec<Group>>>, StoreError> {
        let plan = self.plan().await?;
        let Some((generation, complete)) = plan.scope(Some(&name)).and_then(|scope| scope.answers()) else {
            return Ok(None);
        };
        let number = generation.number;
        let lists = (0..kinds::GROUP_LISTS).map(|list| {
            let (documents, key) = (self.documents.clone(), kinds::group_list(number, list));
            async move { documents.listed::<Vec<String>>(Kinds::Index, &key).await }
        });
        let lists: Vec<_> = stream::iter(lists).buffer_unordered(AT_ONCE).try_collect().await?;
        let is_wanted =
            |key: &Vec<String>| key.starts_with(&query.prefix) && query.after.as_ref().is_none_or(|after| key > after);
        let keys: BTreeSet<_> = lists.into_iter().flatten().filter(is_wanted).collect();
        let reading = keys.into_iter().map(|key| {
            let (documents, key) = (self.documents.clone(), kinds::group(number, &key));
            async move { documents.read::<Count<counts::Group>>(Kinds::Counts, &key).await }
        });
        let mut reading = stream::iter(reading).buffered(AT_ONCE.min(query.groups_max.max(1)));
        let mut groups = Vec::new();
        // A group is listed before it is there.
        while groups.len() < query.groups_max
            && let Some(found) = reading.next().await
        {
            let group = found?.map(|count| Group { key: count.value.key, value: count.value.tally.reduced() });
            groups.extend(group);
        }
        drop(reading);
        Ok(Some(Counted { answer: groups, complete }))
    }
}

/// When the buckets of a range begin.
fn starts(period: Period, range: &Range<u64>) -> Result<Vec<u64>, StoreError> {
    if period == Period::Ever {
        return Ok(range.contains(&0).then_some(0).into_iter().collect());
    }
    let length = period.length_ms();
    let (first, end) = (range.start.div_ceil(length), range.end.div_ceil(length));
    if end.saturating_sub(first) > BUCKETS_MAX {
        return Err(StoreError::Unavailable(format!("a range has at most {BUCKETS_MAX} hours or days")));
    }
    Ok((first..end).map(|number| number * length).collect())
}
