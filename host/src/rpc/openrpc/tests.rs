//! The document as a client's generator reads it.

use serde_json::{Value, json};

use super::{ErrorDoc, MethodDoc, document};
use crate::rpc::Schema;

fn schema(schema: Value) -> Schema {
    Schema::new(schema).unwrap()
}

fn sample() -> Vec<MethodDoc> {
    let spin = MethodDoc {
        name: "fruit-slots.spin".to_owned(),
        summary: "Spins the reels once.".to_owned(),
        params_schema: schema(json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Spin",
            "type": "object",
            "properties": {
                "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" }, "default": [{ "$ref": "#/$defs/Line" }] },
                "stake": { "description": "Stake in minor units.", "type": "integer", "minimum": 1 },
                "$ref": { "anyOf": [{ "$ref": "#/$defs/Deep" }, { "type": "null" }] },
            },
            "required": ["stake"],
            "additionalProperties": false,
            "$defs": {
                "Line": { "type": "integer", "maximum": 20 },
                "Deep": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Line" } },
            },
        })),
        result_schema: schema(json!({ "$ref": "#/$defs/Line", "$defs": { "Line": { "type": "string" } } })),
        errors: vec![
            ErrorDoc { code: -32010, message: "not enough funds".into(), reason: Some("insufficient_funds".into()) },
            ErrorDoc { code: 1, message: "no such line".into(), reason: None },
        ],
    };
    let info = MethodDoc {
        name: "session.info".to_owned(),
        summary: "Tells about the session.".to_owned(),
        params_schema: schema(
            json!({ "oneOf": [{ "required": ["a"] }, { "required": ["b"] }], "properties": { "a": true } }),
        ),
        result_schema: schema(json!({ "type": "object", "description": "The session." })),
        errors: Vec::new(),
    };
    vec![spin, info]
}

#[test]
fn params_become_descriptors_with_the_required_ones_first() {
    let document = document("Croupier", "1.2.3", &sample());
    assert_eq!(document["info"], json!({ "title": "Croupier", "version": "1.2.3" }));
    let spin = &document["methods"][0];
    assert_eq!(spin["paramStructure"], "by-name");
    let params: Vec<_> =
        spin["params"].as_array().unwrap().iter().map(|param| (&param["name"], &param["required"])).collect();
    assert_eq!(json!(params), json!([["stake", true], ["$ref", false], ["lines", false]]));
    assert_eq!(spin["params"][0]["summary"], "Stake in minor units.");
    assert_eq!(spin["errors"][0]["data"]["reason"], "insufficient_funds");
    assert_eq!(spin["errors"][1], json!({ "code": 1, "message": "no such line" }));
    assert_eq!(document["methods"][1]["result"]["summary"], "The session.");
}

#[test]
fn definitions_of_one_name_stay_apart_and_every_reference_resolves() {
    let document = document("Croupier", "1.2.3", &sample());
    let mut references = Vec::new();
    gather(&document, &mut references);
    assert_eq!(references.len(), 5, "{references:?}");
    // The default is data: it only looks like a reference.
    references.retain(|reference| *reference != "#/$defs/Line");
    assert_eq!(references.len(), 4);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["fruit-slots.spin.params.Line"]["type"], "integer");
    assert_eq!(schemas["fruit-slots.spin.result.Line"]["type"], "string");
}

#[test]
fn what_members_say_together_is_kept_whole() {
    let document = document("Croupier", "1.2.3", &sample());
    assert_eq!(document["methods"][0].get("x-params-schema"), None);
    assert_eq!(document["methods"][1]["x-params-schema"]["oneOf"][1], json!({ "required": ["b"] }));
}

#[test]
fn a_document_without_methods_is_one_too() {
    assert_eq!(document("Croupier", "1.2.3", &[])["methods"], json!([]));
}

fn gather<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| gather(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, references)),
        _ => {}
    }
}
