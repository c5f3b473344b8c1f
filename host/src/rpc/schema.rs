//! JSON Schemas of params and results, and the check of a call's params against them.
//! A schema comes from a game and is not trusted: it must never make the host fetch, recurse or search without bound.

#[cfg(test)]
mod tests;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::Error;
use super::params::pointer;

/// Subschemas of a params schema, counted once for every reference to them: it bounds the work of a check.
const SUBSCHEMAS_MAX: usize = 1_000;

/// Violations that one error reports.
const VIOLATIONS_MAX: usize = 5;

/// Bytes of one violation's message: a schema can hold a long list of allowed values.
const MESSAGE_BYTES_MAX: usize = 300;

const DEFS: &str = "#/$defs/";

/// Keywords that change what a `$ref` means; without them a schema can be read and moved by its text alone.
const FOREIGN: [&str; 5] = ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary"];

/// Why a schema is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The text is not JSON.
    #[error("the schema is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The schema is a boolean, or no schema at all.
    #[error("the schema is not an object")]
    NotAnObject,
    /// A reference leads out of the schema, or to nothing.
    #[error("`$ref` must be \"#/$defs/<name>\" with a name from the schema's own `$defs`, not {0}")]
    Reference(Value),
    /// A definition's name has characters that do not stand for themselves in a reference.
    #[error("a definition's name may hold letters, digits, `_` and `-` only, unlike {0:?}")]
    DefinitionName(String),
    /// A keyword that no schema of a method needs.
    #[error("the keyword `{0}` is not supported")]
    Keyword(&'static str),
    /// The schema refers to itself, or has more subschemas than a check may visit.
    #[error("the schema is recursive or has more than {SUBSCHEMAS_MAX} subschemas")]
    TooLarge,
    /// The schema breaks JSON Schema 2020-12, or a pattern needs look-around or back-references.
    #[error("the schema is invalid at {path:?}: {message}")]
    Invalid {
        /// JSON pointer to the offending part of the schema.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

/// A JSON Schema, draft 2020-12, that is closed: every reference is `#/$defs/<name>` and leads into its own `$defs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Map<String, Value>);

impl Schema {
    /// Reads a schema from its text.
    ///
    /// # Errors
    /// If the text is not JSON, or as [`Schema::new`].
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        Self::new(serde_json::from_str(text)?)
    }

    /// Takes a schema that is already JSON.
    ///
    /// # Errors
    /// If it is not an object, or not closed.
    pub fn new(schema: Value) -> Result<Self, SchemaError> {
        let Value::Object(schema) = schema else { return Err(SchemaError::NotAnObject) };
        let definitions = match schema.get("$defs") {
            None => &Map::new(),
            Some(Value::Object(definitions)) => definitions,
            Some(_) => return Err(SchemaError::Invalid { path: "/$defs".into(), message: "not an object".into() }),
        };
        let plain = |name: &&String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if let Some(name) = definitions.keys().find(|name| !plain(name)) {
            return Err(SchemaError::DefinitionName(name.clone()));
        }
        check_closed(&schema, definitions)?;
        Ok(Self(schema))
    }

    /// The schema as JSON.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// What a `$ref` of the schema leads to.
    pub fn target(&self, reference: &str) -> Option<&Map<String, Value>> {
        self.0.get("$defs")?.get(reference.strip_prefix(DEFS)?)?.as_object()
    }

    /// How many subschemas a check can come to, or none if they are more than `budget`.
    fn spend(&self, schema: &Map<String, Value>, budget: usize) -> Option<usize> {
        let mut budget = budget.checked_sub(1)?;
        let target = schema.get("$ref").and_then(|reference| self.target(reference.as_str()?));
        // Definitions count where they are referred to.
        let parts = subschemas(schema).filter(|(keyword, _)| *keyword != "$defs").map(|(_, part)| part);
        for part in parts.filter_map(Value::as_object).chain(target) {
            budget = self.spend(part, budget)?;
        }
        Some(budget)
    }
}

fn check_closed(schema: &Map<String, Value>, definitions: &Map<String, Value>) -> Result<(), SchemaError> {
    if let Some(keyword) = FOREIGN.into_iter().find(|keyword| schema.contains_key(*keyword)) {
        return Err(SchemaError::Keyword(keyword));
    }
    if let Some(reference) = schema.get("$ref") {
        let name = reference.as_str().and_then(|text| text.strip_prefix(DEFS));
        if !name.is_some_and(|name| definitions.contains_key(name)) {
            return Err(SchemaError::Reference(reference.clone()));
        }
    }
    subschemas(schema).filter_map(|(_, part)| part.as_object()).try_for_each(|part| check_closed(part, definitions))
}

/// How a keyword holds further schemas; `None` if its value is mere data (`const`, `default`, `required`...).
pub(super) enum Holds {
    One,
    List,
    ByName,
}

impl Holds {
    pub(super) fn of(keyword: &str) -> Option<Self> {
        match keyword {
            "$defs" | "properties" | "patternProperties" | "dependentSchemas" => Some(Self::ByName),
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => Some(Self::List),
            "items"
            | "contains"
            | "additionalProperties"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contentSchema" => Some(Self::One),
            _ => None,
        }
    }
}

/// The schemas directly within a schema, each with the keyword that holds it.
fn subschemas(schema: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    schema.iter().flat_map(|(keyword, value)| {
        let parts: Box<dyn Iterator<Item = &Value>> = match (Holds::of(keyword), value) {
            (Some(Holds::One), part) => Box::new(std::iter::once(part)),
            (Some(Holds::List), Value::Array(parts)) => Box::new(parts.iter()),
            (Some(Holds::ByName), Value::Object(parts)) => Box::new(parts.values()),
            _ => Box::new(std::iter::empty()),
        };
        parts.map(move |part| (keyword.as_str(), part))
    })
}

/// The schema of a method's params, compiled once and checked at every call.
#[derive(Debug)]
pub struct ParamsSchema(Validator);

impl ParamsSchema {
    /// Compiles the schema of a method's params.
    ///
    /// # Errors
    /// If it is recursive, too large or no valid JSON Schema.
    pub fn compile(schema: &Schema) -> Result<Self, SchemaError> {
        schema.spend(schema.as_map(), SUBSCHEMAS_MAX).ok_or(SchemaError::TooLarge)?;
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            // The engine without backtracking: a game's pattern and a client's string together must not stall a host.
            .with_pattern_options(PatternOptions::regex())
            .build(&Value::Object(schema.as_map().clone()))
            .map(Self)
            .map_err(|error| SchemaError::Invalid {
                path: error.instance_path().to_string(),
                message: error.to_string(),
            })
    }

    /// Checks a call's params.
    ///
    /// # Errors
    /// Invalid params, with a JSON pointer to the offending member in `data.pointer`; if several offend, up to five
    /// of them are in `data.violations`, each with `pointer` and `message`.
    pub fn check(&self, params: &Value) -> Result<(), Error> {
        if self.0.is_valid(params) { Ok(()) } else { Err(invalid(&self.violations(params))) }
    }

    /// What does not fit the schema, up to five members.
    pub fn violations(&self, params: &Value) -> Vec<Violation> {
        let mut violations = Vec::new();
        for error in self.0.iter_errors(params) {
            collect(&error, params, &mut violations);
            if violations.len() >= VIOLATIONS_MAX {
                break;
            }
        }
        violations.truncate(VIOLATIONS_MAX);
        violations
    }
}

/// A member that does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer to the member; empty for the whole.
    pub pointer: String,
    /// What is wrong with it.
    pub message: String,
}

