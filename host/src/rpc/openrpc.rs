//! The OpenRPC document that tells clients which methods there are (`rpc.discover`).
//! It must never describe more than the methods it is given: what a caller may see is decided elsewhere.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::schema::{Holds, Schema};

/// The revision of OpenRPC these documents follow.
const OPENRPC_VERSION: &str = "1.3.2";

/// Keywords of a params schema that the document says by other means than the schema itself.
const SAID_ELSEWHERE: [&str; 8] =
    ["$defs", "$schema", "additionalProperties", "description", "properties", "required", "title", "type"];

/// What clients should know of one method.
#[derive(Debug, Clone)]
pub struct MethodDoc {
    /// The method's name, unique in its document, of letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// What it does, in one sentence.
    pub summary: String,
    /// The schema of its params, an object.
    pub params_schema: Schema,
    /// The schema of its result.
    pub result_schema: Schema,
    /// Errors it may answer with, beside those of every method.
    pub errors: Vec<ErrorDoc>,
}

/// What clients should know of one error.
#[derive(Debug, Clone)]
pub struct ErrorDoc {
    /// The error's `code`.
    pub code: i32,
    /// The error's `message`.
    pub message: String,
    /// The stable `data.reason`, if the error has one.
    pub reason: Option<String>,
}

/// The OpenRPC document of these methods.
///
/// Each member of a method's params becomes a parameter of its own. The definitions of all schemas move to
/// `components.schemas`, as `<method>.params.<name>` and `<method>.result.<name>`. What a params schema says about its
/// members together (`oneOf`, `dependentRequired`...) OpenRPC has no words for: then the whole is in `x-params-schema`.
pub fn document(title: &str, version: &str, methods: &[MethodDoc]) -> Value {
    let mut components = Map::new();
    let methods: Vec<_> = methods.iter().map(|doc| method(doc, &mut components)).collect();
    json!({
        "openrpc": OPENRPC_VERSION,
        "info": { "title": title, "version": version },
        "methods": methods,
        "components": { "schemas": components },
    })
}

fn method(doc: &MethodDoc, components: &mut Map<String, Value>) -> Value {
    let params = moved(&doc.params_schema, &format!("{}.params", doc.name), components);
    let result = moved(&doc.result_schema, &format!("{}.result", doc.name), components);
    let mut method = json!({
        "name": doc.name,
        "summary": doc.summary,
        "paramStructure": "by-name",
        "params": parameters(&params),
        "result": descriptor("result", &Value::Object(result)),
        "errors": doc.errors.iter().map(error).collect::<Vec<_>>(),
    });
    if params.keys().any(|keyword| !SAID_ELSEWHERE.contains(&keyword.as_str())) {
        method["x-params-schema"] = params.into();
    }
    method
}

/// One content descriptor for each member, the required ones first, as OpenRPC wants them, and in the order of names.
fn parameters(schema: &Map<String, Value>) -> Vec<Value> {
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut parameters: Vec<_> = members.map(|(name, schema)| (!required(name), name, schema)).collect();
    parameters.sort_by_key(|(optional, name, _)| (*optional, *name));
    let parameter =
        |(optional, name, schema): (bool, &String, &Value)| with(descriptor(name, schema), "required", !optional);
    parameters.into_iter().map(parameter).collect()
}

/// A content descriptor. A schema's description is the descriptor's summary.
fn descriptor(name: &str, schema: &Value) -> Value {
    let descriptor = json!({ "name": name, "schema": schema });
    match schema.get("description") {
        Some(description) => with(descriptor, "summary", description.clone()),
        None => descriptor,
    }
}

fn error(doc: &ErrorDoc) -> Value {
    let error = json!({ "code": doc.code, "message": doc.message });
    match &doc.reason {
        Some(reason) => with(error, "data", json!({ "reason": reason })),
        None => error,
    }
}

fn with(mut object: Value, member: &str, value: impl Into<Value>) -> Value {
    object[member] = value.into();
    object
}

/// The schema without its definitions, which go to `components` under names that begin with `prefix`.
fn moved(schema: &Schema, prefix: &str, components: &mut Map<String, Value>) -> Map<String, Value> {
    let mut schema = schema.as_map().clone();
    redirect(&mut schema, prefix);
    if let Some(Value::Object(definitions)) = schema.remove("$defs") {
        components.extend(definitions.into_iter().map(|(name, schema)| (format!("{prefix}.{name}"), schema)));
    }
    schema
}

/// Points every reference of a schema at the component its definition becomes.
fn redirect(schema: &mut Map<String, Value>, prefix: &str) {
    for (keyword, value) in schema {
        let parts: Vec<&mut Value> = match (Holds::of(keyword), value) {
            (Some(Holds::One), part) => vec![part],
            (Some(Holds::List), Value::Array(parts)) => parts.iter_mut().collect(),
            (Some(Holds::ByName), Value::Object(parts)) => parts.values_mut().collect(),
            (_, Value::String(reference)) if keyword == "$ref" => {
                *reference = reference.replacen("#/$defs/", &format!("#/components/schemas/{prefix}."), 1);
                continue;
            }
            _ => continue,
        };
        parts.into_iter().filter_map(Value::as_object_mut).for_each(|part| redirect(part, prefix));
    }
}
