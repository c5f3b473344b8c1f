//! Types of TypeScript from JSON Schemas: what a value that fits the schema looks like, as far as types can say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names::member;

/// An array of at most so many items, always as many, is a tuple.
const TUPLE_ITEMS_MAX: u64 = 8;
/// Levels of a type; what lies deeper is unknown.
const DEPTH_MAX: usize = 32;

/// Names of the schemas that others refer to, by what `$ref` says.
pub(super) struct Types {
    pub(super) names: BTreeMap<String, String>,
}

impl Types {
    /// A schema's type, written so that it can go on at this level of indentation.
    pub(super) fn of(&self, schema: &Value, level: usize) -> String {
        if level > DEPTH_MAX {
            return "unknown".to_owned();
        }
        match schema {
            Value::Bool(false) => "never".to_owned(),
            Value::Object(schema) => self.of_object(schema, level),
            _ => "unknown".to_owned(),
        }
    }

    fn of_object(&self, schema: &Map<String, Value>, level: usize) -> String {
        if let Some(value) = schema.get("const") {
            return literal(value);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return joined(values.iter().map(literal), " | ", "never");
        }
        let mut all = Vec::new();
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            all.push(self.names.get(reference).cloned().unwrap_or_else(|| "unknown".to_owned()));
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            all.push(self.of(part, level));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
                all.push(joined(branches.iter().map(|branch| self.of(branch, level)), " | ", "never"));
            }
        }
        match schema.get("type") {
            Some(Value::String(name)) => all.extend(self.of_type(name, schema, level, !all.is_empty())),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                let types = names.filter_map(|name| self.of_type(name, schema, level, false));
                all.push(joined(types, " | ", "never"));
            }
            _ if schema.contains_key("properties") => all.extend(self.of_type("object", schema, level, false)),
            _ => {}
        }
        match &all[..] {
            [one] => one.clone(),
            several => joined(several.iter().map(|part| within(part)), " & ", "unknown"),
        }
    }

    /// `None` where the type says nothing beside what is said already.
    fn of_type(&self, name: &str, schema: &Map<String, Value>, level: usize, is_more: bool) -> Option<String> {
        Some(match name {
            "object" if is_more && !schema.contains_key("properties") => return None,
            "object" => self.members(schema, level),
            "array" => self.items(schema, level),
            "integer" | "number" => "number".to_owned(),
            "string" | "boolean" | "null" => name.to_owned(),
            _ => "unknown".to_owned(),
        })
    }

    fn items(&self, schema: &Map<String, Value>, level: usize) -> String {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let item = schema.get("items").map(|item| self.of(item, level));
        if let Some(first) = schema.get("prefixItems").and_then(Value::as_array) {
            let least = bound("minItems").unwrap_or(0);
            let item_at = |(place, part): (usize, &Value)| {
                let optional = if (place as u64) < least { "" } else { "?" };
                format!("{}{optional}", within(&self.of(part, level)))
            };
            let mut items: Vec<_> = first.iter().enumerate().map(item_at).collect();
            let is_whole = bound("maxItems").is_some_and(|most| most <= first.len() as u64);
            match item.as_deref() {
                Some("never") => {}
                _ if is_whole => {}
                rest => items.push(format!("...{}[]", within(rest.unwrap_or("unknown")))),
            }
            return format!("[{}]", items.join(", "));
        }
        let item = item.unwrap_or_else(|| "unknown".to_owned());
        match (bound("minItems"), bound("maxItems")) {
            (Some(least), Some(most)) if least == most && (1..=TUPLE_ITEMS_MAX).contains(&most) => {
                format!("[{}]", (0..most).map(|_| item.as_str()).collect::<Vec<_>>().join(", "))
            }
            _ => format!("{}[]", within(&item)),
        }
    }

    fn members(&self, schema: &Map<String, Value>, level: usize) -> String {
        let of_others = ["additionalProperties", "patternProperties"].iter().find_map(|keyword| {
            let others = schema.get(*keyword)?;
            let part = if *keyword == "patternProperties" { others.as_object()?.values().next()? } else { others };
            part.is_object().then(|| self.of(part, level))
        });
        let properties = schema.get("properties").and_then(Value::as_object).filter(|members| !members.is_empty());
        let Some(properties) = properties else {
            let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
            let none = if is_closed { "never" } else { "unknown" };
            return format!("Record<string, {}>", of_others.as_deref().unwrap_or(none));
        };
        let required = |name: &str| {
            let names = schema.get("required").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|required| required == name))
        };
        let indent = "  ".repeat(level + 1);
        let mut text = "{\n".to_owned();
        for (name, part) in properties {
            text += &doc(part.get("description").and_then(Value::as_str), &indent);
            let optional = if required(name) { "" } else { "?" };
            text += &format!("{indent}{}{optional}: {};\n", member(name), self.of(part, level + 1));
        }
        if of_others.is_some() {
            text += &format!("{indent}[name: string]: unknown;\n");
        }
        text + &"  ".repeat(level) + "}"
    }
}

