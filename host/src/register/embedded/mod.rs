//! The embedded adapter: a database of `fjall` in a folder of its own, with one writer.

mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use async_trait::async_trait;
use thiserror::Error;

use self::{
    tables::Tables,
    writer::{Request, Writer},
};
use super::{Accepted, Claiming, Register, closed};
use crate::{
    identity::PlayerId,
    notifications::{Answer, Change, Contacts, Entry, Notification, NotificationId, Putting},
    store::{self, Space, StoreError},
};

/// What an operator may choose about the embedded register.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its files are.
    pub directory: PathBuf,
    /// Room on the disk below which nothing is accepted.
    pub disk_reserve_bytes: u64,
}

/// The embedded register.
pub struct Embedded {
    tables: Tables,
    /// Gone once the register is closed.
    writer: Mutex<Option<Writer>>,
    /// Why nothing is written any more, if that is so.
    failure: Arc<OnceLock<StoreError>>,
    space: Space,
}

/// The register's files cannot be used.
#[derive(Debug, Error)]
#[error("the register of notifications in {directory} cannot be opened: {reason}")]
pub struct OpenError {
    directory: PathBuf,
    reason: String,
}

impl Embedded {
    /// Opens the register, or makes it.
    ///
    /// # Errors
    /// Where the files cannot be read or written, or another process has them.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let open_error = |reason: String| OpenError { directory: settings.directory.clone(), reason };
        let tables = Tables::open(&settings.directory).map_err(|error| open_error(store::describe(&error)))?;
        let failure = Arc::<OnceLock<_>>::default();
        let writer = Writer::start(tables.clone(), failure.clone()).map_err(|error| open_error(error.to_string()))?;
        let space = Space::new(&settings.directory, settings.disk_reserve_bytes, "no notification is accepted");
        Ok(Self { tables, writer: Mutex::new(Some(writer)), failure, space })
    }

    async fn write<T: Send + 'static>(
        &self,
        request: impl FnOnce(writer::Reply<T>) -> Request + Send,
    ) -> Result<T, StoreError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        {
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.as_ref().ok_or_else(closed)?.submit(request(reply))?;
        }
        answer.await.map_err(|_| closed())?
    }

    /// Away from the threads that answer players.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tables = self.tables.clone();
        let done = tokio::task::spawn_blocking(move || work(tables)).await;
        done.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

#[async_trait]
impl Claiming for Embedded {
    async fn apply(&self, changes: Vec<(NotificationId, Change)>) -> Result<Vec<Answer>, StoreError> {
        self.write(|reply| Request::Apply(changes, reply)).await
    }

    async fn contacts(&self, players: Vec<PlayerId>) -> Result<Vec<Option<Contacts>>, StoreError> {
        self.read(move |tables| players.iter().map(|player| tables.contacts_of(player)).collect()).await
    }
}

#[async_trait]
impl Register for Embedded {
    async fn accept(&self, notifications: Vec<Notification>) -> Result<Vec<Accepted>, StoreError> {
        self.space.check()?;
        self.write(|reply| Request::Accept(notifications, reply)).await
    }

    async fn find(&self, ids: Vec<NotificationId>) -> Result<Vec<Option<Entry>>, StoreError> {
        self.read(move |tables| ids.iter().map(|id| tables.entry(id)).collect()).await
    }

    async fn unput(&self, after: Option<NotificationId>, count_max: usize) -> Result<Vec<Entry>, StoreError> {
        self.read(move |tables| tables.named(&tables.unput, after, count_max)).await
    }

    async fn were_put(&self, puttings: Vec<Putting>) -> Result<(), StoreError> {
        self.write(|reply| Request::WerePut(puttings, reply)).await
    }

    async fn unsettled(&self, after: Option<NotificationId>, count_max: usize) -> Result<Vec<Entry>, StoreError> {
        self.read(move |tables| tables.named(&tables.unsettled, after, count_max)).await
    }

    async fn buried(&self, before: Option<(u64, NotificationId)>, count_max: usize) -> Result<Vec<Entry>, StoreError> {
        self.read(move |tables| tables.buried(before, count_max)).await
    }

    async fn forget(&self, before_ms: u64, count_max: usize) -> Result<usize, StoreError> {
        self.write(|reply| Request::Forget { before_ms, count_max, reply }).await
    }

    async fn set_contacts(&self, player: PlayerId, contacts: Option<Contacts>) -> Result<(), StoreError> {
        if contacts.is_some() {
            self.space.check()?;
        }
        self.write(|reply| Request::SetContacts(player, contacts, reply)).await
    }

    async fn queue(&self) -> Result<Option<String>, StoreError> {
        self.read(|tables| tables.queue()).await
    }

    async fn set_queue(&self, incarnation: String) -> Result<(), StoreError> {
        self.write(|reply| Request::SetQueue(incarnation, reply)).await
    }

    fn health(&self) -> Result<(), StoreError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.as_ref().map(drop).ok_or_else(closed)
    }

    async fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            writer.end().await;
        }
    }
}
