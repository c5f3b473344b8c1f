//! A walk through a whole store, for whoever takes everything out of it.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Outbox, StoreError};
use crate::aggregate::Aggregate;

/// An aggregate with what of it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// As it was stored at one instant.
    pub aggregate: Arc<Aggregate>,
    /// Those of its steps, up to its newest, that waited in that instant, whichever host sees to them; perhaps some
    /// that were carried on already, and never one too few.
    pub waiting: Outbox,
}

/// Where a walk is. See [`super::Store::walk`].
#[async_trait]
pub trait Walk: Send {
    /// The next aggregates in the order of ids; none at the end, and only there.
    async fn next(&mut self) -> Result<Vec<Standing>, StoreError>;
}