/// A comment before what it is about; nothing where there are no words.
pub(super) fn doc(words: Option<&str>, indent: &str) -> String {
    let Some(words) = words.map(str::trim).filter(|words| !words.is_empty()) else { return String::new() };
    // The end of the comment is no word of it.
    let words = words.replace("*/", "*\u{200b}/");
    let lines: Vec<_> = words.lines().map(str::trim).collect();
    match lines[..] {
        [line] => format!("{indent}/** {line} */\n"),
        _ => {
            let lines: String =
                lines.iter().map(|line| format!("{indent} * {line}").trim_end().to_owned() + "\n").collect();
            format!("{indent}/**\n{lines}{indent} */\n")
        }
    }
}

fn literal(value: &Value) -> String {
    match value {
        // What lies in one is more than a type can say.
        Value::Array(_) | Value::Object(_) => "unknown".to_owned(),
        value => value.to_string(),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str, none: &str) -> String {
    let mut all: Vec<String> = Vec::new();
    for part in parts {
        if !all.contains(&part) {
            all.push(part);
        }
    }
    if all.is_empty() { none.to_owned() } else { all.join(between) }
}

/// In parentheses, where something follows that would belong to its last part alone.
fn within(text: &str) -> String {
    if text.contains(" | ") || text.contains(" & ") { format!("({text})") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn type_of(schema: Value) -> String {
        let names = BTreeMap::from([("#/components/schemas/Bet".to_owned(), "Bet".to_owned())]);
        Types { names }.of(&schema, 0)
    }

    #[test]
    fn each_schema_has_its_type() {
        for (schema, expected) in [
            (json!(true), "unknown"),
            (json!(false), "never"),
            (json!({}), "unknown"),
            (json!({ "type": "integer" }), "number"),
            (json!({ "type": ["string", "null"] }), "string | null"),
            (json!({ "enum": ["red", 7, null] }), "\"red\" | 7 | null"),
            (json!({ "const": "red" }), "\"red\""),
            (json!({ "$ref": "#/components/schemas/Bet" }), "Bet"),
            (json!({ "$ref": "#/components/schemas/Other" }), "unknown"),
            (json!({ "anyOf": [{ "$ref": "#/components/schemas/Bet" }, { "type": "null" }] }), "Bet | null"),
            (json!({ "allOf": [{ "$ref": "#/components/schemas/Bet" }] }), "Bet"),
            (json!({ "type": "array", "items": { "type": ["string", "null"] } }), "(string | null)[]"),
            (json!({ "type": "array" }), "unknown[]"),
            (
                json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 }),
                "[number, number]",
            ),
            (
                json!({ "type": "array", "prefixItems": [{ "const": 1 }, { "type": "string" }], "minItems": 1, "items": false }),
                "[1, string?]",
            ),
            (json!({ "type": "array", "prefixItems": [{ "const": 1 }], "minItems": 1 }), "[1, ...unknown[]]"),
            (json!({ "type": "array", "prefixItems": [{ "const": 1 }], "minItems": 1, "maxItems": 1 }), "[1]"),
            (json!({ "type": "object" }), "Record<string, unknown>"),
            (json!({ "type": "object", "additionalProperties": { "type": "integer" } }), "Record<string, number>"),
            (json!({ "type": "object", "additionalProperties": false }), "Record<string, never>"),
            (
                json!({
                    "type": "object",
                    "properties": { "a-b": { "type": "integer", "description": "One */ line." }, "c": { "type": "boolean" } },
                    "required": ["c"],
                }),
                "{\n  /** One *\u{200b}/ line. */\n  \"a-b\"?: number;\n  c: boolean;\n}",
            ),
            (
                json!({
                    "type": "object",
                    "properties": { "stake": { "type": "integer" } },
                    "required": ["stake"],
                    "oneOf": [{ "$ref": "#/components/schemas/Bet" }, { "type": "null" }],
                }),
                "(Bet | null) & {\n  stake: number;\n}",
            ),
        ] {
            assert_eq!(type_of(schema.clone()), expected, "{schema}");
        }
    }
}
