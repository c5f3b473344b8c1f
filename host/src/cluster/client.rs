//! Documents of a bucket, by key. Every call ends within its time, and every error says whether something may have
//! happened: the official client has no timeouts of its own, and a node that is gone would be waited for without end.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use couchbase::{
    bucket::Bucket,
    collection::Collection,
    durability_level::DurabilityLevel,
    error::{Error, ErrorKind},
    options::kv_options::{InsertOptions, RemoveOptions, ReplaceOptions, UpsertOptions},
    subdoc::lookup_in_specs::LookupInSpec,
    transcoding::raw_json,
};
use futures_util::future::BoxFuture;

use super::ClusterError;

/// Calls in a row that were not answered, after which the cluster is taken for gone.
const SILENT_CALLS_MAX: u32 = 5;
/// How often a cluster that is taken for gone is asked again.
const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// The documents of one scope.
pub(crate) struct Client {
    bucket: Bucket,
    scope: String,
    timeout: Duration,
    durability: DurabilityLevel,
    begun: Instant,
    /// Calls in a row that were not answered.
    silent: AtomicU32,
    /// Milliseconds since `begun` at which a silent cluster was asked last.
    probed_ms: AtomicU64,
}

/// A kind of documents, which has a collection of its own.
pub(crate) trait Kind: Copy + Send + Sync + 'static {
    /// What its collection is called.
    fn name(self) -> &'static str;
}

/// A document as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cas: u64,
}

/// Why a document was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// It is not as it was expected: missing, there already, or changed.
    Otherwise,
    /// It is larger than the cluster takes.
    TooLarge,
    /// The cluster refuses it. Nothing has happened.
    Refused(String),
    /// Nobody knows whether it was written, or will be.
    Unknown(String),
}

impl From<NotWritten> for ClusterError {
    fn from(not_written: NotWritten) -> Self {
        Self::Unavailable(match not_written {
            NotWritten::Otherwise => "a document is not as it was expected".to_owned(),
            NotWritten::TooLarge => "a document is larger than the cluster takes".to_owned(),
            NotWritten::Refused(why) | NotWritten::Unknown(why) => why,
        })
    }
}

/// How a document must be for it to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It is not there.
    Missing,
    /// It is as it was when it had this number.
    Cas(u64),
    /// However it is.
    Anything,
}

impl Client {
    pub(crate) fn new(bucket: Bucket, scope: String, timeout: Duration, durability: DurabilityLevel) -> Self {
        let (silent, probed_ms) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { bucket, scope, timeout, durability, begun: Instant::now(), silent, probed_ms }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// # Errors
    /// Where the cluster does not answer or refuses.
    pub(crate) async fn get(&self, collection: impl Kind, key: &str) -> Result<Option<Document>, ClusterError> {
        let (collection, key) = (self.collection(collection), key.to_owned());
        match self.within_time(Box::pin(async move { collection.get(key, None).await })).await {
            Ok(found) => {
                let (bytes, _) = found.content_as_raw();
                Ok(Some(Document { bytes: bytes.to_vec(), cas: found.cas() }))
            }
            Err(Failed::By(error)) if *error.kind() == ErrorKind::DocumentNotFound => Ok(None),
            Err(error) => Err(ClusterError::Unavailable(error.words())),
        }
    }

    /// A number in a document, without the rest of it; none where there is no document.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn number(
        &self,
        collection: impl Kind,
        key: &str,
        path: &str,
    ) -> Result<Option<u64>, ClusterError> {
        let (collection, document) = (self.collection(collection), key.to_owned());
        let specs = [LookupInSpec::get(path, None)];
        match self.within_time(Box::pin(async move { collection.lookup_in(document, &specs, None).await })).await {
            Ok(found) => {
                let number = found.content_as(0);
                number.map(Some).map_err(|error| ClusterError::Corrupt(format!("{path} of {key}: {error}")))
            }
            Err(Failed::By(error)) if *error.kind() == ErrorKind::DocumentNotFound => Ok(None),
            Err(error) => Err(ClusterError::Unavailable(error.words())),
        }
    }

    /// Writes a document, durably: the number of what it is now.
    pub(crate) async fn put(
        &self,
        collection: impl Kind,
        key: &str,
        bytes: &[u8],
        expected: Expected,
    ) -> Result<u64, NotWritten> {
        let (collection, key, durability) = (self.collection(collection), key.to_owned(), self.durability.clone());
        let (bytes, flags) = raw_json::encode(&bytes).map_err(|error| NotWritten::Refused(error.to_string()))?;
        let bytes = bytes.to_vec();
        let writing = Box::pin(async move {
            match expected {
                Expected::Missing => {
                    let options = InsertOptions::new().durability_level(durability);
                    collection.insert_raw(key, &bytes, flags, options).await
                }
                Expected::Cas(cas) => {
                    let options = ReplaceOptions::new().durability_level(durability).cas(cas);
                    collection.replace_raw(key, &bytes, flags, options).await
                }
                Expected::Anything => {
                    let options = UpsertOptions::new().durability_level(durability);
                    collection.upsert_raw(key, &bytes, flags, options).await
                }
            }
        });
        let written = self.within_time(writing).await;
        written.map(|written| written.cas()).map_err(Failed::not_written)
    }

