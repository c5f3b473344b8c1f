//! `GET /metrics`: the numbers of the railgun and of its workers.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::{super::bearer_token, digest};
use crate::{clock, notifications::Channel, queue::Queue, railgun::Metrics};

/// What answers to whoever collects numbers and shows the operator's token.
pub struct Numbers {
    metrics: Arc<Metrics>,
    queue: Arc<dyn Queue>,
    operator_token: [u8; 32],
}

impl Numbers {
    /// These numbers, with the queue as it stands when they are asked for.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, queue: Arc<dyn Queue>, operator_token: &str) -> Self {
        Self { metrics, queue, operator_token: digest(operator_token) }
    }

    /// Whether the value of an `Authorization` header is the operator's.
    #[must_use]
    pub fn may_see(&self, authorization: Option<&str>) -> bool {
        bearer_token(authorization).is_ok_and(|token| digest(token).ct_eq(&self.operator_token).into())
    }

    /// The numbers in the OpenMetrics text format.
    pub async fn text(&self) -> String {
        for channel in Channel::ALL {
            match self.queue.standing(channel).await {
                Ok(standing) => self.metrics.stands(channel, &standing, clock::now_ms()),
                Err(error) => tracing::debug!(%error, "the queue does not say how it stands"),
            }
        }
        self.metrics.text()
    }
}
