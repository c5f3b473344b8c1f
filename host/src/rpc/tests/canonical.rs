//! Params in canonical form: one meaning, one text.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::answer_json;

/// The canonical text of these params.
fn canonical(params: &str) -> String {
    let response = answer_json(format!(r#"{{"jsonrpc":"2.0","method":"echo","params":{params},"id":1}}"#).as_bytes());
    assert!(response.get("result").is_some(), "{params}: {response}");
    response["result"].to_string()
}

#[test]
fn params_that_mean_the_same_are_the_same_text() {
    for (params, expected) in [
        (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        (" { \"b\" :\t1 ,\r\n\"a\" : [ ] } ", r#"{"a":[],"b":1}"#),
        (r#"["\u0041\/\u00e9"]"#, r#"["A/é"]"#),
        ("[1.0, 10e-1, 100E-2, 1]", "[1,1,1,1]"),
        ("[-0, -0.0, 0.0, 0]", "[0,0,0,0]"),
        ("[0.5, 5e-1, 0.50]", "[0.5,0.5,0.5]"),
        ("[9007199254740991.0, -9007199254740991.0]", "[9007199254740991,-9007199254740991]"),
        ("[18446744073709551615, -9223372036854775808]", "[18446744073709551615,-9223372036854775808]"),
        ("[0.1, 1e-7, 123456.789]", "[0.1,1e-7,123456.789]"),
    ] {
        assert_eq!(canonical(params), expected, "{params}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![any::<i64>().prop_map(Value::from), (-1e9..1e9).prop_map(Value::from)];
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, "\\PC{0,6}".prop_map(Value::from)];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,3}", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// Writes a value in one of its many ways: `choices` pick order, white space and escapes.
fn write(value: &Value, choices: &mut impl Iterator<Item = u8>, out: &mut String) {
    let mut choose = || choices.next().unwrap_or_default();
    out.push_str([" ", "", "\n\t", "\r"][usize::from(choose() % 4)]);
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write(item, choices, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if !members.is_empty() {
                let middle = usize::from(choose()) % members.len();
                members.rotate_left(middle);
            }
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write(&Value::from(name.as_str()), choices, out);
                out.push(':');
                write(member, choices, out);
            }
            out.push('}');
        }
        Value::String(text) if choose() % 2 == 0 => {
            out.push('"');
            text.encode_utf16().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            out.push('"');
        }
        Value::Number(number) if number.is_i64() && choose() % 2 == 0 && number.as_i64().unwrap().abs() < 1 << 40 => {
            out.push_str(&format!("{number}.0"));
        }
        other => out.push_str(&other.to_string()),
    }
}

proptest! {
    #[test]
    fn no_way_of_writing_changes_the_canonical_text(value in value(), choices in prop::collection::vec(any::<u8>(), 64)) {
        let params = Value::from(Map::from_iter([("a".to_owned(), value)]));
        let mut written = String::new();
        write(&params, &mut choices.into_iter(), &mut written);
        let text = canonical(&params.to_string());
        prop_assert_eq!(&canonical(&written), &text);
        prop_assert_eq!(&canonical(&text), &text, "canonical text is canonical");
    }
}
