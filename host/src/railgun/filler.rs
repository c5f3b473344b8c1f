//! Fills the queue from the register: with what is accepted, and with everything that waits where the queue may have lost
//! jobs. What is put twice is told by the register, so that it is better to put too much than too little.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::sync::{mpsc, watch};

use super::intake::{Behind, Lot, Put};
use crate::{
    clock,
    notifications::{Channel, Entry, State},
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
    pub(super) handed: mpsc::Receiver<Lot>,
    pub(super) behind: Arc<Behind>,
    pub(super) stopped: watch::Receiver<bool>,
}

#[derive(Debug, Error)]
enum NotFilled {
    #[error(transparent)]
    Register(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("it is being stopped")]
    Stopped,
}

impl Filler {
    pub(super) async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        let mut looks = tokio::time::interval(LOOK_PAUSE);
        let (mut failures, mut lots) = (0_u32, Vec::new());
        // What was accepted before the last end may not have been put.
        self.behind.tell();
        loop {
            tokio::select! {
                () = async { let _stopped = stopped.wait_for(|stopped| *stopped).await; } => return,
                _tick = looks.tick() => self.note(&mut failures, self.look().await),
                () = self.behind.told() => self.note(&mut failures, self.catch_up().await),
                count = self.handed.recv_many(&mut lots, PAGE) => {
                    if count == 0 {
                        // Nobody accepts any more.
                        return;
                    }
                    if let Err(error) = self.put(lots.drain(..).flatten().collect()).await {
                        tracing::debug!(%error, "not put into the queue yet");
                        // The next look finds it in the register, and says so if it fails again.
                        self.behind.leave();
                    }
                }
            }
        }
    }

    /// Every accepted notification is in the register: nothing is lost by waiting.
    fn note(&self, failures: &mut u32, outcome: Result<(), NotFilled>) {
        match outcome {
            Ok(()) if *failures > 0 => {
                tracing::info!("the queue is filled again");
                *failures = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if *failures == 0 || failures.is_power_of_two() {
                    tracing::warn!(%error, "notifications are accepted and cannot be put into the queue");
                }
                *failures = failures.saturating_add(1);
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
        self.catch_up().await
    }

    async fn put_all(&self) -> Result<usize, NotFilled> {
        let (mut after, mut put) = (None, 0);
        loop {
            self.go_on()?;
            let page = self.register.unsettled(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(put) };
            after = Some(last.notification.id);
            put += page.len();
            self.put(page.iter().map(put_of).collect()).await?;
        }
    }

    /// Puts what the register has and nobody has handed over.
    async fn catch_up(&self) -> Result<(), NotFilled> {
        if !self.behind.take() {
            return Ok(());
        }
        let caught_up = self.put_unput().await;
        if caught_up.is_err() {
            self.behind.leave();
        }
        caught_up
    }

    async fn put_unput(&self) -> Result<(), NotFilled> {
        let mut after = None;
        loop {
            self.go_on()?;
            let page = self.register.unput(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.notification.id);
            self.put(page.iter().map(put_of).collect()).await?;
        }
    }

    /// A backlog may take longer than a shutdown waits.
    fn go_on(&self) -> Result<(), NotFilled> {
        if *self.stopped.borrow() { Err(NotFilled::Stopped) } else { Ok(()) }
    }

    async fn put(&self, lot: Lot) -> Result<(), NotFilled> {
        let now_ms = clock::now_ms();
        let mut jobs = BTreeMap::<Channel, Vec<(Job, Duration)>>::new();
        let puttings: Vec<_> = lot.iter().map(|put| put.putting).collect();
        for Put { channel, job, .. } in lot {
            let delay = Duration::from_millis(job.due_ms.saturating_sub(now_ms));
            jobs.entry(channel).or_default().push((job, delay));
        }
        for (channel, jobs) in jobs {
            self.queue.put(channel, jobs).await?;
        }
        if !puttings.is_empty() {
            self.register.were_put(puttings).await?;
        }
        Ok(())
    }
}

fn put_of(entry: &Entry) -> Put {
    let job = Job::of(&entry.notification);
    let job = match entry.state {
        State::Waiting { due_ms } => Job { due_ms, ..job },
        // Whoever takes it is told by the register how long somebody else has it.
        _ => job,
    };
    Put { channel: entry.notification.channel, job, putting: entry.putting() }
}
