//! Brings a player's documents from an older release's version to that of the release that plays, before it plays.

use std::collections::BTreeMap;

use thiserror::Error;
use wasmtime::{Store, component::Instance};

use super::{
    Malfunction, Release,
    documents::{self, Unkeepable},
    step_state::{StepState, log_line},
};
use crate::{bindings::exports::croupier::game::migration::Document, json::Json};

/// Marks what has gone wrong in a migration: the call is refused, and nothing of it is recorded.
#[derive(Clone, Copy, Debug, Error)]
#[error("the documents could not be migrated")]
pub(super) struct Failed;

/// Why a migration's answer is not taken.
#[derive(Debug, Error)]
enum Refused {
    #[error("{0}")]
    ByGame(String),
    #[error("the document {key} cannot be kept: {why}")]
    Document { key: String, why: Unkeepable },
    #[error("the document {key} is there twice")]
    Twice { key: String },
}

/// Runs the release's migration in a step that has not begun to play.
pub(super) async fn migrate(
    store: &mut Store<StepState>,
    release: &Release,
    instance: &Instance,
    from: u32,
) -> wasmtime::Result<()> {
    let document = |(key, value): (&String, &Json)| Document { key: key.clone(), value: value.as_str().to_owned() };
    let before: Vec<_> = store.data().unmigrated().iter().map(document).collect();
    let after = async {
        let migration = release.migration(&mut *store, instance)?;
        let answer = migration.call_migrate(&mut *store, from, &before).await?;
        Ok(checked(answer)?)
    };
    let after = after.await.map_err(|error: wasmtime::Error| error.context(Failed))?;
    store.data_mut().end_migration(from, after);
    Ok(())
}

fn checked(answer: Result<Vec<Document>, String>) -> Result<BTreeMap<String, Json>, Refused> {
    let mut kept = BTreeMap::new();
    for Document { key, value } in answer.map_err(Refused::ByGame)? {
        match documents::keepable(&kept, &key, value) {
            Ok(_) if kept.contains_key(&key) => return Err(Refused::Twice { key }),
            Ok(value) => drop(kept.insert(key, value)),
            Err(why) => return Err(Refused::Document { key, why }),
        }
    }
    Ok(kept)
}

/// Tells the operator why a migration has failed, in the game's own words where it has left any.
pub(super) fn log_failure(release: &Release, method: &str, error: &wasmtime::Error, panic: Option<&str>) {
    let why = match error.downcast_ref::<Refused>() {
        Some(refused) => log_line(&refused.to_string()),
        None => Malfunction::from_error(error).to_string(),
    };
    tracing::error!(
        target: "game",
        game = %release.descriptor().id,
        release = %release.digest(),
        method,
        state_version = release.state_version(),
        panic = panic.unwrap_or_default(),
        "the migration of a player's documents has failed: {why}"
    );
}
