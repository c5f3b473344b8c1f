//! A release that can be called: loaded, and with its schemas compiled.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use crate::{
    engine::{Engine, LoadError, Method, Release},
    errors::ErrorReply,
    rpc::{ParamsSchema, Schema, SchemaError},
};

/// A release with its schemas compiled.
#[derive(Debug)]
pub struct Playable {
    /// The release.
    pub release: Release,
    methods: HashMap<String, MethodSchemas>,
}

#[derive(Debug)]
struct MethodSchemas {
    params: ParamsSchema,
    params_document: Schema,
    result_document: Schema,
}

impl Playable {
    /// Loads a release and compiles its schemas.
    ///
    /// # Errors
    /// [`LoadError`]; a schema that does not compile is a bad descriptor.
    pub async fn load(engine: &Arc<Engine>, bytes: impl Into<Arc<[u8]>>) -> Result<Self, LoadError> {
        let release = engine.load(bytes).await?;
        let methods = release.descriptor().methods.iter().map(|method| {
            let schemas = MethodSchemas::compile(method)
                .map_err(|error| LoadError::BadDescriptor(format!("a schema of '{}': {error}", method.name)))?;
            Ok((method.name.clone(), schemas))
        });
        let methods = methods.collect::<Result<_, _>>()?;
        Ok(Self { release, methods })
    }

    /// Checks a call's params against the method's schema.
    ///
    /// # Errors
    /// Method not found, or invalid params that point at the offending member.
    pub fn check(&self, method: &str, params: &Value) -> Result<(), ErrorReply> {
        let Some(schemas) = self.methods.get(method) else { return Err(ErrorReply::method_not_found()) };
        schemas.params.check(params).map_err(|error| error.into())
    }

    /// A method's schemas: of its params and of its result.
    #[must_use]
    pub fn schemas(&self, method: &str) -> Option<(&Schema, &Schema)> {
        self.methods.get(method).map(|schemas| (&schemas.params_document, &schemas.result_document))
    }
}

impl MethodSchemas {
    fn compile(method: &Method) -> Result<Self, SchemaError> {
        let params_document = Schema::parse(method.params_schema.as_str())?;
        let result_document = Schema::parse(method.result_schema.as_str())?;
        Ok(Self { params: ParamsSchema::compile(&params_document)?, params_document, result_document })
    }
}
