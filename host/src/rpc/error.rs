//! The JSON-RPC error object: the only shape in which a client learns that a call was refused.
//! It must never carry the host's own details (paths, backtraces): those go to the operator's log.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, value::RawValue};

use super::RawJson;

/// The body is not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// The JSON is not a request.
pub const INVALID_REQUEST: i32 = -32600;
/// Nobody answers to this method.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The params do not fit the method.
pub const INVALID_PARAMS: i32 = -32602;
/// The host failed; the client can do nothing about it.
pub const INTERNAL_ERROR: i32 = -32603;

/// Why a call was refused, as its client sees it.
///
/// Errors of the protocol and of the host carry `data.reason`, a stable string to program against; `message` is for
/// people and may change. A game's own faults have positive codes and data of the game's making.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Error {
    code: i32,
    message: Cow<'static, str>,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    Reason { reason: &'static str, members: BTreeMap<String, Value> },
    AsGiven(Option<RawJson>),
}

impl Error {
    /// -32700 `parse_error`: the body is not JSON.
    pub fn parse(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(PARSE_ERROR, "parse_error", message)
    }

    /// -32600 `invalid_request`: the JSON is not a request.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_REQUEST, "invalid_request", message)
    }

    /// -32601 `method_not_found`: nobody answers to this method.
    pub fn method_not_found() -> Self {
        Self::new(METHOD_NOT_FOUND, "method_not_found", "method not found")
    }

    /// -32602 `invalid_params`: the params do not fit the method.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_PARAMS, "invalid_params", message)
    }

    /// -32603 `internal_error`: the host failed. What failed belongs in the log, not here.
    pub fn internal() -> Self {
        Self::new(INTERNAL_ERROR, "internal_error", "internal error")
    }

    /// An error of the host, `code` in -32099..=-32000, `reason` as listed in the host's table of errors.
    pub fn host(code: i32, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        debug_assert!((-32099..=-32000).contains(&code), "{code} is not a host error's code");
        Self::new(code, reason, message)
    }

    /// A game's own fault: `code` is positive, `data` is whatever the game says.
    pub fn game(code: i32, message: impl Into<Cow<'static, str>>, data: Option<RawJson>) -> Self {
        debug_assert!(code > 0, "{code} is not a game fault's code");
        Self { code, message: message.into(), data: Data::AsGiven(data) }
    }

    /// An error that was answered before and is answered again, word for word.
    pub fn recorded(code: i32, message: String, data: Option<RawJson>) -> Self {
        Self { code, message: message.into(), data: Data::AsGiven(data) }
    }

    fn new(code: i32, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: Data::Reason { reason, members: BTreeMap::new() } }
    }

    /// Replaces `data.reason` by a more specific one. The data of a game's fault or a recorded error stay as they are.
    #[must_use]
    pub fn because(mut self, specific: &'static str) -> Self {
        if let Data::Reason { reason, .. } = &mut self.data {
            *reason = specific;
        }
        self
    }

    /// Adds a member to `data`. The data of a game's fault or a recorded error stay as they are.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        debug_assert_ne!(member, "reason", "the reason is set by `because`");
        if let Data::Reason { members, .. } = &mut self.data {
            members.insert(member.to_owned(), value.into());
        }
        self
    }

    /// The error's `code`.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The error's `message`, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error's `data`, as the client gets it.
    pub fn data(&self) -> Option<RawJson> {
        match &self.data {
            Data::Reason { reason, members } => {
                let mut data = members.clone();
                data.insert("reason".to_owned(), (*reason).into());
                // A map of JSON values always has its JSON. Its members are in the order of their names.
                serde_json::value::to_raw_value(&data).ok().map(RawJson::from)
            }
            Data::AsGiven(data) => data.clone(),
        }
    }

    /// The stable `data.reason`. None for a game's fault, and for a recorded error, whose data are not looked into.
    pub fn reason(&self) -> Option<&'static str> {
        match self.data {
            Data::Reason { reason, .. } => Some(reason),
            Data::AsGiven(_) => None,
        }
    }

    /// The whole response with a null id, for a transport that refuses a request before reading it.
    pub fn to_response(&self) -> Vec<u8> {
        let mut out = String::new();
        self.write_response(RawValue::NULL, &mut out);
        out.into_bytes()
    }

    pub(super) fn write_response(&self, id: &RawValue, out: &mut String) {
        let code = self.code.to_string();
        let message = Value::from(&*self.message).to_string();
        out.extend([r#"{"jsonrpc":"2.0","id":"#, id.get(), r#","error":{"code":"#, &code, r#","message":"#, &message]);
        if let Some(data) = self.data() {
            out.extend([r#","data":"#, data.get()]);
        }
        out.push_str("}}");
    }
}
