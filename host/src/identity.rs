//! The names of things: games, players, aggregates, rounds, sessions, releases, digests.
//! Each is checked once, where it comes in, and then carried as its own type.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::text::{Hex, text_in_json};

/// The text cannot be the name of such a thing; the message says what one looks like.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{text}' is no {what}: {rule}")]
pub struct InvalidName {
    text: String,
    what: &'static str,
    rule: &'static str,
}

/// Schemas of names are strings with their rule in words: each is read, and refused, by its own type.
macro_rules! text_schema {
    ($name:ident, $rule:literal) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $rule })
            }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    let text = text.chars().take(80).collect();
                    Err(InvalidName { text, what: $what, rule: $rule })
                }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_in_json!($name, as_str);
        text_schema!($name, $rule);
    };
}

name!(
    /// A game, the same through all its releases: `fruit-slots`.
    GameId,
    "game id",
    "1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    is_slug
);

/// What the host's own methods begin with, those that are planned included. No game may answer in their place.
const HOST_NAMES: [&str; 12] = [
    "rpc", "session", "wallet", "round", "game", "player", "ledger", "outbox", "notify", "stats", "tracking",
    "fairness",
];

impl GameId {
    /// Whether the host's own methods are called by it: then no game can have it.
    #[must_use]
    pub fn is_of_host(&self) -> bool {
        HOST_NAMES.contains(&self.as_str())
    }
}

name!(
    /// Who answers for a game's releases, as the operator's configuration names them.
    PublisherName,
    "publisher",
    "1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    is_slug
);

name!(
    /// An application store, as a tracking store tells several apart.
    SourceName,
    "source",
    "1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    is_slug
);

name!(
    /// A view of a tracking store.
    ViewName,
    "view",
    "1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    is_slug
);

name!(
    /// A backend that sends notifications, as the configuration names it.
    ServiceName,
    "service",
    "1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    is_slug
);

name!(
    /// A template of the operator's: `big-win`.
    TemplateName,
    "template",
    "1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    is_slug
);

name!(
    /// What delivers notifications, as the configuration names it.
    ProviderName,
    "provider",
    "1 to 64 of a-z, 0-9 and '-', beginning with a letter",
    is_slug
);

name!(
    /// Where one channel reaches somebody: an e-mail address, a device's or a user's id with the provider.
    Address,
    "address",
    "1 to 320 bytes without control characters",
    |text| (1..=320).contains(&text.len()) && !text.chars().any(char::is_control)
);

name!(
    /// A player, as the operator's own systems name them.
    PlayerId,
    "player id",
    "1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.'",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(is_id_byte)
);

name!(
    /// An aggregate, `<kind>/<name>`: all that one step may change. A player's is `player/<player id>`.
    AggregateId,
    "aggregate id",
    "<kind>/<name>, as in player/alice",
    |text| text.split_once('/').is_some_and(|(kind, name)| {
        (1..=16).contains(&kind.len())
            && kind.bytes().all(|byte| byte.is_ascii_lowercase())
            && (1..=64).contains(&name.len())
            && name.bytes().all(is_id_byte)
    })
);

name!(
    /// One sitting of a player, unguessable.
    SessionId,
    "session id",
    "22 characters of base64url",
    |text| text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
);

name!(
    /// A client's name for one call, so that a retry is answered and not run again.
    IdempotencyKey,
    "idempotency key",
    "1 to 128 visible ASCII characters",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

name!(
    /// A language tag in the manner of BCP 47: `en-GB`.
    Locale,
    "locale",
    "2 to 35 of A-Z, a-z, 0-9 and '-', as in en-GB",
    |text| (2..=35).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
);

fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

impl AggregateId {
    const PLAYER: &str = "player/";

    /// The aggregate of a player.
    #[must_use]
    pub fn player(player: &PlayerId) -> Self {
        Self(format!("{}{player}", Self::PLAYER).into())
    }

    /// The name within its kind: the player's id for a player.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl SessionId {
    /// A name nobody can guess, from 16 random bytes.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 16]) -> Self {
        Self(BASE64URL_NOPAD.encode(&entropy).into())
    }
}

/// A round, named by the aggregate and the step that opened it: `player/alice/42`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoundId {
    /// Whose round it is.
    pub aggregate: AggregateId,
    /// The number of the step that opened it.
    pub opened_by: u64,
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.aggregate, self.opened_by)
    }
}

impl FromStr for RoundId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parts = text.rsplit_once('/').and_then(|(aggregate, step)| {
            // "007" would be another text for the same round.
            let opened_by = step.parse::<u64>().ok().filter(|number| number.to_string() == step)?;
            Some(Self { aggregate: aggregate.parse().ok()?, opened_by })
        });
        parts.ok_or_else(|| InvalidName {
            text: text.chars().take(120).collect(),
            what: "round id",
            rule: "<aggregate>/<step>, as in player/alice/42",
        })
    }
}

impl From<RoundId> for String {
    fn from(round: RoundId) -> Self {
        round.to_string()
    }
}

text_in_json!(RoundId);
text_in_json!(Digest, hex);
text_schema!(RoundId, "<aggregate>/<step>, as in player/alice/42");
text_schema!(Digest, "SHA-256, 64 hexadecimal digits in lower case");

/// A SHA-256 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A release's name: the digest of its component's bytes.
pub type ReleaseDigest = Digest;

impl Digest {
    /// What a chain begins with.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn hex(&self) -> Hex {
        Hex::of(&self.0)
    }

    /// The digest as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_ref())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| InvalidName {
            text: text.chars().take(80).collect(),
            what: "digest",
            rule: "64 hexadecimal digits in lower case",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr<Err = InvalidName> + fmt::Display>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(text.parse::<T>().map(|name| name.to_string()).as_deref(), Ok(*text));
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn names_are_checked_where_they_come_in() {
        check::<GameId>(&["a", "fruit-slots", "x2"], &["", "2x", "Fruit", "a/b", "a_b", "é"]);
        check::<PublisherName>(&["a", "acme-games"], &["", "Acme", "acme=", &"x".repeat(65)]);
        check::<PlayerId>(&["alice", "A.b-c_9"], &["", "a/b", "a b", "é", &"x".repeat(65)]);
        check::<AggregateId>(
            &["player/alice", "table/7"],
            &["", "alice", "player/", "/alice", "Player/a", "player/a/b"],
        );
        check::<RoundId>(
            &["player/alice/42"],
            &["player/alice", "player/alice/", "player/alice/042", "player/alice/-1", "/1"],
        );
        check::<Locale>(&["en", "en-GB"], &["", "e", "en_GB"]);
        check::<IdempotencyKey>(&["a", "3f0e-1!"], &["", "a b", "é", &"x".repeat(129)]);
        check::<Digest>(&[&"0f".repeat(32)], &["", "0F", &"0F".repeat(32), &"0f".repeat(31)]);
    }

    #[test]
    fn session_ids_are_made_of_entropy() {
        let id = SessionId::from_entropy([255; 16]);
        assert_eq!(id.to_string().parse::<SessionId>(), Ok(id));
    }
}
