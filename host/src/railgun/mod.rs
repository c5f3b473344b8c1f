//! The railgun: takes notifications in within a few milliseconds, and delivers them however long that takes. The intake
//! writes the register, the filler puts what is there into the queue, and lines take it out and have it delivered.

mod breaker;
mod carrier;
mod filler;
mod intake;
mod line;
mod metrics;
mod pace;
mod reports;
mod retries;
#[cfg(test)]
mod tests;
mod workload;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rand::RngExt as _;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

pub use self::{
    carrier::{Defaults, NotificationCarrier},
    intake::Intake,
    metrics::Metrics,
    retries::Retries,
    workload::Workload,
};
use self::{
    filler::Filler,
    intake::Behind,
    line::{Line, Means},
    reports::Reporter,
};
use crate::{
    clock,
    identity::ServiceName,
    notifications::{Change, Channel, WorkerId},
    providers::Provider,
    queue::Queue,
    register::{Claiming, Register},
    store::StoreError,
    templates::Templates,
};

/// How often what is over is looked for, to be forgotten.
const FORGET_PAUSE: Duration = Duration::from_mins(1);
/// How often everything that waits is looked through for what has expired: what nobody takes out of the queue any more, as
/// when its channel has lost its provider.
const EXPIRE_PAUSE: Duration = Duration::from_hours(1);
/// Reports of one channel that may wait to be written. A line begins no more than can be written: what is reported later
/// than its lease lasts is tried again by others.
const REPORTS_MAX: usize = 2000;
/// Entries that are looked at together.
const PAGE: usize = 1000;
/// Entries that are forgotten together.
const FORGOTTEN_MAX: usize = 10_000;
/// How often a worker that ends when it is idle looks whether it is.
const IDLE_LOOK: Duration = Duration::from_millis(250);

/// A backend that may send.
#[derive(Clone)]
pub struct Backend {
    /// Its name.
    pub name: ServiceName,
    /// What it shows.
    pub token: String,
    /// Notifications that it may send in a second; any number without.
    pub per_second: Option<NonZeroU32>,
    /// Whether it may read, set and forget how players are reached.
    pub may_contacts: bool,
}

/// How a channel is delivered.
#[derive(Clone)]
pub struct Route {
    provider: Arc<dyn Provider>,
    calls_max: usize,
    bulk_max: usize,
    rate: Option<Rate>,
}

#[derive(Clone)]
struct Rate {
    per_second: NonZeroU32,
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl Route {
    /// By this provider, with at most so many calls under way, so many notifications in one, and so many a second.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, calls_max: usize, bulk_max: usize, per_second: Option<NonZeroU32>) -> Self {
        let bulk_max = bulk_max.clamp(1, provider.bulk_max());
        let rate = per_second.map(|per_second| Rate {
            per_second,
            limiter: Arc::new(RateLimiter::direct(Quota::per_second(per_second))),
        });
        Self { provider, calls_max: calls_max.max(1), bulk_max, rate }
    }

    /// What it delivers.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.provider.channel()
    }

    /// No more is taken than can be sent within about a second: what waits for its turn is leased already.
    fn burst_max(&self) -> usize {
        self.rate.as_ref().map_or(usize::MAX, |rate| rate.per_second.get() as usize)
    }

    async fn wait_for_rate(&self, notifications: usize) {
        let Some(Rate { limiter, .. }) = &self.rate else { return };
        for _ in 0..notifications {
            limiter.until_ready().await;
        }
    }
}

/// Brings what is accepted to the queue.
pub struct Intaking {
    intake: Intake,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Intaking {
    /// Begins. What is over is forgotten after `keep`.
    #[must_use]
    pub fn start(register: Arc<dyn Register>, queue: Arc<dyn Queue>, keep: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let behind = Arc::new(Behind::default());
        let (intake, handed) = Intake::new(register.clone(), behind.clone());
        let filler = Filler { register: register.clone(), queue, handed, behind, stopped };
        let tasks = vec![
            tokio::spawn(filler.run()),
            tokio::spawn(forget(register.clone(), keep)),
            tokio::spawn(expire(register.clone())),
        ];
        Self { intake, stop, tasks }
    }

    /// Where notifications come in.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Ends. What is not in the queue yet will be at the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let mut tasks = self.tasks.into_iter();
        if let Some(filler) = tasks.next()
            && let Err(error) = filler.await
        {
            tracing::error!(%error, "the filler did not end in good order");
        }
        for task in tasks {
            task.abort();
        }
    }
}

