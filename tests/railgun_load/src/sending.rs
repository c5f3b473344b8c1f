//! Sends notifications, each under a key of its own: one after the other, and in batches.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use memchr::memmem;
use tokio::task::JoinSet;

use crate::{
    Plan,
    calls::Connection,
    setup::{SERVICE_TOKEN, TEMPLATE},
};

/// A service that sends.
pub(crate) struct Sending {
    address: String,
    plan: Plan,
}

/// Microseconds from request to answer.
pub(crate) type Latency = Histogram<u64>;

impl Sending {
    pub(crate) fn new(plan: &Plan, address: &str) -> Self {
        Self { address: address.to_owned(), plan: plan.clone() }
    }

    /// The first of the plan, each in a call of its own, on one connection.
    pub(crate) async fn singly(&self, progress: &ProgressBar) -> anyhow::Result<Latency> {
        let mut latency = Latency::new(3)?;
        let mut connection = self.connect().await?;
        for number in 0..self.plan.singles {
            let mut body = String::new();
            write_call(&mut body, number)?;
            send(&mut connection, body, 1, &mut latency).await?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(latency)
    }

    /// All others, in batches, on all connections at once.
    pub(crate) async fn in_batches(&self, progress: &ProgressBar) -> anyhow::Result<Latency> {
        let next = Arc::new(AtomicU64::new(self.plan.singles));
        let (end, batch) = (self.plan.notifications, self.plan.batch as u64);
        let mut clients = JoinSet::new();
        for _ in 0..self.plan.connections {
            let mut connection = self.connect().await?;
            let (next, progress) = (next.clone(), progress.clone());
            clients.spawn(async move {
                let mut latency = Latency::new(3)?;
                loop {
                    let first = next.fetch_add(batch, Ordering::Relaxed);
                    if first >= end {
                        return anyhow::Ok(latency);
                    }
                    let numbers = first..end.min(first + batch);
                    let count = numbers.end - numbers.start;
                    send(&mut connection, batch_of(numbers)?, count, &mut latency).await?;
                    progress.inc(count);
                }
            });
        }
        let mut latency = Latency::new(3)?;
        while let Some(client) = clients.join_next().await {
            latency.add(client??)?;
        }
        progress.finish_and_clear();
        Ok(latency)
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(&self.address, SERVICE_TOKEN).await
    }
}

async fn send(connection: &mut Connection, body: String, count: u64, latency: &mut Latency) -> anyhow::Result<()> {
    let sent = Instant::now();
    let answer = connection.post("/notify", body).await?;
    latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
    // Read as text: the load is to leave the processor to what is measured.
    let accepted = memmem::find_iter(&answer, b"\"result\":").count() as u64;
    let error = memmem::find(&answer, b"\"error\":").map_or(&[][..], |at| &answer[at..answer.len().min(at + 300)]);
    anyhow::ensure!(accepted == count, "{accepted} of {count} accepted: {}", String::from_utf8_lossy(error));
    Ok(())
}

fn batch_of(numbers: std::ops::Range<u64>) -> anyhow::Result<String> {
    const CALL_BYTES: u64 = 280;
    let mut body = String::with_capacity(usize::try_from(CALL_BYTES * (numbers.end - numbers.start))?);
    for number in numbers {
        body.push(if body.is_empty() { '[' } else { ',' });
        write_call(&mut body, number)?;
    }
    body.push(']');
    Ok(body)
}

/// Everybody is told once, so that what is told to somebody under another name is noticed.
fn write_call(text: &mut String, number: u64) -> std::fmt::Result {
    let to = 100_000_000_000 + number;
    let (channel, at) = if number.is_multiple_of(2) { ("email", "@example.test") } else { ("social", "") };
    write!(
        text,
        "{{\"jsonrpc\":\"2.0\",\"id\":{number},\"method\":\"notify.send\",\"params\":{{\"channel\":\"{channel}\",\
         \"recipient\":{{\"address\":\"{to}{at}\"}},\"template\":\"{TEMPLATE}\",\
         \"data\":{{\"player\":\"Player {number}\",\"amount\":\"{number}.00 EUR\"}},\
         \"idempotency_key\":\"load-{number}\"}}}}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_batch_is_json_with_as_many_e_mails_as_social_messages() {
        let batch: Vec<Value> = serde_json::from_str(&batch_of(10..20).unwrap()).unwrap();
        let of = |channel: &str| batch.iter().filter(|call| call["params"]["channel"] == channel).count();
        assert_eq!((of("email"), of("social"), batch.len()), (5, 5, 10));
        assert_eq!(batch[0]["params"]["recipient"]["address"], "100000000010@example.test");
        assert_eq!(batch[9]["params"]["idempotency_key"], "load-19");
    }
}
