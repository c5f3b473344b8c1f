//! In which releases of a game somebody was met, and in which hours of a day. One such note tells several roll-ups
//! whether they have met somebody before: a key for each of them would be looked for, written and kept each time.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    facts::Period,
    identity::{Digest, ReleaseDigest},
    store::StoreError,
};

/// Meetings with somebody in a game, on one day or ever. By release, the hours as a bit each, the first in the lowest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meetings(BTreeMap<ReleaseDigest, u32>);

/// Whether somebody was met for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IsFirst {
    pub(super) of_hour_in_release: bool,
    pub(super) of_hour: bool,
    pub(super) in_release: bool,
    pub(super) at_all: bool,
}

/// The hours of a day that begin in a range, a bit each.
pub(super) fn hours_within(range: &Range<u64>, day_ms: u64) -> u32 {
    let is_within = |hour: &u32| range.contains(&(day_ms + u64::from(*hour) * Period::Hour.length_ms()));
    (0..24).filter(is_within).fold(0, |hours, hour| hours | 1 << hour)
}

const DIGEST_BYTES: usize = 32;
const NOTE_BYTES: usize = DIGEST_BYTES + 4;

impl Meetings {
    /// Meets them in an hour, of which this is the bit.
    pub(super) fn meet(&mut self, release: &ReleaseDigest, hour: u32) -> IsFirst {
        let in_release = self.0.get(release).copied();
        let is_first = IsFirst {
            of_hour_in_release: in_release.is_none_or(|hours| hours & hour == 0),
            of_hour: self.hours() & hour == 0,
            in_release: in_release.is_none(),
            at_all: self.0.is_empty(),
        };
        *self.0.entry(*release).or_default() |= hour;
        is_first
    }

    /// Whether they were met in one of these hours, in any release.
    pub(super) fn is_in(&self, hours: u32) -> bool {
        self.hours() & hours != 0
    }

    fn hours(&self) -> u32 {
        self.0.values().fold(0, |all, hours| all | hours)
    }

    /// Each release's digest, and its hours in four bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let notes = self.0.iter().flat_map(|(release, hours)| [&release.as_bytes()[..], &hours.to_be_bytes()].concat());
        notes.collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let (notes, []) = bytes.as_chunks::<NOTE_BYTES>() else {
            return Err(StoreError::Corrupt("who was met, in the tracking store".to_owned()));
        };
        let note = |note: &[u8; NOTE_BYTES]| {
            let (mut release, mut hours) = ([0; DIGEST_BYTES], [0; NOTE_BYTES - DIGEST_BYTES]);
            release.copy_from_slice(&note[..DIGEST_BYTES]);
            hours.copy_from_slice(&note[DIGEST_BYTES..]);
            (Digest::from(release), u32::from_be_bytes(hours))
        };
        Ok(Self(notes.iter().map(note).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_first_meeting_is_one_that_no_earlier_was_like(met in prop::collection::vec((0..3_u8, 0..24_u32), 1..40)) {
            let mut meetings = Meetings::default();
            for (number, (release, hour)) in met.iter().enumerate() {
                let before = &met[..number];
                let is_first = IsFirst {
                    of_hour_in_release: !before.contains(&(*release, *hour)),
                    of_hour: !before.iter().any(|met| met.1 == *hour),
                    in_release: !before.iter().any(|met| met.0 == *release),
                    at_all: before.is_empty(),
                };
                prop_assert_eq!(meetings.meet(&Digest::of(&[*release]), 1 << hour), is_first);
                meetings = Meetings::decode(&meetings.encode()).unwrap();
            }
            let hours = met.iter().fold(0, |hours, (_, hour)| hours | 1 << hour);
            prop_assert_eq!(meetings.hours(), hours);
            let cut = &meetings.encode()[1..];
            prop_assert!(Meetings::decode(cut).is_err());
        }
    }
}
