//! JSON text that is known to be well formed and is passed on as it is, byte for byte.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::limits::JSON_DEPTH_MAX;

/// One JSON value as text. Cheap to clone.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Takes the text as it is, if every client can read it: one that cannot would lose a whole batch with it.
    ///
    /// # Errors
    /// Where it is not exactly one JSON value, is nested deeper than [`JSON_DEPTH_MAX`], has a number that no double
    /// comes near, or half of a surrogate pair.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        let raw = RawValue::from_string(text)?;
        if may_be_unreadable(raw.get().as_bytes()) {
            Readable { depth: JSON_DEPTH_MAX }.deserialize(&mut serde_json::Deserializer::from_str(raw.get()))?;
        }
        Ok(Self(raw.into()))
    }

    /// The value's JSON.
    ///
    /// # Errors
    /// Where the value has no JSON, as a map with keys that are no strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl From<Arc<RawValue>> for Json {
    fn from(raw: Arc<RawValue>) -> Self {
        Self(raw)
    }
}

impl From<Json> for Arc<RawValue> {
    fn from(json: Json) -> Self {
        json.0
    }
}

/// Whether JSON has anything that could keep a client from reading it: so many brackets that they may be nested too
/// deep, an escaped code unit, or a number with an exponent or very many digits. Most has none of it, and to see that
/// takes a fraction of reading it down to the last number.
fn may_be_unreadable(text: &[u8]) -> bool {
    const DIGITS_MAX: usize = 300;
    // Without branches and with results as small as what they come from, so that the compiler makes it many bytes at a
    // time; no more of them can be in so many bytes than such a result can count.
    let brackets = |text: &[u8]| text.iter().map(|byte| u8::from((*byte == b'[') | (*byte == b'{'))).sum::<u8>();
    let brackets: usize = text.chunks(usize::from(u8::MAX)).map(|text| usize::from(brackets(text))).sum();
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    let suspects = pairs.fold(0, |suspects, (first, second)| {
        let exponent = first.is_ascii_digit() & (*second | 0x20 == b'e');
        suspects | u8::from(exponent | ((*first == b'\\') & (*second == b'u')))
    });
    // A row of more digits has one at a multiple of their number.
    let mut in_rows = text.iter().step_by(DIGITS_MAX).skip(1);
    brackets > JSON_DEPTH_MAX || suspects > 0 || in_rows.any(u8::is_ascii_digit) && has_digits(text, DIGITS_MAX)
}

/// Whether there are more digits in a row.
fn has_digits(text: &[u8], count: usize) -> bool {
    text.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() > count)
}

/// Reads a value down to its last number and character, and keeps nothing of it.
#[derive(Clone, Copy)]
struct Readable {
    /// How many levels may still follow.
    depth: usize,
}

impl Readable {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let too_deep = || E::custom(format_args!("nested deeper than {JSON_DEPTH_MAX} levels"));
        depth.map(|depth| Self { depth }).ok_or_else(too_deep)
    }
}

impl<'de> DeserializeSeed<'de> for Readable {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let item = self.below()?;
        while items.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let member = self.below()?;
        while members.next_entry_seed(member, member)?.is_some() {}
        Ok(())
    }
}

impl schemars::JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_taken_if_every_client_can_read_it() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let (deepest, too_deep) = (nested(JSON_DEPTH_MAX), nested(JSON_DEPTH_MAX + 1));
        for good in ["null", " [1, -2.5e3, {\"a\":[true]}] ", r#""\ud83c\udfb0""#, "1e308", &deepest] {
            assert_eq!(Json::parse(good.to_owned()).unwrap().as_str(), good.trim());
        }
        for bad in [
            "",
            "1 2",
            "{",
            "{'a':1}",
            "NaN",
            "1e999",
            "1.0E999",
            &"9".repeat(400),
            &format!("{}.5", "9".repeat(310)),
            r#""\ud83c""#,
            r#""\udfb0\ud83c""#,
            r#"{"\ud83c":1}"#,
            &too_deep,
        ] {
            Json::parse(bad.to_owned()).expect_err(bad);
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_found_wherever_it_stands() {
        for before in 0..310 {
            for (digits, is_good) in [("9".repeat(308), true), ("9".repeat(310), false)] {
                let text = format!("[\"{}\",{digits},1]", "x".repeat(before));
                assert_eq!(Json::parse(text).is_ok(), is_good, "{before} before {} digits", digits.len());
            }
        }
    }
}
