//! The adapter to a beanstalkd, for several hosts. A channel is a tube.
//!
//! The protocol is spoken here and by no crate, because a bulk of a thousand jobs has to be one write and a thousand
//! replies read: the crates that there are wait for each reply before the next command, and for a lost server without end.
//!
//! A connection is served one command after the other, and a job that was taken out belongs to the connection that took
//! it. So there are two: one that takes jobs out and does with them whatever is done, and one for everything else. Neither
//! ever waits at the server for a job to come: whether there are any is asked again and again.
//!
//! The server makes the promises that are not made here. What was put survives its death if it was started with `-b`,
//! and a power failure with `-f 0` beside it. It counts in seconds: delays and leases are rounded up, and the lease that
//! counts is the one of whoever put the job.

mod connection;
mod leases;
mod link;
mod protocol;
mod putting;
mod taking;

use std::{
    array, fmt,
    future::Future,
    str::FromStr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::{Mutex, oneshot, watch},
};

use self::{link::Link, protocol::whole_seconds, taking::Taking};
use super::{Job, Leased, Queue, QueueError, Standing};
use crate::notifications::Channel;

/// Commands that are sent together.
const PIPELINE_COMMANDS_MAX: usize = 4096;
/// The pause between two questions whether there are jobs; doubled with every time.
const ASK_PAUSE_MIN: Duration = Duration::from_millis(5);
/// See [`ASK_PAUSE_MIN`]: while there are none.
const ASK_PAUSE_MAX: Duration = Duration::from_millis(250);
/// See [`ASK_PAUSE_MIN`]: while the server is away.
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What an operator may choose about a beanstalkd.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port`
    pub address: String,
    /// Before the name of each channel.
    pub tube_prefix: TubePrefix,
    /// How long a job that was taken out stays with who took it; a second at least.
    pub lease: Duration,
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// How long the server may take for one reply.
    pub reply_timeout: Duration,
}

impl Settings {
    fn tube(&self, channel: Channel) -> String {
        format!("{}{channel}", self.tube_prefix)
    }
}

/// The beginning of the names of tubes: at most 100 letters, digits and `-+/;.$_()`, the first of them no hyphen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TubePrefix(String);

impl Default for TubePrefix {
    fn default() -> Self {
        Self("croupier-".to_owned())
    }
}

impl fmt::Display for TubePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No tube has a name that begins so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' begins no name of a tube: at most 100 letters, digits and -+/;.$_(), the first of them no hyphen")]
pub struct InvalidTubePrefix(String);

impl FromStr for TubePrefix {
    type Err = InvalidTubePrefix;
    fn from_str(text: &str) -> Result<Self, InvalidTubePrefix> {
        let is_known = |character: char| character.is_ascii_alphanumeric() || "-+/;.$_()".contains(character);
        let is_valid = text.len() <= 100 && !text.starts_with('-') && text.chars().all(is_known);
        is_valid.then(|| Self(text.to_owned())).ok_or_else(|| InvalidTubePrefix(text.chars().take(120).collect()))
    }
}

/// How often it is looked whether leases are over, which the server is to be made aware of.
const NUDGE_PAUSE: Duration = Duration::from_millis(500);

/// A queue in a beanstalkd. It connects when it is first asked, and again whenever a connection was lost: the call that
/// was under way then fails, as do those that come while the server is away.
pub struct Beanstalkd {
    lease: Duration,
    inner: Arc<Inner>,
}

struct Inner {
    putting: Mutex<Link>,
    taking: Mutex<Taking>,
    /// By channel: told when jobs were made ready by this host, which need not wait for its own next question.
    woken: [watch::Sender<()>; Channel::ALL.len()],
    closed: watch::Sender<bool>,
    /// Whether leases are looked after: from the first on.
    is_nudging: AtomicBool,
}

impl Beanstalkd {
    /// A queue that has not connected yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let lease = Duration::from_secs(u64::from(whole_seconds(settings.lease).max(1)));
        let settings = Arc::new(Settings { lease, ..settings });
        Self {
            lease,
            inner: Arc::new(Inner {
                putting: Mutex::new(Link::new(settings.clone())),
                taking: Mutex::new(Taking::new(Link::new(settings))),
                woken: array::from_fn(|_| watch::Sender::new(())),
                closed: watch::Sender::new(false),
                is_nudging: AtomicBool::new(false),
            }),
        }
    }
}

impl Inner {
    fn wake(&self, channel: Channel) {
        self.woken[channel as usize].send_replace(());
    }

    /// Jobs that nobody waits for any more are for somebody else, and not only when their leases are over.
    async fn leave(&self, channel: Channel, jobs: Vec<Leased>) {
        let jobs: Vec<_> = jobs.into_iter().map(|leased| (leased, Duration::ZERO)).collect();
        if let Err(error) = self.taking.lock().await.give_back(&jobs).await {
            tracing::warn!(%error, "jobs that nobody waited for are ready only when their leases are over");
        }
        self.wake(channel);
    }

    async fn is_ready(&self, channel: Channel) -> Result<bool, QueueError> {
        let mut link = self.putting.lock().await;
        let outcome = link.connected().await?.is_ready(channel).await;
        link.outcome(outcome)
    }
}

/// Looks after leases for as long as the queue is there.
async fn nudge(inner: Weak<Inner>, mut closed: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(NUDGE_PAUSE) => {}
            // Closed, or gone.
            _ = closed.changed() => return,
        }
        let Some(inner) = inner.upgrade() else { return };
        // A connection that is lost has no leases any more.
        let _lost = inner.taking.lock().await.nudge().await;
    }
}

/// Somebody who waits for jobs, and may go away before they are there, or when they are.
struct Asked {
    answered: oneshot::Receiver<Result<Vec<Leased>, QueueError>>,
    inner: Arc<Inner>,
    channel: Channel,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.answered.close();
        if let (Ok(Ok(unwanted)), Ok(runtime)) = (self.answered.try_recv(), Handle::try_current()) {
            let (inner, channel) = (self.inner.clone(), self.channel);
            runtime.spawn(async move { inner.leave(channel, unwanted).await });
        }
    }
}

/// Whole, even where nobody waits for it any more: replies that nobody has read would be taken for those to the next
/// commands.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, QueueError>> + Send + 'static,
) -> Result<T, QueueError> {
    tokio::spawn(work).await.map_err(|error| QueueError::Unavailable(error.to_string()))?
}

#[async_trait]
impl Queue for Beanstalkd {
    async fn put(&self, channel: Channel, jobs: Vec<(Job, Duration)>) -> Result<(), QueueError> {
        let inner = self.inner.clone();
        whole(async move {
            let mut link = inner.putting.lock().await;
            let outcome = link.connected().await?.put(channel, &jobs).await;
            inner.wake(channel);
            link.outcome(outcome)
        })
        .await
    }

    async fn take(&self, channel: Channel, count_max: usize) -> Result<Vec<Leased>, QueueError> {
        let inner = self.inner.clone();
        if !inner.is_nudging.swap(true, Ordering::Relaxed) {
            tokio::spawn(nudge(Arc::downgrade(&inner), inner.closed.subscribe()));
        }
        let (answer, answered) = oneshot::channel();
        let mut asked = Asked { answered, inner: inner.clone(), channel };
        tokio::spawn(async move {
            let taken = inner.taking.lock().await.take(channel, count_max).await;
            if let Err(Ok(unwanted)) = answer.send(taken) {
                inner.leave(channel, unwanted).await;
            }
        });
        (&mut asked.answered).await.map_err(|error| QueueError::Unavailable(error.to_string()))?
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    async fn touch(&self, _: Channel, jobs: &[Leased]) -> Result<(), QueueError> {
        let (inner, jobs) = (self.inner.clone(), jobs.to_vec());
        whole(async move { inner.taking.lock().await.touch(&jobs).await }).await
    }

    async fn finish(&self, _: Channel, jobs: &[Leased]) -> Result<(), QueueError> {
        let (inner, jobs) = (self.inner.clone(), jobs.to_vec());
        whole(async move { inner.taking.lock().await.finish(&jobs).await }).await
    }

    async fn give_back(&self, channel: Channel, jobs: &[(Leased, Duration)]) -> Result<(), QueueError> {
        let (inner, jobs) = (self.inner.clone(), jobs.to_vec());
        whole(async move {
            let outcome = inner.taking.lock().await.give_back(&jobs).await;
            inner.wake(channel);
            outcome
        })
        .await
    }

    async fn bury(&self, _: Channel, jobs: &[Leased]) -> Result<(), QueueError> {
        let (inner, jobs) = (self.inner.clone(), jobs.to_vec());
        whole(async move { inner.taking.lock().await.bury(&jobs).await }).await
    }

    async fn kick(&self, channel: Channel, count_max: u32) -> Result<u64, QueueError> {
        let inner = self.inner.clone();
        whole(async move {
            let mut link = inner.putting.lock().await;
            let outcome = link.connected().await?.kick(channel, count_max).await;
            inner.wake(channel);
            link.outcome(outcome)
        })
        .await
    }

    async fn standing(&self, channel: Channel) -> Result<Standing, QueueError> {
        let inner = self.inner.clone();
        whole(async move {
            let mut link = inner.putting.lock().await;
            let outcome = link.connected().await?.standing(channel).await;
            link.outcome(outcome)
        })
        .await
    }

    async fn ready(&self, channel: Channel) {
        let mut woken = self.inner.woken[channel as usize].subscribe();
        let mut closed = self.inner.closed.subscribe();
        let mut pause = ASK_PAUSE_MIN;
        while !*closed.borrow_and_update() {
            woken.borrow_and_update();
            let inner = self.inner.clone();
            let pause_max = match whole(async move { inner.is_ready(channel).await }).await {
                Ok(true) => return,
                Ok(false) => ASK_PAUSE_MAX,
                Err(_) => AWAY_PAUSE_MAX,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = pause_max.min(pause * 2),
                // Their senders are there for as long as this queue is.
                _ = woken.changed() => {}
                _ = closed.changed() => {}
            }
        }
    }

    async fn incarnation(&self) -> Result<String, QueueError> {
        let inner = self.inner.clone();
        whole(async move {
            let mut link = inner.putting.lock().await;
            let outcome = link.connected().await?.ask_incarnation().await;
            link.outcome(outcome)
        })
        .await
    }

    fn health(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn close(&self) {
        self.inner.closed.send_replace(true);
        self.inner.putting.lock().await.close();
        self.inner.taking.lock().await.link.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_begins_names_that_tubes_may_have() {
        for valid in ["", "croupier-", "a.b/c;d$e_f(g)+", &"x".repeat(100)] {
            assert_eq!(valid.parse::<TubePrefix>().map(|prefix| prefix.to_string()), Ok(valid.to_owned()));
        }
        for invalid in ["-croupier", "a b", "a\r\ndelete 1\r\n", "ü", &"x".repeat(101)] {
            assert!(invalid.parse::<TubePrefix>().is_err(), "{invalid}");
        }
    }
}
