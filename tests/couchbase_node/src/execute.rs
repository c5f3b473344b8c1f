//! Operations on documents: from a request to what the bucket is asked, and from its answer to a response.

use bytes::{Buf, Bytes};

use crate::{
    bucket::{Bucket, DocumentId, Mode, Moment, Stored, Write, Written},
    clock::Clock,
    cluster::{Cluster, VBUCKETS},
    collections,
    protocol::{Feature, Features, Frames, Operation, Request, Response, Status, collection_and_key},
    session::{Session, unknown_collection},
    settings::Durability,
    subdocument,
};

/// The collection's number and the key together are at most this long.
const KEY_BYTES_MAX: usize = 251;
/// A key in another collection than the default one.
const KEY_IN_COLLECTION_BYTES_MAX: usize = 246;

/// The CAS that a locked document shows.
const CAS_OF_LOCKED: u64 = u64::MAX;

/// A lock without a time, or with too long a one, lasts this long.
const LOCK_SECONDS: u32 = 15;
const LOCK_SECONDS_MAX: u32 = 30;

/// The expiry of a counter that is not to be made.
const NO_COUNTER: u32 = u32::MAX;

/// Runs an operation on a document.
pub(crate) fn execute(cluster: &mut Cluster, session: &Session, operation: Operation, request: &Request) -> Response {
    Execution::prepare(cluster, session, operation, request)
        .and_then(|execution| execution.run(operation, request).map_err(Response::from))
        .unwrap_or_else(|refusal| refusal)
}

/// The answer to a request that another node should have got, with the configuration that would have said so.
pub(crate) fn not_my_vbucket(cluster: &Cluster, session: &Session) -> Response {
    let config = session.bucket.as_ref().and_then(|bucket| cluster.bucket_config(bucket));
    let config = config.map(|config| config.to_string()).unwrap_or_default();
    Response { status: Status::NotMyVbucket, ..Response::of(config) }
}

/// The document that a request is about, and its key as the client knows it.
pub(crate) fn document_id(features: &Features, encoded: &Bytes) -> Result<DocumentId, Status> {
    let (collection, key) = match features.has(Feature::Collections) {
        true => collection_and_key(encoded)?,
        false => (collections::DEFAULT, encoded.clone()),
    };
    let longest = match collection {
        collections::DEFAULT => KEY_BYTES_MAX - 1,
        _ => KEY_IN_COLLECTION_BYTES_MAX,
    };
    match key.len() {
        0 => Err(Status::InvalidArguments),
        length if length > longest || encoded.len() > KEY_BYTES_MAX => Err(Status::InvalidArguments),
        _ => Ok((collection, key)),
    }
}

/// A request that may run.
struct Execution<'a> {
    features: &'a Features,
    bucket: &'a mut Bucket,
    clock: &'a Clock,
    moment: Moment,
    id: DocumentId,
    frames: Frames,
}

impl<'a> Execution<'a> {
    /// Checks what does not depend on the document, in the server's order.
    fn prepare(
        cluster: &'a mut Cluster,
        session: &'a Session,
        operation: Operation,
        request: &Request,
    ) -> Result<Self, Response> {
        let Some(name) = &session.bucket else { return Err(Status::NoBucket.into()) };
        let features = &session.features;
        let mut frames = match &request.frames {
            Some(bytes) if features.has(Feature::Frames) => Frames::read(bytes)?,
            Some(_) => return Err(Status::InvalidArguments.into()),
            None => Frames::default(),
        };
        let is_allowed = session.role.as_ref().is_some_and(|role| match operation.reads() {
            true => role.may_read(name),
            false => role.may_write(name),
        });
        if !is_allowed {
            return Err(Status::NoAccess.into());
        }
        let id = document_id(features, &request.key)?;
        if request.vbucket >= VBUCKETS {
            return Err(not_my_vbucket(cluster, session));
        }
        let (moment, replicas_up) = (cluster.moment(), cluster.replicas_up);
        let bucket = cluster.buckets.get_mut(name).ok_or(Status::NoBucket)?;
        if bucket.collections.path(id.0).is_none() {
            return Err(unknown_collection(Status::UnknownCollection, &bucket.collections.revision_hex()));
        }
        match operation {
            _ if operation.changes_value() => frames.durability = bucket.durability(frames.durability, replicas_up)?,
            _ if frames.durability != Durability::None => return Err(Status::NotSupported.into()),
            _ => {}
        }
        Ok(Self { features, bucket, clock: &cluster.clock, moment, id, frames })
    }

