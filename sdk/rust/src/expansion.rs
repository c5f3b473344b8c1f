//! What the code written by the macros calls. No part of the public interface.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
pub use serde_json::json;

use crate::game::to_json;
use crate::{Fault, Method};

#[cfg(target_arch = "wasm32")]
pub use crate::component::{Component, bindings};

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

/// The params of a method that takes none.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct NoParams {}

/// Describes a method with params `P` and the return type `R`.
pub fn method<P: JsonSchema, R: Outcome>(name: &'static str, summary: &'static str) -> Method {
    let settings = SchemaSettings::draft2020_12();
    Method {
        name,
        summary,
        params_schema: schema::<P>(settings.clone().for_deserialize().into_generator()),
        result_schema: schema::<R::Body>(settings.for_serialize().into_generator()),
    }
}

fn schema<T: JsonSchema>(generator: SchemaGenerator) -> Value {
    generator.into_root_schema_for::<T>().to_value()
}

/// A method's params from their JSON text.
pub fn params<P: DeserializeOwned>(json: &str) -> Result<P, Fault> {
    serde_json::from_str(json).map_err(|error| Fault::new(Fault::INVALID_PARAMS, format!("invalid params: {error}")))
}

/// A method's result as JSON text.
pub fn body<R: Outcome>(outcome: R) -> Result<String, Fault> {
    Ok(to_json(&outcome.into_result()?, "the method's result"))
}
