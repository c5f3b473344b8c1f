//! Whether a provider is asked at all. One that has failed many times in a row is left alone for a while, and then asked
//! once: what waits for it waits in the queue, and loses no attempts.

use std::time::{Duration, Instant};

/// Failures in a row after which a provider is taken for down.
const FAILURES_MAX: u32 = 20;
/// How long it is left alone at first, and at most; twice as long each time that it fails again.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// See [`PAUSE_MIN`].
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The breaker of one provider.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    /// In a row.
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Instant,
    pause: Duration,
    is_probing: bool,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Everybody.
    All,
    /// One, to see whether the provider is back: [`Breaker::probe`].
    One,
    /// Nobody before this; nobody before the one that asks has an answer, if it is over.
    Nobody(Instant),
}

impl Breaker {
    pub(super) fn admission(&self, now: Instant) -> Admission {
        match self.open {
            None => Admission::All,
            Some(open) if open.is_probing || now < open.until => Admission::Nobody(open.until),
            Some(_) => Admission::One,
        }
    }

    /// The one that is admitted is on its way.
    pub(super) fn probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probing = true;
        }
    }

    /// The one that is admitted was not needed after all.
    pub(super) fn probed_nothing(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probing = false;
        }
    }

    /// The provider did its work. Whether it had been taken for down.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// The provider failed; for good, as far as anybody knows, if it did not take our credentials. For how long it is
    /// left alone, if that begins here.
    pub(super) fn failed(&mut self, now: Instant, is_final: bool) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let pause = match self.open {
            // What was on its way when it opened says nothing new.
            Some(open) if !open.is_probing => return None,
            Some(open) => (open.pause * 2).min(PAUSE_MAX),
            None if is_final || self.failures >= FAILURES_MAX => PAUSE_MIN,
            None => return None,
        };
        self.open = Some(Open { until: now + pause, pause, is_probing: false });
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_is_down_is_left_alone_and_asked_once_in_a_while() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 1..FAILURES_MAX {
            assert_eq!(breaker.failed(now, false), None);
        }
        assert_eq!(breaker.admission(now), Admission::All);
        assert_eq!(breaker.failed(now, false), Some(PAUSE_MIN));
        assert_eq!(breaker.failed(now, false), None);
        assert_eq!(breaker.admission(now), Admission::Nobody(now + PAUSE_MIN));
        let later = now + PAUSE_MIN;
        assert_eq!(breaker.admission(later), Admission::One);
        breaker.probe();
        assert_eq!(breaker.admission(later), Admission::Nobody(later));
        assert_eq!(breaker.failed(later, false), Some(PAUSE_MIN * 2));
        breaker.probe();
        assert!(breaker.succeeded());
        assert_eq!(breaker.admission(later), Admission::All);
        assert!(!breaker.succeeded());
    }

    #[test]
    fn credentials_that_are_not_taken_open_it_at_once_and_the_pause_has_a_bound() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.failed(now, true), Some(PAUSE_MIN));
        for _ in 0..20 {
            now += PAUSE_MAX;
            breaker.probe();
            breaker.failed(now, true);
        }
        breaker.probe();
        assert_eq!(breaker.failed(now, true), Some(PAUSE_MAX));
        breaker.probe();
        breaker.probed_nothing();
        assert_eq!(breaker.admission(now + PAUSE_MAX), Admission::One);
    }
}
