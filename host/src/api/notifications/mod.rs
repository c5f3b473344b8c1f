//! The railgun's endpoint: `notify.*` and `contacts.*`, for backends with tokens of their own and for the operator.
//! A batch is the bulk call: its entries are accepted together, with one fsync.

mod methods;
mod numbers;

use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use self::methods::{
    Accepts, BuriedParams, ContactsParams, Dead, DueTime, Forgotten, NotificationParams, PreviewParams, QueueStanding,
    SendParams, Sent, SetContactsParams, Status, Template,
};
pub use self::numbers::Numbers;
use super::{bearer_token, discover, host_method::HostMethods, player::Nothing, take_idempotency_key};
use crate::{
    clock,
    errors::{ErrorReply, HostError},
    identity::{Digest, IdempotencyKey, Locale, TemplateName},
    json::Json,
    limits::{NOTIFICATION_AHEAD_MS_MAX, NOTIFICATION_DATA_BYTES_MAX},
    notifications::{Answer, Change, Channel, Contacts, Entry, Message, Notification, NotificationId, Sender},
    queue::{Queue, QueueError},
    railgun::{Backend, Defaults, Intake, Metrics, Workload},
    register::{Accepted, Applied, Changes, Handed, Register, WhoseContacts},
    rpc::{self, Params, RawJson, SchemaError, Service},
    store::StoreError,
    templates::Templates,
};

/// What the endpoint answers with.
pub struct NotificationParts {
    /// Where notifications come in.
    pub intake: Intake,
    /// Asked for its standing.
    pub queue: Arc<dyn Queue>,
    /// The words.
    pub templates: Arc<Templates>,
    /// Channels that somebody delivers.
    pub channels: Vec<Channel>,
    /// What a sender need not say.
    pub defaults: Defaults,
    /// Counted into.
    pub metrics: Arc<Metrics>,
    /// How much work one worker is thought to do.
    pub workload: Workload,
}

/// Answers services and the operator.
pub struct NotificationService {
    parts: NotificationParts,
    services: Vec<KnownService>,
    operator_token: [u8; 32],
    worker_token: Option<[u8; 32]>,
    methods: HostMethods,
    document: Json,
}

struct KnownService {
    sender: Sender,
    token: [u8; 32],
    rate: Option<DefaultDirectRateLimiter>,
    may_contacts: bool,
}

/// A part that the railgun cannot do without has failed.
#[derive(Debug, Error)]
pub enum NotReady {
    /// What was accepted is kept there.
    #[error("the register of notifications: {0}")]
    Register(StoreError),
    /// Nothing is delivered without it.
    #[error("the queue of notifications: {0}")]
    Queue(QueueError),
}

/// Who calls.
pub type NotificationCaller = Result<Who, &'static str>;

/// A caller that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The operator, who sees everything.
    Operator,
    /// A service, by its place; it sees what it has sent.
    Service(usize),
    /// A worker, or a host that hands over what its games send.
    Worker,
}

