//! Documents that grow by numbered entries, each document with the newest of its entries inside: what they have made and
//! they themselves are written as one. Older entries move into documents of their own, so many at a time; they never
//! change again, so whoever moves them writes the same.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    super::{CommitError, StoreError},
    client::{Client, Collections, Document, Expected, NotWritten},
};

/// How journals are written.
const FORMAT: u32 = 1;
/// Entries of one document of older ones.
const CHUNK_ENTRIES: u64 = 8;
/// Entries that may ride in a document; beyond them the older ones are moved before anything is added.
const TAIL_ENTRIES_MAX: usize = 128;
/// Of an unknown outcome: how often it is looked at again.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);

/// Journals of one kind.
pub(super) struct Journals {
    client: Arc<Client>,
    heads: Collections,
    chunks: Collections,
}

/// A journal as it is stored.
#[derive(Debug)]
pub(super) struct Journal {
    /// The number of its newest entry.
    pub(super) last: u64,
    /// What the entries have made.
    pub(super) head: Box<RawValue>,
    cas: u64,
    /// The newest entries, up to `last`.
    tail: Vec<Box<RawValue>>,
    /// Entries up to this one are in documents of their own.
    moved: AtomicU64,
}

/// The document.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    last: u64,
    head: Box<RawValue>,
    entries: Vec<Box<RawValue>>,
}

