//! Notifications: what is to be told to whom, and what becomes of it. Rules alone: what keeps them is the register, what
//! delivers them the railgun.

mod entry;
mod grants;
mod id;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    entry::{Answer, Change, Entry, Putting, State, Trouble, WorkerId},
    grants::{Granted, Grants},
    id::NotificationId,
};
use crate::{
    identity::{Address, Digest, GameId, Locale, PlayerId, ServiceName, TemplateName},
    json::Json,
};

/// Through what somebody is told. Each is delivered by a provider of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// E-mail.
    Email,
    /// A message on a device.
    Push,
    /// A message in a social network.
    Social,
    /// A request to a server.
    Webhook,
}

impl Channel {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Email, Self::Push, Self::Social, Self::Webhook];

    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Push => "push",
            Self::Social => "social",
            Self::Webhook => "webhook",
        }
    }

    /// The channel of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Recipient {
    /// A player, by the contacts that are known when it is delivered.
    Player(PlayerId),
    /// An address of the channel.
    Address(Address),
}

/// Who wants it told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// A backend.
    Service(ServiceName),
    /// A game.
    Game(GameId),
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service/{name}"),
            Self::Game(id) => write!(f, "game/{id}"),
        }
    }
}

/// What is to be told to whom. It never changes once it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// Its name, and the key by which a provider may tell a repetition.
    pub id: NotificationId,
    /// Who wants it told.
    pub sender: Sender,
    /// Through what.
    pub channel: Channel,
    /// Who is told.
    pub recipient: Recipient,
    /// The language, where the recipient's is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// The words.
    pub template: TemplateName,
    /// What the words are filled with.
    pub data: Json,
    /// 0 goes first.
    pub priority: u32,
    /// Unix milliseconds.
    pub accepted_at_ms: u64,
    /// Not before this, in Unix milliseconds.
    pub due_ms: u64,
    /// Not from this on, in Unix milliseconds.
    pub expires_ms: u64,
    /// Of what its sender asked for, so that another request under the same key is told from a repetition.
    pub request: Digest,
}

/// To alice, due since long and for ever.
#[cfg(test)]
pub(crate) fn example(number: u8) -> Notification {
    Notification {
        id: NotificationId::from_entropy([number; 16]),
        sender: Sender::Service("crm".parse().unwrap()),
        channel: Channel::Social,
        recipient: Recipient::Player("alice".parse().unwrap()),
        locale: None,
        template: "big-win".parse().unwrap(),
        data: Json::parse(r#"{"amount":5}"#.to_owned()).unwrap(),
        priority: 100,
        accepted_at_ms: 0,
        due_ms: 0,
        expires_ms: u64::MAX,
        request: Digest::ZERO,
    }
}

/// How a player is reached. Kept apart from the player's records, which are never changed: this can be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Contacts {
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Address>,
    /// The push provider's name for the player or the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<Address>,
    /// The social network's id of the player.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub social: Option<Address>,
    /// What the webhook's server calls the player.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Address>,
    /// The player's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
}

impl Contacts {
    /// Where a channel reaches the player.
    #[must_use]
    pub fn address(&self, channel: Channel) -> Option<&Address> {
        match channel {
            Channel::Email => self.email.as_ref(),
            Channel::Push => self.push.as_ref(),
            Channel::Social => self.social.as_ref(),
            Channel::Webhook => self.webhook.as_ref(),
        }
    }
}

/// The words as they are sent, in the form of their channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// An e-mail; it has a text, HTML, or both.
    Email {
        /// Of one line.
        subject: String,
        /// Plain.
        text: Option<String>,
        /// The same as HTML.
        html: Option<String>,
    },
    /// A message on a device.
    Push {
        /// Of one line.
        title: Option<String>,
        /// The message.
        text: String,
    },
    /// A message in a social network.
    Social {
        /// The message.
        text: String,
        /// Where a click leads to, below the application's own address.
        link: Option<String>,
    },
    /// The body of a request.
    Webhook {
        /// As it is.
        body: Json,
    },
}
