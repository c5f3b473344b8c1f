//! Which keyed steps were answered lately: the bounded window that makes a retry an answer and not a second stake.
//!
//! The window holds the newest [`IDEMPOTENCY_WINDOW_STEPS`] keyed steps as (32 bits of the key's digest, step number).
//! The bits only say where to look: the step's record holds the key itself, and decides.

use std::{collections::VecDeque, fmt, str::FromStr};

use data_encoding::BASE64_NOPAD;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{identity::IdempotencyKey, limits::IDEMPOTENCY_WINDOW_STEPS, text::text_in_json};

/// The window, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnsweredKeys(VecDeque<Answered>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answered {
    key_hint: u32,
    step: u64,
}

impl AnsweredKeys {
    /// The steps whose key may be this one, newest first.
    pub fn candidates(&self, key: &IdempotencyKey) -> impl Iterator<Item = u64> + use<'_> {
        let key_hint = hint(key);
        self.0.iter().rev().filter(move |answered| answered.key_hint == key_hint).map(|answered| answered.step)
    }

    /// Remembers that `step`, newer than all before, answered `key`; the oldest is forgotten beyond the window.
    pub fn remember(&mut self, key: &IdempotencyKey, step: u64) {
        debug_assert!(self.0.back().is_none_or(|newest| newest.step < step));
        if self.0.len() == IDEMPOTENCY_WINDOW_STEPS {
            self.0.pop_front();
        }
        self.0.push_back(Answered { key_hint: hint(key), step });
    }
}

fn hint(key: &IdempotencyKey) -> u32 {
    let digest = Sha256::digest(key.as_str());
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// As text: for each entry 4 bytes of hint and the steps since the entry before as LEB128, all in base64.
/// About 7 characters an entry, because every step rewrites the window.
impl fmt::Display for AnsweredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(self.0.len() * 5);
        let mut before = 0;
        for answered in &self.0 {
            bytes.extend(answered.key_hint.to_le_bytes());
            let mut gap = answered.step - before;
            before = answered.step;
            loop {
                let low = gap.to_le_bytes()[0] & 0x7f;
                gap >>= 7;
                if gap == 0 {
                    bytes.push(low);
                    break;
                }
                bytes.push(low | 0x80);
            }
        }
        BASE64_NOPAD.encode_display(&bytes).fmt(f)
    }
}

/// The text is no window of keys.
#[derive(Debug, Error)]
#[error("the window of idempotency keys is damaged")]
pub struct DamagedWindow;

impl FromStr for AnsweredKeys {
    type Err = DamagedWindow;
    fn from_str(text: &str) -> Result<Self, DamagedWindow> {
        let bytes = BASE64_NOPAD.decode(text.as_bytes()).map_err(|_| DamagedWindow)?;
        let mut rest = bytes.as_slice();
        let mut window = VecDeque::new();
        let mut step = 0u64;
        while let Some((hint, after)) = rest.split_first_chunk::<4>() {
            let length = after.iter().position(|byte| byte & 0x80 == 0).ok_or(DamagedWindow)? + 1;
            let (gap, after) = after.split_at(length);
            let gap = gap.iter().rev().try_fold(0u64, |gap, byte| {
                let shifted = gap.checked_mul(1 << 7)?;
                Some(shifted | u64::from(byte & 0x7f))
            });
            step = gap.and_then(|gap| step.checked_add(gap)).ok_or(DamagedWindow)?;
            window.push_back(Answered { key_hint: u32::from_le_bytes(*hint), step });
            rest = after;
        }
        if rest.is_empty() { Ok(Self(window)) } else { Err(DamagedWindow) }
    }
}

text_in_json!(AnsweredKeys);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: usize) -> IdempotencyKey {
        format!("key-{number}").parse().unwrap()
    }

    #[test]
    fn the_newest_keys_are_found_and_older_ones_forgotten() {
        let mut window = AnsweredKeys::default();
        for number in 0..IDEMPOTENCY_WINDOW_STEPS + 10 {
            window.remember(&key(number), 2 * number as u64 + 1);
        }
        assert_eq!(window.candidates(&key(9)).count(), 0);
        assert_eq!(window.candidates(&key(10)).collect::<Vec<_>>(), [21]);
        assert_eq!(window.candidates(&key(IDEMPOTENCY_WINDOW_STEPS)).count(), 1);
    }

    proptest! {
        #[test]
        fn a_window_reads_back_as_it_was_written(gaps in prop::collection::vec(prop_oneof![1..300u64, 1..(1u64 << 55)], 0..IDEMPOTENCY_WINDOW_STEPS)) {
            let mut window = AnsweredKeys::default();
            let mut step = 0;
            for (number, gap) in gaps.into_iter().enumerate() {
                step += gap;
                window.remember(&key(number), step);
            }
            prop_assert_eq!(window.to_string().parse::<AnsweredKeys>().unwrap(), window);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9+/]{0,60}") {
            // Whether it reads is of no interest: it must not panic or run on.
            let _outcome = text.parse::<AnsweredKeys>();
        }
    }
}
