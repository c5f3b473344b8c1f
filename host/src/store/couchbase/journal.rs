//! Documents that grow by numbered entries, each document with the newest of its entries inside: what they have made and
//! they themselves are written as one. Older entries move into documents of their own, so many at a time; they never
//! change again, so whoever moves them writes the same.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    super::{CommitError, StoreError},
    collections::Collections,
    outbox::{Change, Outbox},
};
use crate::cluster::{Client, Document, Expected, NotWritten};

/// How journals are written.
const FORMAT: u32 = 1;
/// Entries of one document of older ones.
const CHUNK_ENTRIES: u64 = 8;
/// Entries that may ride in a document; beyond them the older ones are moved before anything is added.
const TAIL_ENTRIES_MAX: usize = 128;
/// Additions that a journal remembers the marks of.
const MARKS_MAX: usize = 8;
/// Of an unknown outcome: how often it is looked at again.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);

/// Journals of one kind.
pub(super) struct Journals {
    client: Arc<Client>,
    heads: Collections,
    chunks: Collections,
}

/// A journal as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    /// The number of its newest entry.
    pub(super) last: u64,
    /// What the entries have made.
    pub(super) head: Box<RawValue>,
    /// Which of the entries wait to be carried on.
    pub(super) outbox: Outbox,
    cas: u64,
    /// The newest additions: the number of the last entry of each, and what tells it from another host's.
    marks: Vec<(u64, u64)>,
    /// The newest entries, up to `last`.
    tail: Vec<Box<RawValue>>,
    /// Entries up to this one are in documents of their own.
    moved: Arc<Moved>,
}

/// How far the older entries of a journal were moved, for all versions of it that one host has made of one another.
#[derive(Debug, Default)]
struct Moved {
    last: AtomicU64,
    is_under_way: AtomicBool,
}

/// What is added to a journal.
pub(super) struct Addition {
    head: Box<RawValue>,
    entries: Vec<Box<RawValue>>,
    outbox: Change,
    /// Tells it from what another host may add, which can be the same to the byte.
    mark: u64,
}

impl Addition {
    pub(super) fn new(head: Box<RawValue>, entries: Vec<Box<RawValue>>, outbox: Change) -> Self {
        Self { head, entries, outbox, mark: rand::random() }
    }
}

/// What stands in the place where a journal's next version was to be written.
enum Found {
    /// The version before.
    Before(Option<Journal>),
    /// Ours, with this number, or 0 where somebody else has gone on from it.
    Ours(u64),
    /// Somebody else was first.
    Others,
}

