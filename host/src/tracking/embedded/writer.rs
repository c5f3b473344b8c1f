//! The one writer: facts that are new, and what they change of the counts, in one batch.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use fjall::{OwnedWriteBatch, PersistMode};

use super::{
    keys::{self, Of},
    meetings::{IsFirst, Meetings, hours_within},
    met::Met,
    recount::{PIECE, remove_some},
    tables::{Phase, State, Tables, decode, encode},
    taken::Taken,
};
use crate::{
    facts::{Bucket, Entry, EntryValue, Fact, Period, Play, Reduced, Rollup, View, What},
    identity::{Digest, GameId, ReleaseDigest, ViewName},
    store::{StoreError, unavailable},
};

/// Changes when the same facts come to make other roll-ups: then they are counted anew.
const ROLLUP_RULES: &[u8] = b"rollups/2";

pub(super) struct Writer {
    pub(super) tables: Tables,
    /// How many are kept.
    pub(super) facts: u64,
    /// The roll-ups, and every view that is declared.
    pub(super) scopes: Vec<Scope>,
    pub(super) met: Met,
}

/// Something that is counted, and how far.
pub(super) struct Scope {
    /// `None` for the roll-ups.
    pub(super) view: Option<View>,
    pub(super) state: State,
}

impl Scope {
    pub(super) fn name(&self) -> Option<&ViewName> {
        self.view.as_ref().map(|view| &view.name)
    }

    /// Counts a fact that was not counted before.
    pub(super) fn count(&self, fact: &Fact, draft: &mut Draft<'_>) -> Result<(), StoreError> {
        match &self.view {
            None => draft.roll_up(fact),
            Some(view) => match view.entry(fact) {
                Some(entry) => draft.reduce(view, &entry),
                None => Ok(()),
            },
        }
    }
}

impl Writer {
    pub(super) fn open(tables: Tables, views: &[View]) -> Result<Self, StoreError> {
        let mut batch = tables.database.batch().durability(Some(PersistMode::SyncData));
        let scopes = std::iter::once((None, Digest::of(ROLLUP_RULES)))
            .chain(views.iter().map(|view| (Some(view.clone()), view.digest())))
            .map(|(view, digest)| {
                let known = tables.state(view.as_ref().map(|view| &view.name))?;
                let known = known.filter(|known| known.digest == digest);
                // Counts of another definition, or of a view that was declared once, may still be there.
                let phase = known.map_or(Phase::Clearing, |known| known.phase);
                let scope = Scope { view, state: State { digest, phase } };
                batch.insert(&tables.states, keys::scope(scope.name()), encode(&scope.state)?);
                Ok(scope)
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        for entry in tables.states.iter() {
            let key = entry.key().map_err(unavailable)?;
            if !scopes.iter().any(|scope| keys::scope(scope.name()) == *key) {
                // Its state goes last: until then it is found here again.
                remove_all(&tables, &key)?;
                batch.remove(&tables.states, key);
            }
        }
        batch.commit().map_err(unavailable)?;
        let mut writer = Self { facts: tables.facts()?, tables, scopes, met: Met::default() };
        if writer.facts == 0 {
            // Nothing waits to be counted: a store that is new is whole at once.
            while writer.recount_some()?.is_some() {}
        }
        Ok(writer)
    }

    pub(super) fn record(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let mut facts: Vec<_> = facts.iter().collect();
        // Steps whose notes are the same come next to each other, and the database finds each near the one before.
        facts.sort_by(|one, other| one.id.cmp(&other.id));
        facts.dedup_by(|again, fact| again.id == fact.id);
        let mut draft = Draft::new(&self.tables, &self.met);
        let facts = draft.take(&facts)?;
        if facts.is_empty() {
            return Ok(());
        }
        self.tables.add_facts(&mut draft.batch, self.facts, &facts)?;
        // What is being counted anew comes to them in its time.
        for scope in self.scopes.iter().filter(|scope| scope.state.phase == Phase::Whole) {
            facts.iter().try_for_each(|fact| scope.count(fact, &mut draft))?;
        }
        let met = draft.commit()?;
        self.facts += facts.len() as u64;
        self.met.remember(met);
        Ok(())
    }
}

fn remove_all(tables: &Tables, prefix: &[u8]) -> Result<(), StoreError> {
    loop {
        let mut batch = tables.database.batch();
        let removed = remove_some(tables, prefix, &mut batch)?;
        batch.commit().map_err(unavailable)?;
        if removed < PIECE {
            return Ok(());
        }
    }
}

/// Counts as they will be once a batch is written.
pub(super) struct Draft<'a> {
    tables: &'a Tables,
    met: &'a Met,
    pub(super) batch: OwnedWriteBatch,
    places: HashMap<(GameId, ReleaseDigest, u64), Rc<Places>>,
    rollups: Vec<(Vec<u8>, Rollup)>,
    rollups_by_key: HashMap<Vec<u8>, usize>,
    events: HashMap<Vec<u8>, u64>,
    groups: HashMap<Vec<u8>, Reduced>,
    /// Values that were met in a view's groups.
    members: HashSet<Vec<u8>>,
    meetings: HashMap<Vec<u8>, Meetings>,
    /// Who is met in this batch and could not be remembered from another.
    newly_met: HashSet<Digest>,
}

/// Of all time it does not matter in which hour somebody was met.
const ANY_HOUR: u32 = 1;

/// Where the buckets of a fact are kept: facts of one release and hour have the same, and a batch has few others.
struct Places {
    buckets: Vec<Place>,
    release: ReleaseDigest,
    /// Its bit in the day.
    hour: u32,
    /// Of release and hour alone.
    narrowest: Vec<u8>,
    meetings_of_day: Vec<u8>,
    meetings_ever: Vec<u8>,
}

/// Where a bucket is kept.
struct Place {
    period: Period,
    /// Or of all releases.
    of_release: bool,
    events: Vec<u8>,
    /// Which of the draft's roll-ups.
    rollup: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(tables: &'a Tables, met: &'a Met) -> Self {
        Self {
            tables,
            met,
            batch: tables.database.batch().durability(Some(PersistMode::SyncData)),
            places: HashMap::new(),
            rollups: Vec::new(),
            rollups_by_key: HashMap::new(),
            events: HashMap::new(),
            groups: HashMap::new(),
            members: HashSet::new(),
            meetings: HashMap::new(),
            newly_met: HashSet::new(),
        }
    }

