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

use std::{array, fmt, future::Future, str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::{Mutex, oneshot, watch};

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
            }),
        }
    }
}

impl Inner {
    fn wake(&self, channel: Channel) {
        self.woken[channel as usize].send_replace(());
    }

    async fn is_ready(&self, channel: Channel) -> Result<bool, QueueError> {
        let mut link = self.putting.lock().await;
        let outcome = link.connected().await?.is_ready(channel).await;
        link.outcome(outcome)
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
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            let taken = inner.taking.lock().await.take(channel, count_max).await;
            // Whoever asked has gone: the jobs are for somebody else, and not only when their leases are over.
            if let Err(Ok(unwanted)) = answer.send(taken) {
                let unwanted: Vec<_> = unwanted.into_iter().map(|leased| (leased, Duration::ZERO)).collect();
                if let Err(error) = inner.taking.lock().await.give_back(&unwanted).await {
                    tracing::warn!(%error, "jobs that nobody waited for are ready only when their leases are over");
                }
                inner.wake(channel);
            }
        });
        answered.await.map_err(|error| QueueError::Unavailable(error.to_string()))?
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
