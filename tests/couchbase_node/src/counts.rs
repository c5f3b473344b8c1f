//! How often each operation was asked for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::protocol::Operation;

/// How often each operation was asked for, also where a fault kept it from happening.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts(BTreeMap<Operation, u64>);

impl Counts {
    pub(crate) fn count(&mut self, operation: Operation) {
        *self.0.entry(operation).or_default() += 1;
    }

    /// How often this operation.
    pub fn of(&self, operation: Operation) -> u64 {
        self.0.get(&operation).copied().unwrap_or(0)
    }

    /// How often anything about a document: an SDK's round trips, without those by which it connects and keeps informed.
    pub fn documents(&self) -> u64 {
        self.0.iter().filter(|(operation, _)| operation.is_for_document()).map(|(_, count)| count).sum()
    }

    /// What was counted after these.
    pub fn since(&self, earlier: &Self) -> Self {
        let after = self.0.iter().map(|(operation, count)| (*operation, count - earlier.of(*operation)));
        Self(after.filter(|(_, count)| *count > 0).collect())
    }
}