    /// Durable once this returns, all or nothing: who was met, to be remembered.
    pub(super) fn commit(mut self) -> Result<HashSet<Digest>, StoreError> {
        for (key, rollup) in &self.rollups {
            self.batch.insert(&self.tables.counts, key.as_slice(), encode(rollup)?);
        }
        for (key, count) in &self.events {
            self.batch.insert(&self.tables.counts, key.as_slice(), encode(count)?);
        }
        for (key, reduced) in &self.groups {
            self.batch.insert(&self.tables.counts, key.as_slice(), encode(reduced)?);
        }
        let members = self.members.into_iter().map(|key| (key, Vec::new()));
        let meetings = self.meetings.into_iter().map(|(key, meetings)| (key, meetings.encode()));
        let mut met: Vec<_> = members.chain(meetings).collect();
        met.sort_unstable();
        for (key, value) in met {
            self.batch.insert(&self.tables.counts, key, value);
        }
        self.batch.commit().map_err(unavailable)?;
        Ok(self.newly_met)
    }

    /// Those of the facts whose steps have not come before. The facts of a step come all together, and the steps in order.
    fn take<'f>(&mut self, facts: &[&'f Fact]) -> Result<Vec<&'f Fact>, StoreError> {
        let mut new = Vec::with_capacity(facts.len());
        for facts in facts.chunk_by(|one, other| keys::are_taken_together(&one.id, &other.id)) {
            let key = keys::taken(&facts[0].id);
            let stored = self.tables.taken.get(&key).map_err(unavailable)?;
            let before = stored.map(|stored| Taken::decode(&stored)).transpose()?.unwrap_or_default();
            let mut after = before;
            for fact in facts.iter().filter(|fact| !before.has(fact.id.step)) {
                after.take(fact.id.step);
                new.push(*fact);
            }
            if after != before {
                self.batch.insert(&self.tables.taken, key, after.encode());
            }
        }
        Ok(new)
    }

    fn roll_up(&mut self, fact: &Fact) -> Result<(), StoreError> {
        let Some(play) = fact.what.play() else { return Ok(()) };
        let places = self.places(fact, play)?;
        for place in &places.buckets {
            if let What::Event { name, .. } = &fact.what {
                self.count_event(&[&place.events, name.as_bytes()].concat())?;
            }
            self.rollups[place.rollup].1.add(&fact.what);
        }
        let player = [fact.id.source.as_str().as_bytes(), &[0], fact.id.aggregate.as_str().as_bytes()].concat();
        let session = play.session.as_str().as_bytes();
        let both = Digest::of(&[&places.narrowest, &player, &[0][..], session].concat());
        if !self.met.remembers(&both) && self.newly_met.insert(both) {
            self.meet(&places, keys::PLAYER, &player, |rollup| &mut rollup.players)?;
            self.meet(&places, keys::SESSION, session, |rollup| &mut rollup.sessions)?;
        }
        Ok(())
    }

    fn places(&mut self, fact: &Fact, play: &Play) -> Result<Rc<Places>, StoreError> {
        let hour_start_ms = Period::Hour.start_of(fact.at_ms);
        let common = (play.game.clone(), play.release, hour_start_ms);
        if let Some(places) = self.places.get(&common) {
            return Ok(places.clone());
        }
        let buckets = fact.buckets().into_iter().map(|bucket| {
            let [events, rollup] = [Of::Event, Of::Rollup].map(|of| keys::bucket(of, &bucket));
            let Bucket { period, release, .. } = bucket;
            Ok(Place { period, of_release: release.is_some(), events, rollup: self.rollup(rollup)? })
        });
        let buckets = buckets.collect::<Result<_, StoreError>>()?;
        let meetings = |release: Option<ReleaseDigest>, period: Period| {
            let start_ms = period.start_of(fact.at_ms);
            keys::bucket(Of::Meetings, &Bucket { game: play.game.clone(), release, period, start_ms })
        };
        let places = Rc::new(Places {
            buckets,
            release: play.release,
            hour: hours_within(&(hour_start_ms..hour_start_ms + 1), Period::Day.start_of(fact.at_ms)),
            narrowest: meetings(Some(play.release), Period::Hour),
            meetings_of_day: meetings(None, Period::Day),
            meetings_ever: meetings(None, Period::Ever),
        });
        self.places.insert(common, places.clone());
        Ok(places)
    }

    /// The position of a roll-up among those that are changed.
    fn rollup(&mut self, key: Vec<u8>) -> Result<usize, StoreError> {
        if let Some(position) = self.rollups_by_key.get(&key) {
            return Ok(*position);
        }
        let stored = self.tables.counts.get(&key).map_err(unavailable)?;
        let rollup = stored.map(|stored| decode(&stored)).transpose()?.unwrap_or_default();
        let position = self.rollups.len();
        self.rollups.push((key.clone(), rollup));
        self.rollups_by_key.insert(key, position);
        Ok(position)
    }

    fn count_event(&mut self, key: &[u8]) -> Result<(), StoreError> {
        *changing(&mut self.events, self.tables, key)? += 1;
        Ok(())
    }

    fn reduce(&mut self, view: &View, entry: &Entry) -> Result<(), StoreError> {
        if let EntryValue::Member(member) = &entry.value
            && !self.is_new(keys::group_member(&view.name, &entry.key, member))?
        {
            return Ok(());
        }
        let key = keys::group(&view.name, &entry.key);
        if !self.groups.contains_key(&key) {
            let stored = self.tables.counts.get(&key).map_err(unavailable)?;
            let reduced = stored.map(|stored| decode(&stored)).transpose()?;
            self.groups.insert(key.clone(), reduced.unwrap_or_else(|| Reduced::nothing(view.reduce)));
        }
        if let Some(reduced) = self.groups.get_mut(&key) {
            reduced.add(&entry.value);
        }
        Ok(())
    }

    /// Counts somebody in the buckets in which nobody has met them.
    fn meet(
        &mut self,
        places: &Places,
        kind: u8,
        name: &[u8],
        count: impl Fn(&mut Rollup) -> &mut u64,
    ) -> Result<(), StoreError> {
        let of_day = [&places.meetings_of_day, &[kind][..], name].concat();
        let of_day = self.note_meeting(of_day, &places.release, places.hour)?;
        let ever = if of_day.in_release {
            let ever = [&places.meetings_ever, &[kind][..], name].concat();
            Some(self.note_meeting(ever, &places.release, ANY_HOUR)?)
        } else {
            // Whoever was met on that day was met.
            None
        };
        for place in &places.buckets {
            let is_first = match (place.period, place.of_release) {
                (Period::Hour, true) => of_day.of_hour_in_release,
                (Period::Hour, false) => of_day.of_hour,
                (Period::Day, true) => of_day.in_release,
                (Period::Day, false) => of_day.at_all,
                (Period::Ever, true) => ever.is_some_and(|ever| ever.in_release),
                (Period::Ever, false) => ever.is_some_and(|ever| ever.at_all),
            };
            if is_first {
                *count(&mut self.rollups[place.rollup].1) += 1;
            }
        }
        Ok(())
    }

    fn note_meeting(&mut self, key: Vec<u8>, release: &ReleaseDigest, hour: u32) -> Result<IsFirst, StoreError> {
        let mut meetings = match self.meetings.get(&key) {
            Some(meetings) => meetings.clone(),
            None => {
                let stored = self.tables.counts.get(&key).map_err(unavailable)?;
                stored.map(|stored| Meetings::decode(&stored)).transpose()?.unwrap_or_default()
            }
        };
        let is_first = meetings.meet(release, hour);
        if is_first.of_hour_in_release {
            self.meetings.insert(key, meetings);
        }
        Ok(is_first)
    }

    fn is_new(&mut self, key: Vec<u8>) -> Result<bool, StoreError> {
        let is_known = self.members.contains(&key) || self.tables.counts.contains_key(&key).map_err(unavailable)?;
        if !is_known {
            self.members.insert(key);
        }
        Ok(!is_known)
    }
}

/// A count as it is so far, to be changed.
fn changing<'a, T: Default + serde::de::DeserializeOwned>(
    counts: &'a mut HashMap<Vec<u8>, T>,
    tables: &Tables,
    key: &[u8],
) -> Result<&'a mut T, StoreError> {
    if !counts.contains_key(key) {
        let stored = tables.counts.get(key).map_err(unavailable)?;
        let count = stored.map(|stored| decode(&stored)).transpose()?;
        counts.insert(key.to_vec(), count.unwrap_or_default());
    }
    Ok(counts.entry(key.to_vec()).or_default())
}
