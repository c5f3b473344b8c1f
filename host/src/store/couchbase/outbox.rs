//! What of an aggregate waits to be carried on, as it rides in its document: numbers of steps, by destination.

use rangemap::RangeInclusiveSet;
use serde::{Deserialize, Serialize};

use crate::record::{Destination, EncodedRecord};

/// Steps that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Outbox {
    #[serde(skip_serializing_if = "RangeInclusiveSet::is_empty")]
    notifications: RangeInclusiveSet<u64>,
    #[serde(skip_serializing_if = "RangeInclusiveSet::is_empty")]
    tracking: RangeInclusiveSet<u64>,
}

/// How an outbox changes when its document does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// What was carried on.
    pub(super) carried: Outbox,
    /// What waits from now on.
    pub(super) added: Outbox,
}

impl Outbox {
    /// What waits after these steps.
    pub(super) fn of(records: &[EncodedRecord]) -> Self {
        let mut outbox = Self::default();
        for record in records {
            let destinations = Destination::ALL.into_iter().filter(|to| record.destinations.contains(*to));
            destinations.for_each(|to| outbox.insert(to, record.step));
        }
        outbox
    }

    pub(super) fn is_empty(&self) -> bool {
        self.notifications.is_empty() && self.tracking.is_empty()
    }

    pub(super) fn contains(&self, to: Destination, step: u64) -> bool {
        self.steps_to(to).contains(&step)
    }

    pub(super) fn insert(&mut self, to: Destination, step: u64) {
        self.steps_to_mut(to).insert(step..=step);
    }

    pub(super) fn remove(&mut self, to: Destination, step: u64) {
        self.steps_to_mut(to).remove(step..=step);
    }

    pub(super) fn insert_all(&mut self, other: &Self) {
        for to in Destination::ALL {
            other.steps_to(to).iter().for_each(|steps| self.steps_to_mut(to).insert(steps.clone()));
        }
    }

    pub(super) fn remove_all(&mut self, other: &Self) {
        for to in Destination::ALL {
            other.steps_to(to).iter().for_each(|steps| self.steps_to_mut(to).remove(steps.clone()));
        }
    }

    /// As it is after a change.
    pub(super) fn after(&self, change: &Change) -> Self {
        let mut after = self.clone();
        after.remove_all(&change.carried);
        after.insert_all(&change.added);
        after
    }

    /// Everything that waits, of each destination in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Destination, u64)> + '_ {
        Destination::ALL.into_iter().flat_map(|to| {
            let steps = self.steps_to(to).iter().cloned().flatten();
            steps.map(move |step| (to, step))
        })
    }

    fn steps_to(&self, to: Destination) -> &RangeInclusiveSet<u64> {
        match to {
            Destination::Notifications => &self.notifications,
            Destination::Tracking => &self.tracking,
        }
    }

    fn steps_to_mut(&mut self, to: Destination) -> &mut RangeInclusiveSet<u64> {
        match to {
            Destination::Notifications => &mut self.notifications,
            Destination::Tracking => &mut self.tracking,
        }
    }
}
