//! The time of day. Rules are told it; nothing else asks for it anywhere but here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    milliseconds(since_epoch)
}

/// A wait as rules and the wire know it.
#[must_use]
pub fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
