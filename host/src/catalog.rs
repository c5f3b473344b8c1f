//! Which games can be played, and on which release. A call takes what it needs from here once and keeps it.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use thiserror::Error;

use crate::{
    engine::{Engine, LoadError, Method, Release},
    errors::ErrorReply,
    identity::{GameId, ReleaseDigest},
    rpc::{ParamsSchema, Schema, SchemaError},
};

/// The games that this host plays.
#[derive(Debug, Default)]
pub struct Catalog {
    games: BTreeMap<GameId, Arc<Playable>>,
    releases: HashMap<ReleaseDigest, Arc<Playable>>,
}

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

/// A game's file was not taken.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The file or directory cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The release is refused.
    #[error("{path}: {error}")]
    Refused {
        /// Which.
        path: PathBuf,
        /// Why.
        error: LoadError,
    },
    /// Two files are releases of one game.
    #[error("{path}: another file holds a release of {game} already")]
    Twice {
        /// Which.
        path: PathBuf,
        /// The game.
        game: GameId,
    },
}

impl Catalog {
    /// Loads every `*.wasm` of a directory.
    ///
    /// # Errors
    /// At the first file that cannot be a game: a host does not start with less than it was told to play.
    pub async fn load(engine: &Arc<Engine>, directory: &Path) -> Result<Self, CatalogError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |error| CatalogError::Unreadable { path, error }
        };
        let entries = std::fs::read_dir(directory).map_err(unreadable(directory))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        let mut paths = paths.map_err(unreadable(directory))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        paths.sort();
        let mut catalog = Self::default();
        for path in paths {
            let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
            let refused = |error| CatalogError::Refused { path: path.clone(), error };
            let playable = Playable::load(engine, bytes).await.map_err(refused)?;
            let descriptor = playable.release.descriptor();
            tracing::info!(game = %descriptor.id, version = descriptor.version, release = %playable.release.digest(), "loaded");
            if let Some(game) = catalog.add(playable) {
                return Err(CatalogError::Twice { path, game });
            }
        }
        Ok(catalog)
    }

    /// Adds a game; answers with its id where there is a release of it already.
    pub fn add(&mut self, playable: Playable) -> Option<GameId> {
        let id = playable.release.descriptor().id.clone();
        let playable = Arc::new(playable);
        self.releases.insert(playable.release.digest(), playable.clone());
        self.games.insert(id.clone(), playable).map(|_| id)
    }

    /// The release on which a new round of a game is played.
    #[must_use]
    pub fn active(&self, game: &GameId) -> Option<&Arc<Playable>> {
        self.games.get(game)
    }

    /// A release by its digest, for rounds that were opened on it.
    #[must_use]
    pub fn release(&self, digest: &ReleaseDigest) -> Option<&Arc<Playable>> {
        self.releases.get(digest)
    }

    /// Every game's active release, in the order of ids.
    pub fn games(&self) -> impl Iterator<Item = &Arc<Playable>> {
        self.games.values()
    }
}

impl Playable {
    /// Loads a release and compiles its schemas.
    ///
    /// # Errors
    /// [`LoadError`]; a schema that does not compile is a bad descriptor.
    pub async fn load(engine: &Arc<Engine>, bytes: Vec<u8>) -> Result<Self, LoadError> {
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