/// Tokens are compared by their digests, which are all of one length.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl NotificationService {
    /// # Errors
    /// None in practice: the host's own schemas compile.
    pub fn new(
        parts: NotificationParts,
        services: Vec<Backend>,
        operator_token: &str,
        worker_token: Option<&str>,
    ) -> Result<Self, SchemaError> {
        let methods = methods::all()?;
        let document = discover::document("Croupier: notifications", &methods, &[])?;
        let known = |service: Backend| KnownService {
            sender: Sender::Service(service.name),
            token: digest(&service.token),
            rate: service.per_second.map(|rate| RateLimiter::direct(Quota::per_second(rate))),
            may_contacts: service.may_contacts,
        };
        let services = services.into_iter().map(known).collect();
        let (operator_token, worker_token) = (digest(operator_token), worker_token.map(digest));
        Ok(Self { parts, services, operator_token, worker_token, methods, document })
    }

    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn caller(&self, authorization: Option<&str>) -> NotificationCaller {
        let token = digest(bearer_token(authorization)?);
        if bool::from(token.ct_eq(&self.operator_token)) {
            return Ok(Who::Operator);
        }
        if self.worker_token.is_some_and(|worker| bool::from(token.ct_eq(&worker))) {
            return Ok(Who::Worker);
        }
        let known = self.services.iter().position(|service| bool::from(service.token.ct_eq(&token)));
        known.map(Who::Service).ok_or("the token is neither a service's, nor the operator's, nor the workers'")
    }

    /// Whether notifications can be expected to be accepted and delivered before this process is started anew.
    ///
    /// # Errors
    /// Why not, and what has failed.
    pub fn health(&self) -> Result<(), NotReady> {
        self.register().health().map_err(NotReady::Register)?;
        self.parts.queue.health().map_err(NotReady::Queue)
    }

    async fn answer(&self, caller: &NotificationCaller, method: &str, params: Params) -> Result<Json, ErrorReply> {
        let who = (*caller).map_err(|detail| HostError::Unauthorized { detail })?;
        let mut params = params.by_name()?;
        let key = take_idempotency_key(&mut params)?;
        if key.is_some() && method != "notify.send" {
            let message = "only notify.send takes an idempotency_key: everything else is safe to repeat";
            return Err(ErrorReply::invalid_params("/idempotency_key", message));
        }
        if method.starts_with("work.") != (who == Who::Worker) {
            let detail = "work.* is for workers, and nothing else is";
            return Err(HostError::Unauthorized { detail }.into());
        }
        if method.starts_with("contacts.") && !self.may_contacts(who) {
            let detail = "this service may not see contacts: see railgun.services";
            return Err(HostError::Unauthorized { detail }.into());
        }
        match method {
            "work.apply" => self.apply(self.methods.read(method, params)?).await,
            "work.contacts" => self.whose_contacts(self.methods.read(method, params)?).await,
            "work.hand" => self.hand(self.methods.read(method, params)?).await,
            "notify.send" => self.send(who, params, key).await,
            "notify.status" => self.status(who, self.methods.read(method, params)?).await,
            "notify.cancel" => self.change(who, self.methods.read(method, params)?, Change::Cancel).await,
            "notify.kick" => self.change(who, self.methods.read(method, params)?, Change::Kick).await,
            "notify.remove" => self.change(who, self.methods.read(method, params)?, Change::Remove).await,
            "notify.buried" => self.buried(who, self.methods.read(method, params)?).await,
            "notify.preview" => self.preview(self.methods.read(method, params)?),
            "notify.templates" => {
                let Nothing {} = self.methods.read(method, params)?;
                reply(&Template::all(&self.parts.templates))
            }
            "notify.queues" => {
                let Nothing {} = self.methods.read(method, params)?;
                self.queues().await
            }
            "contacts.set" => self.set_contacts(self.methods.read(method, params)?).await,
            "contacts.get" => self.contacts(self.methods.read(method, params)?).await,
            "contacts.forget" => self.forget_contacts(self.methods.read(method, params)?).await,
            "rpc.discover" => {
                let Nothing {} = self.methods.read(method, params)?;
                Ok(self.document.clone())
            }
            _ => Err(ErrorReply::method_not_found()),
        }
    }

    fn register(&self) -> &Arc<dyn Register> {
        self.parts.intake.register()
    }

    async fn apply(&self, params: Changes) -> Result<Json, ErrorReply> {
        let answers = self.parts.intake.change(params.changes).await.map_err(unavailable)?;
        reply(&Applied { answers })
    }

    async fn whose_contacts(&self, params: WhoseContacts) -> Result<Json, ErrorReply> {
        reply(&self.register().contacts(params.players).await.map_err(unavailable)?)
    }

    async fn hand(&self, params: Handed) -> Result<Json, ErrorReply> {
        let channels: Vec<_> = params.notifications.iter().map(|notification| notification.channel).collect();
        let accepted = self.parts.intake.accept(params.notifications).await.map_err(unavailable)?;
        for channel in channels {
            self.parts.metrics.accepted(channel, 1);
        }
        reply(&Accepts { accepted: accepted.len() })
    }

    async fn send(
        &self,
        who: Who,
        params: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<Json, ErrorReply> {
        let Who::Service(place) = who else {
            let detail = "a service's token is needed to send: declare one as one of railgun.services";
            return Err(HostError::Unauthorized { detail }.into());
        };
        let service = &self.services[place];
        if let Some(Err(wait)) = service.rate.as_ref().map(|rate| rate.check()) {
            let wait = wait.wait_time_from(governor::clock::DefaultClock::default().now());
            let retry_after_ms = clock::milliseconds(wait).max(1);
            return Err(HostError::RateLimited { retry_after_ms }.into());
        }
        // Members of a JSON object are in the order of their names: the same request is the same text.
        let request = Digest::of(Value::Object(params.clone()).to_string().as_bytes());
        let params: SendParams = self.methods.read("notify.send", params)?;
        let id = match &key {
            Some(key) => NotificationId::of_key(&service.sender, key),
            None => NotificationId::from_entropy(rand::random()),
        };
        let notification = self.notification(id, service.sender.clone(), params, request)?;
        let sent = Sent::of(&notification);
        let accepted = self.parts.intake.accept(vec![notification]).await.map_err(unavailable)?;
        match accepted.into_iter().next() {
            Some(Accepted::New) => {
                self.parts.metrics.accepted(sent.channel, 1);
                reply(&sent)
            }
            Some(Accepted::Known(entry)) if entry.notification.request == request => {
                reply(&Sent::of(&entry.notification))
            }
            Some(Accepted::Known(_)) => Err(HostError::IdempotencyConflict.into()),
            None => Err(ErrorReply::internal()),
        }
    }

    fn notification(
        &self,
        id: NotificationId,
        sender: Sender,
        params: SendParams,
        request: Digest,
    ) -> Result<Notification, ErrorReply> {
        let SendParams { channel, recipient, locale, template, data, priority, when, expires_in_ms } = params;
        if !self.parts.channels.contains(&channel) {
            return Err(HostError::ChannelUnavailable { channel }.into());
        }
        let data = Json::of(&data).map_err(|_| ErrorReply::internal())?;
        if data.as_str().len() > NOTIFICATION_DATA_BYTES_MAX {
            let message = format!("data has at most {NOTIFICATION_DATA_BYTES_MAX} bytes");
            return Err(ErrorReply::invalid_params("/data", message));
        }
        // What cannot be rendered is told to whoever can mend it, and not found by a worker.
        self.message(&template, channel, locale.as_ref(), &data)?;
        let accepted_at_ms = clock::now_ms();
        let due_ms = match when {
            None => accepted_at_ms,
            Some(DueTime::SendAtMs(at_ms)) => at_ms.max(accepted_at_ms),
            Some(DueTime::DelayMs(delay_ms)) => accepted_at_ms.saturating_add(delay_ms),
        };
        if due_ms > accepted_at_ms + NOTIFICATION_AHEAD_MS_MAX {
            return Err(ErrorReply::invalid_params("/when", "a notification is sent within 30 days"));
        }
        let expires_ms = due_ms.saturating_add(expires_in_ms.unwrap_or(self.parts.defaults.expires_after_ms));
        let priority = priority.unwrap_or(self.parts.defaults.priority);
        Ok(Notification {
            id,
            sender,
            channel,
            recipient,
            locale,
            template,
            data,
            priority,
            accepted_at_ms,
            due_ms,
            expires_ms,
            request,
        })
    }

    /// The entry, if this caller may know of it.
    async fn entry(&self, who: Who, id: NotificationId) -> Result<Entry, ErrorReply> {
        let found = self.register().find(vec![id]).await.map_err(unavailable)?;
        let entry = found.into_iter().next().flatten().filter(|entry| self.may_see(who, entry));
        entry.ok_or_else(|| HostError::NotificationNotFound.into())
    }

    fn may_see(&self, who: Who, entry: &Entry) -> bool {
        match who {
            Who::Operator => true,
            Who::Worker => false,
            Who::Service(place) => entry.notification.sender == self.services[place].sender,
        }
    }

    fn may_contacts(&self, who: Who) -> bool {
        match who {
            Who::Operator => true,
            Who::Worker => false,
            Who::Service(place) => self.services[place].may_contacts,
        }
    }

    async fn status(&self, who: Who, params: NotificationParams) -> Result<Json, ErrorReply> {
        reply(&Status::of(self.entry(who, params.notification).await?))
    }

    async fn change(&self, who: Who, params: NotificationParams, change: Change) -> Result<Json, ErrorReply> {
        let id = params.notification;
        self.entry(who, id).await?;
        let answers = self.parts.intake.change(vec![(id, change.clone())]).await.map_err(unavailable)?;
        match answers.into_iter().next() {
            Some(Answer::Done(_)) => reply(&Status::of(self.entry(who, id).await?)),
            Some(Answer::Removed) => reply(&Forgotten { forgotten: true }),
            Some(Answer::Otherwise(state)) if methods::is_done_already(&change, &state) => {
                reply(&Status::of(self.entry(who, id).await?))
            }
            Some(Answer::Otherwise(state)) => {
                let state = Json::of(&state).map_err(|_| ErrorReply::internal())?;
                Err(HostError::NotificationOtherwise { state }.into())
            }
            Some(Answer::Held { .. }) => Err(HostError::NotificationUnderWay.into()),
            Some(Answer::Unknown) => Err(HostError::NotificationNotFound.into()),
            Some(Answer::Claimed(_) | Answer::NotDue { .. }) | None => Err(ErrorReply::internal()),
        }
    }

    async fn buried(&self, who: Who, params: BuriedParams) -> Result<Json, ErrorReply> {
        let BuriedParams { before, limit } = params;
        let mut page = before.map(|before| (before.buried_at_ms, before.notification));
        let mut rows = Vec::new();
        // Others' are passed over, a bounded number of them at a time.
        for _ in 0..methods::BURIED_PAGES_MAX {
            let entries = self.register().buried(page, limit).await.map_err(unavailable)?;
            let is_last = entries.len() < limit;
            let mut entries = entries.into_iter();
            while let Some(entry) = entries.next() {
                page = methods::place(&entry);
                if self.may_see(who, &entry) {
                    rows.push(Status::of(entry));
                }
                if rows.len() == limit {
                    let next = page.filter(|_| !is_last || entries.len() > 0);
                    return reply(&Dead::new(rows, next));
                }
            }
            if is_last {
                return reply(&Dead::new(rows, None));
            }
        }
        reply(&Dead::new(rows, page))
    }

    fn preview(&self, params: PreviewParams) -> Result<Json, ErrorReply> {
        let PreviewParams { channel, locale, template, data } = params;
        let data = Json::of(&data).map_err(|_| ErrorReply::internal())?;
        reply(&self.message(&template, channel, locale.as_ref(), &data)?)
    }

    fn message(
        &self,
        template: &TemplateName,
        channel: Channel,
        locale: Option<&Locale>,
        data: &Json,
    ) -> Result<Message, HostError> {
        let rendered = self.parts.templates.render(template, channel, locale, data);
        rendered.map_err(|error| HostError::TemplateRefused { detail: error.to_string() })
    }

    async fn queues(&self) -> Result<Json, ErrorReply> {
        let mut queues = Vec::new();
        for channel in &self.parts.channels {
            let standing = self.parts.queue.standing(*channel).await.map_err(|error| {
                tracing::warn!(%error, "the queue does not say how it stands");
                HostError::QueueUnavailable
            })?;
            queues.push(QueueStanding::of(*channel, &standing, clock::now_ms(), &self.parts.workload));
        }
        reply(&queues)
    }

    async fn set_contacts(&self, params: SetContactsParams) -> Result<Json, ErrorReply> {
        let SetContactsParams { player, contacts } = params;
        self.register().set_contacts(player, Some(contacts.clone())).await.map_err(unavailable)?;
        reply(&contacts)
    }

    async fn contacts(&self, params: ContactsParams) -> Result<Json, ErrorReply> {
        let found = self.register().contacts(vec![params.player]).await.map_err(unavailable)?;
        reply::<Contacts>(&found.into_iter().next().flatten().unwrap_or_default())
    }

    async fn forget_contacts(&self, params: ContactsParams) -> Result<Json, ErrorReply> {
        self.register().set_contacts(params.player, None).await.map_err(unavailable)?;
        reply(&Forgotten { forgotten: true })
    }
}

fn reply<T: serde::Serialize + ?Sized>(value: &T) -> Result<Json, ErrorReply> {
    Json::of(value).map_err(|_| ErrorReply::internal())
}

fn unavailable(error: StoreError) -> ErrorReply {
    tracing::error!(%error, "the register of notifications cannot be used");
    match error {
        StoreError::Full(_) => HostError::RegisterFull.into(),
        StoreError::Unavailable(_) | StoreError::Corrupt(_) => HostError::RegisterUnavailable.into(),
    }
}

impl Service for NotificationService {
    type Caller = NotificationCaller;

    async fn call(&self, caller: &NotificationCaller, method: &str, params: Params) -> Result<RawJson, rpc::Error> {
        self.answer(caller, method, params).await.map(Into::into).map_err(Into::into)
    }
}
