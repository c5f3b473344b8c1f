//! The one thread that writes. It takes whatever requests are waiting and writes them together: with one fsync, where
//! one of them is to be durable.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    io,
    sync::{
        Arc, OnceLock,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use fjall::PersistMode;
use tokio::sync::oneshot;

use super::{
    super::{Accepted, closed},
    tables::Tables,
};
use crate::{
    clock,
    identity::PlayerId,
    notifications::{Answer, Change, Contacts, Entry, Notification, NotificationId, Putting},
    store::{StoreError, unavailable},
};

/// Requests that are written together.
const GROUP_REQUESTS_MAX: usize = 4096;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What is to be written, and who waits for it.
pub(super) enum Request {
    Accept(Vec<Notification>, Reply<Vec<Accepted>>),
    Apply(Vec<(NotificationId, Change)>, Reply<Vec<Answer>>),
    WerePut(Vec<Putting>, Reply<()>),
    Forget { before_ms: u64, count_max: usize, reply: Reply<usize> },
    SetContacts(PlayerId, Option<Contacts>, Reply<()>),
    SetQueue(String, Reply<()>),
}

/// The running thread. Once this is dropped it finishes what waits and ends.
pub(super) struct Writer {
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// `failure` is where its failure appears, if ever it has one.
    pub(super) fn start(tables: Tables, failure: Arc<OnceLock<StoreError>>) -> io::Result<Self> {
        let (requests, waiting) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("register-writer".to_owned())
            .spawn(move || write_all(&tables, &waiting, &failure))?;
        Ok(Self { requests, thread })
    }

    pub(super) fn submit(&self, request: Request) -> Result<(), StoreError> {
        self.requests.send(request).map_err(|_| closed())
    }

    /// Finishes what waits, and the thread with it.
    pub(super) async fn end(self) {
        let Self { requests, thread } = self;
        drop(requests);
        if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            tracing::error!("the register's writer did not end in good order");
        }
    }
}

fn write_all(tables: &Tables, waiting: &Receiver<Request>, failure: &OnceLock<StoreError>) {
    while let Ok(first) = waiting.recv() {
        let mut group = Group::new(tables);
        group.take(first);
        for _ in 1..GROUP_REQUESTS_MAX {
            let Ok(request) = waiting.try_recv() else { break };
            group.take(request);
        }
        group.write(failure);
    }
    if let Err(error) = tables.database.persist(PersistMode::SyncAll) {
        tracing::error!(%error, "the register's newest changes may not survive a loss of power");
    }
}

/// Requests that are written together. Of what several of them change, only the last is written: the database does not
/// tell two writes of one key in one batch apart.
struct Group<'a> {
    tables: &'a Tables,
    entries: HashMap<NotificationId, Changed>,
    /// Whether it is listed as not done.
    unput: HashMap<Putting, bool>,
    contacts: HashMap<PlayerId, Option<Contacts>>,
    queue: Option<String>,
    is_durable: bool,
    answers: Vec<AnswerOnce>,
}

/// Answers a request, once it is known whether it was written.
type AnswerOnce = Box<dyn FnOnce(Result<(), StoreError>)>;

/// An entry that requests of the group have looked at; none where there is, or will be, none.
struct Changed {
    stored: Option<Entry>,
    now: Option<Entry>,
}

