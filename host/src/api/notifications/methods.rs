//! The methods with their params and results.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{
    host_method::HostMethods,
    player::{Nothing, default_rows},
};
use crate::{
    identity::{Locale, PlayerId, TemplateName},
    limits::{NOTIFICATION_AHEAD_MS_MAX, PAGE_ROWS_MAX},
    notifications::{
        Change, Channel, Contacts, Entry, Message, Notification, NotificationId, Recipient, Sender, State, Trouble,
    },
    queue::Standing,
    railgun::Workload,
    register::{Applied, Changes, Handed, WhoseContacts},
    rpc::SchemaError,
    templates::Templates,
};

/// Pages that one `notify.buried` looks through for a service's own.
pub(super) const BURIED_PAGES_MAX: usize = 20;

pub(super) fn all() -> Result<HostMethods, SchemaError> {
    HostMethods::default()
        .with::<SendParams, Sent>(
            "notify.send",
            "Accepts a notification. With an idempotency_key it is safe to repeat. A batch is the bulk call. Amounts are \
             texts in its data: a number is written in its shortest form, 1.50 as 1.5.",
        )?
        .with::<NotificationParams, Status>("notify.status", "What has become of a notification.")?
        .with::<NotificationParams, Status>("notify.cancel", "Cancels a notification that nobody is delivering yet.")?
        .with::<BuriedParams, Dead>("notify.buried", "Dead letters, those buried last first.")?
        .with::<NotificationParams, Status>("notify.kick", "Delivers a dead letter after all.")?
        .with::<NotificationParams, Forgotten>("notify.remove", "Forgets a dead letter.")?
        .with::<PreviewParams, Message>("notify.preview", "What a template would say.")?
        .with::<Nothing, Vec<Template>>("notify.templates", "Every template, by channel and language.")?
        .with::<Nothing, Vec<QueueStanding>>("notify.queues", "How much waits, and how many workers it would take.")?
        .with::<SetContactsParams, Contacts>(
            "contacts.set",
            "Says how a player is reached, in place of what was said.",
        )?
        .with::<ContactsParams, Contacts>("contacts.get", "How a player is reached.")?
        .with::<ContactsParams, Forgotten>("contacts.forget", "Forgets how a player is reached.")?
        .with::<Changes, Applied>("work.apply", "For workers: claims notifications and reports what came of them.")?
        .with::<WhoseContacts, Vec<Option<Contacts>>>("work.contacts", "For workers: how players are reached.")?
        .with::<Handed, Accepts>("work.hand", "For hosts: hands over what games want told.")?
        .with::<Nothing, Map<String, Value>>("rpc.discover", "This document.")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendParams {
    /// Through what.
    pub(super) channel: Channel,
    /// Who is told: a player whose contacts are known, or an address of the channel.
    pub(super) recipient: Recipient,
    /// The language, where the recipient's is not known.
    #[serde(default)]
    pub(super) locale: Option<Locale>,
    /// The words.
    pub(super) template: TemplateName,
    /// What the words are filled with. A number is written in its shortest form: an amount is sent as a text.
    #[serde(default)]
    pub(super) data: Map<String, Value>,
    /// 0 goes first; 1000 if not said.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) priority: Option<u32>,
    /// When; now if not said.
    #[serde(default)]
    pub(super) when: Option<DueTime>,
    /// How long it is worth being delivered once it is due, in milliseconds.
    #[serde(default)]
    #[schemars(range(min = 1, max = NOTIFICATION_AHEAD_MS_MAX))]
    pub(super) expires_in_ms: Option<u64>,
}

/// When a notification is due.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum DueTime {
    /// At this time, in Unix milliseconds.
    SendAtMs(u64),
    /// After so many milliseconds.
    DelayMs(u64),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationParams {
    /// Which.
    pub(super) notification: NotificationId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewParams {
    /// Through what.
    pub(super) channel: Channel,
    /// The language.
    #[serde(default)]
    pub(super) locale: Option<Locale>,
    /// The words.
    pub(super) template: TemplateName,
    /// What the words are filled with.
    #[serde(default)]
    pub(super) data: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BuriedParams {
    /// Only those from before this one on: the `next` of the page before.
    #[serde(default)]
    pub(super) before: Option<Place>,
    /// Rows wanted.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = PAGE_ROWS_MAX))]
    pub(super) limit: usize,
}

/// A place among the dead letters.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// Unix milliseconds.
    pub(super) buried_at_ms: u64,
    /// Which.
    pub(super) notification: NotificationId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetContactsParams {
    /// Who.
    pub(super) player: PlayerId,
    /// Where they are reached.
    pub(super) contacts: Contacts,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactsParams {
    /// Who.
    pub(super) player: PlayerId,
}

/// How many were accepted, now or before.
#[derive(Serialize, JsonSchema)]
pub(super) struct Accepts {
    pub(super) accepted: usize,
}

/// A notification that was accepted.
#[derive(Serialize, JsonSchema)]
pub(super) struct Sent {
    notification: NotificationId,
    pub(super) channel: Channel,
    /// Not before this, in Unix milliseconds.
    due_ms: u64,
    /// Not from this on, in Unix milliseconds.
    expires_ms: u64,
}

impl Sent {
    pub(super) fn of(notification: &Notification) -> Self {
        let Notification { id, channel, due_ms, expires_ms, .. } = notification;
        Self { notification: *id, channel: *channel, due_ms: *due_ms, expires_ms: *expires_ms }
    }
}

/// A notification and what has become of it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Status {
    notification: NotificationId,
    sender: Sender,
    channel: Channel,
    recipient: Recipient,
    template: TemplateName,
    priority: u32,
    accepted_at_ms: u64,
    due_ms: u64,
    expires_ms: u64,
    state: State,
    /// Attempts that have failed.
    failures: u32,
    /// The newest failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<Trouble>,
    /// How often a provider has confirmed it.
    deliveries: u32,
}

impl Status {
    pub(super) fn of(entry: Entry) -> Self {
        let Entry { notification, state, failures, trouble, deliveries, .. } = entry;
        let Notification { id, sender, channel, recipient, template, priority, .. } = notification;
        let Notification { accepted_at_ms, due_ms, expires_ms, .. } = notification;
        Self {
            notification: id,
            sender,
            channel,
            recipient,
            template,
            priority,
            accepted_at_ms,
            due_ms,
            expires_ms,
            state,
            failures,
            trouble,
            deliveries,
        }
    }
}

/// Dead letters.
#[derive(Serialize, JsonSchema)]
pub(super) struct Dead {
    rows: Vec<Status>,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Place>,
}

impl Dead {
    pub(super) fn new(rows: Vec<Status>, next: Option<(u64, NotificationId)>) -> Self {
        let next = next.map(|(buried_at_ms, notification)| Place { buried_at_ms, notification });
        Self { rows, next }
    }
}

pub(super) fn place(entry: &Entry) -> Option<(u64, NotificationId)> {
    match entry.state {
        State::Buried { at_ms, .. } => Some((at_ms, entry.notification.id)),
        _ => None,
    }
}

/// Whether a change that was refused is done already: then it was repeated.
pub(super) fn is_done_already(change: &Change, state: &State) -> bool {
    match change {
        Change::Cancel => matches!(state, State::Cancelled { .. }),
        Change::Kick => matches!(state, State::Waiting { .. } | State::UnderWay { .. }),
        _ => false,
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Forgotten {
    pub(super) forgotten: bool,
}

/// A template's words for one channel in one language.
#[derive(Serialize, JsonSchema)]
pub(super) struct Template {
    template: TemplateName,
    channel: Channel,
    /// The language; every one without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<Locale>,
}

impl Template {
    pub(super) fn all(templates: &Templates) -> Vec<Self> {
        let of = |template: &TemplateName| {
            let template = template.clone();
            let variants = templates.variants(&template).map(|(channel, locale)| (channel, locale.cloned()));
            let row = |(channel, locale)| Self { template: template.clone(), channel, locale };
            variants.map(row).collect::<Vec<_>>()
        };
        templates.names().flat_map(of).collect()
    }
}

/// The queue of a channel.
#[derive(Serialize, JsonSchema)]
pub(super) struct QueueStanding {
    channel: Channel,
    ready: u64,
    delayed: u64,
    /// With a worker.
    leased: u64,
    /// Set aside, which only a person with the queue's own tools does.
    buried: u64,
    /// The age of the ready job that comes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_ready_ms: Option<u64>,
    /// How many workers would bring it down in time, at the rate that one is thought to have.
    workers_recommended: u64,
}

impl QueueStanding {
    pub(super) fn of(channel: Channel, standing: &Standing, now_ms: u64, workload: &Workload) -> Self {
        Self {
            channel,
            ready: standing.ready,
            delayed: standing.delayed,
            leased: standing.leased,
            buried: standing.buried,
            oldest_ready_ms: standing.next_due_ms.map(|due_ms| now_ms.saturating_sub(due_ms)),
            workers_recommended: workload.workers(standing),
        }
    }
}
