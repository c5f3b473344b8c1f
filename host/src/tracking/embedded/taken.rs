//! Which steps' facts are kept, a bit each: a step that comes again is known by it.

use crate::store::StoreError;

/// How many steps that follow each other share a note.
const STEPS: u64 = u64::BITS as u64;

/// The number of a step's note among those of its aggregate.
pub(super) fn note(step: u64) -> u64 {
    step / STEPS
}

/// Which of some steps that follow each other were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken(u64);

impl Taken {
    pub(super) fn take(&mut self, step: u64) {
        self.0 |= bit(step);
    }

    pub(super) fn has(self, step: u64) -> bool {
        self.0 & bit(step) != 0
    }

    pub(super) fn encode(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let bits = bytes.try_into().map(u64::from_be_bytes);
        bits.map(Self).map_err(|_| StoreError::Corrupt("which steps were taken, in the tracking store".to_owned()))
    }
}

fn bit(step: u64) -> u64 {
    1 << (step % STEPS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_step_is_taken_once_it_was_and_not_before(steps in prop::collection::vec(64..128_u64, 0..100)) {
            let (mut taken, mut expected) = (Taken::default(), BTreeSet::new());
            for step in steps {
                prop_assert_eq!(taken.has(step), expected.contains(&step));
                taken.take(step);
                expected.insert(step);
                taken = Taken::decode(&taken.encode()).unwrap();
                prop_assert!((64..128).all(|step| taken.has(step) == expected.contains(&step)));
            }
        }
    }

    #[test]
    fn what_is_no_note_is_not_taken_for_one() {
        for length in [0, 7, 9] {
            assert!(Taken::decode(&vec![0; length]).is_err());
        }
    }
}
