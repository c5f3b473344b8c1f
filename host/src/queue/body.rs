//! A job as it is written down, in a row and on the wire.

use serde::{Deserialize, Serialize};

use super::Job;
use crate::notifications::NotificationId;

/// As JSON about a hundred bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Body {
    id: NotificationId,
    priority: u32,
    due_ms: u64,
}

impl From<Job> for Body {
    fn from(job: Job) -> Self {
        Self { id: job.notification, priority: job.priority, due_ms: job.due_ms }
    }
}

impl From<Body> for Job {
    fn from(body: Body) -> Self {
        Self { notification: body.id, priority: body.priority, due_ms: body.due_ms }
    }
}
