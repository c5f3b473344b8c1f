//! What the relay hands steps to: it takes the facts out of their records and has them counted.

use std::sync::Arc;

use async_trait::async_trait;

use super::TrackingStore;
use crate::{
    facts::{Fact, facts_of},
    identity::SourceName,
    relay::{Carrier, CarryError},
    store::Waiting,
};

/// Carries facts to a tracking store.
pub struct FactCarrier {
    store: Arc<dyn TrackingStore>,
    source: SourceName,
}

impl FactCarrier {
    /// Facts of an application store of this name go to this tracking store.
    #[must_use]
    pub fn new(store: Arc<dyn TrackingStore>, source: SourceName) -> Self {
        Self { store, source }
    }
}

#[async_trait]
impl Carrier for FactCarrier {
    async fn carry(&self, steps: Vec<Waiting>) -> Result<(), CarryError> {
        let source = self.source.clone();
        // A thousand records are some milliseconds of work, which no player's call should wait for.
        let facts = tokio::task::spawn_blocking(move || facts(&source, &steps)).await;
        let facts = facts.map_err(|error| CarryError(error.to_string()))?;
        self.store.record(facts).await.map_err(|error| CarryError(error.to_string()))
    }
}

fn facts(source: &SourceName, steps: &[Waiting]) -> Vec<Fact> {
    steps.iter().flat_map(|step| read(source, step)).collect()
}

fn read(source: &SourceName, step: &Waiting) -> Vec<Fact> {
    step.told().map(|told| facts_of(source, &told)).unwrap_or_else(|error| {
        // It will not read any better later, and others wait behind it. A check of the ledger finds it too.
        let Waiting { aggregate, step, .. } = step;
        tracing::error!(%aggregate, step, %error, "a record is damaged: what it tells is not counted");
        Vec::new()
    })
}
