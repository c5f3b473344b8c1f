//! Lanes: one queue for each aggregate that has requests on their way. A lane comes into being with its first request,
//! whose caller runs it, and is gone when nothing waits in it.

#[cfg(test)]
pub(super) mod tests;

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use super::{Job, group::Groups, overloaded};
use crate::{
    errors::ErrorReply,
    identity::AggregateId,
    limits::{GROUP_STEPS_MAX, LANE_CALLS_MAX},
};

/// Locks are held for a push or a pop; several of them keep unrelated players apart.
const SHARDS: usize = 64;

type Queues = HashMap<AggregateId, VecDeque<Job>>;

pub(super) struct Lanes {
    shards: [Mutex<Queues>; SHARDS],
    hasher: RandomState,
    groups: Groups,
    emptied: Notify,
    /// How many lanes there are.
    count: AtomicUsize,
}

impl Lanes {
    pub(super) fn new(groups: Groups) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, hasher: RandomState::new(), groups, emptied: Notify::new(), count: AtomicUsize::new(0) }
    }

    /// Puts a job at the end of its lane. Where that is a new one it is for the caller to run.
    pub(super) fn enter(self: &Arc<Self>, id: &AggregateId, job: Job) -> Result<Option<Run>, ErrorReply> {
        let mut queues = self.queues(id);
        if let Some(queue) = queues.get_mut(id) {
            if queue.len() >= LANE_CALLS_MAX {
                return Err(overloaded());
            }
            queue.push_back(job);
            return Ok(None);
        }
        queues.insert(id.clone(), VecDeque::from([job]));
        self.count.fetch_add(1, Ordering::Relaxed);
        drop(queues);
        Ok(Some(Run { lanes: self.clone(), id: id.clone(), is_over: false }))
    }

    /// Waits until every lane is gone.
    pub(super) async fn drained(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.shards.iter().all(|shard| lock(shard).is_empty()) {
                return;
            }
            emptied.await;
        }
    }

    fn queues(&self, id: &AggregateId) -> MutexGuard<'_, Queues> {
        let hash = self.hasher.hash_one(id);
        lock(&self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)])
    }
}

fn lock(shard: &Mutex<Queues>) -> MutexGuard<'_, Queues> {
    // Nothing in a lock's reach can panic halfway through a change.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a lane until nothing waits in it.
pub(super) struct Run {
    lanes: Arc<Lanes>,
    id: AggregateId,
    is_over: bool,
}

impl Run {
    pub(super) async fn run(mut self) {
        let mut next = self.next_group();
        while let Some(jobs) = next {
            self.lanes.groups.run(&self.id, jobs, &self.lanes.count).await;
            next = self.next_group();
            if next.is_some() {
                // Whoever runs the lane and was answered goes their way now; the rest is for another.
                tokio::task::yield_now().await;
            }
        }
        self.is_over = true;
    }

    /// What waits, as far as it may be committed together; the lane is gone if nothing does.
    fn next_group(&self) -> Option<Vec<Job>> {
        let mut queues = self.lanes.queues(&self.id);
        let queue = queues.get_mut(&self.id)?;
        if queue.is_empty() {
            queues.remove(&self.id);
            return None;
        }
        // A look at the records sees what is committed: it is a group of its own.
        let alone = |job: &Job| job.request.reads_records();
        let first_alone = queue.iter().take(GROUP_STEPS_MAX).position(alone);
        let count = first_alone.map_or(GROUP_STEPS_MAX, |position| position.max(1)).min(queue.len());
        Some(queue.drain(..count).collect())
    }
}

impl Drop for Run {
    /// A lane that has ended is gone already, and one of the same name may have begun since. After a panic, or where
    /// the runtime ends, the lane must not stay behind: whoever waits in it is told, by the loss of their job.
    fn drop(&mut self) {
        self.lanes.count.fetch_sub(1, Ordering::Relaxed);
        if !self.is_over {
            let left = self.lanes.queues(&self.id).remove(&self.id);
            let jobs = left.map_or(0, |queue| queue.len());
            tracing::error!(aggregate = %self.id, jobs, "a lane has failed");
        }
        self.lanes.emptied.notify_waiters();
    }
}
