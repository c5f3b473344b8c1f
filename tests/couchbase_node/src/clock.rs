//! The node's clock: the machine's, moved on as a test likes.

use std::time::{Duration, SystemTime};

/// An expiry up to this many seconds is so far from now; a larger one is a time since 1970.
const RELATIVE_EXPIRY_SECONDS_MAX: u32 = 30 * 24 * 60 * 60;

/// The machine's clock, and how far it was moved.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: Duration,
}

impl Clock {
    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }

    fn since_1970(&self) -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default() + self.ahead
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> u32 {
        u32::try_from(self.since_1970().as_secs()).unwrap_or(u32::MAX)
    }

    /// Nanoseconds since 1970.
    pub(crate) fn nanoseconds(&self) -> u64 {
        u64::try_from(self.since_1970().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The second since 1970 at which a document with this expiry is gone; none for 0.
    pub(crate) fn expiry(&self, given: u32) -> Option<u32> {
        match given {
            0 => None,
            1..=RELATIVE_EXPIRY_SECONDS_MAX => Some(self.now().saturating_add(given)),
            _ => Some(given),
        }
    }
}
