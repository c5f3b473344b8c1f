//! Takes notifications in: what is answered as accepted is in the register, and the filler brings it to the queue.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};

use crate::{
    notifications::{Answer, Change, Channel, Notification, NotificationId, Putting},
    queue::Job,
    register::{Accepted, Accepting, Register},
    store::StoreError,
};

/// Lots of jobs that may wait for the filler. What does not fit it finds in the register.
const LOTS_MAX: usize = 4096;

/// What is put into the queue together.
pub(super) type Lot = Vec<Put>;

/// A job for the queue, and what is done once it is there.
pub(super) struct Put {
    pub(super) channel: Channel,
    pub(super) job: Job,
    pub(super) putting: Putting,
}

/// Where notifications come in. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    register: Arc<dyn Register>,
    lots: mpsc::Sender<Lot>,
    behind: Arc<Behind>,
}

/// Whether the register has notifications for the queue that the filler was not handed.
#[derive(Default)]
pub(super) struct Behind {
    is_so: AtomicBool,
    told: Notify,
}

impl Behind {
    /// It has.
    pub(super) fn tell(&self) {
        self.is_so.store(true, Ordering::Release);
        self.told.notify_one();
    }

    /// It still has: the next look will find it.
    pub(super) fn leave(&self) {
        self.is_so.store(true, Ordering::Release);
    }

    /// Waits until somebody tells.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// Whether it was so; from here on it is not, until somebody tells.
    pub(super) fn take(&self) -> bool {
        self.is_so.swap(false, Ordering::Acquire)
    }
}

impl Intake {
    /// Beside it what it hands to the filler.
    pub(super) fn new(register: Arc<dyn Register>, behind: Arc<Behind>) -> (Self, mpsc::Receiver<Lot>) {
        let (lots, handed) = mpsc::channel(LOTS_MAX);
        (Self { register, lots, behind }, handed)
    }

    /// Accepts notifications, each once: an answer for each, in order. They are not lost any more once this returns.
    ///
    /// # Errors
    /// Where the register cannot be written. What was accepted of them is not said; to ask again is harmless.
    pub async fn accept(&self, notifications: Vec<Notification>) -> Result<Vec<Accepted>, StoreError> {
        let put = |notification: &Notification| {
            let putting = Putting::first(notification.id);
            Put { channel: notification.channel, job: Job::of(notification), putting }
        };
        let puts: Lot = notifications.iter().map(put).collect();
        let accepted = self.register.accept(notifications).await?;
        let is_new = |(_, accepted): &(_, &Accepted)| **accepted == Accepted::New;
        let new: Lot = puts.into_iter().zip(&accepted).filter(is_new).map(|(put, _)| put).collect();
        if !new.is_empty() && self.lots.try_send(new).is_err() {
            self.behind.tell();
        }
        Ok(accepted)
    }

    /// Changes notifications by their rules.
    ///
    /// # Errors
    /// Where the register cannot be written.
    pub async fn change(&self, changes: Vec<(NotificationId, Change)>) -> Result<Vec<Answer>, StoreError> {
        let kicks = changes.iter().any(|(_, change)| *change == Change::Kick);
        let answers = self.register.apply(changes).await?;
        if kicks {
            self.behind.tell();
        }
        Ok(answers)
    }

    /// The register, to look things up.
    #[must_use]
    pub fn register(&self) -> &Arc<dyn Register> {
        &self.register
    }
}

#[async_trait]
impl Accepting for Intake {
    async fn hand(&self, notifications: Vec<Notification>) -> Result<(), StoreError> {
        self.accept(notifications).await.map(|_| ())
    }
}
