//! Edits of JSON text. What an edit does not touch stays as it was, byte for byte; the objects and arrays on the way to
//! what it does touch lose their white space.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::path::{Path, Step};
use crate::protocol::Status;

/// A change of one part of a document. Values are JSON text.
#[derive(Clone, Debug)]
pub(super) enum Edit<'a> {
    /// The part must not be there.
    Insert(&'a str),
    Upsert(&'a str),
    /// The part must be there.
    Replace(&'a str),
    Remove,
    /// One or more values, with commas, at the end of an array.
    Append(&'a str),
    /// At its beginning.
    Prepend(&'a str),
    /// Before the element to which the path leads, or at the end if it leads just behind it.
    InsertBefore(&'a str),
    /// At the end, if the array has no such value; all are to be null, true, false, numbers or strings.
    AddUnique(&'a str),
    /// Add to a whole number; one that is not there is 0.
    Count(i64),
}

/// A value, opened one level deep.
enum Opened<'a> {
    Object(Members<'a>),
    Array(Vec<&'a str>),
    Other,
}

/// An object's members as they come, with their values' text.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Members::default();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.0.push((name, value.get()));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn open(text: &str) -> Result<Opened<'_>, Status> {
    let not_json = |_| Status::NotJson;
    Ok(match text.trim_start().as_bytes().first() {
        Some(b'{') => Opened::Object(serde_json::from_str(text).map_err(not_json)?),
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(not_json)?;
            Opened::Array(elements.into_iter().map(RawValue::get).collect())
        }
        _ => Opened::Other,
    })
}

/// The text of the part to which a path leads.
pub(super) fn find<'a>(text: &'a str, path: &Path) -> Result<&'a str, Status> {
    path.0.iter().try_fold(text, |text, step| match (open(text)?, step) {
        (Opened::Object(members), Step::Name(name)) => {
            members.0.iter().find(|(each, _)| each == name).map(|(_, value)| *value).ok_or(Status::PathNotFound)
        }
        (Opened::Array(elements), Step::Index(index)) => elements.get(*index).copied().ok_or(Status::PathNotFound),
        (Opened::Array(elements), Step::Last) => elements.last().copied().ok_or(Status::PathNotFound),
        _ => Err(Status::PathMismatch),
    })
}

/// How many members or elements there are.
pub(super) fn length(text: &str) -> Result<usize, Status> {
    match open(text)? {
        Opened::Object(members) => Ok(members.0.len()),
        Opened::Array(elements) => Ok(elements.len()),
        Opened::Other => Err(Status::PathMismatch),
    }
}

/// What becomes of a part by what it was, if it was there; none if it is gone.
type Change<'a> = dyn Fn(Option<&str>) -> Result<Option<String>, Status> + 'a;

/// The document after an edit. With `make_parents`, objects that are missing on the way are made.
pub(super) fn edit(text: &str, path: &Path, edit: &Edit<'_>, make_parents: bool) -> Result<String, Status> {
    let after = match (edit, &path.0[..]) {
        (Edit::InsertBefore(value), [parents @ .., Step::Index(index)]) => {
            change(text, parents, make_parents, &|array| inserted_before(array, *index, value).map(Some))
        }
        (Edit::InsertBefore(_), _) => Err(Status::PathInvalid),
        (Edit::Insert(_) | Edit::Upsert(_), [.., Step::Index(_) | Step::Last]) => Err(Status::PathInvalid),
        (Edit::Append(_) | Edit::Prepend(_) | Edit::AddUnique(_), steps) | (_, steps @ [_, ..]) => {
            change(text, steps, make_parents, &|before| edited(before, edit, make_parents))
        }
        (_, []) => Err(Status::PathInvalid),
    }?;
    after.ok_or(Status::Internal)
}

fn inserted_before(array: Option<&str>, index: usize, value: &str) -> Result<String, Status> {
    let mut elements = elements(array.ok_or(Status::PathNotFound)?)?;
    if index > elements.len() {
        return Err(Status::PathNotFound);
    }
    elements.insert(index, checked(value)?);
    Ok(array_of(&elements))
}

/// A part after an edit; none if it is gone.
fn edited(before: Option<&str>, edit: &Edit<'_>, make_parents: bool) -> Result<Option<String>, Status> {
    // An array that is to grow and is not there.
    let array = || match before {
        Some(array) => elements(array),
        None if make_parents => Ok(Vec::new()),
        None => Err(Status::PathNotFound),
    };
    let after = match edit {
        Edit::Insert(_) if before.is_some() => return Err(Status::PathExists),
        Edit::Replace(_) | Edit::Remove if before.is_none() => return Err(Status::PathNotFound),
        Edit::Remove => return Ok(None),
        Edit::Insert(value) | Edit::Upsert(value) | Edit::Replace(value) => checked(value)?.to_owned(),
        Edit::Append(values) => array_of(&[&array()?[..], &[several(values)?]].concat()),
        Edit::Prepend(values) => array_of(&[&[several(values)?], &array()?[..]].concat()),
        Edit::AddUnique(value) => add_unique(&array()?, value)?,
        Edit::Count(by) => count(before, *by)?,
        Edit::InsertBefore(_) => return Err(Status::PathInvalid),
    };
    Ok(Some(after))
}

/// Changes the part to which steps lead by what it was, if it was there.
fn change(text: &str, steps: &[Step], make_parents: bool, to: &Change<'_>) -> Result<Option<String>, Status> {
    let Some((step, rest)) = steps.split_first() else { return to(Some(text)) };
    let deeper = |part: Option<&str>| match part {
        Some(part) => change(part, rest, make_parents, to),
        None if rest.is_empty() => to(None),
        None if make_parents && !matches!(rest[0], Step::Index(_) | Step::Last) => change("{}", rest, make_parents, to),
        None => Err(Status::PathNotFound),
    };
    match (open(text)?, step) {
        (Opened::Object(mut members), Step::Name(name)) => {
            let at = members.0.iter().position(|(each, _)| each == name);
            let after = deeper(at.map(|at| members.0[at].1))?;
            match (at, &after) {
                (Some(at), Some(after)) => members.0[at].1 = after,
                (None, Some(after)) => members.0.push((name.clone(), after)),
                (Some(at), None) => drop(members.0.remove(at)),
                (None, None) => {}
            }
            Ok(Some(object_of(&members)))
        }
        (Opened::Array(mut elements), Step::Index(_) | Step::Last) => {
            let at = match step {
                Step::Index(index) => *index,
                _ => elements.len().wrapping_sub(1),
            };
            let after = deeper(Some(elements.get(at).ok_or(Status::PathNotFound)?))?;
            match &after {
                Some(after) => elements[at] = after,
                None => drop(elements.remove(at)),
            }
            Ok(Some(array_of(&elements)))
        }
        _ => Err(Status::PathMismatch),
    }
}

fn elements(array: &str) -> Result<Vec<&str>, Status> {
    match open(array)? {
        Opened::Array(elements) => Ok(elements),
        _ => Err(Status::PathMismatch),
    }
}

fn add_unique(elements: &[&str], value: &str) -> Result<String, Status> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| Status::ValueCantInsert);
    let is_primitive = |value: &Value| !value.is_object() && !value.is_array();
    let new = parsed(value)?;
    if !is_primitive(&new) {
        return Err(Status::ValueCantInsert);
    }
    for element in elements {
        let element = parsed(element)?;
        if !is_primitive(&element) {
            return Err(Status::PathMismatch);
        }
        if element == new {
            return Err(Status::PathExists);
        }
    }
    Ok(array_of(&[elements, &[value]].concat()))
}

fn count(before: Option<&str>, by: i64) -> Result<String, Status> {
    let number = before.unwrap_or("0").trim();
    let is_whole = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && !number.is_empty();
    if !is_whole {
        return Err(Status::PathMismatch);
    }
    let number: i64 = number.parse().map_err(|_| Status::NumberRange)?;
    Ok(number.checked_add(by).ok_or(Status::ValueCantInsert)?.to_string())
}

/// The text, if it is one JSON value.
fn checked(value: &str) -> Result<&str, Status> {
    serde_json::from_str::<&RawValue>(value).map(RawValue::get).map_err(|_| Status::ValueCantInsert)
}

/// The text, if it is JSON values with commas between them.
fn several(values: &str) -> Result<&str, Status> {
    let array = format!("[{values}]");
    match elements(&array) {
        Ok(elements) if !elements.is_empty() => Ok(values),
        _ => Err(Status::ValueCantInsert),
    }
}

fn array_of(elements: &[&str]) -> String {
    format!("[{}]", elements.join(","))
}

fn object_of(members: &Members<'_>) -> String {
    let member = |(name, value): &(String, &str)| format!("{}:{value}", Value::from(name.as_str()));
    format!("{{{}}}", members.0.iter().map(member).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, path: &str, change: Edit<'_>, expected: Result<&str, Status>) {
        let after = edit(text, &Path::read(path.as_bytes()).unwrap(), &change, false);
        assert_eq!(after.as_deref().map_err(|status| *status), expected, "{change:?} at {path} of {text}");
    }

    #[test]
    fn members_are_edited() {
        let text = r#"{"z": 1.50, "a": {"b": [1, 2]}}"#;
        check(text, "n", Edit::Insert("{ }"), Ok(r#"{"z":1.50,"a":{"b": [1, 2]},"n":{ }}"#));
        check(text, "z", Edit::Insert("2"), Err(Status::PathExists));
        check(text, "z", Edit::Upsert("2"), Ok(r#"{"z":2,"a":{"b": [1, 2]}}"#));
        check(text, "a.c", Edit::Upsert("2"), Ok(r#"{"z":1.50,"a":{"b":[1, 2],"c":2}}"#));
        check(text, "z", Edit::Replace("null"), Ok(r#"{"z":null,"a":{"b": [1, 2]}}"#));
        check(text, "n", Edit::Replace("null"), Err(Status::PathNotFound));
        check(text, "a", Edit::Remove, Ok(r#"{"z":1.50}"#));
        check(text, "n", Edit::Remove, Err(Status::PathNotFound));
        check(text, "n.m", Edit::Upsert("2"), Err(Status::PathNotFound));
        check(text, "z.m", Edit::Upsert("2"), Err(Status::PathMismatch));
        check(text, "a.b[0]", Edit::Upsert("2"), Err(Status::PathInvalid));
        check(text, "", Edit::Upsert("2"), Err(Status::PathInvalid));
        check(text, "n", Edit::Upsert("{"), Err(Status::ValueCantInsert));
        check("[", "n", Edit::Upsert("2"), Err(Status::NotJson));
    }

    #[test]
    fn elements_are_edited() {
        let text = r#"{"b":[1,2]}"#;
        check(text, "b[0]", Edit::Replace("7"), Ok(r#"{"b":[7,2]}"#));
        check(text, "b[-1]", Edit::Remove, Ok(r#"{"b":[1]}"#));
        check(text, "b[2]", Edit::Remove, Err(Status::PathNotFound));
        check("[]", "[-1]", Edit::Remove, Err(Status::PathNotFound));
        check(text, "b", Edit::Append("3,4"), Ok(r#"{"b":[1,2,3,4]}"#));
        check(text, "b", Edit::Prepend("0"), Ok(r#"{"b":[0,1,2]}"#));
        check("[]", "", Edit::Prepend("0"), Ok("[0]"));
        check(text, "", Edit::Append("0"), Err(Status::PathMismatch));
        check(text, "c", Edit::Append("0"), Err(Status::PathNotFound));
        check(text, "b", Edit::Append("3,"), Err(Status::ValueCantInsert));
        check(text, "b[1]", Edit::InsertBefore("9"), Ok(r#"{"b":[1,9,2]}"#));
        check(text, "b[2]", Edit::InsertBefore("9"), Ok(r#"{"b":[1,2,9]}"#));
        check(text, "b[3]", Edit::InsertBefore("9"), Err(Status::PathNotFound));
        check(text, "b", Edit::AddUnique("3"), Ok(r#"{"b":[1,2,3]}"#));
        check(text, "b", Edit::AddUnique("2"), Err(Status::PathExists));
        check("[[]]", "", Edit::AddUnique("2"), Err(Status::PathMismatch));
        check(text, "b", Edit::AddUnique("{}"), Err(Status::ValueCantInsert));
    }

    #[test]
    fn numbers_are_counted() {
        let text = r#"{"n":41,"f":1.5,"most":9223372036854775807,"more":9223372036854775808}"#;
        check(r#"{"n":41}"#, "n", Edit::Count(1), Ok(r#"{"n":42}"#));
        check("{}", "n", Edit::Count(-5), Ok(r#"{"n":-5}"#));
        check(text, "f", Edit::Count(1), Err(Status::PathMismatch));
        check(text, "most", Edit::Count(1), Err(Status::ValueCantInsert));
        check(text, "more", Edit::Count(1), Err(Status::NumberRange));
    }

    #[test]
    fn parents_are_made_where_that_is_asked_for() {
        let path = Path::read(b"a.b.c").unwrap();
        assert_eq!(edit("{}", &path, &Edit::Upsert("1"), true).unwrap(), r#"{"a":{"b":{"c":1}}}"#);
        assert_eq!(edit("{}", &path, &Edit::Append("1"), true).unwrap(), r#"{"a":{"b":{"c":[1]}}}"#);
        assert_eq!(edit("{}", &path, &Edit::Append("1"), false), Err(Status::PathNotFound));
    }
}
