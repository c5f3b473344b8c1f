//! What this host is to carry on, in its memory: the steps that it has committed, and those of hosts that are gone. Of
//! what was carried it remembers what the documents still say, until a further step or a quiet moment takes it out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::outbox::{Change, Outbox};
use crate::{
    identity::AggregateId,
    record::{Destination, EncodedRecord},
};

/// How long an aggregate is listed after its last step: whoever plays on is not listed anew at every step.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// The queues, one for each destination.
#[derive(Default)]
pub(super) struct Queues {
    state: Mutex<State>,
    notifications_grew: Notify,
    tracking_grew: Notify,
}

#[derive(Default)]
struct State {
    aggregates: HashMap<AggregateId, Seen>,
    notifications: BTreeMap<u64, (AggregateId, u64)>,
    tracking: BTreeMap<u64, (AggregateId, u64)>,
    places: u64,
}

/// An aggregate of which something waits or may be in a document.
struct Seen {
    /// Commits that have begun and not ended.
    under_way: u32,
    /// A commit ended and nobody knows how.
    is_unsure: bool,
    /// To be carried on by this host.
    waiting: Outbox,
    /// Carried on, which its document does not say yet.
    carried: Outbox,
    used: Instant,
}

/// An aggregate whose document may say too much.
pub(super) struct Stale {
    pub(super) id: AggregateId,
    /// What was carried on.
    pub(super) carried: Outbox,
    /// Nobody knows whether something waits in it.
    pub(super) is_unsure: bool,
}

/// A commit that has begun.
pub(super) struct Begun {
    pub(super) change: Change,
    /// Nothing waits of the aggregate, before or after.
    is_idle: bool,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Written,
    NotWritten,
    /// Nobody knows.
    Unknown,
}

impl Queues {
    /// Before a commit: what it changes in the outbox. The aggregate must be listed before anything is written, if
    /// something waits then.
    pub(super) fn begin(&self, id: &AggregateId, records: &[EncodedRecord]) -> Begun {
        let added = Outbox::of(records);
        let mut state = self.state();
        if added.is_empty() && !state.aggregates.contains_key(id) {
            return Begun { change: Change::default(), is_idle: true };
        }
        let seen = state.seen(id);
        seen.under_way += 1;
        Begun { change: Change { carried: seen.carried.clone(), added }, is_idle: false }
    }

    /// After the commit that has begun so.
    pub(super) fn end(&self, id: &AggregateId, begun: &Begun, ended: Ended) {
        let Begun { change, is_idle } = begun;
        if *is_idle {
            return;
        }
        let mut state = self.state();
        let seen = state.seen(id);
        seen.under_way = seen.under_way.saturating_sub(1);
        seen.is_unsure |= ended == Ended::Unknown;
        if ended == Ended::Written {
            seen.carried.remove_all(&change.carried);
            state.add(id, &change.added);
            drop(state);
            self.has_grown();
        }
    }

    /// What the document of an aggregate says, of which no living host takes care.
    pub(super) fn adopt(&self, id: &AggregateId, found: &Outbox) {
        let mut state = self.state();
        let mut new = found.clone();
        if let Some(seen) = state.aggregates.get(id) {
            new.remove_all(&seen.waiting);
            new.remove_all(&seen.carried);
        }
        if !new.is_empty() {
            state.add(id, &new);
            drop(state);
            self.has_grown();
        }
    }

    /// The oldest that wait, each with its place.
    pub(super) fn oldest(&self, to: Destination, count_max: usize) -> Vec<(u64, AggregateId, u64)> {
        let state = self.state();
        let oldest = state.queue(to).iter().take(count_max);
        oldest.map(|(place, (id, step))| (*place, id.clone(), *step)).collect()
    }

    pub(super) fn carried(&self, to: Destination, place: u64, id: &AggregateId, step: u64) {
        let mut state = self.state();
        let queue = state.queue_mut(to);
        if queue.get(&place).is_some_and(|(queued, number)| (queued, *number) == (id, step)) {
            queue.remove(&place);
        }
        if let Some(seen) = state.aggregates.get_mut(id).filter(|seen| seen.waiting.contains(to, step)) {
            seen.waiting.remove(to, step);
            seen.carried.insert(to, step);
        }
    }

    pub(super) async fn grew(&self, to: Destination) {
        match to {
            Destination::Notifications => self.notifications_grew.notified().await,
            Destination::Tracking => self.tracking_grew.notified().await,
        }
    }

    /// Aggregates of which nothing waits and that were not used for a while; at the end, all.
    pub(super) fn stale(&self, count_max: usize, at_the_end: bool) -> Vec<Stale> {
        let state = self.state();
        let is_stale = |seen: &Seen| at_the_end || seen.is_quiet() && seen.used.elapsed() > IDLE_TIME;
        let stale = state.aggregates.iter().filter(|(_, seen)| is_stale(seen));
        let stale = stale.map(|(id, seen)| {
            let Seen { carried, is_unsure, .. } = seen;
            Stale { id: id.clone(), carried: carried.clone(), is_unsure: *is_unsure }
        });
        stale.take(count_max).collect()
    }

    /// What a document said too much is out of it. Calls `forgotten`, before anybody can begin another commit, if
    /// nothing of the aggregate is left to do.
    pub(super) fn refreshed(&self, stale: &Stale, forgotten: impl FnOnce()) {
        let mut state = self.state();
        let Some(seen) = state.aggregates.get_mut(&stale.id) else { return };
        seen.carried.remove_all(&stale.carried);
        if seen.is_quiet() {
            seen.is_unsure &= !stale.is_unsure;
            if seen.carried.is_empty() && !seen.is_unsure {
                state.aggregates.remove(&stale.id);
                forgotten();
            }
        }
    }

    fn has_grown(&self) {
        self.notifications_grew.notify_one();
        self.tracking_grew.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn seen(&mut self, id: &AggregateId) -> &mut Seen {
        let seen = self.aggregates.entry(id.clone()).or_insert_with(|| Seen {
            under_way: 0,
            is_unsure: false,
            waiting: Outbox::default(),
            carried: Outbox::default(),
            used: Instant::now(),
        });
        seen.used = Instant::now();
        seen
    }

    fn add(&mut self, id: &AggregateId, steps: &Outbox) {
        self.seen(id).waiting.insert_all(steps);
        for (to, step) in steps.iter() {
            let place = self.places;
            self.places += 1;
            self.queue_mut(to).insert(place, (id.clone(), step));
        }
    }

    fn queue(&self, to: Destination) -> &BTreeMap<u64, (AggregateId, u64)> {
        match to {
            Destination::Notifications => &self.notifications,
            Destination::Tracking => &self.tracking,
        }
    }

    fn queue_mut(&mut self, to: Destination) -> &mut BTreeMap<u64, (AggregateId, u64)> {
        match to {
            Destination::Notifications => &mut self.notifications,
            Destination::Tracking => &mut self.tracking,
        }
    }
}

impl Seen {
    fn is_quiet(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty()
    }
}