    fn run(self, operation: Operation, request: &Request) -> Result<Response, Status> {
        match operation {
            Operation::Get => self.get(),
            Operation::GetMeta => self.get_meta(request),
            Operation::Upsert => self.store(Mode::Upsert, request),
            Operation::Insert => self.store(Mode::Insert, request),
            Operation::Replace => self.store(Mode::Replace, request),
            Operation::Remove => self.remove(request.cas),
            Operation::Increment => self.count(request, u64::wrapping_add),
            Operation::Decrement => self.count(request, u64::saturating_sub),
            Operation::Touch => self.touch(request, false),
            Operation::GetAndTouch => self.touch(request, true),
            Operation::GetAndLock => self.lock(request),
            Operation::Unlock => self.unlock(request.cas),
            Operation::LookupIn => self.look_up(request),
            Operation::MutateIn => self.mutate(request),
            _ => Err(Status::UnknownCommand),
        }
    }

    fn get(self) -> Result<Response, Status> {
        let Self { features, bucket, moment, id, .. } = self;
        let document = bucket.get(&id, moment.now)?;
        let cas = if document.is_locked(moment.now) { CAS_OF_LOCKED } else { document.cas };
        Ok(whole(features, document).with_cas(cas))
    }

    /// Extras: whether deleted, flags, expiry, sequence, and the datatype if the request's one byte is 2.
    fn get_meta(self, request: &Request) -> Result<Response, Status> {
        let document = self.bucket.get(&self.id, self.moment.now)?;
        let mut extras = Vec::new();
        extras.extend(0_u32.to_be_bytes());
        extras.extend(document.flags.to_be_bytes());
        extras.extend(document.expires_at.unwrap_or(0).to_be_bytes());
        extras.extend(document.sequence.to_be_bytes());
        if request.extras[..] == [2] {
            extras.push(document.is_json.into());
        }
        Ok(Response::from(Status::Success).with_extras(extras).with_cas(document.cas))
    }

    /// Extras: flags and expiry.
    fn store(self, mode: Mode, request: &Request) -> Result<Response, Status> {
        let Some([flags, expiry]) = numbers(&request.extras) else { return Err(Status::InvalidArguments) };
        let write = self.write_of(request.value.clone(), flags, expiry);
        let Self { features, bucket, moment, id, .. } = self;
        let written = bucket.write(mode, id, request.cas, write, moment)?;
        Ok(acknowledged(features, bucket, written))
    }

    fn remove(self, cas: u64) -> Result<Response, Status> {
        let Self { features, bucket, moment, id, .. } = self;
        let written = bucket.remove(&id, cas, moment)?;
        Ok(acknowledged(features, bucket, written))
    }

    /// Extras: how much, 8 bytes; the first value, 8 bytes; the expiry. The document is the number's digits.
    fn count(self, request: &Request, step: fn(u64, u64) -> u64) -> Result<Response, Status> {
        let mut extras = request.extras.clone();
        if extras.len() != 20 {
            return Err(Status::InvalidArguments);
        }
        let (by, initial, expiry) = (extras.get_u64(), extras.get_u64(), extras.get_u32());
        let (number, flags, expires_at) = match self.bucket.writable(&self.id, request.cas, self.moment.now) {
            Ok(document) => {
                let digits = str::from_utf8(&document.value).ok().and_then(|digits| digits.parse().ok());
                (step(digits.ok_or(Status::BadDelta)?, by), document.flags, document.expires_at)
            }
            Err(Status::KeyNotFound) if expiry != NO_COUNTER => (initial, 0, self.clock.expiry(expiry)),
            Err(status) => return Err(status),
        };
        let write = Write { expires_at, ..self.write_of(number.to_string().into(), flags, 0) };
        let Self { features, bucket, moment, id, .. } = self;
        let written = bucket.write(Mode::Upsert, id, request.cas, write, moment)?;
        let response = acknowledged(features, bucket, written);
        Ok(Response { value: Bytes::copy_from_slice(&number.to_be_bytes()), ..response })
    }

