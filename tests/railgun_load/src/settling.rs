//! Waits until nothing waits any more, and finds out what became of everything.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use providers_stand_in::Counts;
use serde_json::{Value, json};

use crate::{
    Plan,
    calls::Connection,
    numbers::Numbers,
    processes::Processes,
    setup::{OPERATOR_TOKEN, SERVICE_TOKEN},
};

/// How often is asked how things are.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How long it may be that nothing changes. A notification that has failed often waits for minutes.
const STILL_MAX: Duration = Duration::from_mins(15);
/// Dead letters after which no more are waited for.
const BURIED_MAX: usize = 100;

/// Watches a load.
pub(crate) struct Settling {
    notifications: u64,
    railgun: String,
    delivering: Vec<String>,
    providers: String,
}

/// What became of everything.
pub(crate) struct Settled {
    pub(crate) counts: Counts,
    pub(crate) numbers: Numbers,
    /// Dead letters; not all of them where there are many.
    pub(crate) buried: Vec<Value>,
}

impl Settling {
    pub(crate) fn new(plan: &Plan, processes: &Processes) -> Self {
        Self {
            notifications: plan.notifications,
            railgun: processes.railgun_address().to_owned(),
            delivering: processes.delivering_addresses(),
            providers: processes.providers_address(),
        }
    }

    /// Waits until every notification is delivered or a dead letter, and no queue has anything any more.
    pub(crate) async fn wait(&self, progress: &ProgressBar) -> anyhow::Result<Settled> {
        let mut service = Connection::open(&self.railgun, SERVICE_TOKEN).await?;
        let mut providers = Connection::open(&self.providers, "").await?;
        let mut looks = tokio::time::interval(LOOK_PAUSE);
        let mut before = (0, 0, Instant::now());
        loop {
            looks.tick().await;
            // The queue first: what is in none, and was delivered before that, is settled.
            let queued = queued(&mut service).await?;
            let counts: Counts = providers.get_json("/counts").await?;
            progress.set_position(counts.all.distinct);
            if queued == 0 {
                let is_all = counts.all.distinct >= self.notifications;
                let buried = buried(&mut service).await?;
                let is_most = counts.all.distinct + buried.len() as u64 >= self.notifications;
                if is_all || is_most || buried.len() == BURIED_MAX {
                    progress.finish_and_clear();
                    return Ok(Settled { counts, numbers: self.numbers().await?, buried });
                }
            }
            if (queued, counts.all.attempts) != (before.0, before.1) {
                before = (queued, counts.all.attempts, Instant::now());
            } else if before.2.elapsed() > STILL_MAX {
                let (delivered, all) = (counts.all.distinct, self.notifications);
                anyhow::bail!(
                    "nothing has moved for {STILL_MAX:?}: {delivered} of {all} delivered, {queued} in queues"
                );
            }
        }
    }

    async fn numbers(&self) -> anyhow::Result<Numbers> {
        let mut text = String::new();
        for address in &self.delivering {
            let numbers = Connection::open(address, OPERATOR_TOKEN).await?.get("/metrics").await?;
            text.push_str(&String::from_utf8_lossy(&numbers));
        }
        Ok(Numbers::new(text))
    }
}

/// Jobs that wait or are under way.
async fn queued(service: &mut Connection) -> anyhow::Result<u64> {
    let queues = service.notify("notify.queues", json!({})).await?;
    let jobs =
        |queue: &Value| ["ready", "delayed", "leased", "buried"].map(|of| queue[of].as_u64().unwrap_or_default());
    Ok(queues.as_array().into_iter().flatten().flat_map(jobs).sum())
}

async fn buried(service: &mut Connection) -> anyhow::Result<Vec<Value>> {
    let dead = service.notify("notify.buried", json!({ "limit": BURIED_MAX })).await?;
    Ok(dead["rows"].as_array().cloned().unwrap_or_default())
}
