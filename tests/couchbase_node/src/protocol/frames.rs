//! What a packet's frames ask for, and the collection in front of a key.

use bytes::Bytes;

use super::Status;
use crate::settings::Durability;

const DURABILITY: u16 = 1;
const PRESERVE_EXPIRY: u16 = 5;

/// A nibble of this size says that the rest is in the byte that follows.
const ESCAPE: u8 = 15;

/// What a request's frames ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frames {
    pub(crate) durability: Durability,
    pub(crate) preserve_expiry: bool,
}

impl Frames {
    /// Errors: `UNKNOWN_FRAME_INFO`, `DURABILITY_INVALID_LEVEL`, or `EINVAL` for frames that are cut off.
    pub(crate) fn read(mut bytes: &[u8]) -> Result<Self, Status> {
        let mut frames = Self::default();
        while !bytes.is_empty() {
            let (id, body, rest) = frame(bytes).ok_or(Status::InvalidArguments)?;
            match id {
                DURABILITY => frames.durability = durability(body)?,
                PRESERVE_EXPIRY => frames.preserve_expiry = true,
                _ => return Err(Status::UnknownFrame),
            }
            bytes = rest;
        }
        Ok(frames)
    }
}

/// The first frame: its id, its body, and what follows it.
fn frame(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&head, mut rest) = bytes.split_first()?;
    let mut escaped = |nibble: u8| {
        let mut number = u16::from(nibble);
        if nibble == ESCAPE {
            let (&more, after) = rest.split_first()?;
            number += u16::from(more);
            rest = after;
        }
        Some(number)
    };
    let id = escaped(head >> 4)?;
    let length = escaped(head & 0x0f)?;
    let (body, rest) = rest.split_at_checked(length.into())?;
    Some((id, body, rest))
}

/// One byte for the level; two more may say how long the write may take, which no write here ever does.
fn durability(body: &[u8]) -> Result<Durability, Status> {
    match body {
        [level] | [level, _, _] => Durability::from_level(*level).ok_or(Status::DurabilityInvalidLevel),
        _ => Err(Status::InvalidArguments),
    }
}

/// A key as it comes once collections are agreed on: the collection's id as unsigned LEB128, then the key itself.
pub(crate) fn collection_and_key(encoded: &Bytes) -> Result<(u32, Bytes), Status> {
    let mut collection = 0_u32;
    for (index, byte) in encoded.iter().enumerate().take(5) {
        let bits = u32::from(byte & 0x7f);
        let shift = 7 * u32::try_from(index).expect("below five");
        if bits.leading_zeros() < shift && shift + 7 > u32::BITS {
            return Err(Status::InvalidArguments);
        }
        collection |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok((collection, encoded.slice(index + 1..)));
        }
    }
    Err(Status::InvalidArguments)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn encoded(mut collection: u32, key: &[u8]) -> Bytes {
        let mut bytes = Vec::new();
        while collection > 0x7f {
            bytes.push(0x80 | u8::try_from(collection & 0x7f).unwrap());
            collection >>= 7;
        }
        bytes.push(u8::try_from(collection).unwrap());
        bytes.extend_from_slice(key);
        bytes.into()
    }

    proptest! {
        #[test]
        fn collections_and_keys_are_read_as_they_were_written(collection: u32, key in vec(any::<u8>(), 0..300)) {
            let (read, rest) = collection_and_key(&encoded(collection, &key)).unwrap();
            prop_assert_eq!((read, &rest[..]), (collection, &key[..]));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..40)) {
            let _ = Frames::read(&bytes);
            let _ = collection_and_key(&bytes.into());
        }
    }

    #[test]
    fn frames_are_read() {
        let majority = Frames { durability: Durability::Majority, ..Frames::default() };
        let cases: &[(&[u8], Result<Frames, Status>)] = &[
            (&[], Ok(Frames::default())),
            (&[0x11, 1], Ok(majority)),
            (&[0x13, 1, 0x27, 0x10], Ok(majority)),
            (&[0x50, 0x11, 1], Ok(Frames { preserve_expiry: true, ..majority })),
            (&[0x11, 0], Err(Status::DurabilityInvalidLevel)),
            (&[0x11, 4], Err(Status::DurabilityInvalidLevel)),
            (&[0x12, 1, 1], Err(Status::InvalidArguments)),
            (&[0x11], Err(Status::InvalidArguments)),
            (&[0xf0], Err(Status::InvalidArguments)),
            (&[0xf1, 7, 0], Err(Status::UnknownFrame)),
            (&[0x40], Err(Status::UnknownFrame)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Frames::read(bytes), *expected, "{bytes:x?}");
        }
    }

    #[test]
    fn a_collection_that_is_no_32_bit_number_is_refused() {
        for bytes in [&[0x80][..], &[0xff, 0xff, 0xff, 0xff, 0x10], &[0x80, 0x80, 0x80, 0x80, 0x80, 0]] {
            assert_eq!(collection_and_key(&Bytes::from(bytes)), Err(Status::InvalidArguments), "{bytes:x?}");
        }
    }
}
