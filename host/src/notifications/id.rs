//! The name of a notification.

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Sender;
use crate::identity::{AggregateId, IdempotencyKey};

/// 128 bits, written as 32 hexadecimal digits. What is asked for again under the same key, and what is carried again of
/// the same step, has the same name: so it is told once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotificationId([u8; 16]);

impl NotificationId {
    /// What a sender asks for under a key.
    #[must_use]
    pub fn of_key(sender: &Sender, key: &IdempotencyKey) -> Self {
        Self::of(&["key", &sender.to_string(), key.as_str()])
    }

    /// An effect of a step, the nth of it.
    #[must_use]
    pub fn of_effect(aggregate: &AggregateId, step: u64, ordinal: usize) -> Self {
        Self::of(&["effect", aggregate.as_str(), &step.to_string(), &ordinal.to_string()])
    }

    /// One of its own, from random bytes.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 16]) -> Self {
        Self(entropy)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// No part has a line break: the parts cannot be told apart otherwise.
    fn of(parts: &[&str]) -> Self {
        let digest = Sha256::digest(format!("croupier notification\n{}", parts.join("\n")));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no name of a notification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no notification: 32 hexadecimal digits in lower case")]
pub struct InvalidId(String);

impl FromStr for NotificationId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| InvalidId(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for NotificationId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<NotificationId> for String {
    fn from(id: NotificationId) -> Self {
        id.to_string()
    }
}

impl schemars::JsonSchema for NotificationId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NotificationId".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "32 hexadecimal digits in lower case" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_has_the_same_name_and_no_other_has() {
        let service = Sender::Service("crm".parse().unwrap());
        let game = Sender::Game("crm".parse().unwrap());
        let key = "k-1".parse().unwrap();
        let id = NotificationId::of_key(&service, &key);
        assert_eq!(id, NotificationId::of_key(&service, &key));
        assert_ne!(id, NotificationId::of_key(&game, &key));
        assert_ne!(id, NotificationId::of_key(&service, &"k-2".parse().unwrap()));
        assert_eq!(id.to_string().parse(), Ok(id));
        let alice = "player/alice".parse().unwrap();
        assert_ne!(NotificationId::of_effect(&alice, 1, 11), NotificationId::of_effect(&alice, 11, 1));
        assert!("0F".repeat(16).parse::<NotificationId>().is_err());
    }
}
