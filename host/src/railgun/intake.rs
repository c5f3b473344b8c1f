//! Takes notifications in: what is answered as accepted is in the register, and the filler brings it to the queue.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    notifications::{Answer, Change, Notification, NotificationId},
    register::{Accepted, Accepting, Register},
    store::StoreError,
};

/// Where notifications come in. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    register: Arc<dyn Register>,
    grew: Arc<Notify>,
}

impl Intake {
    pub(super) fn new(register: Arc<dyn Register>, grew: Arc<Notify>) -> Self {
        Self { register, grew }
    }

    /// Accepts notifications, each once: an answer for each, in order. They are not lost any more once this returns.
    ///
    /// # Errors
    /// Where the register cannot be written. What was accepted of them is not said; to ask again is harmless.
    pub async fn accept(&self, notifications: Vec<Notification>) -> Result<Vec<Accepted>, StoreError> {
        let accepted = self.register.accept(notifications).await?;
        if accepted.contains(&Accepted::New) {
            self.grew.notify_one();
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
            self.grew.notify_one();
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
