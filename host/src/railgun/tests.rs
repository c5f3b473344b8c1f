//! The railgun over the embedded register and queue, with providers that do what a test wants.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tempfile::TempDir;

use super::*;
use crate::{
    identity::{PlayerId, ProviderName},
    json::Json,
    notifications::{Answer, Change, Contacts, Entry, Notification, NotificationId, Recipient, State, example},
    providers::{Delivery, Failure, FailureKind, Outcome},
    queue::{self, Job},
    register,
};

/// Does what its script says, and then delivers.
struct Scripted {
    name: ProviderName,
    bulk_max: usize,
    script: Mutex<VecDeque<Outcome>>,
    /// The calls, each with who was told what.
    calls: watch::Sender<Vec<Vec<(String, NotificationId)>>>,
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn channel(&self) -> Channel {
        Channel::Social
    }

    fn bulk_max(&self) -> usize {
        self.bulk_max
    }

    async fn deliver(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let call = deliveries.iter().map(|delivery| (delivery.to.to_string(), delivery.notification)).collect();
        self.calls.send_modify(|calls| calls.push(call));
        let mut script = self.script.lock().unwrap();
        let outcome = |_| script.pop_front().unwrap_or(Outcome::Delivered { reference: None });
        deliveries.iter().map(outcome).collect()
    }
}

impl Scripted {
    fn new(bulk_max: usize, script: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        let script = Mutex::new(script.into_iter().collect());
        let (name, calls) = ("meta".parse().unwrap(), watch::channel(Vec::new()).0);
        Arc::new(Self { name, bulk_max, script, calls })
    }

    fn attempts(&self) -> usize {
        self.calls.borrow().iter().map(Vec::len).sum()
    }
}

struct Fixture {
    _directory: TempDir,
    register: Arc<dyn Register>,
    queue: Arc<dyn Queue>,
    templates: Arc<Templates>,
    intaking: Intaking,
    metrics: Arc<Metrics>,
}

