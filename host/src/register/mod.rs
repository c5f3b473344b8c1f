//! The register: every accepted notification and what has become of it. It is the truth of the railgun: whoever was told
//! that a notification is accepted is told so because it is in here, and the queue can be filled from it again.
//!
//! One process keeps it. Others that work for it reach it over HTTP: see [`Remote`].

mod embedded;
mod remote;

use async_trait::async_trait;

pub use self::{
    embedded::{Embedded, OpenError, Settings as EmbeddedSettings},
    remote::{Applied, Changes, Handed, NotReached, Remote, Settings as RemoteSettings, WhoseContacts},
};
use crate::{
    identity::PlayerId,
    notifications::{Answer, Change, Contacts, Entry, Notification, NotificationId, Putting},
    store::StoreError,
};

/// What came of a notification that was to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the register now.
    New,
    /// One of its name was there before, and stays as it is.
    Known(Box<Entry>),
}

/// Takes notifications in.
#[async_trait]
pub trait Accepting: Send + Sync + 'static {
    /// Keeps those that are not known yet, durably once this returns.
    async fn hand(&self, notifications: Vec<Notification>) -> Result<(), StoreError>;
}

/// What whoever delivers needs of the register.
#[async_trait]
pub trait Claiming: Send + Sync + 'static {
    /// Changes entries by their own rules, one after the other: an answer for each, in order. Changes of one entry never
    /// overtake each other. They survive the end of the process; a computer that loses its power may forget the newest,
    /// so that something is delivered again.
    async fn apply(&self, changes: Vec<(NotificationId, Change)>) -> Result<Vec<Answer>, StoreError>;

    /// How players are reached, in order.
    async fn contacts(&self, players: Vec<PlayerId>) -> Result<Vec<Option<Contacts>>, StoreError>;
}

/// Accepted notifications and contacts.
#[async_trait]
pub trait Register: Claiming {
    /// Keeps those that are not known yet, durably once this returns: an answer for each, in order.
    async fn accept(&self, notifications: Vec<Notification>) -> Result<Vec<Accepted>, StoreError>;

    /// Entries by name, in order.
    async fn find(&self, ids: Vec<NotificationId>) -> Result<Vec<Option<Entry>>, StoreError>;

    /// At most so many entries whose [`Entry::putting`] is not known to be done, in the order of names after this one.
    async fn unput(&self, after: Option<NotificationId>, count_max: usize) -> Result<Vec<Entry>, StoreError>;

    /// These puttings into the queue are done. What was kicked since is still to be put.
    async fn were_put(&self, puttings: Vec<Putting>) -> Result<(), StoreError>;

    /// At most so many entries that are not settled, in the order of names after this one. Whoever asks until a page is
    /// empty sees each that was there from the beginning and is not settled yet.
    async fn unsettled(&self, after: Option<NotificationId>, count_max: usize) -> Result<Vec<Entry>, StoreError>;

    /// At most so many dead letters, those buried last first, from before this one on: what it was buried at, and its
    /// name.
    async fn buried(&self, before: Option<(u64, NotificationId)>, count_max: usize) -> Result<Vec<Entry>, StoreError>;

    /// Forgets entries that were delivered, cancelled or over their time before this instant, in Unix milliseconds; at
    /// most so many: how many.
    async fn forget(&self, before_ms: u64, count_max: usize) -> Result<usize, StoreError>;

    /// Keeps how a player is reached, durably, or forgets it.
    async fn set_contacts(&self, player: PlayerId, contacts: Option<Contacts>) -> Result<(), StoreError>;

    /// Which incarnation of the queue has all that is put.
    async fn queue(&self) -> Result<Option<String>, StoreError>;

    /// Remembers the queue's incarnation.
    async fn set_queue(&self, incarnation: String) -> Result<(), StoreError>;

    /// Whether it may be of use before this process is started anew: one that has no room accepts again when it has.
    fn health(&self) -> Result<(), StoreError>;

    /// Finishes what was begun and closes the files. What is asked for later is refused.
    async fn close(&self);
}

fn closed() -> StoreError {
    StoreError::Unavailable("the register is closed".to_owned())
}
