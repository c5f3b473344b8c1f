//! One channel at work: takes jobs, claims what they stand for, and has the provider deliver it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc, watch};

use super::{
    Route,
    breaker::{Admission, Breaker},
    metrics::Metrics,
    pace::Pace,
    reports::{Closed, Reason, Report, Then},
    retries::Retries,
};
use crate::{
    clock::milliseconds,
    identity::{Address, PlayerId},
    notifications::{Answer, Change, Contacts, Entry, Recipient, WorkerId},
    providers::{Delivery, Failure, FailureKind, Outcome},
    queue::{Leased, Queue},
    register::Claiming,
    store::StoreError,
    templates::Templates,
};

/// Jobs that are taken together.
const TAKEN_MAX: usize = 1000;
/// How often as many attempts as there may be can have ended without a report, before whatever it is that ends them is
/// taken for the notification itself.
const SILENCE_FACTOR: u32 = 2;
/// How long a line waits that cannot reach its queue or the register.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// What every line needs.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) worker: WorkerId,
    pub(super) register: Arc<dyn Claiming>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) templates: Arc<Templates>,
    pub(super) retries: Retries,
    pub(super) metrics: Arc<Metrics>,
}

/// One channel.
pub(super) struct Line {
    means: Means,
    route: Route,
    ahead: Mutex<Ahead>,
    /// A call has ended, so that there may be room.
    ended: Notify,
    reports: mpsc::Sender<Report>,
}

/// What decides how much is begun.
struct Ahead {
    pace: Pace,
    breaker: Breaker,
    under_way: usize,
    /// Jobs may have been taken of which nothing is under way yet.
    is_beginning: bool,
}

/// What may be begun now.
enum Room {
    Calls(usize),
    /// One call, to see whether the provider is back.
    Probe,
    None {
        until: Option<Instant>,
    },
}

/// A notification that is being tried.
struct Attempt {
    leased: Leased,
    claim: u32,
    failures: u32,
    delivery: Delivery,
}

impl Line {
    pub(super) fn new(means: Means, route: Route, reports: mpsc::Sender<Report>) -> Arc<Self> {
        let pace = Pace::new(route.calls_max);
        let ahead = Mutex::new(Ahead { pace, breaker: Breaker::default(), under_way: 0, is_beginning: false });
        Arc::new(Self { means, route, ahead, ended: Notify::new(), reports })
    }

    /// Delivers until it is stopped; what was begun is not finished then: see [`Self::drained`].
    pub(super) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let stop = async move {
            // A sender that is gone means the same.
            let _stopped = stopped.wait_for(|stopped| *stopped).await;
        };
        tokio::pin!(stop);
        loop {
            let wait = match self.room() {
                Room::Calls(calls) => self.begin(calls, false).await,
                Room::Probe => self.begin(1, true).await,
                Room::None { until } => Wait::Room(until),
            };
            let waiting = async {
                match wait {
                    Wait::Nothing => {}
                    Wait::Jobs => self.means.queue.ready(self.route.channel()).await,
                    Wait::Trouble => tokio::time::sleep(TROUBLE_PAUSE).await,
                    Wait::Room(None) => self.ended.notified().await,
                    Wait::Room(Some(until)) => tokio::select! {
                        () = self.ended.notified() => {}
                        () = tokio::time::sleep_until(until.into()) => {}
                    },
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = waiting => {}
            }
        }
    }

