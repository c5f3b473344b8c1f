//! What a provider does wrong.

use serde::{Deserialize, Serialize};

use crate::dice::roll;

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 500, or Meta's error 1.
    Internal,
    /// 503, or Meta's error 2.
    Unavailable,
    /// 429 with `Retry-After: 1`, or Meta's error 4.
    Throttled,
    /// The connection is closed before there is an answer. Nothing was taken.
    BrokenOff,
    /// A success whose body makes no sense; 200 with a body where SendGrid or the webhook's server have none. Nothing was
    /// taken.
    Malformed,
    /// No answer until the client gives up. Nothing was taken.
    Silent,
    /// Everything was taken, and the connection is closed before there is an answer: a client that tries again delivers
    /// twice, which no client can help.
    AnswerLost,
}

impl Fault {
    /// Those after which another attempt delivers once.
    pub const HARMLESS: [Self; 6] =
        [Self::Internal, Self::Unavailable, Self::Throttled, Self::BrokenOff, Self::Malformed, Self::Silent];
}

/// How often a provider fails, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The part of the calls that fail, 0 to 1.
    pub error_rate: f64,
    /// How they fail, each as often as the others.
    pub kinds: Vec<Fault>,
    /// Every call is answered with 503 at once.
    pub outage: bool,
    /// How many times as long as usual every call takes.
    pub slowness: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { error_rate: 0.0, kinds: Fault::HARMLESS.to_vec(), outage: false, slowness: 1.0 }
    }
}

impl Faults {
    /// So many of the calls fail, in all ways after which another attempt delivers once.
    #[must_use]
    pub fn rate(error_rate: f64) -> Self {
        Self { error_rate, ..Self::default() }
    }

    /// So many of the calls fail, in these ways.
    #[must_use]
    pub fn of(error_rate: f64, kinds: &[Fault]) -> Self {
        Self { error_rate, kinds: kinds.to_vec(), ..Self::default() }
    }

    /// Everybody is served, and has to wait so many times as long.
    #[must_use]
    pub fn slow(slowness: f64) -> Self {
        Self { slowness, ..Self::default() }
    }

    /// Nobody is served.
    #[must_use]
    pub fn outage() -> Self {
        Self { outage: true, ..Self::default() }
    }

    /// What goes wrong with a call, by its key and by how often it was tried.
    pub(crate) fn choose(&self, seed: u64, key: &str, attempt: u64) -> Option<Fault> {
        if roll(seed, "fails", key, attempt) >= self.error_rate || self.kinds.is_empty() {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than the number of kinds")]
        let nth = (roll(seed, "how", key, attempt) * self.kinds.len() as f64) as usize;
        self.kinds.get(nth).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_calls_fail_in_the_same_way_as_often_as_they_should() {
        let faults = Faults::rate(0.1);
        let chosen = |seed| (0..20_000).map(|nth| faults.choose(seed, &format!("{nth:032x}"), 1)).collect::<Vec<_>>();
        assert_eq!(chosen(1), chosen(1));
        assert_ne!(chosen(1), chosen(2));
        for kind in Fault::HARMLESS {
            let count = chosen(1).iter().filter(|fault| **fault == Some(kind)).count();
            assert!((250..420).contains(&count), "{kind:?}: {count}");
        }
        assert!((0..100).all(|nth| Faults::default().choose(1, &nth.to_string(), 1).is_none()));
        assert_eq!(Faults::of(1.0, &[Fault::Silent]).choose(1, "a", 1), Some(Fault::Silent));
        assert_eq!(Faults::of(1.0, &[]).choose(1, "a", 1), None);
    }
}
