//! Types that are text in JSON. They are written from where they lie and read from where they come, without a copy of
//! the text in between: a step's record has some forty of them.

use std::{
    fmt::{self, Display},
    marker::PhantomData,
    str::FromStr,
};

use data_encoding::HEXLOWER;
use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// Has a type written as the text that it displays as, and read as it is parsed. Where the type has a method that
/// gives the text as a whole, the method's name spares the way through the formatter.
macro_rules! text_in_json {
    ($type:ident) => {
        text_in_json!(@ $type, |value, serializer| serializer.collect_str(value));
    };
    ($type:ident, $as_str:ident) => {
        text_in_json!(@ $type, |value, serializer| serializer.serialize_str(value.$as_str().as_ref()));
    };
    (@ $type:ident, |$value:ident, $serializer:ident| $written:expr) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, $serializer: S) -> Result<S::Ok, S::Error> {
                let $value = self;
                $written
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::read(deserializer)
            }
        }
    };
}

pub(crate) use text_in_json;

/// 32 bytes as hexadecimal digits in lower case.
pub(crate) struct Hex([u8; 64]);

impl Hex {
    pub(crate) fn of(bytes: &[u8; 32]) -> Self {
        let mut digits = [0; 64];
        HEXLOWER.encode_mut(bytes, &mut digits);
        Self(digits)
    }
}

impl AsRef<str> for Hex {
    fn as_ref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

/// Parses what is read.
///
/// # Errors
/// Where it is no text, or does not parse.
pub(crate) fn read<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Parsed(PhantomData))
}

struct Parsed<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}
