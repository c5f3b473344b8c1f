//! Reads the bytes of a body into the requests they hold, or into the errors the specification asks for.
//! It must never look into `params` or decide whether a method exists.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Error, Limits};

/// What a body holds.
pub(super) enum Body<'a> {
    Single(Entry<'a>),
    Batch(Vec<Entry<'a>>),
}

/// One request, or why this part of the body is none.
pub(super) type Entry<'a> = Result<Request<'a>, Refusal<'a>>;

/// A well-formed request object. Without an `id` it is a notification.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) id: Option<&'a RawValue>,
    pub(super) method: Cow<'a, str>,
    pub(super) params: Option<&'a RawValue>,
}

/// An invalid request, with its id if that was legible, else null.
#[derive(Debug)]
pub(super) struct Refusal<'a> {
    pub(super) id: &'a RawValue,
    pub(super) error: Error,
}

/// Reads a whole body. An error here is the one answer to all of it.
pub(super) fn parse<'a>(body: &'a [u8], limits: &Limits) -> Result<Body<'a>, Error> {
    if body.len() > limits.body_bytes_max {
        return Err(Error::invalid_request("the body is too large")
            .because("body_too_large")
            .with("body_bytes_max", limits.body_bytes_max));
    }
    let text = std::str::from_utf8(body).map_err(|error| Error::parse(format!("the body is not UTF-8: {error}")))?;
    match text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes().first() {
        Some(b'{') => Ok(Body::Single(read::<Members<'a>>(text)?.judge())),
        Some(b'[') => batch(read(text)?, limits),
        _ => {
            read::<IgnoredAny>(text)?;
            Ok(Body::Single(Err(not_an_object())))
        }
    }
}

fn batch<'a>(entries: Vec<&'a RawValue>, limits: &Limits) -> Result<Body<'a>, Error> {
    if entries.is_empty() {
        return Err(Error::invalid_request("a batch must not be empty").because("batch_empty"));
    }
    if entries.len() > limits.batch_entries_max {
        return Err(Error::invalid_request("the batch has too many entries")
            .because("batch_too_large")
            .with("batch_entries_max", limits.batch_entries_max));
    }
    entries.into_iter().map(entry).collect::<Result<_, _>>().map(Body::Batch)
}

fn entry(raw: &RawValue) -> Result<Entry<'_>, Error> {
    match raw.get().starts_with('{') {
        true => Ok(read::<Members<'_>>(raw.get())?.judge()),
        false => Ok(Err(not_an_object())),
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::parse(format!("the body is not JSON: {error}")))
}

fn not_an_object<'a>() -> Refusal<'a> {
    Refusal { id: RawValue::NULL, error: Error::invalid_request("a request must be an object") }
}

/// The members of an object that should be a request, each still as its text, so that reading them fails on bad
/// grammar alone: whatever else may be wrong with them is judged when all are known, and answered with the id.
#[derive(Default)]
struct Members<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    duplicate: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a request object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        // Unknown members are ignored: the specification forbids none, and a client of a later revision may send some.
        // They must differ all the same, for parsers disagree about which one of two equal names counts.
        let mut unknown = BTreeSet::new();
        while let Some(key) = map.next_key::<&RawValue>()? {
            let name = string(key).unwrap_or(Cow::Borrowed(key.get()));
            let member = match &*name {
                "jsonrpc" => &mut members.jsonrpc,
                "id" => &mut members.id,
                "method" => &mut members.method,
                "params" => &mut members.params,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    match unknown.contains(&name) {
                        true => members.duplicate = Some(name),
                        false => drop(unknown.insert(name)),
                    }
                    continue;
                }
            };
            if member.replace(map.next_value()?).is_some() {
                members.duplicate = Some(name);
            }
        }
        Ok(members)
    }
}

impl<'a> Members<'a> {
    /// The request these members make, or the first rule of the specification they break.
    fn judge(self) -> Entry<'a> {
        let refuse = |id, error| Err(Refusal { id, error });
        if let Some(name) = &self.duplicate {
            // Of two ids neither is the one.
            let id = self.id.filter(|id| name != "id" && is_id(id)).unwrap_or(RawValue::NULL);
            let pointer = super::params::pointer([&**name]);
            let error = Error::invalid_request("the request has two members of the same name");
            return refuse(id, error.because("duplicate_member").with("pointer", pointer));
        }
        if !self.id.is_none_or(is_id) {
            return refuse(RawValue::NULL, Error::invalid_request("`id` must be a string, a number or null"));
        }
        let id = self.id.unwrap_or(RawValue::NULL);
        if self.jsonrpc.and_then(string).as_deref() != Some("2.0") {
            return refuse(id, Error::invalid_request("`jsonrpc` must be \"2.0\""));
        }
        let Some(method) = self.method.and_then(string) else {
            return refuse(id, Error::invalid_request("`method` must be a string"));
        };
        if self.params.is_some_and(|params| !params.get().starts_with(['{', '['])) {
            return refuse(id, Error::invalid_request("`params` must be an object or an array"));
        }
        Ok(Request { id: self.id, method, params: self.params })
    }
}

/// Whether this may be an id. A string with a lone surrogate may not: half the parsers would not read our answer.
fn is_id(raw: &RawValue) -> bool {
    match raw.get().as_bytes() {
        [b'"', ..] => string(raw).is_some(),
        [b'-' | b'0'..=b'9' | b'n', ..] => true,
        _ => false,
    }
}

/// The string this JSON text stands for; none if it is no string or holds a lone surrogate.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        false => Some(Cow::Borrowed(inner)),
        true => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
    }
}