    /// Extras: the expiry.
    fn touch(self, request: &Request, and_get: bool) -> Result<Response, Status> {
        let Some([expiry]) = numbers(&request.extras) else { return Err(Status::InvalidArguments) };
        let Self { features, bucket, clock, moment, id, .. } = self;
        let document = bucket.touch(&id, clock.expiry(expiry), moment)?;
        let response = if and_get { whole(features, document) } else { Status::Success.into() };
        Ok(response.with_cas(document.cas))
    }

    /// Extras: the lock's time in seconds, or nothing.
    fn lock(self, request: &Request) -> Result<Response, Status> {
        let seconds = match numbers(&request.extras) {
            Some([seconds @ 1..=LOCK_SECONDS_MAX]) => seconds,
            _ => LOCK_SECONDS,
        };
        let Self { features, bucket, moment, id, .. } = self;
        let document = bucket.lock(&id, seconds, moment)?;
        Ok(whole(features, document).with_cas(document.cas))
    }

    fn unlock(self, cas: u64) -> Result<Response, Status> {
        self.bucket.unlock(&self.id, cas, self.moment.now)?;
        Ok(Status::Success.into())
    }

    fn look_up(self, request: &Request) -> Result<Response, Status> {
        let document = self.bucket.get(&self.id, self.moment.now)?;
        let cas = if document.is_locked(self.moment.now) { CAS_OF_LOCKED } else { document.cas };
        Ok(subdocument::look_up(document, request)?.with_cas(cas))
    }

    fn mutate(self, request: &Request) -> Result<Response, Status> {
        let before = match self.bucket.writable(&self.id, request.cas, self.moment.now) {
            Ok(document) => Some((document.value.clone(), document.flags)),
            Err(Status::KeyNotFound) => None,
            Err(status) => return Err(status),
        };
        let (before, flags) = before.map_or((None, 0), |(value, flags)| (Some(value), flags));
        let mutation = subdocument::mutate(before, request)?;
        let write = match mutation.value {
            Some(value) => self.write_of(value, flags, mutation.expiry),
            None if mutation.response.status != Status::Success => return Ok(mutation.response),
            None => return self.remove(request.cas),
        };
        let Self { features, bucket, moment, id, .. } = self;
        let written = bucket.write(mutation.mode, id, request.cas, write, moment)?;
        Ok(Response { value: mutation.response.value, ..acknowledged(features, bucket, written) })
    }

    fn write_of(&self, value: Bytes, flags: u32, expiry: u32) -> Write {
        let Frames { durability, preserve_expiry } = self.frames;
        Write { value, flags, expires_at: self.clock.expiry(expiry), preserve_expiry, durability }
    }
}

/// So many numbers of four bytes, if there are just these.
fn numbers<const COUNT: usize>(extras: &[u8]) -> Option<[u32; COUNT]> {
    let (numbers, []) = extras.as_chunks() else { return None };
    let numbers: &[[u8; 4]; COUNT] = numbers.try_into().ok()?;
    Some(numbers.map(u32::from_be_bytes))
}

/// A whole document; extras: its flags.
fn whole(features: &Features, document: &Stored) -> Response {
    let is_json = document.is_json && features.has(Feature::Json);
    let response = Response::of(document.value.clone()).with_extras(document.flags.to_be_bytes().to_vec());
    Response { is_json, ..response }
}

/// Extras: the write's place in the bucket's history, for clients that want it.
fn acknowledged(features: &Features, bucket: &Bucket, written: Written) -> Response {
    let response = Response::from(Status::Success).with_cas(written.cas);
    match features.has(Feature::MutationToken) {
        true => response.with_extras([bucket.uuid.to_be_bytes(), written.sequence.to_be_bytes()].concat()),
        false => response,
    }
}
