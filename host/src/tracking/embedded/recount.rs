//! Counting anew from the facts, a piece at a time and in the order in which they have come, while new facts come in,
//! which are counted when their turn comes. Pieces are written with how far they have come, so a crash costs at most one
//! piece.

use fjall::{OwnedWriteBatch, PersistMode};

use super::{
    super::Progress,
    keys,
    tables::{Phase, State, Tables, encode},
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
            Phase::Counting { facts } => self.count_some(scope, facts)?,
            Phase::Whole => Phase::Whole,
        };
        let facts = match &phase {
            Phase::Counting { facts } => *facts,
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
        let phase = if removed < PIECE { Phase::Counting { facts: 0 } } else { Phase::Clearing };
        let state = State { phase, ..scope.state.clone() };
        batch.insert(&tables.states, keys::scope(scope.name()), encode(&state)?);
        batch.commit().map_err(unavailable)?;
        Ok(state.phase)
    }

    fn count_some(&self, scope: usize, before: u64) -> Result<Phase, StoreError> {
        let scope = &self.scopes[scope];
        let tables = &self.tables;
        let mut draft = Draft::new(tables, &self.met);
        let mut counted = before;
        for batch in tables.facts_after(before) {
            let facts = batch?;
            facts.iter().try_for_each(|fact| scope.count(fact, &mut draft))?;
            counted += facts.len() as u64;
            if counted - before >= PIECE as u64 {
                break;
            }
        }
        let phase = if counted == self.facts { Phase::Whole } else { Phase::Counting { facts: counted } };
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
