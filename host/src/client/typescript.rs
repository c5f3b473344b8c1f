//! The client in TypeScript: types, one function for each method, and the transport, which is the same for all.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value, json};

use super::{
    InvalidDocument,
    names::{Given, camel, member, pascal},
    types::{Types, doc},
};

/// How calls travel.
const RUNTIME: &str = include_str!("../../client/runtime.ts");

/// What a client gives as an option of the call.
const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// A method with the names that the client has for it.
struct Method<'d> {
    name: &'d str,
    document: &'d Map<String, Value>,
    params: String,
    result: String,
}

/// The source of a client for a document: one module, which needs nothing else.
///
/// # Errors
/// Where the document has no methods that can be called by name.
pub fn typescript(document: &Value) -> Result<String, InvalidDocument> {
    let methods = document["methods"].as_array().ok_or(InvalidDocument("it has no list of methods"))?;
    let mut given = Given::default();
    // What the transport brings, and the language.
    let taken = ["Client", "ClientOptions", "CallOptions", "RpcError", "TransportError", "HostReason", "Calls", "Call"];
    for name in taken.into_iter().chain(["Request", "Response", "Batch", "Record", "Promise", "Error", "Map"]) {
        given.give(name.to_owned());
    }
    let schemas = document["components"]["schemas"].as_object();
    let names: BTreeMap<_, _> = schemas
        .into_iter()
        .flatten()
        .map(|(name, _)| (format!("#/components/schemas/{name}"), given.give(pascal(name))))
        .collect();
    let methods: Vec<_> = methods
        .iter()
        .map(|method| {
            let document = method.as_object().ok_or(InvalidDocument("a method is no object"))?;
            let name = document.get("name").and_then(Value::as_str).ok_or(InvalidDocument("a method has no name"))?;
            let [params, result] = ["Params", "Result"].map(|what| given.give(pascal(name) + what));
            Ok(Method { name, document, params, result })
        })
        .collect::<Result<_, _>>()?;

    let types = Types { names };
    let title = document["info"]["title"].as_str().unwrap_or("a host");
    let mut text = format!(
        "// A client of \"{}\", written by 'croupier client'. Write it anew when games change; do not edit it.\n\n",
        title.replace(['\n', '\r'], " ")
    );
    for (name, schema) in schemas.into_iter().flatten() {
        let given = &types.names[&format!("#/components/schemas/{name}")];
        text += &declaration(&types, given, schema, None);
    }
    for method in &methods {
        text += &declaration(
            &types,
            &method.params,
            &params_schema(method.document),
            Some(&of_call("Params", method.name)),
        );
        let result = method.document.get("result").map(|result| &result["schema"]).unwrap_or(&Value::Bool(true));
        text += &declaration(&types, &method.result, result, Some(&of_call("The result", method.name)));
    }
    text += &reasons(&methods);
    text += &calls(&methods);
    Ok(text + RUNTIME)
}

fn of_call(what: &str, method: &str) -> String {
    format!("{what} of `{method}`.")
}

fn declaration(types: &Types, name: &str, schema: &Value, words: Option<&str>) -> String {
    let told = schema["description"].as_str();
    format!("{}export type {name} = {};\n\n", doc(told.or(words), ""), types.of(schema, 0))
}

/// The params as one schema, without what is an option of the call.
fn params_schema(method: &Map<String, Value>) -> Value {
    if let Some(Value::Object(whole)) = method.get("x-params-schema") {
        let mut whole = whole.clone();
        if let Some(properties) = whole.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove(IDEMPOTENCY_KEY);
        }
        return Value::Object(whole);
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for param in method.get("params").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = param["name"].as_str().filter(|name| *name != IDEMPOTENCY_KEY) else { continue };
        properties.insert(name.to_owned(), param["schema"].clone());
        if param["required"] == true {
            required.push(name);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Whether a call may leave its params out.
fn is_optional(params: &Value) -> bool {
    let is_empty = |keyword: &str| params[keyword].as_array().is_none_or(Vec::is_empty);
    ["required", "oneOf", "anyOf", "allOf"].into_iter().all(is_empty)
}

/// The stable words of errors, as far as the document has them.
fn reasons(methods: &[Method<'_>]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for error in methods.iter().filter_map(|method| method.document.get("errors")?.as_array()).flatten() {
        let reason = error["data"]["reason"].as_str().map(|reason| Value::from(reason).to_string());
        reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
    }
    let known: String = reasons.iter().map(|reason| format!("\n  | {reason}")).collect();
    // Later hosts may have others.
    format!(
        "/** The stable words of the host's errors, `data.reason`. */\nexport type HostReason ={known}\n  | (string & {{}});\n\n"
    )
}

/// The methods, by game.
fn calls(methods: &[Method<'_>]) -> String {
    let mut games: Vec<(&str, Vec<(&str, &Method<'_>)>)> = Vec::new();
    for method in methods {
        let (game, name) = method.name.split_once('.').unwrap_or(("rpc", method.name));
        match games.iter_mut().find(|(known, _)| *known == game) {
            Some((_, methods)) => methods.push((name, method)),
            None => games.push((game, vec![(name, method)])),
        }
    }
    let mut text = "function callsOf(call: Call) {\n  return {\n".to_owned();
    let mut given = Given::default();
    for (game, methods) in games {
        let mut given_within = Given::default();
        // Writing to text cannot fail.
        let _written = writeln!(text, "    {}: {{", member(&given.give(camel(game))));
        for (name, method) in methods {
            let optional = if is_optional(&params_schema(method.document)) { " = {}" } else { "" };
            text += &doc(method.document.get("summary").and_then(Value::as_str), "      ");
            let _written = writeln!(
                text,
                "      {}: (params: {}{optional}, options?: CallOptions): Promise<{}> =>\n        call({}, params, options),",
                member(&given_within.give(camel(name))),
                method.params,
                method.result,
                Value::from(method.name),
            );
        }
        text += "    },\n";
    }
    text + "  };\n}\n\n/** The methods, by game. */\nexport type Calls = ReturnType<typeof callsOf>;\n\n"
}