/// The document.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    last: u64,
    head: Box<RawValue>,
    #[serde(default)]
    outbox: Outbox,
    #[serde(default)]
    marks: Vec<(u64, u64)>,
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
        addition: Addition,
        bytes_max: usize,
    ) -> Result<Journal, CommitError> {
        if let Some(before) = before.filter(|before| before.tail.len() > TAIL_ENTRIES_MAX) {
            self.move_entries(key, before).await?;
        }
        let deadline = Instant::now() + 2 * self.client.timeout();
        let mut after = Journal::after(before, &addition);
        let mut expected = before.map_or(Expected::Missing, |before| Expected::Cas(before.cas));
        let mut may_be_written = false;
        loop {
            let bytes = after.write()?;
            if bytes.len() > bytes_max {
                return Err(CommitError::TooLarge { size: bytes.len(), size_max: bytes_max });
            }
            let why = match self.client.put(self.heads, key, &bytes, expected).await {
                Ok(cas) => {
                    after.cas = cas;
                    return Ok(after);
                }
                Err(NotWritten::TooLarge) => {
                    return Err(CommitError::TooLarge { size: bytes.len(), size_max: bytes.len() - 1 });
                }
                Err(NotWritten::Otherwise) => "it is not as it was expected".to_owned(),
                Err(NotWritten::Refused(why)) => why,
                Err(NotWritten::Unknown(why)) => {
                    may_be_written = true;
                    why
                }
            };
            if !may_be_written && self.client.health().is_err() {
                return Err(StoreError::Unavailable(why).into());
            }
            match self.look(key, before, &after, may_be_written).await {
                Ok(Found::Before(found)) => {
                    // It may have another outbox by now, which is to be kept.
                    after = Journal::after(found.as_ref(), &addition);
                    expected = found.map_or(Expected::Missing, |found| Expected::Cas(found.cas));
                }
                Ok(Found::Ours(cas)) => {
                    after.cas = cas;
                    return Ok(after);
                }
                Ok(Found::Others) => return Err(CommitError::Conflict),
                Err(_) if may_be_written && Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= deadline {
                return Err(StoreError::Unavailable(why).into());
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
    }

    /// What became of a writing, where nobody could tell.
    async fn look(
        &self,
        key: &str,
        before: Option<&Journal>,
        ours: &Journal,
        may_be_written: bool,
    ) -> Result<Found, StoreError> {
        let found = self.get(key).await?;
        let last = found.as_ref().map_or(0, |found| found.last);
        if last == before.map_or(0, |before| before.last) {
            return Ok(Found::Before(found));
        }
        let Some(found) = found.filter(|_| may_be_written) else { return Ok(Found::Others) };
        if !found.holds(ours)? {
            return Ok(Found::Others);
        }
        // Written once more as it is, so that it is durable too.
        match self.client.put(self.heads, key, &found.write()?, Expected::Cas(found.cas)).await {
            Ok(cas) if found.last == ours.last => Ok(Found::Ours(cas)),
            // Somebody else went on from it, so they have found it durable.
            Ok(_) | Err(NotWritten::Otherwise) => Ok(Found::Ours(0)),
            Err(not_written) => Err(not_written.into()),
        }
    }

    /// Takes what was carried on out of a journal's outbox, and changes nothing else: the journal as it is then, if it
    /// still was as it was read.
    pub(super) async fn take_out(
        &self,
        key: &str,
        journal: &Journal,
        carried: &Outbox,
    ) -> Result<Option<Journal>, StoreError> {
        let mut after = journal.without(carried);
        match self.client.put(self.heads, key, &after.write()?, Expected::Cas(journal.cas)).await {
            Ok(cas) => {
                after.cas = cas;
                Ok(Some(after))
            }
            Err(NotWritten::Otherwise) => Ok(None),
            Err(not_written) => Err(not_written.into()),
        }
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
        if first > last {
            return Ok(entries);
        }
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

    /// Moves the older entries beside whatever else is done, unless that is being done already.
    pub(super) fn move_entries_beside(self: &Arc<Self>, key: &str, journal: &Journal) {
        if journal.full_chunks().is_empty() || journal.moved.is_under_way.swap(true, Ordering::Relaxed) {
            return;
        }
        let (journals, key, journal) = (self.clone(), key.to_owned(), journal.clone());
        tokio::spawn(async move {
            if let Err(error) = journals.move_entries(&key, &journal).await {
                tracing::debug!(key, %error, "entries are moved later");
            }
            journal.moved.is_under_way.store(false, Ordering::Relaxed);
        });
    }

    /// Moves the older entries that ride in a journal into documents of their own, as far as they fill them. The next
    /// that is added leaves them out.
    pub(super) async fn move_entries(&self, key: &str, journal: &Journal) -> Result<(), StoreError> {
        for chunk in journal.full_chunks() {
            let entries = journal.chunk(chunk);
            let bytes = serde_json::to_vec(&entries).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let written = self.client.put(self.chunks, &chunk_key(key, chunk), &bytes, Expected::Anything).await;
            written?;
            journal.moved.last.fetch_max((chunk + 1) * CHUNK_ENTRIES, Ordering::Relaxed);
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
            outbox: written.outbox,
            cas: document.cas,
            marks: written.marks,
            tail: written.entries,
            moved: Arc::new(Moved { last: moved.into(), is_under_way: false.into() }),
        })
    }

    fn after(before: Option<&Self>, addition: &Addition) -> Self {
        let Addition { head, entries, outbox, .. } = addition;
        let last = before.map_or(0, |before| before.last) + entries.len() as u64;
        let moved = before.map_or(0, |before| before.moved.last.load(Ordering::Relaxed));
        let kept = before.into_iter().flat_map(|before| {
            let tail = (before.tail_begins()..).zip(&before.tail);
            tail.filter(|(number, _)| *number > moved).map(|(_, entry)| entry.clone())
        });
        let tail = kept.chain(entries.iter().cloned()).collect();
        let outbox = before.map_or(&Outbox::default(), |before| &before.outbox).after(outbox);
        let marks = before.map_or(&[][..], |before| &before.marks);
        let marks = marks.iter().rev().take(MARKS_MAX - 1).rev().copied().chain([(last, addition.mark)]).collect();
        Self {
            last,
            head: head.clone(),
            outbox,
            cas: 0,
            marks,
            tail,
            moved: before.map_or_else(Arc::default, |before| before.moved.clone()),
        }
    }

    fn without(&self, carried: &Outbox) -> Self {
        let change = Change { carried: carried.clone(), added: Outbox::default() };
        Self {
            last: self.last,
            head: self.head.clone(),
            outbox: self.outbox.after(&change),
            cas: 0,
            marks: self.marks.clone(),
            tail: self.tail.clone(),
            moved: self.moved.clone(),
        }
    }

    fn write(&self) -> Result<Vec<u8>, StoreError> {
        let (head, outbox, entries) = (self.head.clone(), self.outbox.clone(), self.tail.clone());
        let written = Written { format: FORMAT, last: self.last, head, outbox, marks: self.marks.clone(), entries };
        serde_json::to_vec(&written).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    fn tail_begins(&self) -> u64 {
        self.last + 1 - self.tail.len() as u64
    }

    /// The chunks whose entries all ride in it and were not moved yet.
    pub(super) fn full_chunks(&self) -> std::ops::Range<u64> {
        let first = chunk_of(self.moved.last.load(Ordering::Relaxed) + 1);
        first..(self.last / CHUNK_ENTRIES).max(first)
    }

    fn chunk(&self, chunk: u64) -> Vec<&RawValue> {
        let numbers = chunk * CHUNK_ENTRIES + 1..=(chunk + 1) * CHUNK_ENTRIES;
        let tail = (self.tail_begins()..).zip(&self.tail);
        tail.filter(|(number, _)| numbers.contains(number)).map(|(_, entry)| &**entry).collect()
    }

    /// Whether it has the newest addition of ours.
    fn holds(&self, ours: &Self) -> Result<bool, StoreError> {
        let is_known = self.marks.first().is_some_and(|(oldest, _)| *oldest <= ours.last);
        if self.last >= ours.last && !is_known {
            let why = "so many others have gone on that nobody can tell whether this step was among those before";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        Ok(ours.marks.last().is_some_and(|mark| self.marks.contains(mark)))
    }

    /// An entry that rides in it.
    pub(super) fn tail_entry(&self, number: u64) -> Option<&[u8]> {
        let place = usize::try_from(number.checked_sub(self.tail_begins())?).ok()?;
        self.tail.get(place).map(|entry| entry.get().as_bytes())
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
                let addition = Addition::new(raw("{}"), entries, Change::default());
                let after = Journal::after(journal.as_ref(), &addition);
                let document = Document { bytes: after.write().unwrap(), cas: 1 };
                let read = Journal::read("key", document).unwrap();
                prop_assert_eq!(read.last, count);
                if moves {
                    for chunk in read.full_chunks() {
                        let entries: Vec<String> = read.chunk(chunk).iter().map(|entry| entry.get().to_owned()).collect();
                        prop_assert_eq!(entries.len() as u64, CHUNK_ENTRIES);
                        moved.insert(chunk, entries);
                        read.moved.last.fetch_max((chunk + 1) * CHUNK_ENTRIES, Ordering::Relaxed);
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
