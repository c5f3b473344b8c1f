//! What is kept of players and games, by kind.

use crate::cluster::Kind;

/// The kinds of documents, each in a collection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collections {
    /// What players are, with their newest records.
    Aggregates,
    /// Older records.
    Records,
    /// Games' listings, with their newest acts.
    Listings,
    /// Older acts.
    Acts,
    /// Components, in parts.
    Releases,
    /// Which documents there are.
    Index,
}

impl Collections {
    pub(super) const ALL: [Self; 6] =
        [Self::Aggregates, Self::Records, Self::Listings, Self::Acts, Self::Releases, Self::Index];
}

impl Kind for Collections {
    fn name(self) -> &'static str {
        match self {
            Self::Aggregates => "aggregates",
            Self::Records => "records",
            Self::Listings => "listings",
            Self::Acts => "acts",
            Self::Releases => "releases",
            Self::Index => "index",
        }
    }
}
