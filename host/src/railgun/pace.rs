//! How many calls of a provider are under way at once: more while it keeps up, fewer when it fails or slows down. In the
//! manner of TCP: doubling until the first sign of trouble, then a tenth more at a time; a third less at each such sign.

use std::time::Duration;

/// Calls that may be under way at first. So few make no provider slow: one that is slow with them is slow by itself, and
/// would only take the longer to be found so if it was asked for less.
const CALLS_FIRST: usize = 16;
/// Calls that are looked at together, if fewer are under way.
const WINDOW_CALLS_MIN: usize = 20;
/// Failures among them that are taken for the provider's being overloaded, in percent. Some always fail.
const FAILURES_PERCENT_MAX: usize = 10;
/// How much slower than at its best a provider is when it is taken for overloaded.
const SLOWNESS_MAX: f64 = 2.5;
/// By how much the best is forgotten at each look: a provider that has become slower for good is not held to it.
const FORGETTING: f64 = 1.02;

/// The pace of one channel.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    limit: usize,
    limit_max: usize,
    /// Whether no trouble was seen yet.
    is_searching: bool,
    /// The mean time of a call when the provider was fastest.
    best: Option<Duration>,
    window: Window,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    calls: usize,
    failures: usize,
    took: Duration,
    /// Whether more would have been begun.
    was_full: bool,
}

impl Pace {
    /// Begins with few, and never has more than `limit_max`.
    pub(super) fn new(limit_max: usize) -> Self {
        let limit = limit_max.min(CALLS_FIRST);
        Self { limit, limit_max, is_searching: true, best: None, window: Window::default() }
    }

    /// How many calls may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// There was more to do than there was room.
    pub(super) fn was_full(&mut self) {
        self.window.was_full = true;
    }

    /// A call has ended, and whether the provider failed at it.
    pub(super) fn ended(&mut self, took: Duration, failed: bool) {
        self.window.calls += 1;
        self.window.took += took;
        self.window.failures += usize::from(failed);
        if self.window.calls >= self.limit.max(WINDOW_CALLS_MIN) {
            let window = std::mem::take(&mut self.window);
            self.look(window);
        }
    }

    fn look(&mut self, window: Window) {
        let mean = window.took / u32::try_from(window.calls).unwrap_or(u32::MAX);
        let best = self.best.map_or(mean, |best| best.mul_f64(FORGETTING).min(mean));
        self.best = Some(best);
        let fails = window.failures * 100 > window.calls * FAILURES_PERCENT_MAX;
        if fails || mean > best.mul_f64(SLOWNESS_MAX) {
            self.is_searching = false;
            let least = if fails { 1 } else { self.limit.min(CALLS_FIRST) };
            self.limit = (self.limit * 2 / 3).max(least);
        } else if window.was_full {
            let more = if self.is_searching { self.limit } else { (self.limit / 10).max(1) };
            self.limit = (self.limit + more).min(self.limit_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(pace: &mut Pace, calls: usize, took_ms: u64, fails: impl Fn(usize) -> bool) {
        for call in 0..calls {
            pace.was_full();
            pace.ended(Duration::from_millis(took_ms), fails(call));
        }
    }

    #[test]
    fn it_doubles_until_the_bound_where_the_provider_keeps_up_although_some_calls_fail() {
        let mut pace = Pace::new(2000);
        run(&mut pace, 10_000, 100, |call| call % 50 == 0);
        assert_eq!(pace.limit(), 2000);
    }

    #[test]
    fn it_slows_down_where_the_provider_fails_or_becomes_slow_and_then_grows_with_care() {
        for (took_ms, fails) in [(100, true), (1000, false)] {
            let mut pace = Pace::new(1000);
            run(&mut pace, 5000, 100, |_| false);
            run(&mut pace, 3000, took_ms, |_| fails);
            let low = pace.limit();
            assert!(low < 700, "{low}");
            run(&mut pace, low, 100, |_| false);
            assert!(pace.limit() <= low + low / 10 + 1);
        }
    }

    #[test]
    fn a_provider_that_is_slow_for_good_is_not_asked_for_one_at_a_time() {
        let mut pace = Pace::new(1000);
        run(&mut pace, 10_000, 100, |_| false);
        let mut least = pace.limit();
        for _ in 0..20_000 {
            run(&mut pace, 1, 1000, |_| false);
            least = least.min(pace.limit());
        }
        assert_eq!((least, pace.limit()), (16, 1000));
    }

    #[test]
    fn it_does_not_grow_where_nothing_waits() {
        let mut pace = Pace::new(1000);
        for _ in 0..10_000 {
            pace.ended(Duration::from_millis(1), false);
        }
        assert_eq!(pace.limit(), 16);
    }

    proptest! {
        #[test]
        fn it_is_never_none_and_never_over_its_bound(
            limit_max in 1_usize..100,
            calls in prop::collection::vec((0_u64..100_000, any::<bool>(), any::<bool>()), 0..2000),
        ) {
            let mut pace = Pace::new(limit_max);
            for (took_ms, failed, was_full) in calls {
                if was_full {
                    pace.was_full();
                }
                pace.ended(Duration::from_millis(took_ms), failed);
                prop_assert!((1..=limit_max).contains(&pace.limit()));
            }
        }
    }
}
