//! A bucket: its settings, its collections and its documents, with the server's rules for CAS, locks and expiry.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::{
    collections::Collections,
    protocol::Status,
    settings::{Durability, Settings},
};

/// A value is at most this large.
const VALUE_BYTES_MAX: usize = 20 * 1024 * 1024;

/// A collection's number, and a key in it.
pub(crate) type DocumentId = (u32, Bytes);

/// A document as the node keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) value: Bytes,
    pub(crate) is_json: bool,
    pub(crate) flags: u32,
    pub(crate) cas: u64,
    /// Its place among all writes to the bucket.
    pub(crate) sequence: u64,
    /// The second since 1970 at which it is gone.
    pub(crate) expires_at: Option<u32>,
    /// The second since 1970 at which others may write it again.
    pub(crate) locked_until: Option<u32>,
    pub(crate) durability: Durability,
}

impl Stored {
    pub(crate) fn is_locked(&self, now: u32) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    fn is_gone(&self, now: u32) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// The moment of one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Seconds since 1970.
    pub(crate) now: u32,
    /// The CAS that a write in this moment gets, which no other has.
    pub(crate) cas: u64,
}

/// What must be so for a document to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Upsert,
    /// It is not there.
    Insert,
    /// It is there.
    Replace,
}

/// A document to be written.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) value: Bytes,
    pub(crate) flags: u32,
    pub(crate) expires_at: Option<u32>,
    /// Keep the expiry of the document that is there.
    pub(crate) preserve_expiry: bool,
    pub(crate) durability: Durability,
}

/// What a write is answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) cas: u64,
    pub(crate) sequence: u64,
}

/// A bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Identifies the bucket among others that had its name.
    pub(crate) uuid: u64,
    pub(crate) replicas: u32,
    pub(crate) durability_min: Durability,
    pub(crate) collections: Collections,
    documents: BTreeMap<DocumentId, Stored>,
    sequence: u64,
}

impl Bucket {
    pub(crate) fn new(uuid: u64, settings: &Settings) -> Self {
        Self {
            uuid,
            replicas: settings.replicas,
            durability_min: settings.durability_min,
            collections: Collections::default(),
            documents: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// As the protocol writes it everywhere.
    pub(crate) fn uuid_hex(&self) -> String {
        format!("{:032x}", self.uuid)
    }

    /// The durability of a write that asks for this one, with so many replicas there: the larger of it and the bucket's
    /// minimum, if most copies are there to have it.
    pub(crate) fn durability(&self, asked: Durability, replicas_up: u32) -> Result<Durability, Status> {
        let durability = asked.max(self.durability_min);
        let copies = 1 + self.replicas;
        let majority = copies / 2 + 1;
        // The server does not take durable writes with three replicas.
        let is_possible = self.replicas < 3 && 1 + replicas_up.min(self.replicas) >= majority;
        match durability {
            Durability::None => Ok(durability),
            _ if is_possible => Ok(durability),
            _ => Err(Status::DurabilityImpossible),
        }
    }

    /// Every document that is not gone.
    pub(crate) fn documents(&self, now: u32) -> impl Iterator<Item = (&DocumentId, &Stored)> {
        self.documents.iter().filter(move |(_, document)| !document.is_gone(now))
    }

    /// Forget the documents of a collection that is dropped.
    pub(crate) fn clear_collection(&mut self, number: u32) {
        self.documents.retain(|(collection, _), _| *collection != number);
    }

    pub(crate) fn get(&self, id: &DocumentId, now: u32) -> Result<&Stored, Status> {
        self.documents.get(id).filter(|document| !document.is_gone(now)).ok_or(Status::KeyNotFound)
    }

    /// The document, if a request with this CAS (0 for any) may change it.
    pub(crate) fn writable(&mut self, id: &DocumentId, cas: u64, now: u32) -> Result<&mut Stored, Status> {
        let document =
            self.documents.get_mut(id).filter(|document| !document.is_gone(now)).ok_or(Status::KeyNotFound)?;
        match document.cas == cas {
            true => Ok(document),
            false if document.is_locked(now) => Err(Status::Locked),
            false if cas == 0 => Ok(document),
            false => Err(Status::KeyExists),
        }
    }

    pub(crate) fn write(
        &mut self,
        mode: Mode,
        id: DocumentId,
        cas: u64,
        write: Write,
        moment: Moment,
    ) -> Result<Written, Status> {
        if write.value.len() > VALUE_BYTES_MAX {
            return Err(Status::TooBig);
        }
        let expires_at = match (self.writable(&id, cas, moment.now), mode) {
            (Ok(_) | Err(Status::Locked | Status::KeyExists), Mode::Insert) => return Err(Status::KeyExists),
            (Ok(before), _) if write.preserve_expiry => before.expires_at,
            (Ok(_), _) => write.expires_at,
            (Err(Status::KeyNotFound), Mode::Insert | Mode::Upsert) if cas == 0 => write.expires_at,
            (Err(status), _) => return Err(status),
        };
        self.sequence += 1;
        let is_json = serde_json::from_slice::<IgnoredAny>(&write.value).is_ok();
        let Write { value, flags, durability, .. } = write;
        let (sequence, cas) = (self.sequence, moment.cas);
        let stored = Stored { value, is_json, flags, cas, sequence, expires_at, locked_until: None, durability };
        self.documents.insert(id, stored);
        Ok(Written { cas, sequence })
    }

    pub(crate) fn remove(&mut self, id: &DocumentId, cas: u64, moment: Moment) -> Result<Written, Status> {
        self.writable(id, cas, moment.now)?;
        self.documents.remove(id);
        self.sequence += 1;
        Ok(Written { cas: moment.cas, sequence: self.sequence })
    }

    /// Gives the document another expiry, and so another CAS.
    pub(crate) fn touch(
        &mut self,
        id: &DocumentId,
        expires_at: Option<u32>,
        moment: Moment,
    ) -> Result<&Stored, Status> {
        let sequence = self.sequence + 1;
        let document = self.writable(id, 0, moment.now)?;
        (document.expires_at, document.cas, document.sequence) = (expires_at, moment.cas, sequence);
        self.sequence = sequence;
        self.get(id, moment.now)
    }

    /// Locks the document, which gives it the CAS that only the locker knows.
    pub(crate) fn lock(&mut self, id: &DocumentId, seconds: u32, moment: Moment) -> Result<&Stored, Status> {
        let document = self.writable(id, 0, moment.now)?;
        (document.locked_until, document.cas) = (Some(moment.now.saturating_add(seconds)), moment.cas);
        Ok(document)
    }

    pub(crate) fn unlock(&mut self, id: &DocumentId, cas: u64, now: u32) -> Result<(), Status> {
        if !self.get(id, now)?.is_locked(now) {
            return Err(Status::NotLocked);
        }
        self.writable(id, cas, now).map_err(|_| Status::Locked)?.locked_until = None;
        Ok(())
    }
}
