//! The queue: which notifications wait to be delivered, the most urgent first. It is a means and not the truth, which is
//! the register: a job that comes twice is noticed there, and one that is lost is put again.

pub mod beanstalkd;
mod body;
pub mod embedded;

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::{
    notifications::{Channel, Notification, NotificationId},
    store::StoreError,
};

/// A notification that waits in the queue of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub notification: NotificationId,
    /// 0 goes first; of one priority, what was put first.
    pub priority: u32,
    /// When it was to be delivered, in Unix milliseconds: its age is counted from here.
    pub due_ms: u64,
}

impl Job {
    /// The job of a notification that was not tried yet.
    #[must_use]
    pub fn of(notification: &Notification) -> Self {
        let Notification { id, priority, due_ms, .. } = notification;
        Self { notification: *id, priority: *priority, due_ms: *due_ms }
    }
}

/// A job that was taken out to be worked on. Nobody else gets it until its lease is over; then it is ready again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// The job.
    pub job: Job,
    /// The queue's own name for it, while it is leased.
    pub lease: Lease,
}

/// One taking out of one job. Numbers of what was opened once: they mean nothing to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// Which job of the queue.
    pub job: u64,
    /// Which taking out: no two have the same number, be they of one job. So who comes late is told from who has the
    /// job now.
    pub number: u64,
}

/// Jobs of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Jobs that could be taken out now.
    pub ready: u64,
    /// Jobs that wait for their time.
    pub delayed: u64,
    /// Jobs that are being worked on.
    pub leased: u64,
    /// Jobs that were set aside.
    pub buried: u64,
    /// The `due_ms` of the ready job that comes next.
    pub next_due_ms: Option<u64>,
}

/// The queue cannot do it, this time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueueError {
    /// It cannot be reached, or has failed.
    #[error("the queue cannot be reached or has failed: {0}")]
    Unavailable(String),
    /// It takes no more jobs.
    #[error("the queue is full: {0}")]
    Full(String),
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(why) => Self::Full(why),
            StoreError::Unavailable(why) | StoreError::Corrupt(why) => Self::Unavailable(why),
        }
    }
}

/// Jobs by channel. Everything is done for many at once, since a round trip or an fsync is what it costs.
///
/// What was asked for is done in whole or in part where an error comes back; to ask again is harmless, since jobs may
/// come twice.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Puts jobs into the queue of a channel, each ready after its delay. They survive what the queue survives once this
    /// returns.
    async fn put(&self, channel: Channel, jobs: Vec<(Job, Duration)>) -> Result<(), QueueError>;

    /// Takes out at most so many of the jobs that are ready, the most urgent first, without waiting for more. Each is
    /// leased for [`Self::lease`].
    async fn take(&self, channel: Channel, count_max: usize) -> Result<Vec<Leased>, QueueError>;

    /// How long a lease is. Work on a job that takes longer is [`Self::touch`]ed in time.
    fn lease(&self) -> Duration;

    /// Begins the leases anew. One that is over is left as it is, and nothing is said of it: so it is with all that is
    /// done to a lease.
    async fn touch(&self, channel: Channel, jobs: &[Leased]) -> Result<(), QueueError>;

    /// Jobs that are done. One whose lease is over may come again; where it is still there, it is removed all the same,
    /// because a notification that was delivered waits for nothing.
    async fn finish(&self, channel: Channel, jobs: &[Leased]) -> Result<(), QueueError>;

    /// Gives jobs back, each ready again after its delay, in the place that it had.
    async fn give_back(&self, channel: Channel, jobs: &[(Leased, Duration)]) -> Result<(), QueueError>;

    /// Sets jobs aside, where nobody takes them out until they are kicked.
    async fn bury(&self, channel: Channel, jobs: &[Leased]) -> Result<(), QueueError>;

    /// Makes at most so many of the jobs that were set aside ready again: how many.
    async fn kick(&self, channel: Channel, count_max: u32) -> Result<u64, QueueError>;

    /// How many jobs there are.
    async fn standing(&self, channel: Channel) -> Result<Standing, QueueError>;

    /// Waits until a job of the channel may be ready. It may be too early, and is late by no more than a moment. Where the
    /// queue is closed, or has failed for good, it returns: the next call says so.
    async fn ready(&self, channel: Channel);

    /// What this queue's contents are known by: it changes where jobs that were put may have been lost, as when a server
    /// was started anew. None while it cannot be asked.
    async fn incarnation(&self) -> Result<String, QueueError>;

    /// Whether it may be of use before this process is started anew: one that is only away comes back.
    fn health(&self) -> Result<(), QueueError>;

    /// Writes what was begun and lets go of files and connections. Leases of a queue in this process are over.
    async fn close(&self);
}
