//! Moving: everything that a store holds, written into one file and from there into another store, of whichever kind.
//! Here belong the file's format and the rules of leaving and arriving. What is stored where is the stores' own affair,
//! what proves a chain is [`crate::ledger`]'s, and what people see of it the command line's.
//!
//! # The file
//! A first line, `croupier-store 1` with the version of the format, and then frames. A frame is a line, so many bytes,
//! and a line feed:
//!
//! ```text
//! KIND NAME SIZE CHECKSUM
//! ...SIZE bytes...
//! ```
//!
//! The checksum is the SHA-256, in hexadecimal digits, of the checksum before it as 32 bytes (of the first line's own
//! SHA-256 in the first frame), the text `KIND NAME SIZE`, a line feed and the bytes. So it covers all that comes before
//! it too: no frame can be changed, left out or moved, and the last checksum is the digest of the whole.
//!
//! | kind | name | bytes |
//! |---|---|---|
//! | `aggregate` | its id | JSON: `aggregate`, the document; `waiting`, which of its steps wait to be carried where |
//! | `records` | the aggregate's id, `/`, the first step | of each record its size in decimal digits, a space, its bytes as they are stored, a line feed |
//! | `release` | its digest | the component |
//! | `game` | its id | JSON: `listing`, and all its `acts` |
//! | `end` | `all` | JSON: how much of everything there was |
//!
//! Aggregates come first, in the order of their ids, each followed by all its records. Games follow in the order of ids,
//! each behind those of its releases that were not there yet. A file without `end` is not whole. Of the same content
//! every store makes the same file.
//!
//! The key that signs session tokens, the tracking store and compiled games are not in it.

mod arriving;
mod error;
mod export;
mod frames;
mod import;
mod part;
mod sections;
mod walking;

use serde::{Deserialize, Serialize};

pub use self::{
    error::MovingError,
    export::{Exported, export},
    frames::Flaw,
    import::{Imported, Stage, import},
    part::Part,
};

/// How much of everything is in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Aggregates.
    pub aggregates: u64,
    /// Their records.
    pub records: u64,
    /// Steps that wait to be carried on, each counted for each of its destinations.
    pub waiting: u64,
    /// Games, each with its listing.
    pub games: u64,
    /// What was done with them.
    pub acts: u64,
    /// Releases, with their bytes.
    pub releases: u64,
}
