//! Providers: what brings messages to people, each by its own protocol. An adapter never keeps anything and never tries
//! again: whoever has it deliver does both.

pub mod airship;
mod answer;
mod calls;
mod http;
pub mod meta;
mod secret;
pub mod sendgrid;
pub mod webhook;

use std::time::Duration;

use async_trait::async_trait;

pub use self::{
    http::{Connection, InvalidSettings},
    secret::Secret,
};
use crate::{
    identity::{Address, ProviderName},
    notifications::{Channel, Message, NotificationId},
};

/// One message to one recipient, on its way to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The notification: sent along at every attempt, so that a provider that can tells a repetition.
    pub notification: NotificationId,
    /// The recipient's address with the provider.
    pub to: Address,
    /// The message, of the provider's channel.
    pub message: Message,
}

/// What a provider said of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has it.
    Delivered {
        /// The provider's own name for it.
        reference: Option<String>,
    },
    /// Not this time: worth another attempt.
    Failed(Failure),
    /// Never: the message or its recipient is none for this provider.
    Refused {
        /// In the provider's words.
        why: String,
    },
}

/// Why an attempt failed that is worth another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// In words.
    pub why: String,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It is asked too often.
    Throttled,
    /// It did not answer in time. It may have delivered.
    TimedOut,
    /// It cannot be reached, broke off, answered what makes no sense, or says itself that it has failed.
    Unavailable,
    /// It does not take our credentials: no attempt will succeed until an operator has changed them.
    Unauthorized,
}

/// A provider.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What the configuration calls it.
    fn name(&self) -> &ProviderName;

    /// What it delivers.
    fn channel(&self) -> Channel;

    /// The most messages of one call; 1 where it has no bulk call.
    fn bulk_max(&self) -> usize;

    /// Delivers one message, or as many as `bulk_max` in one call: an outcome for each, in order. It always ends, within
    /// the time that the configuration gives it.
    async fn deliver(&self, deliveries: &[Delivery]) -> Vec<Outcome>;
}

#[cfg(test)]
mod tests;
