//! The one writer: facts that are new, and what they change of the counts, in one batch.

use std::collections::{HashMap, HashSet};

use fjall::{OwnedWriteBatch, PersistMode};

use super::{
    keys,
    recount::{PIECE, remove_some},
    tables::{Phase, State, Tables, decode, encode},
};
use crate::{
    facts::{Entry, EntryValue, Fact, Reduced, Rollup, View, What},
    identity::{Digest, ViewName},
    store::{StoreError, unavailable},
};

/// Changes when the same facts come to make other roll-ups: then they are counted anew.
const ROLLUP_RULES: &[u8] = b"rollups/1";

pub(super) struct Writer {
    pub(super) tables: Tables,
    /// The roll-ups, and every view that is declared.
    pub(super) scopes: Vec<Scope>,
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
        let mut writer = Self { tables, scopes };
        if writer.tables.facts.first_key_value().is_none() {
            // Nothing waits to be counted: a store that is new is whole at once.
            while writer.recount_some()?.is_some() {}
        }
        Ok(writer)
    }

    pub(super) fn record(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let mut draft = Draft::new(&self.tables);
        let mut new = HashSet::new();
        for fact in facts {
            let key = keys::fact(&fact.id);
            if new.contains(&key) || self.tables.facts.contains_key(&key).map_err(unavailable)? {
                continue;
            }
            draft.batch.insert(&self.tables.facts, key.as_slice(), encode(fact)?);
            for scope in self.scopes.iter().filter(|scope| scope.state.counts(&key)) {
                scope.count(fact, &mut draft)?;
            }
            new.insert(key);
        }
        if new.is_empty() { Ok(()) } else { draft.commit() }
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
    pub(super) batch: OwnedWriteBatch,
    rollups: HashMap<Vec<u8>, Rollup>,
    events: HashMap<Vec<u8>, u64>,
    groups: HashMap<Vec<u8>, Reduced>,
    members: HashSet<Vec<u8>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            batch: tables.database.batch().durability(Some(PersistMode::SyncData)),
            rollups: HashMap::new(),
            events: HashMap::new(),
            groups: HashMap::new(),
            members: HashSet::new(),
        }
    }

    /// Durable once this returns, all or nothing.
    pub(super) fn commit(mut self) -> Result<(), StoreError> {
        for (key, rollup) in &self.rollups {
            self.batch.insert(&self.tables.counts, key.as_slice(), encode(rollup)?);
        }
        for (key, count) in &self.events {
            self.batch.insert(&self.tables.counts, key.as_slice(), encode(count)?);
        }
        for (key, reduced) in &self.groups {
            self.batch.insert(&self.tables.counts, key.as_slice(), encode(reduced)?);
        }
        for key in &self.members {
            self.batch.insert(&self.tables.counts, key.as_slice(), []);
        }
        self.batch.commit().map_err(unavailable)
    }

    fn roll_up(&mut self, fact: &Fact) -> Result<(), StoreError> {
        let Some(play) = fact.what.play() else { return Ok(()) };
        let player = [fact.id.source.as_str().as_bytes(), &[0], fact.id.aggregate.as_str().as_bytes()].concat();
        let (mut player_may_be_new, mut session_may_be_new) = (true, true);
        for (number, bucket) in fact.buckets().into_iter().enumerate() {
            let met = keys::bucket(keys::Of::Member, &bucket);
            let new_player = player_may_be_new && self.meet(&met, keys::PLAYER, &player)?;
            let new_session = session_may_be_new && self.meet(&met, keys::SESSION, play.session.as_str().as_bytes())?;
            if let What::Event { name, .. } = &fact.what {
                self.count_event(&[&keys::bucket(keys::Of::Event, &bucket), name.as_bytes()].concat())?;
            }
            let rollup = changing(&mut self.rollups, self.tables, &keys::bucket(keys::Of::Rollup, &bucket))?;
            rollup.add(&fact.what);
            rollup.players += u64::from(new_player);
            rollup.sessions += u64::from(new_session);
            if number == 0 {
                // The first is the narrowest: whoever was met there before was met in all of them.
                (player_may_be_new, session_may_be_new) = (new_player, new_session);
            }
        }
        Ok(())
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

    /// Whether somebody is met for the first time in a bucket.
    fn meet(&mut self, bucket: &[u8], kind: u8, name: &[u8]) -> Result<bool, StoreError> {
        self.is_new([bucket, &[kind], name].concat())
    }

    fn is_new(&mut self, key: Vec<u8>) -> Result<bool, StoreError> {
        let known = self.members.contains(&key) || self.tables.counts.contains_key(&key).map_err(unavailable)?;
        if !known {
            self.members.insert(key);
        }
        Ok(!known)
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
