//! What the railgun does, in numbers that a Prometheus server can collect.

use std::{fmt::Write as _, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{Route, reports::Reason};
use crate::{
    notifications::{Channel, State},
    providers::{FailureKind, Outcome},
    queue::Standing,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProvider {
    channel: &'static str,
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFailure {
    channel: &'static str,
    provider: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDeadLetter {
    channel: &'static str,
    provider: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    channel: &'static str,
}

/// The numbers.
pub struct Metrics {
    registry: Registry,
    accepted: Family<OfChannel, Counter>,
    delivered: Family<OfProvider, Counter>,
    refused: Family<OfProvider, Counter>,
    failed: Family<OfFailure, Counter>,
    buried: Family<OfDeadLetter, Counter>,
    expired: Family<OfChannel, Counter>,
    doubled: Family<OfChannel, Counter>,
    under_way: Family<OfProvider, Gauge>,
    calls_max: Family<OfProvider, Gauge>,
    call: Family<OfProvider, Histogram>,
    ready: Family<OfChannel, Gauge>,
    delayed: Family<OfChannel, Gauge>,
    leased: Family<OfChannel, Gauge>,
    oldest: Family<OfChannel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("croupier_notifications");
        let call = Family::new_with_constructor(histogram as fn() -> Histogram);
        let metrics = Self {
            accepted: Family::default(),
            delivered: Family::default(),
            refused: Family::default(),
            failed: Family::default(),
            buried: Family::default(),
            expired: Family::default(),
            doubled: Family::default(),
            under_way: Family::default(),
            calls_max: Family::default(),
            call,
            ready: Family::default(),
            delayed: Family::default(),
            leased: Family::default(),
            oldest: Family::default(),
            registry: Registry::default(),
        };
        registry.register("accepted", "Notifications that were accepted here", metrics.accepted.clone());
        registry.register("delivered", "Notifications that a provider has taken", metrics.delivered.clone());
        registry.register("refused", "Notifications that a provider will never take", metrics.refused.clone());
        registry.register("failed", "Attempts that failed and are worth another", metrics.failed.clone());
        registry.register("buried", "Notifications that became dead letters here", metrics.buried.clone());
        registry.register("expired", "Notifications whose time was over", metrics.expired.clone());
        registry.register("doubled", "Notifications known to be delivered twice", metrics.doubled.clone());
        registry.register("in_flight", "Notifications that are being delivered here now", metrics.under_way.clone());
        registry.register("calls_max", "Calls that may be under way at present", metrics.calls_max.clone());
        registry.register_with_unit("call", "How long calls of a provider take", Unit::Seconds, metrics.call.clone());
        registry.register("ready", "Jobs that could be taken now", metrics.ready.clone());
        registry.register("delayed", "Jobs that wait for their time", metrics.delayed.clone());
        registry.register("leased", "Jobs that any worker has", metrics.leased.clone());
        let about = "Age of the ready job that comes next; 0 where none is ready";
        registry.register_with_unit("oldest_ready", about, Unit::Seconds, metrics.oldest.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Notifications of a channel were accepted.
    pub fn accepted(&self, channel: Channel, count: u64) {
        self.accepted.get_or_create(&OfChannel { channel: channel.name() }).inc_by(count);
    }

    /// How a queue stands.
    pub fn stands(&self, channel: Channel, standing: &Standing, now_ms: u64) {
        let of = OfChannel { channel: channel.name() };
        let gauge = |family: &Family<OfChannel, Gauge>, value: u64| {
            family.get_or_create(&of).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        gauge(&self.ready, standing.ready);
        gauge(&self.delayed, standing.delayed);
        gauge(&self.leased, standing.leased);
        gauge(&self.oldest, standing.next_due_ms.map_or(0, |due_ms| now_ms.saturating_sub(due_ms) / 1000));
    }

    /// The numbers in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _written = write!(text, "# the numbers cannot be written");
        }
        text
    }

    pub(super) fn begun(&self, route: &Route, notifications: usize) {
        self.under_way.get_or_create(&of(route)).inc_by(i64::try_from(notifications).unwrap_or(i64::MAX));
    }

    pub(super) fn over(&self, route: &Route, notifications: usize) {
        self.under_way.get_or_create(&of(route)).dec_by(i64::try_from(notifications).unwrap_or(i64::MAX));
    }

    pub(super) fn ended(&self, route: &Route, took: Duration, calls_max: usize) {
        self.call.get_or_create(&of(route)).observe(took.as_secs_f64());
        self.calls_max.get_or_create(&of(route)).set(i64::try_from(calls_max).unwrap_or(i64::MAX));
    }

    pub(super) fn outcome(&self, route: &Route, outcome: &Outcome) {
        match outcome {
            Outcome::Delivered { .. } => {
                self.delivered.get_or_create(&of(route)).inc();
            }
            Outcome::Refused { .. } => {
                self.refused.get_or_create(&of(route)).inc();
            }
            Outcome::Failed(failure) => {
                let OfProvider { channel, provider } = of(route);
                self.failed.get_or_create(&OfFailure { channel, provider, kind: name(failure.kind) }).inc();
            }
        }
    }

    pub(super) fn buried(&self, route: &Route, reason: Reason) {
        let reason = match reason {
            Reason::Refused => "refused",
            Reason::GivenUp => "given_up",
            Reason::NoContact => "no_contact",
            Reason::NoWords => "no_words",
        };
        let OfProvider { channel, provider } = of(route);
        self.buried.get_or_create(&OfDeadLetter { channel, provider, reason }).inc();
    }

    /// A job was taken whose notification stands like this.
    pub(super) fn found(&self, route: &Route, state: &State) {
        if matches!(state, State::Expired { .. }) {
            self.expired.get_or_create(&OfChannel { channel: route.channel().name() }).inc();
        }
    }

    pub(super) fn doubled(&self, channel: Channel) {
        self.doubled.get_or_create(&OfChannel { channel: channel.name() }).inc();
    }
}

/// From 10 ms to 40 s.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 13))
}

fn of(route: &Route) -> OfProvider {
    OfProvider { channel: route.channel().name(), provider: route.provider.name().to_string() }
}

fn name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Throttled => "throttled",
        FailureKind::TimedOut => "timed_out",
        FailureKind::Unavailable => "unavailable",
        FailureKind::Unauthorized => "unauthorized",
    }
}
