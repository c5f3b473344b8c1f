//! The one writer: facts that are new, and what they change of the counts, in one batch.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use fjall::{OwnedWriteBatch, PersistMode};

use super::{
    keys,
    met::Met,
    recount::{PIECE, remove_some},
    tables::{Phase, State, Tables, decode, encode},
};
use crate::{
    facts::{Entry, EntryValue, Fact, Period, Play, Reduced, Rollup, View, What},
    identity::{Digest, GameId, ReleaseDigest, ViewName},
    store::{StoreError, unavailable},
};

/// Changes when the same facts come to make other roll-ups: then they are counted anew.
const ROLLUP_RULES: &[u8] = b"rollups/1";

pub(super) struct Writer {
    pub(super) tables: Tables,
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
        let mut writer = Self { tables, scopes, met: Met::default() };
        if writer.tables.facts.first_key_value().is_none() {
            // Nothing waits to be counted: a store that is new is whole at once.
            while writer.recount_some()?.is_some() {}
        }
        Ok(writer)
    }

    pub(super) fn record(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let mut facts: Vec<_> = facts.iter().map(|fact| (keys::fact(&fact.id), fact)).collect();
        // In the order of keys the database finds each near the one before, and that costs it a fraction.
        facts.sort_by(|(one, _), (other, _)| one.cmp(other));
        facts.dedup_by(|(again, _), (key, _)| again == key);
        let mut draft = Draft::new(&self.tables, &self.met);
        let mut any_is_new = false;
        for (key, fact) in facts {
            if self.tables.facts.contains_key(&key).map_err(unavailable)? {
                continue;
            }
            draft.batch.insert(&self.tables.facts, key.as_slice(), encode(fact)?);
            for scope in self.scopes.iter().filter(|scope| scope.state.counts(&key)) {
                scope.count(fact, &mut draft)?;
            }
            any_is_new = true;
        }
        if any_is_new {
            let met = draft.commit()?;
            self.met.remember(met);
        }
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
    places: HashMap<(GameId, ReleaseDigest, u64), Rc<[Place]>>,
    rollups: Vec<(Vec<u8>, Rollup)>,
    rollups_by_key: HashMap<Vec<u8>, usize>,
    events: HashMap<Vec<u8>, u64>,
    groups: HashMap<Vec<u8>, Reduced>,
    members: HashSet<Vec<u8>>,
    /// Who is met in this batch and could not be remembered from another.
    newly_met: HashSet<Digest>,
}

/// Where a bucket is kept: facts of one release and hour have the same buckets, and a batch has few others.
struct Place {
    members: Vec<u8>,
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
        let mut members: Vec<_> = self.members.into_iter().collect();
        members.sort_unstable();
        for key in members {
            self.batch.insert(&self.tables.counts, key, []);
        }
        self.batch.commit().map_err(unavailable)?;
        Ok(self.newly_met)
    }

    fn roll_up(&mut self, fact: &Fact) -> Result<(), StoreError> {
        let Some(play) = fact.what.play() else { return Ok(()) };
        let places = self.places(fact, play)?;
        for place in places.iter() {
            if let What::Event { name, .. } = &fact.what {
                self.count_event(&[&place.events, name.as_bytes()].concat())?;
            }
            self.rollups[place.rollup].1.add(&fact.what);
        }
        let player = [fact.id.source.as_str().as_bytes(), &[0], fact.id.aggregate.as_str().as_bytes()].concat();
        let session = play.session.as_str().as_bytes();
        let narrowest = places.first().map_or(&[][..], |place| &place.members);
        let both = Digest::of(&[narrowest, &player, &[0], session].concat());
        if !self.met.remembers(&both) && self.newly_met.insert(both) {
            self.meet(&places, keys::PLAYER, &player, |rollup| &mut rollup.players)?;
            self.meet(&places, keys::SESSION, session, |rollup| &mut rollup.sessions)?;
        }
        Ok(())
    }

    /// Where a fact's buckets are kept, the narrowest first.
    fn places(&mut self, fact: &Fact, play: &Play) -> Result<Rc<[Place]>, StoreError> {
        let common = (play.game.clone(), play.release, Period::Hour.start_of(fact.at_ms));
        if let Some(places) = self.places.get(&common) {
            return Ok(places.clone());
        }
        let places = fact.buckets().into_iter().map(|bucket| {
            let [members, events, rollup] =
                [keys::Of::Member, keys::Of::Event, keys::Of::Rollup].map(|of| keys::bucket(of, &bucket));
            Ok(Place { members, events, rollup: self.rollup(rollup)? })
        });
        let places = places.collect::<Result<Rc<[_]>, StoreError>>()?;
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

    /// Counts somebody in the buckets in which nobody has met them. Whoever was met in the narrowest was met in all of
    /// them, and whoever was not met in the widest, which is the last, in none.
    fn meet(
        &mut self,
        places: &[Place],
        kind: u8,
        name: &[u8],
        count: impl Fn(&mut Rollup) -> &mut u64,
    ) -> Result<(), StoreError> {
        let key = |place: &Place| [&place.members, &[kind][..], name].concat();
        let (Some(narrowest), Some(widest)) = (places.first(), places.last()) else { return Ok(()) };
        if self.is_known(&key(narrowest))? {
            return Ok(());
        }
        let is_new_in_all = !self.is_known(&key(widest))?;
        for place in places {
            let key = key(place);
            if is_new_in_all || !self.is_known(&key)? {
                *count(&mut self.rollups[place.rollup].1) += 1;
                self.members.insert(key);
            }
        }
        Ok(())
    }

    fn is_new(&mut self, key: Vec<u8>) -> Result<bool, StoreError> {
        let is_known = self.is_known(&key)?;
        if !is_known {
            self.members.insert(key);
        }
        Ok(!is_known)
    }

    fn is_known(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.members.contains(key) || self.tables.counts.contains_key(key).map_err(unavailable)?)
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
