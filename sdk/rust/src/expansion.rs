//! What the code written by the macros calls. No part of the public interface.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
pub use serde_json::json;

use crate::game::to_json;
use crate::{Fault, Method, Table};

#[cfg(target_arch = "wasm32")]
pub use crate::component::{Component, bindings, migration, simulation};

/// What a game's method may return.
#[diagnostic::on_unimplemented(
    message = "a method of a game returns `Result<T, E>`",
    label = "not a `Result<T, E>` with `T: Serialize + JsonSchema` and `E: Into<Fault>`"
)]
pub trait Outcome {
    /// The client's `result`.
    type Body: Serialize + JsonSchema;
    /// As the game's [`Fault`] if it is an error.
    fn into_result(self) -> Result<Self::Body, Fault>;
}

impl<T: Serialize + JsonSchema, E: Into<Fault>> Outcome for Result<T, E> {
    type Body = T;
    fn into_result(self) -> Result<T, Fault> {
        self.map_err(Into::into)
    }
}

/// Describes a method with the return type `R`.
pub fn method<R: Outcome>(name: &'static str, summary: &'static str, params_schema: Value) -> Method {
    let result_schema = schema::<R::Body>(SchemaSettings::draft2020_12().for_serialize());
    Method { name, summary, params_schema, result_schema }
}

/// The schema of the params `P`.
pub fn params_schema<P: JsonSchema>() -> Value {
    schema::<P>(SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of no params.
pub fn no_params_schema() -> Value {
    json!({ "type": "object", "additionalProperties": false })
}

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// A method's params from their JSON text.
pub fn params<P: DeserializeOwned>(json: &str) -> Result<P, Fault> {
    serde_json::from_str(json).map_err(|error| Fault::new(Fault::INVALID_PARAMS, format!("invalid params: {error}")))
}

/// The table for a method that only looks: the round stays as it is.
pub fn look<'t, 'h>(table: &'t mut Table<'h>) -> &'t Table<'h> {
    table.leave_round();
    table
}

/// A method's result as JSON text.
pub fn body<R: Outcome>(outcome: R) -> Result<String, Fault> {
    Ok(to_json(&outcome.into_result()?, "the method's result"))
}
