//! What was asked and what was taken, notification by notification.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{Provider, providers::Delivery};

/// What all providers together, and each, were asked and took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All together.
    pub all: ProviderCounts,
    /// SendGrid.
    pub email: ProviderCounts,
    /// Airship.
    pub push: ProviderCounts,
    /// Meta.
    pub social: ProviderCounts,
    /// The operator's server.
    pub webhook: ProviderCounts,
}

/// What a provider was asked and took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderCounts {
    /// HTTP calls.
    pub calls: u64,
    /// Deliveries in them, each time they came.
    pub attempts: u64,
    /// Deliveries that were taken, each time they were.
    pub accepted: u64,
    /// Notifications that were taken.
    pub distinct: u64,
    /// Notifications that were taken more than once.
    pub doubled: u64,
    /// Deliveries that were refused for good.
    pub refused: u64,
    /// Calls that failed because they should.
    pub failed: u64,
    /// Calls with wrong credentials or a wrong signature.
    pub unauthorized: u64,
    /// Calls that no such provider could read: a wrong form, no idempotency key, or another in the header than within.
    pub malformed: u64,
    /// Deliveries of what had come before under another notification: the same words to the same recipient. It says
    /// something only where no two notifications tell somebody the same.
    pub renamed: u64,
    /// Deliveries of a notification that had come before with other words or to another recipient.
    pub changed: u64,
    /// Calls that are being answered.
    pub in_flight: u64,
    /// The most that were at once.
    pub in_flight_max: u64,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Failed,
    Unauthorized,
    Malformed,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    counts: Counts,
    /// By notification.
    known: HashMap<String, Known>,
    /// By what is said to whom.
    said: HashMap<u64, String>,
    /// How often a call of this key came.
    calls: HashMap<String, u64>,
}

#[derive(Debug)]
struct Known {
    said: u64,
    accepted: u64,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A count that a panic has left half done is still the best there is.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Notifications with how often each was taken.
    pub(crate) fn accepted(&self) -> HashMap<String, u64> {
        let entries = self.lock();
        let taken = entries.known.iter().filter(|(_, known)| known.accepted > 0);
        taken.map(|(notification, known)| (notification.clone(), known.accepted)).collect()
    }

    pub(crate) fn reset(&self) {
        let mut entries = self.lock();
        let mut before = std::mem::take(&mut *entries).counts;
        for provider in std::iter::once(None).chain(Provider::ALL.map(Some)) {
            let in_flight = of(&mut before, provider).in_flight;
            let now = of(&mut entries.counts, provider);
            (now.in_flight, now.in_flight_max) = (in_flight, in_flight);
        }
    }

    pub(crate) fn begin(&self, provider: Provider) {
        self.both(provider, |counts| {
            counts.calls += 1;
            counts.in_flight += 1;
            counts.in_flight_max = counts.in_flight_max.max(counts.in_flight);
        });
    }

    pub(crate) fn end(&self, provider: Provider) {
        self.both(provider, |counts| counts.in_flight -= 1);
    }

    pub(crate) fn note(&self, provider: Provider, event: Event) {
        self.both(provider, |counts| match event {
            Event::Failed => counts.failed += 1,
            Event::Unauthorized => counts.unauthorized += 1,
            Event::Malformed => counts.malformed += 1,
        });
    }

    /// A call of this key has come; how often by now.
    pub(crate) fn attempt(&self, provider: Provider, key: &str, deliveries: &[Delivery]) -> u64 {
        let mut entries = self.lock();
        let Entries { counts, known, said, calls } = &mut *entries;
        let (mut renamed, mut changed) = (0, 0);
        for delivery in deliveries {
            let words = hash(provider, delivery);
            match known.get(&delivery.notification) {
                Some(known) => changed += u64::from(known.said != words),
                None => {
                    renamed += u64::from(said.insert(words, delivery.notification.clone()).is_some());
                    known.insert(delivery.notification.clone(), Known { said: words, accepted: 0 });
                }
            }
        }
        for provider in [None, Some(provider)] {
            let counts = of(counts, provider);
            counts.attempts += deliveries.len() as u64;
            counts.renamed += renamed;
            counts.changed += changed;
        }
        let times = calls.entry(key.to_owned()).or_default();
        *times += 1;
        *times
    }

    pub(crate) fn accept(&self, provider: Provider, notification: &str) {
        let mut entries = self.lock();
        let Some(known) = entries.known.get_mut(notification) else { return };
        known.accepted += 1;
        let times = known.accepted;
        for provider in [None, Some(provider)] {
            let counts = of(&mut entries.counts, provider);
            counts.accepted += 1;
            counts.distinct += u64::from(times == 1);
            counts.doubled += u64::from(times == 2);
        }
    }

    pub(crate) fn refuse(&self, provider: Provider, deliveries: u64) {
        self.both(provider, |counts| counts.refused += deliveries);
    }

    fn both(&self, provider: Provider, change: impl Fn(&mut ProviderCounts)) {
        let mut entries = self.lock();
        change(of(&mut entries.counts, None));
        change(of(&mut entries.counts, Some(provider)));
    }
}

fn of(counts: &mut Counts, provider: Option<Provider>) -> &mut ProviderCounts {
    match provider {
        None => &mut counts.all,
        Some(Provider::Email) => &mut counts.email,
        Some(Provider::Push) => &mut counts.push,
        Some(Provider::Social) => &mut counts.social,
        Some(Provider::Webhook) => &mut counts.webhook,
    }
}

fn hash(provider: Provider, delivery: &Delivery) -> u64 {
    let mut hasher = DefaultHasher::new();
    (provider, &delivery.to, &delivery.words).hash(&mut hasher);
    hasher.finish()
}
