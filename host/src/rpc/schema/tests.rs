//! Which schemas are accepted, and what a client is told about params that do not fit.

use serde_json::{Value, json};

use super::{ParamsSchema, Schema, SchemaError};

fn compile(schema: &Value) -> Result<ParamsSchema, SchemaError> {
    ParamsSchema::compile(&Schema::parse(&schema.to_string())?)
}

/// The params of a table game, much as `schemars` would write them.
fn bets() -> ParamsSchema {
    compile(&json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Spin",
        "type": "object",
        "properties": {
            "bets": { "type": "array", "items": { "$ref": "#/$defs/Bet" }, "minItems": 1, "maxItems": 3 },
            "seat": { "anyOf": [{ "$ref": "#/$defs/Seat" }, { "type": "null" }] },
            "$ref": { "type": "integer", "format": "uint32", "minimum": 0 },
            "note/~": { "type": "string", "pattern": "^[a-z]*$" },
        },
        "required": ["bets"],
        "additionalProperties": false,
        "$defs": {
            "Seat": { "type": "object", "properties": { "number": { "type": "integer" } }, "required": ["number"] },
            "Bet": { "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "kind": { "const": "straight" },
                        "number": { "type": "integer", "maximum": 36 },
                        "stake": { "type": "integer", "minimum": 1 },
                    },
                    "required": ["kind", "number", "stake"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": { "kind": { "const": "red" }, "stake": { "type": "integer", "minimum": 1 } },
                    "required": ["kind", "stake"],
                    "additionalProperties": false,
                },
            ]},
        },
    }))
    .unwrap()
}

#[test]
fn params_that_fit_pass() {
    let schema = bets();
    for params in [
        json!({"bets": [{"kind": "red", "stake": 5}]}),
        json!({"bets": [{"kind": "straight", "number": 36, "stake": 1}], "seat": null, "$ref": 1}),
        json!({"bets": [{"kind": "red", "stake": 5}], "seat": {"number": 2}, "note/~": "hi"}),
    ] {
        assert!(schema.check(&params).is_ok(), "{params}");
    }
}