async fn forget(register: Arc<dyn Register>, keep: Duration) {
    let keep_ms = clock::milliseconds(keep);
    loop {
        match register.forget(clock::now_ms().saturating_sub(keep_ms), FORGOTTEN_MAX).await {
            Ok(FORGOTTEN_MAX) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "notifications that are over cannot be forgotten"),
        }
        tokio::time::sleep(FORGET_PAUSE).await;
    }
}

async fn expire(register: Arc<dyn Register>) {
    loop {
        tokio::time::sleep(EXPIRE_PAUSE).await;
        if let Err(error) = expire_all(&*register).await {
            tracing::warn!(%error, "what has expired cannot be looked for");
        }
    }
}

async fn expire_all(register: &dyn Register) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = register.unsettled(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.notification.id);
        let now_ms = clock::now_ms();
        let expired = page.iter().filter(|entry| entry.notification.expires_ms <= now_ms);
        let changes: Vec<_> = expired.map(|entry| (entry.notification.id, Change::Expire)).collect();
        if !changes.is_empty() {
            register.apply(changes).await?;
        }
    }
}

/// Delivers what is in the queue.
pub struct Workers {
    lines: Vec<(Arc<Line>, JoinHandle<()>)>,
    reporters: Vec<JoinHandle<()>>,
    queue: Arc<dyn Queue>,
    channels: Vec<Channel>,
    stop: watch::Sender<bool>,
}

impl Workers {
    /// Begins, for every channel that has a route.
    #[must_use]
    pub fn start(
        register: &Arc<dyn Claiming>,
        queue: &Arc<dyn Queue>,
        templates: &Arc<Templates>,
        routes: Vec<Route>,
        retries: Retries,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let means = Means {
            worker: WorkerId(rand::rng().random()),
            register: register.clone(),
            queue: queue.clone(),
            templates: templates.clone(),
            retries,
            metrics: metrics.clone(),
        };
        let channels = routes.iter().map(Route::channel).collect();
        let (mut lines, mut reporters) = (Vec::new(), Vec::new());
        for route in routes {
            let (reports, reported) = mpsc::channel(REPORTS_MAX);
            let reporter = Reporter {
                route: route.clone(),
                register: register.clone(),
                queue: queue.clone(),
                metrics: metrics.clone(),
                reports: reported,
            };
            reporters.push(tokio::spawn(reporter.run()));
            let line = Line::new(means.clone(), route, reports);
            lines.push((line.clone(), tokio::spawn(line.run(stopped.clone()))));
        }
        Self { lines, reporters, queue: queue.clone(), channels, stop }
    }

    /// Waits until nothing was ready and nothing under way for so long; that it is so is enough where that is no time.
    pub async fn idle(&self, for_long: Duration) {
        let mut since = tokio::time::Instant::now();
        loop {
            if !self.is_idle().await {
                since = tokio::time::Instant::now();
            } else if since.elapsed() >= for_long {
                return;
            }
            tokio::time::sleep(IDLE_LOOK).await;
        }
    }

    async fn is_idle(&self) -> bool {
        for channel in &self.channels {
            // A queue that cannot be asked may be full.
            if self.queue.standing(*channel).await.map_or(true, |standing| standing.ready > 0) {
                return false;
            }
        }
        // Only now: what is not ready any more may be in their hands.
        !self.lines.iter().any(|(line, _)| line.is_busy())
    }

    /// Takes no more, finishes what is under way and writes what came of it. Whoever does not wait for the end leaves
    /// leases behind, which end by themselves.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for (line, task) in self.lines {
            if let Err(error) = task.await {
                tracing::error!(%error, "a channel did not end in good order");
            }
            line.drained().await;
        }
        for reporter in self.reporters {
            if let Err(error) = reporter.await {
                tracing::error!(%error, "not every report was written");
            }
        }
    }
}
