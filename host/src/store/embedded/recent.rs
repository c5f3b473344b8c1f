//! The steps of a queue of the outbox that were committed lately, so that a carrier that keeps up need not read them
//! again. The database has them all: what does not fit in here is found there.

use std::{collections::VecDeque, sync::Arc};

use fjall::Slice;

use crate::record::{Told, ToldAct};

/// Keys and records that are kept for a carrier that is a little behind. They are shared with the database's own memory
/// as long as it has them there.
const BYTES_MAX: usize = 32 << 20;
/// What a step takes besides, with what it tells: a guess, for one that wants nothing done elsewhere.
const STEP_BYTES: usize = 512;

/// A step that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Its place in the outbox.
    pub(super) place: u64,
    /// The key of its record.
    pub(super) key: Slice,
    pub(super) record: Slice,
    pub(super) told: Option<Arc<Told>>,
}

impl Step {
    fn bytes(&self) -> usize {
        let has_effects = |told: &Arc<Told>| matches!(&told.act, ToldAct::Played(play) if !play.effects.is_empty());
        // They are in what it tells as well as in its record.
        let effects = if self.told.as_ref().is_some_and(has_effects) { self.record.len() } else { 0 };
        STEP_BYTES + self.key.len() + self.record.len() + effects
    }
}

/// Steps in the order of their places, the newest of the queue among them.
#[derive(Debug)]
pub(super) struct Recent {
    steps: VecDeque<Step>,
    bytes: usize,
    bytes_max: usize,
    /// Whether no other steps wait than these.
    is_all: bool,
    /// How often they were too many.
    overflows: u64,
}

/// What was in memory at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    first: Option<u64>,
    overflows: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { steps: VecDeque::new(), bytes: 0, bytes_max: BYTES_MAX, is_all: false, overflows: 0 }
    }
}

impl Recent {
    /// A step was committed.
    pub(super) fn push(&mut self, step: Step) {
        if self.bytes + step.bytes() > self.bytes_max {
            let Self { overflows, bytes_max, .. } = *self;
            *self = Self { overflows: overflows + 1, bytes_max, ..Self::default() };
            return;
        }
        self.bytes += step.bytes();
        self.steps.push_back(step);
    }

    /// The oldest steps, none after so many bytes of records; `None` where older ones may be in the database alone.
    pub(super) fn oldest(&self, steps_max: usize, bytes_max: usize) -> Option<Vec<Step>> {
        let mut bytes = 0;
        let fits = |step: &&Step| {
            // The first fits whatever it has: nothing at all would mean that nothing waits.
            let fits = bytes < bytes_max.max(1);
            bytes += step.record.len();
            fits
        };
        self.is_all.then(|| self.steps.iter().take(steps_max).take_while(fits).cloned().collect())
    }

    pub(super) fn seen(&self) -> Seen {
        Seen { first: self.steps.front().map(|step| step.place), overflows: self.overflows }
    }

    /// After the instant of `seen` the database was looked into, and this was the oldest place there. Steps get their
    /// places in the order in which they are committed, and are in the database before they are in here.
    pub(super) fn looked(&mut self, seen: &Seen, oldest: Option<u64>) {
        let nothing_older = match (seen.first, oldest) {
            (None, None) => true,
            (Some(first), Some(oldest)) => oldest >= first,
            (None, Some(_)) | (Some(_), None) => false,
        };
        // What came while too much was there is in the database alone.
        self.is_all |= nothing_older && seen.overflows == self.overflows;
    }

    /// These were carried: the place before which nothing waits any more, where that is known.
    pub(super) fn removed(&mut self, places: &[u64]) -> Option<u64> {
        let last = places.iter().copied().max()?;
        let mut carried = places.to_vec();
        carried.sort_unstable();
        self.steps.retain(|step| carried.binary_search(&step.place).is_err());
        self.bytes = self.steps.iter().map(Step::bytes).sum();
        self.is_all.then(|| self.steps.front().map_or(last + 1, |step| step.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(place: u64) -> Step {
        Step { place, key: Slice::from([]), record: Slice::from([0; 100]), told: None }
    }

    fn recent(places: impl IntoIterator<Item = u64>) -> Recent {
        let mut recent = Recent { bytes_max: 10 * step(0).bytes(), ..Recent::default() };
        places.into_iter().for_each(|place| recent.push(step(place)));
        recent
    }

    fn places(recent: &Recent, steps_max: usize, bytes_max: usize) -> Option<Vec<u64>> {
        recent.oldest(steps_max, bytes_max).map(|steps| steps.iter().map(|step| step.place).collect())
    }

    #[test]
    fn steps_are_given_out_once_nothing_older_waits_in_the_database() {
        let mut recent = recent([5, 7]);
        assert_eq!(places(&recent, 10, 1000), None);
        let seen = recent.seen();
        recent.looked(&seen, Some(3));
        assert_eq!(places(&recent, 10, 1000), None);
        recent.looked(&seen, Some(5));
        recent.push(step(8));
        assert_eq!(places(&recent, 10, 1000), Some(vec![5, 7, 8]));
        assert_eq!(places(&recent, 2, 1000), Some(vec![5, 7]));
        assert_eq!(places(&recent, 10, 101), Some(vec![5, 7]), "none after so many bytes");
        assert_eq!(places(&recent, 10, 0), Some(vec![5]), "none at all only where nothing waits");
        assert_eq!(recent.removed(&[5, 7]), Some(8));
        assert_eq!(recent.removed(&[8]), Some(9));
        assert_eq!(places(&recent, 10, 1000), Some(vec![]));
    }

    #[test]
    fn an_empty_queue_has_all_and_one_whose_steps_are_not_here_has_not() {
        let mut empty = recent([]);
        let seen = empty.seen();
        empty.looked(&seen, Some(1));
        assert_eq!(places(&empty, 10, 1000), None);
        empty.looked(&seen, None);
        empty.push(step(1));
        assert_eq!(places(&empty, 10, 1000), Some(vec![1]));
    }

    #[test]
    fn what_is_too_much_is_left_to_the_database_until_that_was_caught_up_with() {
        let mut recent = recent([]);
        recent.looked(&recent.seen(), None);
        (1..=11).for_each(|place| recent.push(step(place)));
        assert_eq!(places(&recent, 20, 10_000), None);
        let before = recent.seen();
        assert_eq!(recent.removed(&[1, 2, 3]), None);
        (12..=30).for_each(|place| recent.push(step(place)));
        recent.looked(&before, None);
        assert_eq!(places(&recent, 20, 10_000), None, "some were lost since that look");
        let seen = recent.seen();
        recent.looked(&seen, Some(22));
        assert_eq!(places(&recent, 20, 10_000), None);
        let first = seen.first;
        recent.looked(&seen, first);
        assert_eq!(places(&recent, 20, 10_000).and_then(|places| places.first().copied()), first);
    }
}
