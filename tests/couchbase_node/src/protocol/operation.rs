//! The operations that the node knows.

use serde::{Deserialize, Serialize};

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $opcode:literal,)*) => {
        /// An operation of the key-value protocol, named as SDKs name it; in JSON in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// None for an opcode that the node does not know.
            pub(crate) fn from_opcode(opcode: u8) -> Option<Self> {
                match opcode {
                    $($opcode => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    /// Read a document.
    Get = 0x00,
    /// Write a document, whether it is there or not.
    Upsert = 0x01,
    /// Write a document that is not there.
    Insert = 0x02,
    /// Write a document that is there.
    Replace = 0x03,
    /// Remove a document.
    Remove = 0x04,
    /// Add to a number.
    Increment = 0x05,
    /// Take from a number, down to zero.
    Decrement = 0x06,
    /// Nothing; SDKs ping with it.
    Noop = 0x0a,
    /// Give a document another expiry.
    Touch = 0x1c,
    /// Read a document and give it another expiry.
    GetAndTouch = 0x1d,
    /// Agree on features.
    Hello = 0x1f,
    /// Ask how to authenticate.
    SaslMechanisms = 0x20,
    /// Begin to authenticate.
    SaslStart = 0x21,
    /// Go on authenticating.
    SaslStep = 0x22,
    /// Choose the connection's bucket.
    SelectBucket = 0x89,
    /// Read a document and keep others from writing it for a while.
    GetAndLock = 0x94,
    /// Let others write a locked document.
    Unlock = 0x95,
    /// Read what there is about a document; SDKs ask so whether it exists.
    GetMeta = 0xa0,
    /// Read the cluster's configuration.
    ClusterConfig = 0xb5,
    /// Read which scopes and collections there are.
    CollectionsManifest = 0xba,
    /// Read a collection's number.
    CollectionId = 0xbb,
    /// Read parts of a document.
    LookupIn = 0xd0,
    /// Write parts of a document.
    MutateIn = 0xd1,
    /// Read what the status codes mean.
    ErrorMap = 0xfe,
}

impl Operation {
    /// Whether it is about one document.
    pub fn is_for_document(self) -> bool {
        self.reads() || self.writes()
    }

    /// Whether it reads a document and leaves it as it is.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::GetMeta | Self::LookupIn)
    }

    /// Whether it may change a document's value, and so may be durable.
    pub fn changes_value(self) -> bool {
        use Operation::{Decrement, Increment, Insert, MutateIn, Remove, Replace, Upsert};
        matches!(self, Upsert | Insert | Replace | Remove | Increment | Decrement | MutateIn)
    }

    /// Whether it may change a document, its expiry or its lock.
    pub fn writes(self) -> bool {
        self.changes_value() || matches!(self, Self::Touch | Self::GetAndTouch | Self::GetAndLock | Self::Unlock)
    }
}
