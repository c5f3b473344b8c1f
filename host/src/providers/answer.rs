//! A provider's answer, and what its status says where nothing in it says more.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use super::{Failure, FailureKind, Outcome, secret::Words};
use crate::limits::PROVIDER_WAIT_S_MAX;

/// An answer; the body is cut where it is too long.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body, if it is JSON of this form.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What it says, for a person: what was read from it, or else the body.
    pub(super) fn says(&self, words: &Words, read: Option<&str>) -> String {
        let said = read.map_or_else(|| String::from_utf8_lossy(&self.body), Into::into);
        let said = words.quote(&said);
        let status = self.status.as_u16();
        if said.is_empty() { format!("it answered {status}") } else { format!("it answered {status}: {said}") }
    }

    /// A failure that is worth another attempt.
    pub(super) fn failed(&self, kind: FailureKind, why: String) -> Outcome {
        Outcome::Failed(Failure { kind, why, retry_after: self.retry_after(SystemTime::now()) })
    }

    /// It should mean that the message was taken, and does not say so.
    pub(super) fn senseless(&self, words: &Words) -> Outcome {
        let why = format!("{}; that makes no sense, and it may have delivered", self.says(words, None));
        self.failed(FailureKind::Unavailable, why)
    }

    /// What the status means where the provider does not say more. `says` is the provider's reason.
    pub(super) fn by_status(&self, words: &Words, says: String) -> Outcome {
        match self.status.as_u16() {
            200..=299 => self.senseless(words),
            401 | 403 => self.failed(FailureKind::Unauthorized, says),
            429 => self.failed(FailureKind::Throttled, says),
            // Not of this message: the address in the settings is not the provider's, or the provider is not well.
            404 | 405 | 408 | 425 => self.failed(FailureKind::Unavailable, says),
            400..=499 => Outcome::Refused { why: says },
            _ => self.failed(FailureKind::Unavailable, says),
        }
    }

    /// How long it wants to be left alone: `Retry-After` in seconds or as a date (RFC 9110), or else `X-RateLimit-Reset`
    /// as a Unix time in seconds. Never longer than a day: it is only a wish.
    pub(super) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let until = |at: SystemTime| at.duration_since(now).unwrap_or_default();
        let asked = match self.header(RETRY_AFTER.as_str()).map(str::trim) {
            Some(text) => match text.parse() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => httpdate::parse_http_date(text).ok().map(until),
            },
            None => None,
        };
        let reset = || {
            let seconds: u64 = self.header("x-ratelimit-reset")?.trim().parse().ok()?;
            UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(until)
        };
        let throttled = self.status == StatusCode::TOO_MANY_REQUESTS;
        let asked = asked.or_else(|| if throttled { reset() } else { None });
        asked.map(|wait| wait.min(Duration::from_secs(PROVIDER_WAIT_S_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn how_long_to_wait_is_read_in_every_form() {
        // 1994-11-06 08:49:37 UTC.
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (status, headers, seconds) in [
            (503, &[("retry-after", "120")][..], Some(120)),
            (429, &[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30)),
            (429, &[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (429, &[("retry-after", "soon")], None),
            (429, &[("x-ratelimit-reset", "784111787")], Some(10)),
            (429, &[("retry-after", "5"), ("x-ratelimit-reset", "784111787")], Some(5)),
            (202, &[("x-ratelimit-reset", "784111787")], None),
            (429, &[("retry-after", "99999999999999999")], Some(86_400)),
            (429, &[("retry-after", "-1")], None),
            (500, &[], None),
        ] {
            let waits = answer(status, headers, "").retry_after(now);
            assert_eq!(waits, seconds.map(Duration::from_secs), "{status} {headers:?}");
        }
    }

    #[test]
    fn a_status_says_whether_another_attempt_is_worth_it() {
        let words = Words::without(vec!["k-123".to_owned()]);
        let kind = |status| {
            let answer = answer(status, &[], "k-123\n");
            match answer.by_status(&words, answer.says(&words, None)) {
                Outcome::Failed(failure) => Some((failure.kind, failure.why)),
                Outcome::Refused { why } => {
                    assert_eq!(why, format!("it answered {status}: .."));
                    None
                }
                Outcome::Delivered { .. } => panic!("{status}"),
            }
        };
        for refused in [400, 402, 409, 410, 413, 422] {
            assert_eq!(kind(refused), None, "{refused}");
        }
        for (status, expected) in [
            (200, FailureKind::Unavailable),
            (302, FailureKind::Unavailable),
            (401, FailureKind::Unauthorized),
            (403, FailureKind::Unauthorized),
            (404, FailureKind::Unavailable),
            (408, FailureKind::Unavailable),
            (425, FailureKind::Unavailable),
            (429, FailureKind::Throttled),
            (500, FailureKind::Unavailable),
            (503, FailureKind::Unavailable),
        ] {
            assert_eq!(kind(status).map(|(kind, _)| kind), Some(expected), "{status}");
        }
        assert!(kind(204).unwrap().1.ends_with("it may have delivered"));
    }
}