    /// Waits until every call that was begun has ended.
    pub(super) async fn drained(&self) {
        loop {
            let ended = self.ended.notified();
            if self.ahead().under_way == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Whether it may have taken what is not delivered yet.
    pub(super) fn is_busy(&self) -> bool {
        let ahead = self.ahead();
        ahead.is_beginning || ahead.under_way > 0
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> Room {
        let now = Instant::now();
        let mut ahead = self.ahead();
        match ahead.breaker.admission(now) {
            Admission::Nobody(until) => Room::None { until: Some(until).filter(|until| *until > now) },
            Admission::One => {
                ahead.breaker.probe();
                Room::Probe
            }
            Admission::All => match ahead.pace.limit().saturating_sub(ahead.under_way) {
                0 => Room::None { until: None },
                calls => Room::Calls(calls),
            },
        }
    }

    /// Begins at most so many calls.
    async fn begin(self: &Arc<Self>, calls: usize, is_probe: bool) -> Wait {
        self.ahead().is_beginning = true;
        let wait = self.take(calls, is_probe).await;
        self.ahead().is_beginning = false;
        wait
    }

    async fn take(self: &Arc<Self>, calls: usize, is_probe: bool) -> Wait {
        let per_call = if is_probe { 1 } else { self.route.bulk_max };
        let count_max = calls.saturating_mul(per_call).min(TAKEN_MAX).min(self.route.burst_max());
        let taken = match self.means.queue.take(self.route.channel(), count_max).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(channel = %self.route.channel(), %error, "no jobs can be taken");
                self.probed_nothing(is_probe);
                return Wait::Trouble;
            }
        };
        if taken.is_empty() {
            self.probed_nothing(is_probe);
            return Wait::Jobs;
        }
        let were_all = taken.len() < count_max;
        if !were_all {
            self.ahead().pace.was_full();
        }
        let attempts = match self.claim(taken).await {
            Ok(attempts) => attempts,
            Err(error) => {
                tracing::warn!(channel = %self.route.channel(), %error, "notifications cannot be claimed");
                self.probed_nothing(is_probe);
                return Wait::Trouble;
            }
        };
        if attempts.is_empty() {
            self.probed_nothing(is_probe);
        }
        let mut attempts = attempts.into_iter().peekable();
        while attempts.peek().is_some() {
            let call: Vec<_> = attempts.by_ref().take(per_call).collect();
            self.route.wait_for_rate(call.len()).await;
            self.ahead().under_way += 1;
            self.means.metrics.begun(&self.route, call.len());
            tokio::spawn(self.clone().deliver(call));
        }
        if were_all { Wait::Jobs } else { Wait::Nothing }
    }

    fn probed_nothing(&self, is_probe: bool) {
        if is_probe {
            self.ahead().breaker.probed_nothing();
        }
    }

    /// Claims what was taken, and finds out what is to be said to whom. Jobs that are no work go back or away.
    async fn claim(&self, taken: Vec<Leased>) -> Result<Vec<Attempt>, StoreError> {
        let lease_ms = milliseconds(self.means.queue.lease());
        let claim = Change::Claim { worker: self.means.worker, lease_ms };
        let claims = taken.iter().map(|leased| (leased.job.notification, claim.clone())).collect();
        let answers = match self.means.register.apply(claims).await {
            Ok(answers) => answers,
            Err(error) => {
                // Of what was claimed all the same, the register knows until when.
                let back = taken.into_iter().map(|leased| (leased, TROUBLE_PAUSE)).collect();
                self.close(Closed { back, ..Closed::default() }).await;
                return Err(error);
            }
        };
        let (mut claimed, mut closed) = (Vec::new(), Closed::default());
        for (leased, answer) in taken.into_iter().zip(answers) {
            match answer {
                Answer::Claimed(entry) => claimed.push((leased, entry)),
                Answer::NotDue { wait_ms } | Answer::Held { wait_ms } => {
                    closed.back.push((leased, Duration::from_millis(wait_ms)));
                }
                Answer::Done(state) | Answer::Otherwise(state) => {
                    self.means.metrics.found(&self.route, &state);
                    closed.done.push(leased);
                }
                Answer::Removed | Answer::Unknown => closed.done.push(leased),
            }
        }
        self.close(closed).await;
        self.prepare(claimed).await
    }

    async fn close(&self, closed: Closed) {
        closed.tell(self.route.channel(), &*self.means.queue).await;
    }

    /// The messages of what was claimed. What has none is buried, and what cannot be prepared now is given back.
    async fn prepare(&self, claimed: Vec<(Leased, Box<Entry>)>) -> Result<Vec<Attempt>, StoreError> {
        let players: Vec<PlayerId> = claimed.iter().filter_map(|(_, entry)| player(entry).cloned()).collect();
        let contacts = match self.contacts(players).await {
            Ok(contacts) => contacts,
            Err(error) => {
                // Nothing was tried: it is no failure of theirs.
                let wait_ms = milliseconds(TROUBLE_PAUSE);
                for (leased, entry) in claimed {
                    let change = Change::GivenBack { claim: entry.claims, wait_ms };
                    self.report(Report { leased, change, then: Then::GiveBack(TROUBLE_PAUSE) }).await;
                }
                return Err(error);
            }
        };
        let mut contacts = contacts.into_iter();
        let mut attempts = Vec::with_capacity(claimed.len());
        for (leased, entry) in claimed {
            let contacts = player(&entry).and_then(|_| contacts.next().flatten());
            let (claim, failures) = (entry.claims, entry.failures);
            match self.delivery(&entry, contacts.as_ref()) {
                // Whoever had it last may have died of it, each time.
                Ok(_) if failures >= self.means.retries.attempts_max.saturating_mul(SILENCE_FACTOR) => {
                    let why = entry.trouble.map_or_else(String::new, |trouble| trouble.why);
                    let why = format!("given up after {failures} attempts: {why}");
                    self.bury(leased, claim, Reason::GivenUp, why).await;
                }
                Ok(delivery) => attempts.push(Attempt { leased, claim, failures, delivery }),
                Err((reason, why)) => self.bury(leased, claim, reason, why).await,
            }
        }
        Ok(attempts)
    }

    async fn contacts(&self, players: Vec<PlayerId>) -> Result<Vec<Option<Contacts>>, StoreError> {
        if players.is_empty() { Ok(Vec::new()) } else { self.means.register.contacts(players).await }
    }

    fn delivery(&self, entry: &Entry, contacts: Option<&Contacts>) -> Result<Delivery, (Reason, String)> {
        let notification = &entry.notification;
        let channel = notification.channel;
        let to: Address = match &notification.recipient {
            Recipient::Address(address) => address.clone(),
            Recipient::Player(player) => {
                let address = contacts.and_then(|contacts| contacts.address(channel)).cloned();
                address.ok_or_else(|| {
                    let why = format!("nobody knows how to reach {player} by {channel}: see contacts.set");
                    (Reason::NoContact, why)
                })?
            }
        };
        let locale = contacts.and_then(|contacts| contacts.locale.as_ref()).or(notification.locale.as_ref());
        let rendered = self.means.templates.render(&notification.template, channel, locale, &notification.data);
        let message = rendered.map_err(|error| (Reason::NoWords, error.to_string()))?;
        Ok(Delivery { notification: notification.id, to, message })
    }

    async fn bury(&self, leased: Leased, claim: u32, reason: Reason, why: String) {
        self.report(Report { leased, change: Change::Buried { claim, why }, then: Then::Bury(reason) }).await;
    }

    async fn deliver(self: Arc<Self>, attempts: Vec<Attempt>) {
        let deliveries: Vec<_> = attempts.iter().map(|attempt| attempt.delivery.clone()).collect();
        let ending = Ending { line: &self, deliveries: deliveries.len() };
        let begun = Instant::now();
        let outcomes = self.route.provider.deliver(&deliveries).await;
        self.learn(begun.elapsed(), &outcomes);
        for (attempt, outcome) in attempts.into_iter().zip(outcomes) {
            self.report(self.outcome(attempt, outcome)).await;
        }
        drop(ending);
    }

    /// What a call says about its provider.
    fn learn(&self, took: Duration, outcomes: &[Outcome]) {
        let failures = || {
            outcomes
                .iter()
                .filter_map(|outcome| if let Outcome::Failed(failure) = outcome { Some(failure) } else { None })
        };
        let failed = failures().count() * 2 > outcomes.len();
        let mut ahead = self.ahead();
        ahead.pace.ended(took, failed);
        self.means.metrics.ended(&self.route, took, ahead.pace.limit());
        if failed {
            let is_final = failures().any(|failure| failure.kind == FailureKind::Unauthorized);
            if let Some(pause) = ahead.breaker.failed(Instant::now(), is_final) {
                let why = failures().next().map(|failure| failure.why.as_str()).unwrap_or_default();
                let provider = self.route.provider.name();
                tracing::warn!(%provider, %why, pause_s = pause.as_secs(), "the provider is left alone for a while");
            }
        } else if ahead.breaker.succeeded() {
            tracing::info!(provider = %self.route.provider.name(), "the provider is back");
        }
    }

    fn outcome(&self, attempt: Attempt, outcome: Outcome) -> Report {
        let Attempt { leased, claim, failures, .. } = attempt;
        self.means.metrics.outcome(&self.route, &outcome);
        let (change, then) = match outcome {
            Outcome::Delivered { reference } => {
                let provider = self.route.provider.name().clone();
                (Change::Delivered { claim, provider, reference }, Then::Finish)
            }
            Outcome::Refused { why } => (Change::Buried { claim, why }, Then::Bury(Reason::Refused)),
            Outcome::Failed(Failure { why, retry_after, .. }) => {
                match self.means.retries.wait(failures + 1, retry_after) {
                    Some(wait) => (Change::Failed { claim, wait_ms: milliseconds(wait), why }, Then::GiveBack(wait)),
                    None => {
                        let why = format!("given up after {} attempts: {why}", failures + 1);
                        (Change::Buried { claim, why }, Then::Bury(Reason::GivenUp))
                    }
                }
            }
        };
        Report { leased, change, then }
    }

    /// Waits where more was delivered than can be written.
    async fn report(&self, report: Report) {
        // Nobody listens only when everything is being given up; then the lease ends by itself.
        let _unheard = self.reports.send(report).await;
    }
}

/// What a line waits for before it goes on.
enum Wait {
    Nothing,
    Jobs,
    Trouble,
    Room(Option<Instant>),
}

fn player(entry: &Entry) -> Option<&PlayerId> {
    match &entry.notification.recipient {
        Recipient::Player(player) => Some(player),
        Recipient::Address(_) => None,
    }
}

/// A call under way: it is over when this is dropped, however it ends.
struct Ending<'a> {
    line: &'a Line,
    deliveries: usize,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.line.means.metrics.over(&self.line.route, self.deliveries);
        let mut ahead = self.line.ahead();
        ahead.under_way -= 1;
        // A probe that broke down has told nothing.
        ahead.breaker.probed_nothing();
        drop(ahead);
        self.line.ended.notify_one();
    }
}
