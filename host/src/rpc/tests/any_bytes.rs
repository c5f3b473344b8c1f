//! Any bytes at all get one well-formed answer, or none if all they asked for was none.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{LIMITS, answer_bytes};

fn assert_well_formed(body: &[u8]) {
    let Some(answer) = answer_bytes(body) else { return };
    match answer.first() {
        Some(b'[') => {
            let responses: Vec<&RawValue> = serde_json::from_slice(&answer).unwrap();
            assert!((1..=LIMITS.batch_entries_max).contains(&responses.len()));
            responses.into_iter().for_each(assert_response);
        }
        _ => assert_response(serde_json::from_slice(&answer).unwrap()),
    }
}

/// An id stays text here: `1e999` is a legal one, though no `Value` can hold it.
fn assert_response(response: &RawValue) {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(response.get()).unwrap();
    assert_eq!(members["jsonrpc"].get(), r#""2.0""#);
    assert!(
        members["id"]
            .get()
            .starts_with(|first: char| first == '"' || first == '-' || first == 'n' || first.is_ascii_digit())
    );
    assert_eq!(members.len(), 3, "one of result and error: {response}");
    if let Some(error) = members.get("error") {
        let error: Value = serde_json::from_str(error.get()).unwrap();
        assert!(error["code"].is_i64() && error["message"].is_string(), "{error}");
        assert!(error["data"]["reason"].is_string() || error["code"].as_i64().unwrap() > 0, "{error}");
    } else {
        assert!(members.contains_key("result"));
    }
}

/// Texts of values, from the harmless to the vicious.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-0",
        "1.5",
        "1e999",
        "-1e999",
        "18446744073709551616",
        "1e-999",
        "\"\"",
        "\"2.0\"",
        "\"echo\"",
        "\"sum\"",
        "\"fault\"",
        "\"nonesuch\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\u{1F3B0}\"",
        "[]",
        "{}",
    ]);
    scalar.prop_map(str::to_owned).prop_recursive(6, 24, 4, |inner| {
        let member = (name(), inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "\"jsonrpc\"",
        "\"id\"",
        "\"method\"",
        "\"params\"",
        "\"p\\u0061rams\"",
        "\"\"",
        "\"a/b~c\"",
        "\"\\udfff\"",
    ])
}

/// A request that is valid but for up to three members added to it, somewhere.
fn request() -> impl Strategy<Value = String> {
    let valid = prop::sample::select(vec![
        r#""jsonrpc":"2.0""#,
        r#""method":"echo""#,
        r#""id":1"#,
        r#""id":"a""#,
        r#""id":null"#,
        r#""params":{"a":[1]}"#,
    ]);
    let member = (name(), value()).prop_map(|(name, value)| format!("{name}:{value}"));
    let members = prop_oneof![4 => valid.prop_map(str::to_owned), 1 => member];
    let rest = prop::collection::vec(members, 0..4);
    (any::<bool>(), rest).prop_map(|(whole, mut members)| {
        if whole {
            members.insert(0, r#""jsonrpc":"2.0","method":"echo""#.to_owned());
        }
        format!("{{{}}}", members.join(","))
    })
}

fn body() -> impl Strategy<Value = String> {
    let entry = prop_oneof![4 => request(), 1 => value()];
    let batch = prop::collection::vec(entry.clone(), 0..10).prop_map(|entries| format!("[{}]", entries.join(",")));
    prop_oneof![entry, batch]
}

proptest! {
    #[test]
    fn arbitrary_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_well_formed(&body);
    }

    #[test]
    fn arbitrary_text_of_json_characters(body in r#"[\[\]{}:,"\\ueE+\-0-9. nulltrfasd\u{feff}]{0,60}"#) {
        assert_well_formed(body.as_bytes());
    }

    #[test]
    fn requests_and_almost_requests(body in body()) {
        assert_well_formed(body.as_bytes());
    }

    #[test]
    fn requests_with_damaged_bytes(
        body in body(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(any::<u8>())), 1..4),
    ) {
        let mut body = body.into_bytes();
        for (place, byte) in damage {
            let place = place.index(body.len());
            match byte {
                Some(byte) => body[place] = byte,
                None => drop(body.drain(place..body.len().min(place + 3))),
            }
            if body.is_empty() {
                break;
            }
        }
        assert_well_formed(&body);
    }

    #[test]
    fn a_request_with_a_legal_id_gets_that_id_back(id in r#"(-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?)|("[^\\"\p{C}]{0,9}")"#) {
        let body = format!(r#"{{"id":{id},"method":"nonesuch","jsonrpc":"2.0"}}"#);
        let answer = String::from_utf8(answer_bytes(body.as_bytes()).unwrap()).unwrap();
        let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#);
        prop_assert!(answer.starts_with(&start), "{}", answer);
    }
}
