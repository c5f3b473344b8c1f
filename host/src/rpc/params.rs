//! The params of a call, read strictly, in one pass, into one canonical form.
//! It must never let two readings of one text be possible: what JSON leaves to the parser is refused.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Error;

/// Integers up to this size, 2^53, survive in a double and so in every JSON client.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// `serde_json` gives up by itself at the 128th level: up to this bound the refusal is ours, with its reason and place.
const DEPTH_CEILING: usize = 126;

/// The params of a call, in canonical form: params that mean the same are written the same.
///
/// Members are unique and sorted. Numbers are `u64`, `i64` or `f64`, and a float without a fraction is an integer:
/// `1.0` is `1`. A number that would lose digits on the way is refused: an integer outside both 64-bit ranges,
/// and one of 2^53 or more written with a fraction or an exponent.
#[derive(Debug, Clone, PartialEq)]
pub enum Params {
    /// The request has no `params`.
    Absent,
    /// `params` is an object.
    ByName(Map<String, Value>),
    /// `params` is an array.
    ByPosition(Vec<Value>),
}

impl Params {
    /// The params of a method that takes them by name. Absent params are an empty object.
    ///
    /// # Errors
    /// Invalid params, if they are an array.
    pub fn by_name(self) -> Result<Map<String, Value>, Error> {
        match self {
            Self::Absent => Ok(Map::new()),
            Self::ByName(members) => Ok(members),
            Self::ByPosition(_) => Err(Error::invalid_params("params must be an object, by name").with("pointer", "")),
        }
    }

    /// Reads the text of `params`. `depth_max` counts the params themselves as one.
    pub(super) fn read(text: Option<&RawValue>, depth_max: usize) -> Result<Self, Error> {
        let Some(text) = text else { return Ok(Self::Absent) };
        let mut fault = None;
        let strict = Strict { levels_left: depth_max.min(DEPTH_CEILING), fault: &mut fault };
        match strict.deserialize(&mut serde_json::Deserializer::from_str(text.get())) {
            Ok(Value::Object(members)) => Ok(Self::ByName(members)),
            Ok(Value::Array(items)) => Ok(Self::ByPosition(items)),
            Ok(_) => Err(Error::invalid_request("`params` must be an object or an array")),
            Err(error) => Err(fault.unwrap_or_else(|| Fault::unreadable(&error)).into_error(depth_max)),
        }
    }
}

/// The JSON pointer that goes through these members.
pub(super) fn pointer<'a>(segments: impl IntoIterator<Item = &'a str>) -> String {
    segments.into_iter().map(|segment| format!("/{}", segment.replace('~', "~0").replace('/', "~1"))).collect()
}

/// What is wrong with the params, and where: the path is gathered from the inside out, as the reading unwinds.
struct Fault {
    kind: FaultKind,
    path: Vec<String>,
}

enum FaultKind {
    DuplicateMember,
    TooDeep,
    NumberNotExact,
    Unreadable(String),
}

impl Fault {
    /// What grammar allows but no text or number can hold: a lone surrogate, `1e999`.
    fn unreadable(error: &impl fmt::Display) -> Self {
        let message = error.to_string();
        // The position is one in the params, not in the body the client sent: the pointer serves better.
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        FaultKind::Unreadable(message).into()
    }

    fn into_error(self, depth_max: usize) -> Error {
        let error = match self.kind {
            FaultKind::DuplicateMember => {
                Error::invalid_params("params hold two members of the same name").because("duplicate_member")
            }
            FaultKind::TooDeep => Error::invalid_params("params are nested too deep")
                .because("too_deep")
                .with("depth_max", depth_max.min(DEPTH_CEILING)),
            FaultKind::NumberNotExact => {
                Error::invalid_params("params hold a number too large to be exact").because("number_not_exact")
            }
            FaultKind::Unreadable(message) => Error::invalid_params(format!("params cannot be read: {message}")),
        };
        error.with("pointer", pointer(self.path.iter().rev().map(String::as_str)))
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { kind, path: Vec::new() }
    }
}

/// Reads one value, and keeps what was wrong with it in `fault`.
struct Strict<'f> {
    levels_left: usize,
    fault: &'f mut Option<Fault>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(&mut self, kind: FaultKind) -> E {
        *self.fault = Some(kind.into());
        E::custom("refused")
    }

    fn descend<E: serde::de::Error>(&mut self) -> Result<(), E> {
        match self.levels_left.checked_sub(1) {
            Some(left) => {
                self.levels_left = left;
                Ok(())
            }
            None => Err(self.refuse(FaultKind::TooDeep)),
        }
    }

    fn inner(&mut self) -> Strict<'_> {
        Strict { levels_left: self.levels_left, fault: self.fault }
    }

    /// Notes that what failed lies within the member or item `segment`.
    fn within<E: fmt::Display>(&mut self, segment: impl ToString, error: E) -> E {
        self.fault.get_or_insert_with(|| Fault::unreadable(&error)).path.push(segment.to_string());
        error
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<Value, E> {
        if value.abs() >= EXACT_FLOAT_MAX {
            return Err(self.refuse(FaultKind::NumberNotExact));
        }
        #[expect(clippy::cast_possible_truncation, reason = "an integer below 2^53 fits")]
        match value.fract() == 0.0 {
            true => Ok((value as i64).into()),
            false => Ok(value.into()),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut items = Vec::new();
        loop {
            match seq.next_element_seed(self.inner()) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(items.into()),
                Err(error) => return Err(self.within(items.len(), error)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key()? {
            match members.entry::<String>(name) {
                Entry::Vacant(member) => match map.next_value_seed(self.inner()) {
                    Ok(value) => drop(member.insert(value)),
                    Err(error) => return Err(self.within(member.key(), error)),
                },
                Entry::Occupied(member) => {
                    let error = self.refuse(FaultKind::DuplicateMember);
                    return Err(self.within(member.key(), error));
                }
            }
        }
        // Maps keep the order in which they were written as soon as any crate of the build wants that.
        members.sort_keys();
        Ok(members.into())
    }
}
