//! Fills the queue from the register: with what is accepted, and with everything that waits where the queue may have lost
//! jobs. What is put twice is told by the register, so that it is better to put too much than too little.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::sync::{Notify, watch};

use crate::{
    clock,
    notifications::{Channel, Entry, NotificationId, State},
    queue::{Job, Queue, QueueError},
    register::Register,
    store::StoreError,
};

/// Entries that are put together.
const PAGE: usize = 1000;
/// How often the queue is asked whether it is still the one that has everything.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Fills the queue from now on.
pub(super) struct Filler {
    pub(super) register: Arc<dyn Register>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) grew: Arc<Notify>,
    pub(super) stopped: watch::Receiver<bool>,
}

#[derive(Debug, Error)]
enum NotFilled {
    #[error(transparent)]
    Register(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Filler {
    pub(super) async fn run(self) {
        let mut stopped = self.stopped.clone();
        let mut looks = tokio::time::interval(LOOK_PAUSE);
        let mut failures = 0_u32;
        loop {
            tokio::select! {
                () = async { let _stopped = stopped.wait_for(|stopped| *stopped).await; } => return,
                _tick = looks.tick() => match self.look().await {
                    Ok(()) if failures > 0 => {
                        tracing::info!("the queue is filled again");
                        failures = 0;
                    }
                    Ok(()) => {}
                    Err(error) => {
                        // Every accepted notification is in the register: nothing is lost by waiting.
                        if failures.is_power_of_two() || failures == 0 {
                            tracing::warn!(%error, "notifications are accepted and cannot be put into the queue");
                        }
                        failures = failures.saturating_add(1);
                    }
                },
                () = self.grew.notified() => {
                    // The next look sees what could not be put, and says so.
                    if let Err(error) = self.put_new().await {
                        tracing::debug!(%error, "not put into the queue yet");
                    }
                }
            }
        }
    }

    /// Puts everything that the queue may not have.
    async fn look(&self) -> Result<(), NotFilled> {
        let incarnation = self.queue.incarnation().await?;
        if self.register.queue().await?.as_ref() != Some(&incarnation) {
            let put = self.put_all().await?;
            // Not before everything is there: a crash meanwhile begins anew.
            self.register.set_queue(incarnation).await?;
            if put > 0 {
                tracing::info!(put, "the queue is another than before: everything that waits was put into it");
            }
        }
        self.put_new().await
    }

    async fn put_all(&self) -> Result<usize, NotFilled> {
        let (mut after, mut put) = (None, 0);
        loop {
            let page = self.register.unsettled(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(put) };
            after = Some(last.notification.id);
            put += page.len();
            self.put(page).await?;
        }
    }

    async fn put_new(&self) -> Result<(), NotFilled> {
        loop {
            let page = self.register.unput(PAGE).await?;
            let is_last = page.len() < PAGE;
            self.put(page).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn put(&self, entries: Vec<Entry>) -> Result<(), NotFilled> {
        let now_ms = clock::now_ms();
        let mut jobs = BTreeMap::<Channel, Vec<(Job, Duration)>>::new();
        let mut ids: Vec<NotificationId> = Vec::with_capacity(entries.len());
        for entry in &entries {
            let due_ms = match entry.state {
                State::Waiting { due_ms } => due_ms,
                // Whoever takes it is told by the register how long somebody else has it.
                _ => entry.notification.due_ms,
            };
            let job = Job { notification: entry.notification.id, priority: entry.notification.priority, due_ms };
            let delay = Duration::from_millis(due_ms.saturating_sub(now_ms));
            jobs.entry(entry.notification.channel).or_default().push((job, delay));
            ids.push(entry.notification.id);
        }
        for (channel, jobs) in jobs {
            self.queue.put(channel, jobs).await?;
        }
        if !ids.is_empty() {
            self.register.were_put(ids).await?;
        }
        Ok(())
    }
}
