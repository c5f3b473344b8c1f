//! What of an aggregate waits to be carried on: numbers of steps, by destination.

use rangemap::RangeInclusiveSet;
use serde::{Deserialize, Serialize};

use crate::record::{Destination, Destinations, EncodedRecord};

/// The steps of one aggregate that wait to be carried on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outbox {
    #[serde(skip_serializing_if = "RangeInclusiveSet::is_empty")]
    notifications: RangeInclusiveSet<u64>,
    #[serde(skip_serializing_if = "RangeInclusiveSet::is_empty")]
    tracking: RangeInclusiveSet<u64>,
}

impl Outbox {
    /// What waits after these steps.
    pub(crate) fn of(records: &[EncodedRecord]) -> Self {
        let mut outbox = Self::default();
        for record in records {
            record.destinations.iter().for_each(|to| outbox.insert(to, record.step));
        }
        outbox
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notifications.is_empty() && self.tracking.is_empty()
    }

    /// Whether this step waits to be carried there.
    #[must_use]
    pub fn contains(&self, to: Destination, step: u64) -> bool {
        self.steps_to(to).contains(&step)
    }

    /// This step waits to be carried there.
    pub fn insert(&mut self, to: Destination, step: u64) {
        self.steps_to_mut(to).insert(step..=step);
    }

    pub(crate) fn remove(&mut self, to: Destination, step: u64) {
        self.steps_to_mut(to).remove(step..=step);
    }

    pub(crate) fn insert_all(&mut self, other: &Self) {
        for to in Destination::ALL {
            other.steps_to(to).iter().for_each(|steps| self.steps_to_mut(to).insert(steps.clone()));
        }
    }

    pub(crate) fn remove_all(&mut self, other: &Self) {
        for to in Destination::ALL {
            other.steps_to(to).iter().for_each(|steps| self.steps_to_mut(to).remove(steps.clone()));
        }
    }

    /// Everything that waits, of each destination in order.
    pub fn iter(&self) -> impl Iterator<Item = (Destination, u64)> + '_ {
        Destination::ALL.into_iter().flat_map(|to| {
            let steps = self.steps_to(to).iter().cloned().flatten();
            steps.map(move |step| (to, step))
        })
    }

    /// Where this step waits to be carried to.
    #[must_use]
    pub fn destinations(&self, step: u64) -> Destinations {
        Destinations {
            notifications: self.contains(Destination::Notifications, step),
            tracking: self.contains(Destination::Tracking, step),
        }
    }

    /// How many steps wait, each counted for each of its destinations.
    #[must_use]
    pub fn count(&self) -> u64 {
        let ranges = Destination::ALL.into_iter().flat_map(|to| self.steps_to(to).iter());
        ranges.map(|steps| steps.end() - steps.start() + 1).sum()
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
