//! What is kept, by kind, and the keys of it. A key has at most 246 bytes: a source, a game and the name of an aggregate
//! have 64 at most, and a view's keys are kept by their digests.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::Kind,
    facts::{Bucket, FactId, Period},
    identity::Digest,
};

/// The kinds of documents, each in a collection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// Facts, as they came together: written once, and kept for ever.
    Batches,
    /// Which steps were counted.
    Claims,
    /// Roll-ups and groups of views.
    Counts,
    /// Who writes, what is counted, and which documents there are.
    Index,
}

impl Kinds {
    pub(super) const ALL: [Self; 4] = [Self::Batches, Self::Claims, Self::Counts, Self::Index];
}

impl Kind for Kinds {
    fn name(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::Claims => "claims",
            Self::Counts => "counts",
            Self::Index => "index",
        }
    }
}

/// A batch of facts: its writer's nth. In the order of all batches, in which they are counted anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct BatchId {
    pub(super) writer: u64,
    pub(super) number: u64,
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}", self.writer, self.number)
    }
}

/// Everybody who writes or has written.
pub(super) const WRITERS: &str = "writers";
/// What is counted, and how.
pub(super) const PLAN: &str = "plan";
/// Games that have facts.
pub(super) const GAMES: &str = "games";

/// How far a writer's batches are counted.
pub(super) fn done(writer: u64) -> String {
    format!("done/{writer:016x}")
}

/// How far a generation is counted anew.
pub(super) fn progress(generation: u64) -> String {
    format!("progress/{generation}")
}

/// Steps of an aggregate whose claims lie in one document, so that none grows with the rounds that were played.
const CLAIMED_TOGETHER: u64 = 1024;

/// The claims on a step.
pub(super) fn claims(id: &FactId) -> String {
    format!("{}/{}/{}", id.source, id.aggregate, id.step / CLAIMED_TOGETHER)
}

/// A bucket of the roll-ups.
pub(super) fn bucket(generation: u64, bucket: &Bucket) -> String {
    let period = match bucket.period {
        Period::Hour => 'h',
        Period::Day => 'd',
        Period::Ever => 'e',
    };
    let release = bucket.release.map_or_else(|| "-".to_owned(), |release| release.to_string());
    format!("{generation}/r/{}/{release}/{period}/{}", bucket.game, bucket.start_ms)
}

/// A group of a view.
pub(super) fn group(generation: u64, key: &[String]) -> String {
    format!("{generation}/g/{}", digest(key))
}

/// Lists that the groups of a view are spread over.
pub(super) const GROUP_LISTS: u32 = 64;

/// The list that a group of a view is in.
pub(super) fn group_list_of(generation: u64, key: &[String]) -> String {
    let digest = digest(key);
    group_list(generation, u32::from(digest.as_bytes()[0]) % GROUP_LISTS)
}

/// A list of a view's groups.
pub(super) fn group_list(generation: u64, list: u32) -> String {
    format!("groups/{generation}/{list}")
}

/// No field of a key has a zero byte: they are JSON.
fn digest(key: &[String]) -> Digest {
    Digest::of(key.join("\0").as_bytes())
}