fn invalid(violations: &[Violation]) -> Error {
    let Some(Violation { pointer, message }) = violations.first() else {
        return Error::invalid_params("params do not fit the method's schema");
    };
    let place = if pointer.is_empty() { "params" } else { pointer };
    let error = Error::invalid_params(format!("invalid params: {place}: {message}")).with("pointer", pointer.as_str());
    if violations.len() == 1 {
        return error;
    }
    let list = violations.iter().map(|violation| json!({"pointer": violation.pointer, "message": violation.message}));
    error.with("violations", list.collect::<Vec<_>>())
}

/// Says what an error means in terms of members the client can find in its own params.
fn collect(error: &ValidationError<'_>, params: &Value, violations: &mut Vec<Violation>) {
    let here = error.instance_path().to_string();
    let child = |name: &str| here.clone() + &pointer([name]);
    let unexpected =
        |name: &String| Violation { pointer: child(name), message: "the method has no such member".into() };
    match error.kind() {
        ValidationErrorKind::Required { property } => violations.push(Violation {
            pointer: child(property.as_str().unwrap_or_default()),
            message: "this member is required".to_owned(),
        }),
        ValidationErrorKind::AdditionalProperties { unexpected: names }
        | ValidationErrorKind::UnevaluatedProperties { unexpected: names } => {
            violations.extend(names.iter().take(VIOLATIONS_MAX).map(unexpected));
        }
        // Where no members are allowed at all, the error is of the object as a whole.
        ValidationErrorKind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
            let members = params.pointer(&here).and_then(Value::as_object).into_iter().flatten();
            violations.extend(members.take(VIOLATIONS_MAX).map(|(name, _)| unexpected(name)));
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            match meant_branch(context, &here) {
                Some(branch) => branch.iter().for_each(|error| collect(error, params, violations)),
                None => violations.push(Violation { pointer: here, message: "fits none of the allowed forms".into() }),
            }
        }
        // Masked: the client knows its own values, and the operator's log need not.
        _ => violations.push(Violation { pointer: here, message: shortened(error.masked().to_string()) }),
    }
}

/// The one branch of `anyOf` or `oneOf` that the client meant: it has the right type and no wrong tag (`const`).
fn meant_branch<'c>(
    context: &'c [Vec<ValidationError<'static>>],
    here: &str,
) -> Option<&'c [ValidationError<'static>]> {
    let ruled_out = |error: &ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Constant { .. } => true,
        ValidationErrorKind::Type { .. } => error.instance_path().as_str() == here,
        _ => false,
    };
    let mut meant = context.iter().filter(|branch| !branch.iter().any(ruled_out));
    meant.next().filter(|_| meant.next().is_none()).map(Vec::as_slice)
}

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    message
}
