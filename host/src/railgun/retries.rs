//! When a failed attempt is made again: after a wait that doubles each time, of which a random part is taken so that
//! those that failed together do not come again together.

use std::time::Duration;

use rand::RngExt as _;

/// How attempts are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after which a notification is buried.
    pub attempts_max: u32,
    /// The longest wait before the second attempt.
    pub wait_min: Duration,
    /// The longest wait of all, unless a provider asks for more.
    pub wait_max: Duration,
}

/// The longest that a provider's own wish is heeded.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

impl Retries {
    /// How long to wait after so many failures, 1 or more; none where there were too many. What a provider asks for is
    /// the least.
    pub(super) fn wait(&self, failures: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if failures >= self.attempts_max {
            return None;
        }
        let doubled = self.wait_min.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(self.wait_max);
        // Not less than half, so that a provider that fails is let rest.
        let wait = doubled.mul_f64(rand::rng().random_range(0.5..=1.0));
        Some(wait.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds_and_a_providers_wish_is_heeded() {
        let retries = Retries { attempts_max: 10, wait_min: Duration::from_secs(1), wait_max: Duration::from_secs(60) };
        for failures in 1..10 {
            let longest = Duration::from_secs(1 << (failures - 1)).min(retries.wait_max);
            let wait = retries.wait(failures, None).unwrap();
            assert!((longest / 2..=longest).contains(&wait), "{failures}: {wait:?}");
        }
        assert_eq!(retries.wait(10, None), None);
        let asked = Duration::from_secs(120);
        assert_eq!(retries.wait(1, Some(asked)), Some(asked));
        assert_eq!(retries.wait(1, Some(Duration::MAX)), Some(RETRY_AFTER_MAX));
    }
}
