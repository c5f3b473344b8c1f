//! Status codes, with what the error map says about them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

macro_rules! statuses {
    ($($name:ident = $code:literal, $server_name:literal, $attributes:expr, $description:literal;)*) => {
        /// How an operation went, by the server's codes; in JSON by the server's names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[repr(u16)]
        pub enum Status {
            $(#[doc = $description] #[serde(rename = $server_name)] $name = $code,)*
        }

        /// Code, name, attributes and description of each.
        const STATUSES: &[(u16, &str, &[&str], &str)] = &[$(($code, $server_name, $attributes, $description),)*];
    };
}

const ITEM: &[&str] = &["item-only"];
const RETRY: &[&str] = &["temp", "retry-later"];
const FETCH: &[&str] = &["fetch-config", "invalid-handle"];

statuses! {
    Success = 0x00, "SUCCESS", &["success"], "Success.";
    KeyNotFound = 0x01, "KEY_ENOENT", ITEM, "No such document.";
    KeyExists = 0x02, "KEY_EEXISTS", ITEM, "The document is there already, or its CAS is another.";
    TooBig = 0x03, "E2BIG", &["item-only", "invalid-input"], "The value is too large.";
    InvalidArguments = 0x04, "EINVAL", &["internal", "invalid-input"], "The packet makes no sense.";
    NotStored = 0x05, "NOT_STORED", ITEM, "The document was not stored.";
    BadDelta = 0x06, "DELTA_BADVAL", &["item-only", "invalid-input"], "The document is no number.";
    NotMyVbucket = 0x07, "NOT_MY_VBUCKET", FETCH, "Another node has this vbucket.";
    NoBucket = 0x08, "NO_BUCKET", &["conn-state-invalidated"], "No bucket is selected.";
    Locked = 0x09, "LOCKED", &["item-locked", "item-only", "retry-now"], "The document is locked.";
    NotLocked = 0x0e, "NOT_LOCKED", ITEM, "The document is not locked.";
    AuthStale = 0x1f, "AUTH_STALE", &["auth", "conn-state-invalidated"], "Authenticate anew.";
    AuthError = 0x20, "AUTH_ERROR", &["auth", "conn-state-invalidated"], "Authentication failed.";
    AuthContinue = 0x21, "AUTH_CONTINUE", &["special-handling"], "Authentication goes on.";
    Range = 0x22, "ERANGE", &["invalid-input"], "The number is out of bounds.";
    NoAccess = 0x24, "EACCESS", &["support", "auth"], "This user may not do that.";
    UnknownFrame = 0x80, "UNKNOWN_FRAME_INFO", &["support"], "A frame that the node does not know.";
    UnknownCommand = 0x81, "UNKNOWN_COMMAND", &["support"], "An operation that the node does not know.";
    OutOfMemory = 0x82, "ENOMEM", RETRY, "The node is out of memory.";
    NotSupported = 0x83, "NOT_SUPPORTED", &["support"], "The node cannot do that.";
    Internal = 0x84, "EINTERNAL", &["internal", "conn-state-invalidated"], "The node erred.";
    Busy = 0x85, "EBUSY", RETRY, "The node is busy.";
    TemporaryFailure = 0x86, "ETMPFAIL", RETRY, "The node cannot do that for the moment.";
    UnknownCollection = 0x88, "UNKNOWN_COLLECTION", ITEM, "No such collection.";
    UnknownScope = 0x8c, "UNKNOWN_SCOPE", ITEM, "No such scope.";
    DurabilityInvalidLevel = 0xa0, "DURABILITY_INVALID_LEVEL", &["item-only", "invalid-input"], "No such level.";
    DurabilityImpossible = 0xa1, "DURABILITY_IMPOSSIBLE", ITEM, "Too few replicas are there.";
    SyncWriteInProgress = 0xa2, "SYNC_WRITE_IN_PROGRESS", &["item-only", "retry-later"],
        "Another durable write of the document is under way.";
    SyncWriteAmbiguous = 0xa3, "SYNC_WRITE_AMBIGUOUS", ITEM, "The durable write may have happened, or may not.";
    SyncWriteRecommitInProgress = 0xa4, "SYNC_WRITE_RE_COMMIT_IN_PROGRESS", &["item-only", "retry-later"],
        "A durable write of the document is being committed again.";
    PathNotFound = 0xc0, "SUBDOC_PATH_ENOENT", ITEM, "No such path in the document.";
    PathMismatch = 0xc1, "SUBDOC_PATH_MISMATCH", ITEM, "The document has another shape than the path.";
    PathInvalid = 0xc2, "SUBDOC_PATH_EINVAL", &["item-only", "invalid-input"], "That is no path.";
    PathTooBig = 0xc3, "SUBDOC_PATH_E2BIG", &["item-only", "invalid-input"], "The path is too long.";
    ValueCantInsert = 0xc5, "SUBDOC_VALUE_CANTINSERT", &["item-only", "invalid-input"], "The value does not fit there.";
    NotJson = 0xc6, "SUBDOC_DOC_NOTJSON", ITEM, "The document is not JSON.";
    NumberRange = 0xc7, "SUBDOC_NUM_ERANGE", ITEM, "The number there is out of bounds.";
    DeltaInvalid = 0xc8, "SUBDOC_DELTA_EINVAL", &["item-only", "invalid-input"], "That is no delta.";
    PathExists = 0xc9, "SUBDOC_PATH_EEXISTS", ITEM, "The path is there already.";
    InvalidCombination = 0xcb, "SUBDOC_INVALID_COMBO", &["invalid-input"], "These parts do not go together.";
    MultiPathFailure = 0xcc, "SUBDOC_MULTI_PATH_FAILURE", &["special-handling"], "Some of the parts failed.";
    InvalidFlags = 0xce, "SUBDOC_XATTR_INVALID_FLAG_COMBO", &["invalid-input"], "These flags do not go together.";
}

impl Status {
    /// The code in a packet.
    pub fn code(self) -> u16 {
        self as u16
    }
}

/// What the codes mean, for clients that do not know them all.
pub(crate) fn error_map(version: u16) -> Value {
    let entry = |(code, name, attributes, description): &(u16, &str, &[&str], &str)| {
        (format!("{code:x}"), json!({"name": name, "desc": description, "attrs": attributes}))
    };
    let errors: Map<_, _> = STATUSES.iter().map(entry).collect();
    json!({"version": version.min(2), "revision": 1, "errors": errors})
}
