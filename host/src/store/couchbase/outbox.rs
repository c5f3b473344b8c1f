//! How what waits of an aggregate, which rides in its document, changes with it.

pub(super) use super::super::outbox::Outbox;

/// How an outbox changes when its document does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// What was carried on.
    pub(super) carried: Outbox,
    /// What waits from now on.
    pub(super) added: Outbox,
}

impl Outbox {
    /// As it is after a change.
    pub(super) fn after(&self, change: &Change) -> Self {
        let mut after = self.clone();
        after.remove_all(&change.carried);
        after.insert_all(&change.added);
        after
    }
}
