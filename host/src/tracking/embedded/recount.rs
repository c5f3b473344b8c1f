//! Counting anew from the facts, a piece at a time, while new facts come in. What is being counted covers the facts up
//! to one of them, in the order of their keys: a new fact before it is counted at once, one behind it when its turn
//! comes. Pieces are written with how far they have come, so a crash costs at most one piece.

use fjall::{OwnedWriteBatch, PersistMode};

use super::{
    super::Progress,
    keys,
    tables::{FactKey, Phase, State, Tables, decode_fact, encode},
    writer::{Draft, Writer},
};
use crate::{
    identity::ViewName,
    store::{StoreError, unavailable},
};

/// Facts, or counts that are removed, of one piece: what waits for the writer waits no longer than for this.
pub(super) const PIECE: usize = 5000;

/// Removes counts under a prefix with this batch, once it is committed. How many: a piece, or the last ones.
pub(super) fn remove_some(tables: &Tables, prefix: &[u8], batch: &mut OwnedWriteBatch) -> Result<usize, StoreError> {
    let mut removed = 0;
    for entry in tables.counts.prefix(prefix).take(PIECE) {
        batch.remove(&tables.counts, entry.key().map_err(unavailable)?);
        removed += 1;
    }
    Ok(removed)
}

impl Writer {
    pub(super) fn recount_some(&mut self) -> Result<Option<Progress>, StoreError> {
        let Some(scope) = self.scopes.iter().position(|scope| scope.state.phase != Phase::Whole) else {
            return Ok(None);
        };
        let phase = match self.scopes[scope].state.phase.clone() {
            Phase::Clearing => self.clear_some(scope)?,
            Phase::Counting { through, facts } => self.count_some(scope, through, facts)?,
            Phase::Whole => Phase::Whole,
        };
        let facts = match &phase {
            Phase::Counting { facts, .. } => *facts,
            Phase::Clearing | Phase::Whole => 0,
        };
        let scope = &mut self.scopes[scope];
        scope.state.phase = phase;
        Ok(Some(Progress { view: scope.name().cloned(), facts }))
    }

    fn clear_some(&self, scope: usize) -> Result<Phase, StoreError> {
        let scope = &self.scopes[scope];
        let tables = &self.tables;
        let mut batch = tables.database.batch().durability(Some(PersistMode::SyncData));
        let removed = remove_some(tables, &keys::scope(scope.name()), &mut batch)?;
        let phase = if removed < PIECE { Phase::Counting { through: None, facts: 0 } } else { Phase::Clearing };
        let state = State { phase, ..scope.state.clone() };
        batch.insert(&tables.states, keys::scope(scope.name()), encode(&state)?);
        batch.commit().map_err(unavailable)?;
        Ok(state.phase)
    }

    fn count_some(&self, scope: usize, through: Option<FactKey>, facts: u64) -> Result<Phase, StoreError> {
        let scope = &self.scopes[scope];
        let tables = &self.tables;
        let mut draft = Draft::new(tables, &self.met);
        // A key's successor is the key with a zero byte.
        let start = through.as_ref().map_or_else(Vec::new, |through| [through.0.as_slice(), &[0]].concat());
        let mut last = through;
        let mut counted = 0;
        for entry in tables.facts.range(start..).take(PIECE) {
            let (key, fact) = entry.into_inner().map_err(unavailable)?;
            scope.count(&decode_fact(&key, &fact)?, &mut draft)?;
            last = Some(FactKey(key.to_vec()));
            counted += 1;
        }
        let phase = if counted < PIECE {
            Phase::Whole
        } else {
            Phase::Counting { through: last, facts: facts + counted as u64 }
        };
        let state = State { phase, ..scope.state.clone() };
        draft.batch.insert(&tables.states, keys::scope(scope.name()), encode(&state)?);
        draft.commit()?;
        Ok(state.phase)
    }

    pub(super) fn forget_counts(&mut self, view: Option<&ViewName>) -> Result<bool, StoreError> {
        self.met.forget();
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::SyncData));
        let mut forgotten = Vec::new();
        for (number, scope) in self.scopes.iter().enumerate() {
            if view.is_none() || scope.name() == view {
                let state = State { phase: Phase::Clearing, ..scope.state.clone() };
                batch.insert(&self.tables.states, keys::scope(scope.name()), encode(&state)?);
                forgotten.push((number, state));
            }
        }
        batch.commit().map_err(unavailable)?;
        let found = !forgotten.is_empty();
        for (number, state) in forgotten {
            self.scopes[number].state = state;
        }
        Ok(found)
    }
}