#[test]
fn an_error_points_at_the_offending_member_in_plain_words() {
    let schema = bets();
    let bet = json!({"kind": "red", "stake": 5});
    for (params, pointer, message) in [
        (json!({}), "/bets", "this member is required"),
        (json!([]), "", r#"value is not of type "object""#),
        (json!({"bets": []}), "/bets", "value has less than 1 item"),
        (json!({"bets": [bet], "extra~/": 1}), "/extra~0~1", "the method has no such member"),
        (json!({"bets": [bet], "note/~": "HI"}), "/note~1~0", r#"value does not match "^[a-z]*$""#),
        (json!({"bets": [bet], "$ref": -1}), "/$ref", "value is less than the minimum of 0"),
        // Alternatives: the one with the right tag or type is the one that is meant.
        (json!({"bets": [bet, {"kind": "red", "stake": 0}]}), "/bets/1/stake", "value is less than the minimum of 1"),
        (json!({"bets": [{"kind": "straight", "stake": 1}]}), "/bets/0/number", "this member is required"),
        (
            json!({"bets": [{"kind": "red", "stake": 1, "number": 7}]}),
            "/bets/0/number",
            "the method has no such member",
        ),
        (json!({"bets": [{"kind": "blue", "stake": 1}]}), "/bets/0", "fits none of the allowed forms"),
        (json!({"bets": ["red"]}), "/bets/0", "fits none of the allowed forms"),
        (json!({"bets": [bet], "seat": {"number": "2"}}), "/seat/number", r#"value is not of type "integer""#),
    ] {
        let error = schema.check(&params).unwrap_err();
        let place = if pointer.is_empty() { "params" } else { pointer };
        assert_eq!((error.code(), error.reason()), (-32602, Some("invalid_params")), "{params}");
        assert_eq!(error.message(), format!("invalid params: {place}: {message}"), "{params}");
        let response: Value = serde_json::from_slice(&error.to_response()).unwrap();
        assert_eq!(response["error"]["data"]["pointer"], pointer, "{params}");
        assert_eq!(response["error"]["data"].get("violations"), None, "{params}");
    }
}

#[test]
fn a_method_without_params_points_at_every_member() {
    let schema = compile(&json!({ "type": "object", "additionalProperties": false })).unwrap();
    assert!(schema.check(&json!({})).is_ok());
    for (params, count) in [(json!({ "a/b": 1 }), 1), (json!({ "a/b": 1, "c": 2 }), 2)] {
        let response: Value = serde_json::from_slice(&schema.check(&params).unwrap_err().to_response()).unwrap();
        let data = &response["error"]["data"];
        assert_eq!(data["pointer"], "/a~1b");
        assert_eq!(data.get("violations").map_or(1, |violations| violations.as_array().unwrap().len()), count);
    }
}

#[test]
fn of_several_violations_five_are_told() {
    let bad: Value = (0..9).map(|index| (format!("x{index}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let response: Value = serde_json::from_slice(&bets().check(&bad).unwrap_err().to_response()).unwrap();
    let violations = response["error"]["data"]["violations"].as_array().unwrap();
    assert_eq!(violations.len(), 5);
    assert!(violations.iter().all(|violation| violation["pointer"].is_string() && violation["message"].is_string()));
}

#[test]
fn a_long_message_is_shortened() {
    let choices: Vec<_> = (0..500).map(|index| format!("choïce {index}")).collect();
    let schema = compile(&json!({"properties": {"a": {"pattern": choices.join("|")}}})).unwrap();
    assert!(schema.check(&json!({"a": "x"})).unwrap_err().message().len() < 400);
}

#[test]
fn values_are_not_repeated_to_the_client_or_the_log() {
    let schema = compile(&json!({"properties": {"card": {"type": "integer"}}})).unwrap();
    assert!(!schema.check(&json!({"card": "4111 1111"})).unwrap_err().message().contains("4111"));
}

#[test]
fn a_schema_that_is_not_closed_is_refused() {
    for (schema, expected) in [
        (json!({"$ref": "https://example.com/schema"}), "not \"https://example.com/schema\""),
        (json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}), "file:///etc/passwd"),
        (json!({"items": {"$ref": "#/$defs/Absent"}}), "#/$defs/Absent"),
        (json!({"items": {"$ref": "#"}}), "not \"#\""),
        (json!({"items": {"$ref": 7}}), "not 7"),
        (json!({"$defs": {"a": {"$ref": "#/$defs/a/items"}}}), "#/$defs/a/items"),
        (json!({"anyOf": [{"$dynamicRef": "#a"}]}), "$dynamicRef"),
        (json!({"not": {"$id": "https://example.com"}}), "$id"),
        (json!({"$defs": {"a/b": {}}}), "a/b"),
        (json!({"$defs": 1}), "/$defs"),
        (json!(true), "not an object"),
    ] {
        let error = Schema::parse(&schema.to_string()).unwrap_err().to_string();
        assert!(error.contains(expected), "{schema}: {error}");
    }
    assert!(matches!(Schema::parse("{"), Err(SchemaError::NotJson(_))));
}

#[test]
fn words_that_are_data_are_not_taken_for_keywords() {
    let schema = json!({
        "properties": { "$ref": { "const": { "$ref": "nowhere" } }, "$id": { "enum": [{ "$id": 1 }] } },
        "default": { "$ref": "nowhere" },
        "required": ["$id"],
    });
    assert!(compile(&schema).is_ok());
}

#[test]
fn an_invalid_schema_is_refused_with_its_place() {
    for (schema, place) in [
        (json!({"properties": {"a": {"type": "whole"}}}), "/properties/a/type"),
        (json!({"properties": {"a": {"pattern": "(?=x)"}}}), "/properties/a"),
        (json!({"minItems": -1}), "/minItems"),
    ] {
        let error = compile(&schema).unwrap_err();
        assert!(matches!(&error, SchemaError::Invalid { path, .. } if path.starts_with(place)), "{schema}: {error:?}");
    }
}

/// Each would keep a naive host busy for ever, or overflow its stack.
#[test]
fn a_schema_whose_check_has_no_bound_is_refused() {
    let doubling = (0..40).map(|level| {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        (format!("d{level}"), json!({"allOf": [next, next]}))
    });
    let mut doubling: serde_json::Map<_, _> = doubling.collect();
    doubling.insert("d40".to_owned(), json!({}));
    for schema in [
        json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "items": {"$ref": "#/$defs/b"}}),
        json!({"$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}),
        json!({"$defs": doubling, "$ref": "#/$defs/d0"}),
        json!({"allOf": vec![json!({}); 1_000]}),
    ] {
        assert!(matches!(compile(&schema), Err(SchemaError::TooLarge)), "{schema:.100}");
    }
    assert!(compile(&json!({"allOf": vec![json!({}); 999]})).is_ok());
}

#[test]
fn the_deepest_schema_accepted_does_not_overflow_the_stack() {
    let chain = (0..998).map(|level| (format!("d{level}"), json!({"$ref": format!("#/$defs/d{}", level + 1)})));
    let mut chain: serde_json::Map<_, _> = chain.collect();
    chain.insert("d998".to_owned(), json!({"type": "object"}));
    let schema = compile(&json!({"$defs": chain, "$ref": "#/$defs/d0"})).unwrap();
    assert!(schema.check(&json!({})).is_ok());
    assert!(schema.check(&json!([])).is_err());
}

#[test]
fn a_pattern_cannot_search_without_bound() {
    let schema = compile(&json!({"properties": {"a": {"pattern": "^(a+)+$"}}})).unwrap();
    assert!(schema.check(&json!({"a": "a".repeat(100_000) + "b"})).is_err());
}
