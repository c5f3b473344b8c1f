//! What the game promised in its descriptor, held against what it is asked and what it answers.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::Value;

use crate::{Fault, Game, Method};

/// JSON-RPC's own code for params that do not fit the method.
const INVALID_PARAMS: i32 = -32602;

/// The methods of a game with their schemas, ready to check.
pub(super) struct Contract {
    id: &'static str,
    methods: BTreeMap<&'static str, Schemas>,
}

struct Schemas {
    params: Validator,
    result: Validator,
}

impl Contract {
    pub(super) fn of<G: Game>() -> Self {
        let descriptor = G::descriptor();
        let schemas = |method: Method| {
            let compile = |schema| {
                jsonschema::validator_for(schema)
                    .unwrap_or_else(|error| panic!("a schema of `{}` is invalid: {error}", method.name))
            };
            (method.name, Schemas { params: compile(&method.params_schema), result: compile(&method.result_schema) })
        };
        Self { id: descriptor.id, methods: descriptor.methods.into_iter().map(schemas).collect() }
    }

    /// Lets params pass as the host does.
    pub(super) fn check_params(&self, method: &str, params: &Value) -> Result<(), Fault> {
        match violations(&self.schemas(method).params, params) {
            None => Ok(()),
            Some(violations) => Err(Fault::new(INVALID_PARAMS, format!("invalid params: {violations}"))),
        }
    }

    pub(super) fn assert_result(&self, method: &str, result: &Value) {
        if let Some(violations) = violations(&self.schemas(method).result, result) {
            panic!("the result of `{method}` does not fit its schema: {violations}: {result}");
        }
    }

    fn schemas(&self, method: &str) -> &Schemas {
        self.methods.get(method).unwrap_or_else(|| {
            let methods: Vec<_> = self.methods.keys().collect();
            panic!("`{}` has no method `{method}`, only {methods:?}", self.id)
        })
    }
}

/// What is wrong with the instance and where, if anything is.
fn violations(schema: &Validator, instance: &Value) -> Option<String> {
    let violations: Vec<_> =
        schema.iter_errors(instance).map(|error| format!("{error} at `{}`", error.instance_path())).collect();
    (!violations.is_empty()).then(|| violations.join(", "))
}