impl Journals {
    pub(super) fn new(client: Arc<Client>, heads: Collections, chunks: Collections) -> Self {
        Self { client, heads, chunks }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Journal>, StoreError> {
        let document = self.client.get(self.heads, key).await?;
        document.map(|document| Journal::read(key, document)).transpose()
    }

    /// The number of a journal's newest entry; 0 where there is none.
    pub(super) async fn last(&self, key: &str) -> Result<u64, StoreError> {
        Ok(self.client.number(self.heads, key, "last").await?.unwrap_or(0))
    }

    /// Adds entries to a journal as it was read, or begins it: what it is then.
    ///
    /// # Errors
    /// Where somebody else was first, it becomes too large, or nobody can tell what became of it.
    pub(super) async fn append(
        &self,
        key: &str,
        before: Option<&Journal>,
        head: Box<RawValue>,
        entries: Vec<Box<RawValue>>,
        bytes_max: usize,
    ) -> Result<Journal, CommitError> {
        if let Some(before) = before.filter(|before| before.tail.len() > TAIL_ENTRIES_MAX) {
            self.move_entries(key, before).await?;
        }
        let mut after = Journal::after(before, head, entries);
        let bytes = after.write()?;
        if bytes.len() > bytes_max {
            return Err(CommitError::TooLarge { size: bytes.len(), size_max: bytes_max });
        }
        after.cas = self.settle(key, before, &after, &bytes).await?;
        Ok(after)
    }

    /// Writes, and where nobody can tell what became of that, finds out.
    async fn settle(
        &self,
        key: &str,
        before: Option<&Journal>,
        after: &Journal,
        bytes: &[u8],
    ) -> Result<u64, CommitError> {
        let deadline = Instant::now() + 2 * self.client.timeout();
        let mut expected = before.map_or(Expected::Missing, |before| Expected::Cas(before.cas));
        let mut may_be_written = false;
        loop {
            let not_written = match self.client.put(self.heads, key, bytes, expected).await {
                Ok(cas) => return Ok(cas),
                Err(not_written) => not_written,
            };
            let why = match not_written {
                NotWritten::TooLarge => {
                    return Err(CommitError::TooLarge { size: bytes.len(), size_max: bytes.len() - 1 });
                }
                NotWritten::Otherwise => "it is not as it was expected".to_owned(),
                NotWritten::Refused(why) => why,
                NotWritten::Unknown(why) => {
                    may_be_written = true;
                    why
                }
            };
            let found = match self.client.get(self.heads, key).await {
                Ok(found) => found.map(|found| Journal::read(key, found)).transpose()?,
                Err(_) if may_be_written && Instant::now() < deadline => {
                    tokio::time::sleep(SETTLE_PAUSE).await;
                    continue;
                }
                Err(_) => return Err(StoreError::Unavailable(why).into()),
            };
            let last = found.as_ref().map_or(0, |found| found.last);
            let is_before = last == before.map_or(0, |before| before.last);
            match &found {
                _ if is_before => {}
                // Ours, whatever became of the answer; written once more as it is, so that it is durable too.
                Some(found) if self.holds(key, found, after).await? => {
                    let again = found.write()?;
                    match self.client.put(self.heads, key, &again, Expected::Cas(found.cas)).await {
                        Ok(cas) if found.last == after.last => return Ok(cas),
                        // Somebody else went on from it, so they have found it durable.
                        Ok(_) | Err(NotWritten::Otherwise) => return Ok(0),
                        Err(_) => {}
                    }
                }
                _ => return Err(CommitError::Conflict),
            }
            if Instant::now() >= deadline {
                return Err(StoreError::Unavailable(why).into());
            }
            if is_before {
                expected = found.map_or(Expected::Missing, |found| Expected::Cas(found.cas));
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
    }

    /// Whether a journal has the newest entry of ours.
    async fn holds(&self, key: &str, found: &Journal, ours: &Journal) -> Result<bool, StoreError> {
        let Some(wanted) = ours.tail.last() else { return Ok(false) };
        let entries = self.entries_of(key, found, ours.last..=ours.last).await?;
        Ok(entries.first().is_some_and(|(_, entry)| entry.as_slice() == wanted.get().as_bytes()))
    }

    /// The entries with these numbers, as far as there are such.
    pub(super) async fn entries(
        &self,
        key: &str,
        numbers: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        match self.get(key).await? {
            Some(journal) => self.entries_of(key, &journal, numbers).await,
            None => Ok(Vec::new()),
        }
    }

    async fn entries_of(
        &self,
        key: &str,
        journal: &Journal,
        numbers: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let (first, last) = ((*numbers.start()).max(1), (*numbers.end()).min(journal.last));
        let mut entries = Vec::new();
        let tail_begins = journal.tail_begins();
        if first < tail_begins {
            for chunk in chunk_of(first)..=chunk_of(last.min(tail_begins - 1)) {
                entries.extend(self.chunk(key, chunk).await?);
            }
        }
        let tail = (tail_begins..).zip(&journal.tail);
        entries.extend(tail.map(|(number, entry)| (number, entry.get().as_bytes().to_vec())));
        entries.retain(|(number, _)| (first..=last).contains(number));
        Ok(entries)
    }

    async fn chunk(&self, key: &str, chunk: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let document = self.client.get(self.chunks, &chunk_key(key, chunk)).await?;
        let missing = || StoreError::Corrupt(format!("entries {chunk} of {key} are missing"));
        let document = document.ok_or_else(missing)?;
        let entries: Vec<Box<RawValue>> = serde_json::from_slice(&document.bytes)
            .map_err(|error| StoreError::Corrupt(format!("entries {chunk} of {key}: {error}")))?;
        let first = chunk * CHUNK_ENTRIES + 1;
        Ok((first..).zip(entries).map(|(number, entry)| (number, entry.get().as_bytes().to_vec())).collect())
    }

    /// Moves the older entries that ride in a journal into documents of their own, as far as they fill them. The next
    /// that is added leaves them out.
    pub(super) async fn move_entries(&self, key: &str, journal: &Journal) -> Result<(), StoreError> {
        for chunk in journal.full_chunks() {
            let entries = journal.chunk(chunk);
            let bytes = serde_json::to_vec(&entries).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let written = self.client.put(self.chunks, &chunk_key(key, chunk), &bytes, Expected::Anything).await;
            written.map_err(|not_written| StoreError::Unavailable(format!("{not_written:?}")))?;
            journal.moved.fetch_max((chunk + 1) * CHUNK_ENTRIES, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Journal {
    fn read(key: &str, document: Document) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("{key}: {what}"));
        let written: Written = serde_json::from_slice(&document.bytes).map_err(|error| corrupt(&error.to_string()))?;
        if written.format != FORMAT {
            return Err(corrupt(&format!("it has format {}, and this host reads {FORMAT}", written.format)));
        }
        let moved = written.last.checked_sub(written.entries.len() as u64);
        let moved = moved.ok_or_else(|| corrupt("it has more entries than it says"))?;
        Ok(Self {
            last: written.last,
            head: written.head,
            cas: document.cas,
            tail: written.entries,
            moved: AtomicU64::new(moved),
        })
    }

    fn after(before: Option<&Self>, head: Box<RawValue>, entries: Vec<Box<RawValue>>) -> Self {
        let last = before.map_or(0, |before| before.last) + entries.len() as u64;
        let moved = before.map_or(0, |before| before.moved.load(Ordering::Relaxed));
        let kept = before.into_iter().flat_map(|before| {
            let tail = (before.tail_begins()..).zip(&before.tail);
            tail.filter(|(number, _)| *number > moved).map(|(_, entry)| entry.clone())
        });
        let tail = kept.chain(entries).collect();
        Self { last, head, cas: 0, tail, moved: AtomicU64::new(moved) }
    }

    fn write(&self) -> Result<Vec<u8>, StoreError> {
        let (head, entries) = (self.head.clone(), self.tail.clone());
        let written = Written { format: FORMAT, last: self.last, head, entries };
        serde_json::to_vec(&written).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    fn tail_begins(&self) -> u64 {
        self.last + 1 - self.tail.len() as u64
    }

    /// The chunks whose entries all ride in it and were not moved yet.
    pub(super) fn full_chunks(&self) -> std::ops::Range<u64> {
        let first = chunk_of(self.moved.load(Ordering::Relaxed) + 1);
        first..(self.last / CHUNK_ENTRIES).max(first)
    }

    fn chunk(&self, chunk: u64) -> Vec<&RawValue> {
        let numbers = chunk * CHUNK_ENTRIES + 1..=(chunk + 1) * CHUNK_ENTRIES;
        let tail = (self.tail_begins()..).zip(&self.tail);
        tail.filter(|(number, _)| numbers.contains(number)).map(|(_, entry)| &**entry).collect()
    }

    /// The version that a host knew is not the one to write on: it was settled by somebody else.
    pub(super) fn is_known(&self) -> bool {
        self.cas != 0
    }

    /// Roughly what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.head.get().len() + self.tail.iter().map(|entry| entry.get().len()).sum::<usize>()
    }
}

/// The chunk that an entry belongs to.
fn chunk_of(number: u64) -> u64 {
    (number - 1) / CHUNK_ENTRIES
}

fn chunk_key(key: &str, chunk: u64) -> String {
    format!("{key}/{chunk}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    proptest! {
        /// However entries come and whenever they are moved: none is lost between the documents.
        #[test]
        fn every_entry_is_in_the_tail_or_in_a_full_chunk(steps in prop::collection::vec((1..20usize, any::<bool>()), 1..30)) {
            let mut moved = std::collections::BTreeMap::new();
            let mut journal: Option<Journal> = None;
            let mut count = 0_u64;
            for (entries, moves) in steps {
                let entries: Vec<_> = (0..entries).map(|_| { count += 1; raw(&count.to_string()) }).collect();
                let after = Journal::after(journal.as_ref(), raw("{}"), entries);
                let document = Document { bytes: after.write().unwrap(), cas: 1 };
                let read = Journal::read("key", document).unwrap();
                prop_assert_eq!(read.last, count);
                if moves {
                    for chunk in read.full_chunks() {
                        let entries: Vec<String> = read.chunk(chunk).iter().map(|entry| entry.get().to_owned()).collect();
                        prop_assert_eq!(entries.len() as u64, CHUNK_ENTRIES);
                        moved.insert(chunk, entries);
                        read.moved.fetch_max((chunk + 1) * CHUNK_ENTRIES, Ordering::Relaxed);
                    }
                }
                let mut all: Vec<String> = moved.values().flatten().cloned().collect();
                all.truncate(usize::try_from(read.tail_begins() - 1).unwrap());
                all.extend(read.tail.iter().map(|entry| entry.get().to_owned()));
                prop_assert_eq!(all, (1..=count).map(|number| number.to_string()).collect::<Vec<_>>());
                journal = Some(read);
            }
        }
    }
}
