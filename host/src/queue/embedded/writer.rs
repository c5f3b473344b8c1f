//! The one thread that writes to the database. Puts that are waiting share one fsync; what happens to a job later is
//! written without one, because where it is lost the job comes again.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use fjall::PersistMode;
use tokio::sync::oneshot;

use super::{
    super::{Job, QueueError},
    Shared,
    tables::{Row, Tables},
};
use crate::{
    notifications::Channel,
    store::{StoreError, unavailable},
};

/// Changes that share one fsync.
const GROUP_CHANGES_MAX: usize = 1024;

/// A change, and who waits for its outcome.
pub(super) struct Request {
    change: Change,
    answer: oneshot::Sender<Result<(), QueueError>>,
}

pub(super) enum Change {
    /// Jobs that are new, each with the time from which it is ready. They can be taken out once they are durable.
    Put { channel: Channel, jobs: Vec<(Job, u64)> },
    /// Rows that are different from now on.
    Replace(Vec<(u64, Row)>),
    /// Rows that go.
    Remove(Vec<u64>),
}

impl Change {
    fn is_put(&self) -> bool {
        matches!(self, Self::Put { .. })
    }
}

/// Has a change made: the answer comes when it is written.
pub(super) fn submit(
    requests: &Sender<Request>,
    change: Change,
) -> Result<oneshot::Receiver<Result<(), QueueError>>, QueueError> {
    let (answer, answered) = oneshot::channel();
    requests.send(Request { change, answer }).map_err(|_| QueueError::Unavailable("its writer ended".to_owned()))?;
    Ok(answered)
}

/// Runs until all senders are gone; then the files are let go of.
pub(super) fn start(
    tables: Tables,
    next_number: u64,
    shared: Arc<Shared>,
    waiting: Receiver<Request>,
) -> io::Result<JoinHandle<()>> {
    let writer = Writer { tables, next_number, shared };
    thread::Builder::new().name("queue-writer".to_owned()).spawn(move || writer.run(&waiting))
}

struct Writer {
    tables: Tables,
    /// Of the next job that is put.
    next_number: u64,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Request>) {
        let mut failure = None;
        while let Ok(first) = waiting.recv() {
            let mut group = vec![first];
            group.extend(waiting.try_iter().take(GROUP_CHANGES_MAX - 1));
            let (puts, others): (Vec<_>, Vec<_>) = group.into_iter().partition(|request| request.change.is_put());
            // Who is done with a job does not wait for an fsync. The two cannot be about one job: whose put is under way
            // nobody has yet.
            for (part, durability) in [(others, PersistMode::Buffer), (puts, PersistMode::SyncData)] {
                let outcome = match &failure {
                    Some(failure) => Err(QueueError::clone(failure)),
                    None => self.write(&part, durability).map_err(QueueError::from),
                };
                if let (Err(error), None) = (&outcome, &failure) {
                    // A database that failed to write cannot tell what is on its disk; opening it anew can.
                    tracing::error!(%error, "the queue has failed; it refuses everything from here on");
                    self.shared.end(error.clone());
                    failure = Some(error.clone());
                }
                for request in part {
                    // Whoever asked may have gone; the change stands all the same.
                    let _gone = request.answer.send(outcome.clone());
                }
            }
        }
        if let Err(error) = self.tables.database.persist(PersistMode::SyncAll) {
            tracing::error!(%error, "the queue did not close in good order");
        }
    }

    fn write(&mut self, requests: &[Request], durability: PersistMode) -> Result<(), StoreError> {
        let Tables { database, jobs: keyspace } = &self.tables;
        let mut batch = database.batch().durability(Some(durability));
        let mut put = Vec::new();
        for request in requests {
            match &request.change {
                Change::Put { channel, jobs } => {
                    for (job, ready_ms) in jobs {
                        let row = Row { channel: *channel, job: (*job).into(), ready_ms: *ready_ms, buried: false };
                        batch.insert(keyspace, self.next_number.to_be_bytes(), encode(&row)?);
                        put.push((*channel, self.next_number, *job, *ready_ms));
                        self.next_number += 1;
                    }
                }
                Change::Replace(rows) => {
                    for (number, row) in rows {
                        batch.insert(keyspace, number.to_be_bytes(), encode(row)?);
                    }
                }
                Change::Remove(numbers) => {
                    for number in numbers {
                        batch.remove(keyspace, number.to_be_bytes());
                    }
                }
            }
        }
        batch.commit().map_err(unavailable)?;
        self.shared.have_put(put);
        Ok(())
    }
}

fn encode(row: &Row) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(row).map_err(|error| StoreError::Corrupt(error.to_string()))
}