impl Fixture {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let register: Arc<dyn Register> = Arc::new(
            register::Embedded::open(&register::EmbeddedSettings {
                directory: directory.path().join("register"),
                disk_reserve_bytes: 0,
            })
            .unwrap(),
        );
        let queue: Arc<dyn Queue> = Arc::new(
            queue::embedded::Embedded::open(&queue::embedded::Settings {
                directory: directory.path().join("queue"),
                lease: Duration::from_mins(1),
                disk_reserve_bytes: 0,
            })
            .unwrap(),
        );
        let folder = directory.path().join("templates/big-win");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("social.en.txt"), "You won {{ amount }}!").unwrap();
        let templates = Templates::load(&directory.path().join("templates"), "en".parse().unwrap()).unwrap();
        let intaking = Intaking::start(register.clone(), queue.clone(), Duration::from_hours(1));
        Self {
            _directory: directory,
            register,
            queue,
            templates: Arc::new(templates),
            intaking,
            metrics: Arc::default(),
        }
    }

    fn work(&self, provider: &Arc<Scripted>) -> Workers {
        self.work_for(self.register.clone(), provider)
    }

    fn work_for(&self, register: Arc<dyn Claiming>, provider: &Arc<Scripted>) -> Workers {
        let retries =
            Retries { attempts_max: 3, wait_min: Duration::from_millis(1), wait_max: Duration::from_millis(5) };
        let route = Route::new(provider.clone(), 100, usize::MAX, None);
        Workers::start(&register, &self.queue, &self.templates, vec![route], retries, &self.metrics)
    }

    async fn send(&self, notifications: Vec<Notification>) {
        self.intaking.intake().accept(notifications).await.unwrap();
    }

    /// How many dead letters were counted for this reason.
    fn buried(&self, reason: &str) -> u64 {
        let of = format!("buried_total{{channel=\"social\",provider=\"meta\",reason=\"{reason}\"}} ");
        let text = self.metrics.text();
        text.lines().find_map(|row| row.split_once(&of)).map_or(0, |(_, count)| count.parse().unwrap())
    }

    /// Waits until none of them is open any more.
    async fn settled(&self, ids: &[NotificationId]) -> BTreeMap<NotificationId, Entry> {
        loop {
            let entries = self.register.find(ids.to_vec()).await.unwrap();
            let entries: Vec<_> = entries.into_iter().map(Option::unwrap).collect();
            if entries.iter().all(Entry::is_settled) {
                return entries.into_iter().map(|entry| (entry.notification.id, entry)).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the queue has no job left but such as wait for the end of a lease: second jobs of what was being
    /// delivered, which are then found to be done. A notification is settled before its job is gone.
    async fn drained(&self) {
        loop {
            let standing = self.queue.standing(Channel::Social).await.unwrap();
            if (queue::Standing { delayed: 0, ..standing }) == queue::Standing::default() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn notification(number: u8, recipient: Recipient) -> Notification {
    Notification { recipient, ..example(number) }
}

fn to(address: &str) -> Recipient {
    Recipient::Address(address.parse().unwrap())
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure { kind, why: "not now".to_owned(), retry_after: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_delivered_once_also_what_was_accepted_before_anybody_worked() {
    let fixture = Fixture::open();
    let early: Vec<_> = (0..50).map(|number| notification(number, to(&format!("user-{number}")))).collect();
    fixture.send(early.clone()).await;
    // Again, as a client does that has lost the answer.
    fixture.send(early.clone()).await;
    let provider = Scripted::new(1, []);
    let workers = fixture.work(&provider);
    let late: Vec<_> = (50..80).map(|number| notification(number, to("user"))).collect();
    fixture.send(late.clone()).await;
    let ids: Vec<_> = early.iter().chain(&late).map(|notification| notification.id).collect();
    let entries = fixture.settled(&ids).await;
    assert!(entries.values().all(|entry| entry.deliveries == 1));
    assert_eq!(provider.attempts(), 80);
    assert!(provider.calls.borrow().iter().all(|call| call.len() == 1));
    fixture.drained().await;
    assert_eq!(provider.attempts(), 80);
    workers.stop().await;
    fixture.intaking.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_tried_again_and_what_cannot_be_is_buried_with_its_reason() {
    let fixture = Fixture::open();
    let provider = Scripted::new(
        1,
        [failed(FailureKind::Unavailable), failed(FailureKind::Throttled), Outcome::Delivered { reference: None }],
    );
    let workers = fixture.work(&provider);
    fixture.send(vec![notification(1, to("slow"))]).await;
    let entry = fixture.settled(&[notification(1, to("slow")).id]).await.into_values().next().unwrap();
    assert!(matches!(entry.state, State::Delivered { claim: 3, .. }), "{entry:?}");
    assert_eq!((entry.failures, entry.trouble.unwrap().why.as_str()), (2, "not now"));

    provider.script.lock().unwrap().extend([(); 3].map(|()| failed(FailureKind::TimedOut)));
    fixture.send(vec![notification(2, to("never"))]).await;
    let id = notification(2, to("never")).id;
    let buried = fixture.settled(&[id]).await.into_values().next().unwrap();
    assert!(matches!(&buried.state, State::Buried { why, .. } if why == "given up after 3 attempts: not now"));

    provider.script.lock().unwrap().push_back(Outcome::Refused { why: "no such user".to_owned() });
    fixture.send(vec![notification(3, to("nobody"))]).await;
    let refused = fixture.settled(&[notification(3, to("nobody")).id]).await.into_values().next().unwrap();
    assert!(matches!(&refused.state, State::Buried { why, .. } if why == "no such user"));

    // A dead letter that is kicked is delivered.
    fixture.intaking.intake().change(vec![(id, Change::Kick)]).await.unwrap();
    let kicked = fixture.settled(&[id]).await.into_values().next().unwrap();
    assert!(matches!(kicked.state, State::Delivered { .. }), "{kicked:?}");
    workers.stop().await;
    assert_eq!(["given_up", "refused"].map(|reason| fixture.buried(reason)), [1, 1]);
}

/// A register with a clock of its own, which runs a second each time that it is asked.
struct ClockedElsewhere {
    entry: Mutex<Entry>,
    now_ms: AtomicU64,
    /// How long each claim was given.
    leases_ms: Mutex<Vec<u64>>,
}

#[async_trait]
impl Claiming for ClockedElsewhere {
    async fn apply(&self, changes: Vec<(NotificationId, Change)>) -> Result<Vec<Answer>, StoreError> {
        let now_ms = self.now_ms.fetch_add(1000, Ordering::Relaxed);
        let apply = |(_, change)| {
            let answer = self.entry.lock().unwrap().apply(change, now_ms);
            if let Answer::Claimed(entry) = &answer
                && let State::UnderWay { until_ms, .. } = entry.state
            {
                self.leases_ms.lock().unwrap().push(until_ms - now_ms);
            }
            answer
        };
        Ok(changes.into_iter().map(apply).collect())
    }

    async fn contacts(&self, players: Vec<PlayerId>) -> Result<Vec<Option<Contacts>>, StoreError> {
        Ok(vec![None; players.len()])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_waits_are_counted_by_the_registers_clock_however_far_it_is_from_this_one() {
    for now_ms in [1_000_000, u64::MAX / 2] {
        let fixture = Fixture::open();
        let mut notification = notification(1, to("user"));
        notification.due_ms = now_ms + 1;
        fixture.queue.put(Channel::Social, vec![(Job::of(&notification), Duration::ZERO)]).await.unwrap();
        let register = Arc::new(ClockedElsewhere {
            entry: Mutex::new(Entry::new(notification)),
            now_ms: AtomicU64::new(now_ms),
            leases_ms: Mutex::default(),
        });
        let provider = Scripted::new(1, [failed(FailureKind::Unavailable)]);
        let workers = fixture.work_for(register.clone(), &provider);
        while !register.entry.lock().unwrap().is_settled() {
            tokio::task::yield_now().await;
        }
        workers.stop().await;
        // Not due, claimed and failed, claimed and delivered.
        assert!(matches!(register.entry.lock().unwrap().state, State::Delivered { claim: 2, .. }));
        assert_eq!(*register.leases_ms.lock().unwrap(), [60_000; 2]);
        assert_eq!(provider.attempts(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn players_are_reached_by_their_contacts_and_who_cannot_be_is_named() {
    let fixture = Fixture::open();
    let contacts = Contacts { social: Some("42".parse().unwrap()), ..Contacts::default() };
    fixture.register.set_contacts("alice".parse().unwrap(), Some(contacts)).await.unwrap();
    let provider = Scripted::new(1, []);
    let workers = fixture.work(&provider);
    let mut unspeakable = notification(3, to("x"));
    unspeakable.data = Json::parse("{}".to_owned()).unwrap();
    let notifications = vec![
        notification(1, Recipient::Player("alice".parse().unwrap())),
        notification(2, Recipient::Player("bob".parse().unwrap())),
        unspeakable,
    ];
    let ids: Vec<_> = notifications.iter().map(|notification| notification.id).collect();
    fixture.send(notifications).await;
    let entries = fixture.settled(&ids).await;
    assert_eq!(*provider.calls.borrow(), [vec![("42".to_owned(), ids[0])]]);
    assert!(matches!(&entries[&ids[1]].state, State::Buried { why, .. } if why.contains("how to reach bob by social")));
    assert!(matches!(&entries[&ids[2]].state, State::Buried { why, .. } if why.contains("social.en.txt:1")));
    workers.stop().await;
    assert_eq!(["no_contact", "no_words"].map(|reason| fixture.buried(reason)), [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_delivered_by_one_call_where_the_provider_takes_many() {
    let fixture = Fixture::open();
    let notifications: Vec<_> = (0..200).map(|number| notification(number, to("user"))).collect();
    let ids: Vec<_> = notifications.iter().map(|notification| notification.id).collect();
    fixture.send(notifications).await;
    while fixture.queue.standing(Channel::Social).await.unwrap().ready < 200 {
        tokio::task::yield_now().await;
    }
    let provider = Scripted::new(50, []);
    let workers = fixture.work(&provider);
    let entries = fixture.settled(&ids).await;
    assert!(entries.values().all(|entry| entry.deliveries == 1));
    assert_eq!(provider.calls.borrow().iter().map(Vec::len).collect::<Vec<_>>(), [50; 4]);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_or_over_its_time_is_not_delivered() {
    let fixture = Fixture::open();
    let provider = Scripted::new(1, []);
    let (mut cancelled, mut expired) = (notification(1, to("a")), notification(2, to("b")));
    cancelled.due_ms = u64::MAX / 2;
    expired.expires_ms = 1;
    let ids = [cancelled.id, expired.id];
    fixture.send(vec![cancelled, expired]).await;
    fixture.intaking.intake().change(vec![(ids[0], Change::Cancel)]).await.unwrap();
    let workers = fixture.work(&provider);
    let entries = fixture.settled(&ids).await;
    assert!(matches!(entries[&ids[0]].state, State::Cancelled { .. }));
    assert!(matches!(entries[&ids[1]].state, State::Expired { .. }));
    assert_eq!(provider.attempts(), 0);
    workers.idle(Duration::ZERO).await;
    workers.stop().await;
}

/// A register that lets nobody claim before it is told to.
struct Reluctant {
    register: Arc<dyn Register>,
    lets: watch::Receiver<bool>,
}

#[async_trait]
impl Claiming for Reluctant {
    async fn apply(&self, changes: Vec<(NotificationId, Change)>) -> Result<Vec<Answer>, StoreError> {
        self.lets.clone().wait_for(|lets| *lets).await.unwrap();
        self.register.apply(changes).await
    }

    async fn contacts(&self, players: Vec<PlayerId>) -> Result<Vec<Option<Contacts>>, StoreError> {
        self.register.contacts(players).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_not_idle_while_it_claims_what_it_has_taken() {
    let fixture = Fixture::open();
    fixture.send(vec![notification(1, to("user"))]).await;
    let (let_them, lets) = watch::channel(false);
    let provider = Scripted::new(1, []);
    let workers = fixture.work_for(Arc::new(Reluctant { register: fixture.register.clone(), lets }), &provider);
    while fixture.queue.standing(Channel::Social).await.unwrap().leased == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(workers.idle(Duration::ZERO).now_or_never(), None);
    let_them.send_replace(true);
    workers.idle(Duration::ZERO).await;
    assert_eq!(provider.attempts(), 1);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_over_when_its_time_is() {
    let fixture = Fixture::open();
    let mut expired = notification(1, to("a"));
    expired.expires_ms = 1;
    fixture.send(vec![expired, notification(2, to("b"))]).await;
    expire_all(&*fixture.register).await.unwrap();
    let ids = [1, 2].map(|number| NotificationId::from_entropy([number; 16]));
    let states = fixture.register.find(ids.to_vec()).await.unwrap().into_iter().map(|entry| entry.unwrap().state);
    assert!(matches!(states.collect::<Vec<_>>()[..], [State::Expired { .. }, State::Waiting { .. }]));
}
