//! The relay: carries committed steps on to where somebody wants to know of them. A carrier sees every step at least
//! once and, by the ids in it, can do once what it does; only then is the step taken out of the outbox. No step waits
//! for its being carried: a carrier that is slow or fails is behind, and nobody else is.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    limits::{RELAY_BYTES_MAX, RELAY_STEPS_MAX},
    record::Destination,
    store::{Store, StoreError, Waiting},
};

/// How long a batch is gathered that is not full. Every batch costs its destination an fsync or a round trip.
const GATHER_WAIT: Duration = Duration::from_millis(100);
/// How long the relay waits after a failure, and after several of them, each twice as long as the one before.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
/// See [`RETRY_WAIT_MIN`].
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);

/// What steps are handed to.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// Takes all of the steps or says why it could not; then the same ones come again, perhaps others with them.
    /// It may have seen any of them before, and must do nothing twice.
    async fn carry(&self, steps: Vec<Waiting>) -> Result<(), CarryError>;
}

/// The carrier could not do it, this time.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct CarryError(pub String);

/// A relay at work.
#[derive(Debug)]
pub struct Relay {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Carries to one destination from now on, and what has been waiting first.
    pub fn start(store: Arc<dyn Store>, to: Destination, carrier: Arc<dyn Carrier>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let run = Run { store, to, carrier, stopped, failures: 0 };
        Self { stop, task: tokio::spawn(run.run()) }
    }

    /// Finishes the batch that is under way; the rest waits for the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the relay did not end in good order");
        }
    }
}

struct Run {
    store: Arc<dyn Store>,
    to: Destination,
    carrier: Arc<dyn Carrier>,
    stopped: watch::Receiver<bool>,
    /// Failures in a row.
    failures: u32,
}

/// Why a batch was not carried.
#[derive(Debug, Error)]
enum Failure {
    #[error("the outbox cannot be used: {0}")]
    Outbox(#[from] StoreError),
    #[error("it is not taken: {0}")]
    Carrier(#[from] CarryError),
}

impl Run {
    async fn run(mut self) {
        while !self.is_stopped() {
            match self.carry_batch().await {
                Ok(steps) => {
                    self.worked();
                    if steps < RELAY_STEPS_MAX {
                        self.gather(steps == 0).await;
                    }
                }
                Err(failure) => self.failed(&failure).await,
            }
        }
    }

    fn is_stopped(&self) -> bool {
        // A sender that is gone means the same: nobody holds this relay any more.
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    /// How many steps the batch had.
    async fn carry_batch(&self) -> Result<usize, Failure> {
        let steps = self.store.outbox(self.to, RELAY_STEPS_MAX, RELAY_BYTES_MAX).await?;
        if steps.is_empty() {
            return Ok(0);
        }
        // What is carried is carried also where the store fails to forget it.
        let places: Vec<_> = steps.iter().map(Waiting::without_record).collect();
        self.carrier.carry(steps).await?;
        self.store.carried(self.to, &places).await?;
        Ok(places.len())
    }

    /// Waits for steps, where there are none, and then for some more of them.
    async fn gather(&mut self, is_empty: bool) {
        let (store, to) = (self.store.clone(), self.to);
        self.unless_stopped(async move {
            if is_empty {
                store.outbox_grew(to).await;
            }
            tokio::time::sleep(GATHER_WAIT).await;
        })
        .await;
    }

    fn worked(&mut self) {
        if self.failures > 0 {
            tracing::info!(to = ?self.to, failures = self.failures, "steps are carried on again");
            self.failures = 0;
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        let wait = RETRY_WAIT_MIN.saturating_mul(1 << self.failures.min(10)).min(RETRY_WAIT_MAX);
        self.failures += 1;
        tracing::warn!(to = ?self.to, %failure, retry_in_ms = wait.as_millis(), "steps could not be carried on");
        self.unless_stopped(tokio::time::sleep(wait)).await;
    }

    async fn unless_stopped(&mut self, wait: impl Future<Output = ()>) {
        tokio::select! {
            _stopped = self.stopped.wait_for(|stopped| *stopped) => {}
            () = wait => {}
        }
    }
}
