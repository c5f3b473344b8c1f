//! What a method's params schema lets pass: whatever it does not bound, a client will send.

use serde_json::{Map, Value};

use super::finding::Finding;
use crate::{engine::Method, rpc::Schema};

/// As good as no bound: the largest integer that every client reads.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
/// Levels of a schema that is looked into.
const DEPTH_MAX: usize = 16;

/// What is to be said of a method's description and of its params. `misfit` says why the method refuses an example, if it does.
pub(super) fn findings(method: &Method, params: &Schema, misfit: impl Fn(&Value) -> Option<String>) -> Vec<Finding> {
    let mut lint = Lint { schema: params, found: Vec::new() };
    lint.schema("params", params.as_map(), DEPTH_MAX);
    for example in params.as_map().get("examples").and_then(Value::as_array).into_iter().flatten() {
        if let Some(why) = misfit(example) {
            let advice = "clients read examples as calls that can be made: mend it, or the schema";
            lint.warn("bad_example", format!("the example {example} does not fit the schema: {why}"), advice);
        }
    }
    if method.summary.trim().is_empty() {
        let advice = "say in a sentence what the method does: a doc comment in Rust, 'summary' in JavaScript";
        lint.found.push(Finding::note("no_summary", "it has no summary", advice));
    }
    lint.found.into_iter().map(|finding| finding.of(&method.name)).collect()
}

struct Lint<'s> {
    schema: &'s Schema,
    found: Vec<Finding>,
}

impl<'s> Lint<'s> {
    fn schema(&mut self, path: &str, schema: &'s Map<String, Value>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        if schema.contains_key("const") || schema.contains_key("enum") {
            return;
        }
        if let Some(target) = self.target(schema) {
            self.schema(path, target, depth);
        }
        for keyword in ["allOf", "anyOf", "oneOf", "prefixItems"] {
            let parts = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            for part in parts.filter_map(Value::as_object) {
                self.schema(path, part, depth);
            }
        }
        let is = |name: &str| match schema.get("type") {
            Some(Value::String(one)) => one == name,
            Some(Value::Array(several)) => several.iter().any(|one| one == name),
            _ => false,
        };
        if is("integer") || is("number") {
            self.number(path, schema);
        }
        if is("string") && !["maxLength", "format"].iter().any(|keyword| schema.contains_key(*keyword)) {
            let advice = "bound it with maxLength, or name its values in an enum: schemars(length(max = ...)) in Rust";
            self.warn("unbounded_string", format!("{path} may be a string of any length"), advice);
        }
        if let Some(item) = schema.get("items").and_then(Value::as_object).filter(|_| is("array")) {
            if !schema.contains_key("maxItems") {
                let advice = "bound it with maxItems: schemars(length(max = ...)) in Rust, 'max' in JavaScript";
                self.warn("unbounded_array", format!("{path} may have any number of items"), advice);
            }
            self.schema(&format!("{path}[]"), item, depth);
        }
        self.members(path, schema, is("object"), depth);
    }

    fn members(&mut self, path: &str, schema: &'s Map<String, Value>, is_object: bool, depth: usize) {
        let closed = ["additionalProperties", "unevaluatedProperties"];
        if is_object && !closed.iter().any(|keyword| schema.contains_key(*keyword)) {
            let advice = "forbid members that the method does not know, so that a misspelt one is an error: \
                          #[serde(deny_unknown_fields)] in Rust, additionalProperties: false";
            self.warn("open_object", format!("{path} may have members that the method ignores"), advice);
        }
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let (path, Some(member)) = (format!("{path}.{name}"), member.as_object()) else { continue };
            let is_described = |schema: &Map<String, Value>| schema.contains_key("description");
            if !is_described(member) && !member.contains_key("const") && !self.target(member).is_some_and(is_described)
            {
                let advice = "say what it is and in which unit: a doc comment in Rust, 'description' in JavaScript";
                self.say(Finding::note("undescribed", format!("{path} has no description"), advice));
            }
            self.schema(&path, member, depth);
        }
    }

    fn number(&mut self, path: &str, schema: &Map<String, Value>) {
        let bound = |keywords: [&str; 2]| keywords.iter().find_map(|keyword| schema.get(*keyword)?.as_f64());
        let low = bound(["minimum", "exclusiveMinimum"]).filter(|low| *low > -EXACT_MAX);
        let high = bound(["maximum", "exclusiveMaximum"]).filter(|high| *high < EXACT_MAX);
        let missing = match (low, high) {
            (Some(_), Some(_)) => return,
            (None, None) => "neither a least nor a greatest value",
            (None, Some(_)) => "no least value",
            (Some(_), None) => "no greatest value",
        };
        let advice = "bound it: schemars(range(min = ..., max = ...)) in Rust, 'min' and 'max' in JavaScript";
        self.warn("unbounded_number", format!("{path} has {missing}"), advice);
    }

    fn warn(&mut self, code: &'static str, seen: String, advice: &'static str) {
        self.say(Finding::warning(code, seen, advice));
    }

    /// Once, where branches share a member.
    fn say(&mut self, finding: Finding) {
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    fn target(&self, schema: &Map<String, Value>) -> Option<&'s Map<String, Value>> {
        self.schema.target(schema.get("$ref")?.as_str()?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Json;

    fn codes(params: Value) -> Vec<String> {
        let method = Method {
            name: "play".to_owned(),
            summary: "Plays.".to_owned(),
            params_schema: Json::of(&params).unwrap(),
            result_schema: Json::of(&json!({})).unwrap(),
        };
        let misfit = |example: &Value| example.is_null().then(|| "it is nothing".to_owned());
        let found = findings(&method, &Schema::new(params).unwrap(), misfit);
        found.into_iter().map(|finding| format!("{}: {}", finding.code, finding.seen)).collect()
    }

    #[test]
    fn what_bounds_and_describes_everything_is_fine() {
        let fine = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "stake": { "type": "integer", "minimum": 1, "maximum": 9, "description": "minor units" },
                "name": { "type": "string", "maxLength": 9, "description": "a name" },
                "risk": { "$ref": "#/$defs/Risk" },
                "bets": {
                    "type": "array", "maxItems": 3, "description": "bets",
                    "items": { "oneOf": [{ "const": 1 }, { "type": "boolean" }] },
                },
            },
            "$defs": { "Risk": { "enum": ["low", "high"], "description": "how far" } },
        });
        assert_eq!(codes(fine), Vec::<String>::new());
    }

    #[test]
    fn an_example_that_no_client_could_send_is_named() {
        let params = json!({ "type": "object", "additionalProperties": false, "examples": [{}, null] });
        assert_eq!(codes(params), ["bad_example: the example null does not fit the schema: it is nothing"]);
    }

    #[test]
    fn what_is_left_open_is_named() {
        let open = json!({
            "type": "object",
            "properties": {
                "stake": { "type": "integer", "minimum": 0, "description": "minor units" },
                "all": { "type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64 },
                "names": { "type": "array", "description": "names", "items": { "type": ["string", "null"] } },
            },
        });
        let mut found = codes(open);
        found.sort();
        assert_eq!(
            found,
            [
                "open_object: params may have members that the method ignores",
                "unbounded_array: params.names may have any number of items",
                "unbounded_number: params.all has neither a least nor a greatest value",
                "unbounded_number: params.stake has no greatest value",
                "unbounded_string: params.names[] may be a string of any length",
                "undescribed: params.all has no description",
            ]
        );
    }
}
