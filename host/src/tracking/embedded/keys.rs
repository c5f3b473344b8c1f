//! The keys of the database. Everything that is counted lies in one keyspace: the roll-ups under no name, every view
//! under its own, each followed by a zero byte that no name has.

use super::taken::note;
use crate::{
    facts::{Bucket, FactId, Period},
    identity::{GameId, ReleaseDigest, ViewName},
};

/// What lies under a name, roll-ups or a view.
pub(super) fn scope(view: Option<&ViewName>) -> Vec<u8> {
    let mut key = view.map_or_else(Vec::new, |view| view.as_str().as_bytes().to_vec());
    key.push(0);
    key
}

/// Where a note is of a step and its neighbours: see [`super::taken`].
pub(super) fn taken(id: &FactId) -> Vec<u8> {
    let FactId { source, aggregate, step, .. } = id;
    [source.as_str().as_bytes(), &[0], aggregate.as_str().as_bytes(), &[0], &note(*step).to_be_bytes()].concat()
}

/// Whether the steps of two facts share a note.
pub(super) fn are_taken_together(one: &FactId, other: &FactId) -> bool {
    note(one.step) == note(other.step) && one.aggregate == other.aggregate && one.source == other.source
}

/// What is kept of a bucket.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Of {
    Rollup = b'r',
    /// Who was met in it, and how: of a day, and of all time, of a game's releases together. Followed by [`PLAYER`] or
    /// [`SESSION`] and their name.
    Meetings = b'm',
    /// How often an event was told of; followed by its name.
    Event = b'e',
}

pub(super) const PLAYER: u8 = b'p';
pub(super) const SESSION: u8 = b's';

/// The length of the start of a bucket, with which its key ends.
pub(super) const START_BYTES: usize = 8;

/// What is kept of a bucket; the key of more than one thing goes on.
pub(super) fn bucket(of: Of, bucket: &Bucket) -> Vec<u8> {
    let mut key = series(of, bucket.period, &bucket.game, bucket.release.as_ref());
    key.extend(bucket.start_ms.to_be_bytes());
    key
}

/// The buckets of a game, to which their start is added.
pub(super) fn series(of: Of, period: Period, game: &GameId, release: Option<&ReleaseDigest>) -> Vec<u8> {
    let mut key = period_prefix(of, period);
    key.extend(game.as_str().as_bytes());
    key.push(0);
    match release {
        None => key.push(0),
        Some(release) => {
            key.push(1);
            key.extend(release.as_bytes());
        }
    }
    key
}

/// The buckets of all games.
pub(super) fn period_prefix(of: Of, period: Period) -> Vec<u8> {
    let period = match period {
        Period::Hour => b'h',
        Period::Day => b'd',
        Period::Ever => b'e',
    };
    let mut key = scope(None);
    key.extend([of as u8, period]);
    key
}

/// The game of a bucket of all its releases, from a key of [`period_prefix`].
pub(super) fn game_of_all_releases(key: &[u8], prefix: &[u8]) -> Option<GameId> {
    let rest = key.strip_prefix(prefix)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let is_of_all = rest.get(end + 1) == Some(&0);
    is_of_all.then(|| std::str::from_utf8(&rest[..end]).ok()?.parse().ok()).flatten()
}

/// A group of a view, or all groups whose keys begin so. JSON text has no zero byte.
pub(super) fn group(view: &ViewName, fields: &[String]) -> Vec<u8> {
    with_fields(view, b'g', fields)
}

/// A value that was met in a group.
pub(super) fn group_member(view: &ViewName, fields: &[String], member: &str) -> Vec<u8> {
    let mut key = with_fields(view, b'm', fields);
    key.push(1);
    key.extend(member.as_bytes());
    key
}

fn with_fields(view: &ViewName, tag: u8, fields: &[String]) -> Vec<u8> {
    let mut key = scope(Some(view));
    key.push(tag);
    for field in fields {
        key.extend(field.as_bytes());
        key.push(0);
    }
    key
}

/// The fields of a group's key.
pub(super) fn group_fields(view: &ViewName, key: &[u8]) -> Option<Vec<String>> {
    let fields = key.strip_prefix(group(view, &[]).as_slice())?;
    let fields = fields.split(|byte| *byte == 0);
    let mut fields = fields.map(|field| String::from_utf8(field.to_vec())).collect::<Result<Vec<_>, _>>().ok()?;
    // What follows the last zero byte.
    fields.pop();
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::samples;

    #[test]
    fn facts_share_a_note_where_their_keys_are_the_same() {
        let ids: Vec<_> = (0..200).map(|number| samples::numbered(number).id).collect();
        for one in &ids {
            for other in &ids {
                assert_eq!(are_taken_together(one, other), taken(one) == taken(other), "{one:?}, {other:?}");
            }
        }
    }
}
