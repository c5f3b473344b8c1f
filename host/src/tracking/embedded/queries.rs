//! Answers from the counts.

use std::{
    collections::{BTreeMap, HashSet},
    ops::{Bound, Range},
};

use fjall::Readable as _;

use super::{
    super::{Counted, EventCount, Group, Series, Total, ViewQuery},
    keys::{self, Of},
    meetings::{Meetings, hours_within},
    tables::{Look, decode},
};
use crate::{
    facts::{Bucket, Period, Rollup, Span, spans},
    identity::{GameId, ViewName},
    limits::STATS_MEMBERS_MAX,
    store::{StoreError, unavailable},
};

impl Look<'_> {
    pub(super) fn series(&self, series: &Series) -> Result<Counted<Vec<(u64, Rollup)>>, StoreError> {
        let mut rows = Vec::new();
        self.each_of(Of::Rollup, series, |start_ms, _, rollup| {
            rows.push((start_ms, decode(rollup)?));
            Ok(true)
        })?;
        self.counted(rows)
    }

    pub(super) fn events(
        &self,
        series: &Series,
        name: Option<&str>,
        rows_max: usize,
    ) -> Result<Counted<Vec<EventCount>>, StoreError> {
        let mut rows = Vec::new();
        self.each_of(Of::Event, series, |start_ms, rest, count| {
            let found = String::from_utf8_lossy(rest);
            if name.is_none_or(|name| name == found) {
                rows.push(EventCount { start_ms, name: found.into_owned(), count: decode(count)? });
            }
            Ok(rows.len() < rows_max)
        })?;
        self.counted(rows)
    }

    pub(super) fn totals(
        &self,
        game: Option<&GameId>,
        range: Option<Range<u64>>,
    ) -> Result<Counted<Vec<Total>>, StoreError> {
        let games = match game {
            Some(game) => vec![game.clone()],
            None => self.games()?,
        };
        let mut members_left = STATS_MEMBERS_MAX;
        let totals = games.into_iter().map(|game| match &range {
            None => self.total_ever(game),
            Some(range) => self.total_of(game, spans(range.clone()), &mut members_left),
        });
        self.counted(totals.collect::<Result<_, _>>()?)
    }

    pub(super) fn view(&self, name: &ViewName, query: &ViewQuery) -> Result<Option<Counted<Vec<Group>>>, StoreError> {
        let Some(complete) = self.is_whole(Some(name))? else { return Ok(None) };
        let prefix = keys::group(name, &query.prefix);
        let after = query.after.as_ref().map(|after| keys::group(name, after)).filter(|after| *after >= prefix);
        let start = after.map_or(Bound::Included(prefix.clone()), Bound::Excluded);
        let mut groups = Vec::new();
        for entry in self.snapshot.range(&self.tables.counts, (start, Bound::Unbounded)).take(query.groups_max) {
            let (key, value) = entry.into_inner().map_err(unavailable)?;
            if !key.starts_with(&prefix) {
                break;
            }
            let damaged = || StoreError::Corrupt(format!("a key of view {name}"));
            groups.push(Group { key: keys::group_fields(name, &key).ok_or_else(damaged)?, value: decode(&value)? });
        }
        Ok(Some(Counted { answer: groups, complete }))
    }

    fn counted<T>(&self, answer: T) -> Result<Counted<T>, StoreError> {
        Ok(Counted { answer, complete: self.is_whole(None)? == Some(true) })
    }

    /// The games that have facts, in the order of their ids.
    fn games(&self) -> Result<Vec<GameId>, StoreError> {
        let prefix = keys::period_prefix(Of::Rollup, Period::Ever);
        let mut games = Vec::new();
        for entry in self.snapshot.prefix(&self.tables.counts, &prefix) {
            let key = entry.key().map_err(unavailable)?;
            games.extend(keys::game_of_all_releases(&key, &prefix));
        }
        Ok(games)
    }

    fn total_ever(&self, game: GameId) -> Result<Total, StoreError> {
        let bucket = Bucket { game, release: None, period: Period::Ever, start_ms: 0 };
        let rollup = self.count(&keys::bucket(Of::Rollup, &bucket))?.unwrap_or_default();
        Ok(Total { game: bucket.game, rollup, members_counted: true })
    }

    fn total_of(&self, game: GameId, spans: Vec<Span>, members_left: &mut usize) -> Result<Total, StoreError> {
        let mut rollup = Rollup::default();
        let mut members = HashSet::new();
        for (period, range) in spans {
            let series = Series { game: game.clone(), release: None, period, range };
            self.each_of(Of::Rollup, &series, |_, _, found| {
                rollup.add_all(&decode(found)?);
                Ok(true)
            })?;
            let days = Period::Day.start_of(series.range.start)..series.range.end;
            let of_days = Series { period: Period::Day, range: days, ..series.clone() };
            self.each_of(Of::Meetings, &of_days, |day_ms, member, meetings| {
                *members_left = members_left.saturating_sub(1);
                if Meetings::decode(meetings)?.is_in(hours_within(&series.range, day_ms)) {
                    members.insert(member.to_vec());
                }
                Ok(*members_left > 0)
            })?;
        }
        let mut kinds = BTreeMap::<u8, u64>::new();
        for member in &members {
            *kinds.entry(member.first().copied().unwrap_or_default()).or_default() += 1;
        }
        rollup.players = kinds.get(&keys::PLAYER).copied().unwrap_or_default();
        rollup.sessions = kinds.get(&keys::SESSION).copied().unwrap_or_default();
        Ok(Total { game, rollup, members_counted: *members_left > 0 })
    }

    /// Goes through what is kept of a series, with the bucket's start and what the key has beyond it, as long as it is
    /// told to go on.
    fn each_of(
        &self,
        of: Of,
        series: &Series,
        mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let base = keys::series(of, series.period, &series.game, series.release.as_ref());
        let bound = |start_ms: u64| [base.as_slice(), &start_ms.to_be_bytes()].concat();
        if series.range.is_empty() {
            return Ok(());
        }
        for entry in self.snapshot.range(&self.tables.counts, bound(series.range.start)..bound(series.range.end)) {
            let (key, value) = entry.into_inner().map_err(unavailable)?;
            let parts =
                key.strip_prefix(base.as_slice()).and_then(|rest| rest.split_first_chunk::<{ keys::START_BYTES }>());
            let (start, rest) = parts.ok_or_else(|| StoreError::Corrupt("a key of the roll-ups".to_owned()))?;
            if !each(u64::from_be_bytes(*start), rest, &value)? {
                break;
            }
        }
        Ok(())
    }
}