impl<'a> Group<'a> {
    fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            entries: HashMap::new(),
            unput: HashMap::new(),
            contacts: HashMap::new(),
            queue: None,
            is_durable: false,
            answers: Vec::new(),
        }
    }

    /// What is taken of a request before it fails is written: each change is whole by itself.
    fn take(&mut self, request: Request) {
        match request {
            Request::Accept(notifications, reply) => {
                self.is_durable = true;
                let accepted = notifications.into_iter().map(|notification| self.accept(notification)).collect();
                self.answer(reply, accepted);
            }
            Request::Apply(changes, reply) => {
                let now_ms = clock::now_ms();
                let answers = changes.into_iter().map(|(id, change)| self.apply(id, change, now_ms)).collect();
                self.answer(reply, answers);
            }
            Request::WerePut(puttings, reply) => {
                self.unput.extend(puttings.into_iter().map(|putting| (putting, false)));
                self.answer(reply, Ok(()));
            }
            Request::Forget { before_ms, count_max, reply } => {
                let forgotten = self.forget(before_ms, count_max);
                self.answer(reply, forgotten);
            }
            Request::SetContacts(player, contacts, reply) => {
                self.is_durable = true;
                self.contacts.insert(player, contacts);
                self.answer(reply, Ok(()));
            }
            Request::SetQueue(incarnation, reply) => {
                self.queue = Some(incarnation);
                self.answer(reply, Ok(()));
            }
        }
    }

    fn answer<T: 'static>(&mut self, reply: Reply<T>, outcome: Result<T, StoreError>) {
        self.answers.push(Box::new(move |written| {
            // Whoever has gone away does not want to know.
            let _unheard = reply.send(written.and(outcome));
        }));
    }

    /// A database that failed to write cannot tell what is on its disk; opening it anew can. Until then it is only read.
    fn write(mut self, failure: &OnceLock<StoreError>) {
        let answers = std::mem::take(&mut self.answers);
        let written = match failure.get() {
            Some(failure) => Err(failure.clone()),
            None => self.commit().inspect_err(|error| {
                tracing::error!(%error, "the register has failed; it writes nothing from here on: restart the process");
                let _first = failure.set(error.clone());
            }),
        };
        for answer in answers {
            answer(written.clone());
        }
    }

    fn commit(self) -> Result<(), StoreError> {
        let mode = if self.is_durable { PersistMode::SyncAll } else { PersistMode::Buffer };
        let mut batch = self.tables.database.batch().durability(Some(mode));
        for (id, Changed { stored, now }) in self.entries {
            if stored != now {
                self.tables.write(&mut batch, &id, stored.as_ref(), now.as_ref())?;
            }
        }
        for (putting, is_unput) in self.unput {
            self.tables.set_unput(&mut batch, putting, is_unput);
        }
        for (player, contacts) in self.contacts {
            self.tables.set_contacts(&mut batch, &player, contacts.as_ref())?;
        }
        if let Some(incarnation) = &self.queue {
            self.tables.set_queue(&mut batch, incarnation)?;
        }
        batch.commit().map_err(unavailable)
    }

    fn look(&mut self, id: NotificationId) -> Result<&mut Option<Entry>, StoreError> {
        Ok(match self.entries.entry(id) {
            Slot::Occupied(known) => &mut known.into_mut().now,
            Slot::Vacant(unknown) => {
                let stored = self.tables.entry(&id)?;
                &mut unknown.insert(Changed { now: stored.clone(), stored }).now
            }
        })
    }

    fn accept(&mut self, notification: Notification) -> Result<Accepted, StoreError> {
        let id = notification.id;
        let slot = self.look(id)?;
        if let Some(entry) = slot {
            return Ok(Accepted::Known(Box::new(entry.clone())));
        }
        let entry = slot.insert(Entry::new(notification));
        let putting = entry.putting();
        self.unput.insert(putting, true);
        Ok(Accepted::New)
    }

    fn apply(&mut self, id: NotificationId, change: Change, now_ms: u64) -> Result<Answer, StoreError> {
        let slot = self.look(id)?;
        let Some(entry) = slot else { return Ok(Answer::Unknown) };
        let was_settled = entry.is_settled();
        let answer = entry.apply(change, now_ms);
        let (is_settled, putting) = (entry.is_settled(), entry.putting());
        if answer == Answer::Removed {
            *slot = None;
        }
        if was_settled != is_settled {
            self.unput.insert(putting, was_settled);
        }
        Ok(answer)
    }

    fn forget(&mut self, before_ms: u64, count_max: usize) -> Result<usize, StoreError> {
        let ids = self.tables.over_before(before_ms, count_max)?;
        for id in &ids {
            *self.look(*id)? = None;
        }
        Ok(ids.len())
    }
}
