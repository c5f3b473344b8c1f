//! Where two records differ.

use std::fmt;

use serde_json::Value;

/// Differences that are told of one record.
const DIFFERENCES_MAX: usize = 5;
/// Characters of a value that are shown.
const SHOWN_CHARS_MAX: usize = 200;

/// One place in which a step came out otherwise than it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where in the record: the names of members and the places in lists, from the outside in.
    pub path: String,
    /// What is recorded there; `None` for nothing.
    pub recorded: Option<Value>,
    /// What came out this time.
    pub again: Option<Value>,
}

impl Difference {
    /// The first differences of two records, in the order of the one that is stored.
    ///
    /// # Errors
    /// Where one of them is not JSON.
    pub fn between(stored: &[u8], again: &[u8]) -> Result<Vec<Self>, serde_json::Error> {
        let (stored, again) = (serde_json::from_slice(stored)?, serde_json::from_slice(again)?);
        let mut found = Vec::new();
        compare(String::new(), Some(&stored), Some(&again), &mut found);
        if found.is_empty() {
            // The same values in other words: spaces, an order of members, a way to write a number.
            let whole = Self { path: "its spelling".to_owned(), recorded: None, again: None };
            found.push(whole);
        }
        found.truncate(DIFFERENCES_MAX);
        Ok(found)
    }
}

fn compare(path: String, recorded: Option<&Value>, again: Option<&Value>, found: &mut Vec<Difference>) {
    match (recorded, again) {
        (Some(Value::Object(recorded)), Some(Value::Object(again))) => {
            let new = again.keys().filter(|key| !recorded.contains_key(*key));
            for key in recorded.keys().chain(new) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(path, recorded.get(key), again.get(key), found);
            }
        }
        (Some(Value::Array(recorded)), Some(Value::Array(again))) => {
            for place in 0..recorded.len().max(again.len()) {
                compare(format!("{path}[{place}]"), recorded.get(place), again.get(place), found);
            }
        }
        (recorded, again) if recorded == again => {}
        (recorded, again) => {
            found.push(Difference { path, recorded: recorded.cloned(), again: again.cloned() });
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, recorded, again } = self;
        write!(f, "at {path} recorded {}, this time {}", shown(recorded.as_ref()), shown(again.as_ref()))
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(stored: &str, again: &str) -> Vec<String> {
        let found = Difference::between(stored.as_bytes(), again.as_bytes()).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_difference_is_told_with_its_place() {
        assert_eq!(
            differences(r#"{"a":{"b":[1,2]},"c":1}"#, r#"{"a":{"b":[1,3,4]},"c":1}"#),
            ["at a.b[1] recorded 2, this time 3", "at a.b[2] recorded nothing, this time 4"]
        );
        assert_eq!(differences(r#"{"a":1}"#, r#"{"b":1}"#).len(), 2);
        assert_eq!(differences(r#"{"a": 1}"#, r#"{"a":1}"#), ["at its spelling recorded nothing, this time nothing"]);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = format!(r#"{{"a":"{}"}}"#, "ä".repeat(300));
        let [told] = &differences(&long, r#"{"a":0}"#)[..] else { panic!() };
        assert!(told.contains("ää...") && told.len() < 500, "{told}");
    }
}
