//! The way to the committer: a channel that hands over groups. Where it sleeps, it is woken by the request that makes a group
//! complete, and before it sleeps for long it looks by itself whether a group has waited long enough.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fjall::Slice;
use tokio::sync::oneshot;

use super::{
    Commit, CommitError, StoreError, closed,
    tables::{encode, numbered_key},
};
use crate::{
    aggregate::Aggregate,
    identity::GameId,
    record::{Destinations, EncodedRecord, Told},
};

/// Changes that share one fsync.
const GROUP_CHANGES_MAX: usize = 1024;
/// How long a group waits for commits that are known to be under way. An fsync costs the processor as much as several
/// steps: on a busy host fewer of them make everything faster, and on an idle one nobody is waited for.
const GATHER_WAIT_MAX: Duration = Duration::from_millis(2);

/// A change, and who waits for its outcome.
pub(super) struct Request {
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// What is written, whole or not at all.
pub(super) enum Change {
    /// Steps of one aggregate.
    Steps(Steps),
    /// Acts on a game, oldest first, and the listing that they have made, with its version.
    Acts { game: GameId, version: u64, listing: Vec<u8>, acts: Vec<Vec<u8>> },
}

/// A commit as it is written. It is made by whoever commits: the committer has one thread for everybody.
pub(super) struct Steps {
    pub(super) expected: u64,
    pub(super) aggregate: Arc<Aggregate>,
    /// The aggregate's document.
    pub(super) document: Slice,
    pub(super) records: Vec<KeyedRecord>,
    pub(super) under_way: usize,
}

/// A record as it is written.
#[derive(Clone)]
pub(super) struct KeyedRecord {
    pub(super) key: Slice,
    pub(super) bytes: Slice,
    pub(super) destinations: Destinations,
    pub(super) told: Option<Arc<Told>>,
}

impl Steps {
    pub(super) fn of(commit: Commit) -> Result<Self, StoreError> {
        let Commit { expected, aggregate, records, under_way } = commit;
        let id = aggregate.id.as_str();
        let document = Slice::from(encode(&id, &*aggregate)?);
        let records = records.into_iter().map(|EncodedRecord { step, destinations, bytes, told }| KeyedRecord {
            key: Slice::from(numbered_key(id, step)),
            bytes: Slice::from(bytes),
            destinations,
            told,
        });
        let records = records.collect();
        Ok(Self { expected, document, records, under_way, aggregate })
    }
}

/// A way to the committer, and the committer's end of it.
pub(super) fn channel() -> (Sender, Receiver) {
    let shared = Arc::<Shared>::default();
    (Sender(shared.clone()), Receiver(shared))
}

/// Where requests go in. Once it is dropped the receiver gets what still waits, and then no more.
pub(super) struct Sender(Arc<Shared>);

/// Where groups come out. Once it is dropped nothing is taken any more, and what waits is dropped.
pub(super) struct Receiver(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Group,
    is_closed: bool,
    receiver: Receiving,
}

/// What the receiver is doing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Receiving {
    #[default]
    Awake,
    /// It sleeps until it is woken: whatever comes wakes it.
    Sleeping,
    /// It sleeps, and will look by itself: only a group that is complete wakes it.
    Dozing,
}

/// Requests that are written together.
#[derive(Default)]
pub(super) struct Group {
    requests: Vec<Request>,
    /// When the first of them came.
    begun: Option<Instant>,
    /// How many of them are commits of steps.
    steps: usize,
    /// How many commits of steps the newest of them knew of.
    under_way: usize,
}

impl Sender {
    pub(super) fn send(&self, request: Request) -> Result<(), StoreError> {
        let mut state = self.0.state();
        if state.is_closed {
            return Err(closed());
        }
        state.waiting.add(request);
        let wakes = match state.receiver {
            Receiving::Awake => false,
            Receiving::Sleeping => true,
            Receiving::Dozing => state.waiting.is_complete(),
        };
        if wakes {
            state.receiver = Receiving::Awake;
            drop(state);
            self.0.woken.notify_one();
        }
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.woken.notify_one();
    }
}

impl Receiver {
    /// What waits, and a part of what is known to come soon; `None` once nothing will.
    pub(super) fn next_group(&self) -> Option<Vec<Request>> {
        let mut state = self.0.state();
        // On a busy host the next group comes at once, and is not to wake anybody only to be waited for.
        let mut expects_more = true;
        let looked = Instant::now();
        loop {
            let wait_max = match state.waiting.begun {
                None if state.is_closed => return None,
                None => expects_more.then_some(GATHER_WAIT_MAX),
                Some(begun) => {
                    let waited = begun.max(looked).elapsed();
                    if state.is_closed || state.waiting.is_complete() || waited >= GATHER_WAIT_MAX {
                        return Some(state.waiting.take());
                    }
                    Some(GATHER_WAIT_MAX - waited)
                }
            };
            state = self.0.sleep(state, wait_max);
            expects_more = false;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_closed = true;
        state.waiting = Group::default();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the lock's reach can panic halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until somebody wakes the receiver, or it was long enough.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>, wait_max: Option<Duration>) -> MutexGuard<'a, State> {
        state.receiver = if wait_max.is_some() { Receiving::Dozing } else { Receiving::Sleeping };
        let mut state = match wait_max {
            None => self.woken.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(wait_max) => self.woken.wait_timeout(state, wait_max).unwrap_or_else(PoisonError::into_inner).0,
        };
        state.receiver = Receiving::Awake;
        state
    }
}

impl Group {
    pub(super) fn add(&mut self, request: Request) {
        if let Change::Steps(steps) = &request.change {
            self.steps += 1;
            self.under_way = steps.under_way;
        }
        self.begun.get_or_insert_with(Instant::now);
        self.requests.push(request);
    }

    /// Whether three quarters of the steps are there that the newest of them knows of, rounded down. The processors work on
    /// the rest while these are written: were all waited for, nobody would, and one step that computes for long would keep
    /// all the others. Acts come unannounced: nobody waits for them, and they do not take the place of steps that are
    /// waited for.
    pub(super) fn is_complete(&self) -> bool {
        self.steps >= self.under_way * 3 / 4 || self.requests.len() >= GROUP_CHANGES_MAX
    }

    /// Takes as many as may be written together.
    fn take(&mut self) -> Vec<Request> {
        let mut requests = mem::take(self).requests;
        let left = requests.split_off(requests.len().min(GROUP_CHANGES_MAX));
        left.into_iter().for_each(|request| self.add(request));
        requests
    }
}
