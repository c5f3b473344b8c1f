//! The methods of the host's own: names, typed params with their schemas, and the schemas of results.

use std::collections::BTreeMap;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    errors::ErrorReply,
    rpc::{ParamsSchema, Schema, SchemaError, openrpc::MethodDoc},
};

/// The host's methods at one endpoint.
#[derive(Default)]
pub(super) struct HostMethods(BTreeMap<&'static str, HostMethod>);

struct HostMethod {
    summary: &'static str,
    params: ParamsSchema,
    params_document: Schema,
    result_document: Schema,
}

impl HostMethods {
    /// Adds a method with params `P` and result `R`.
    ///
    /// # Errors
    /// Where a schema does not compile: those of the host's own types all do.
    pub(super) fn with<P: JsonSchema, R: JsonSchema>(
        mut self,
        name: &'static str,
        summary: &'static str,
    ) -> Result<Self, SchemaError> {
        let params_document = Schema::new(schema_of::<P>())?;
        let result_document = Schema::new(schema_of::<R>())?;
        let params = ParamsSchema::compile(&params_document)?;
        self.0.insert(name, HostMethod { summary, params, params_document, result_document });
        Ok(self)
    }

    /// Reads the params of a method.
    ///
    /// # Errors
    /// Method not found, or invalid params.
    pub(super) fn read<P: DeserializeOwned>(&self, method: &str, params: Map<String, Value>) -> Result<P, ErrorReply> {
        let method = self.0.get(method).ok_or_else(ErrorReply::method_not_found)?;
        let params = Value::Object(params);
        method.params.check(&params)?;
        // What a schema cannot say, such as the alphabet of a name, the types themselves check.
        serde_json::from_value(params).map_err(|error| ErrorReply::invalid_params("", error.to_string()))
    }

    pub(super) fn docs(&self) -> impl Iterator<Item = MethodDoc> {
        self.0.iter().map(|(name, method)| MethodDoc {
            name: (*name).to_owned(),
            summary: method.summary.to_owned(),
            params_schema: method.params_document.clone(),
            result_schema: method.result_document.clone(),
            errors: Vec::new(),
        })
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
