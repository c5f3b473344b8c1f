//! What a client and the node agree on when they meet.

use bytes::{Buf, Bytes};

/// What the node can do, by the numbers of HELLO. Compression, server durations, and anything that the node would say unasked
/// are not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Feature {
    TcpNoDelay = 0x03,
    /// A write is answered with its place in its vbucket's history.
    MutationToken = 0x04,
    /// Extended attributes; the virtual one alone, `$document`.
    ExtendedAttributes = 0x06,
    /// Errors beyond the oldest few, and the error map.
    ExtendedErrors = 0x07,
    SelectBucket = 0x08,
    /// Documents that are JSON are marked so.
    Json = 0x0b,
    /// Answers may come in another order than their requests.
    UnorderedExecution = 0x0e,
    /// Requests may have frames.
    Frames = 0x10,
    Durability = 0x11,
    /// Keys begin with their collection.
    Collections = 0x12,
    PreserveExpiry = 0x14,
    /// Who asks for the cluster's configuration says which one it has.
    KnownConfig = 0x1d,
}

const OFFERED: [Feature; 12] = [
    Feature::TcpNoDelay,
    Feature::MutationToken,
    Feature::ExtendedAttributes,
    Feature::ExtendedErrors,
    Feature::SelectBucket,
    Feature::Json,
    Feature::UnorderedExecution,
    Feature::Frames,
    Feature::Durability,
    Feature::Collections,
    Feature::PreserveExpiry,
    Feature::KnownConfig,
];

/// The features of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features(Vec<Feature>);

impl Features {
    /// What is both asked for, as numbers of two bytes, and offered.
    pub(crate) fn agreed(mut asked: Bytes) -> Self {
        let mut agreed = Vec::new();
        while asked.remaining() >= 2 {
            let number = asked.get_u16();
            agreed.extend(OFFERED.into_iter().find(|feature| *feature as u16 == number));
        }
        Self(agreed)
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.0.contains(&feature)
    }

    pub(crate) fn encoded(&self) -> Bytes {
        self.0.iter().flat_map(|feature| (*feature as u16).to_be_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_offered_is_not_agreed_on() {
        // Snappy and notifications, between frames and collections; then half a number.
        let agreed = Features::agreed(Bytes::from_static(&[0, 0x10, 0, 0x0a, 0, 0x1f, 0, 0x12, 0]));
        assert_eq!(agreed.encoded(), &[0, 0x10, 0, 0x12][..]);
        assert!(agreed.has(Feature::Collections) && !agreed.has(Feature::Json));
    }
}