    /// Removes a document, whatever it is, if there is one.
    ///
    /// # Errors
    /// Where nobody can tell that it is gone.
    pub(crate) async fn remove(&self, collection: impl Kind, key: &str) -> Result<(), ClusterError> {
        let (collection, key) = (self.collection(collection), key.to_owned());
        let options = RemoveOptions::new().durability_level(self.durability.clone());
        match self.within_time(Box::pin(async move { collection.remove(key, options).await })).await {
            Ok(_) => Ok(()),
            Err(Failed::By(error)) if *error.kind() == ErrorKind::DocumentNotFound => Ok(()),
            Err(error) => Err(ClusterError::Unavailable(error.words())),
        }
    }

    /// Whether the cluster has answered lately.
    pub(crate) fn health(&self) -> Result<(), ClusterError> {
        if self.silent.load(Ordering::Relaxed) < SILENT_CALLS_MAX { Ok(()) } else { Err(gone()) }
    }

    fn collection(&self, collection: impl Kind) -> Collection {
        self.bucket.scope(&self.scope).collection(collection.name())
    }

    /// Waits for an answer no longer than it may take, and not at all where the cluster is known to be gone: then one
    /// call in a while finds out whether it is back.
    ///
    /// Every call is a task of its own and runs to its end, also where nobody waits for it any more. The official client
    /// (whose futures are too deep to be waited for but behind a pointer) closes a connection, and fails all that is under way on it, when an answer comes for a call that was given up;
    /// and a call that is not polled may hold what all others need.
    async fn within_time<T: Send + 'static>(&self, call: BoxFuture<'static, Result<T, Error>>) -> Result<T, Failed> {
        if self.health().is_err() && !self.is_probe() {
            return Err(Failed::Gone);
        }
        match tokio::time::timeout(self.timeout, tokio::spawn(call)).await {
            Ok(Err(error)) => Err(Failed::Broken(error.to_string())),
            Ok(Ok(answer)) => {
                self.silent.store(0, Ordering::Relaxed);
                answer.map_err(Failed::By)
            }
            Err(_) => {
                let silent = self.silent.fetch_add(1, Ordering::Relaxed) + 1;
                if silent == SILENT_CALLS_MAX {
                    tracing::error!(
                        scope = self.scope,
                        "a Couchbase cluster does not answer; what needs it is refused until it does"
                    );
                }
                Err(Failed::Silent(self.timeout))
            }
        }
    }

    fn is_probe(&self) -> bool {
        let now_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let probed_ms = self.probed_ms.load(Ordering::Relaxed);
        let is_due = now_ms.saturating_sub(probed_ms) >= u64::try_from(PROBE_PAUSE.as_millis()).unwrap_or(u64::MAX);
        is_due && self.probed_ms.compare_exchange(probed_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// How a call failed.
enum Failed {
    By(Error),
    Silent(Duration),
    /// By a defect of the client.
    Broken(String),
    /// It was not even made.
    Gone,
}

impl Failed {
    fn words(&self) -> String {
        match self {
            Self::By(error) => error.to_string(),
            Self::Silent(timeout) => format!("the Couchbase cluster has not answered within {timeout:?}"),
            Self::Broken(why) => format!("the Couchbase client has failed: {why}"),
            Self::Gone => gone().to_string(),
        }
    }

    fn not_written(self) -> NotWritten {
        let words = self.words();
        let Self::By(error) = self else {
            return if matches!(self, Self::Gone) { NotWritten::Refused(words) } else { NotWritten::Unknown(words) };
        };
        match error.kind() {
            ErrorKind::DocumentNotFound | ErrorKind::DocumentExists | ErrorKind::CasMismatch => NotWritten::Otherwise,
            ErrorKind::ValueTooLarge => NotWritten::TooLarge,
            ErrorKind::TemporaryFailure
            | ErrorKind::DocumentLocked
            | ErrorKind::DurabilityImpossible
            | ErrorKind::DurabilityLevelNotAvailable
            | ErrorKind::DurabilityWriteInProgress
            | ErrorKind::DurableWriteRecommitInProgress
            | ErrorKind::AuthenticationFailure
            | ErrorKind::BucketNotFound
            | ErrorKind::ScopeNotFound
            | ErrorKind::CollectionNotFound
            | ErrorKind::RateLimitedFailure
            | ErrorKind::QuotaLimitedFailure
            | ErrorKind::InvalidArgument(_)
            | ErrorKind::EncodingFailure(_) => NotWritten::Refused(words),
            _ => NotWritten::Unknown(words),
        }
    }
}

fn gone() -> ClusterError {
    ClusterError::Unavailable("the Couchbase cluster does not answer".to_owned())
}
