//! The embedded adapter: a database of `fjall` in a folder of its own, for one process. The order of jobs is in memory
//! and read anew at each opening; a row on disk says only that a job is there, from when it is ready, and whether it was
//! set aside.
//!
//! A job that was put survives a power failure. What was done with it since survives the death of the process, and a
//! power failure may undo the last of it: the job comes again.

mod order;
mod tables;
mod writer;

use std::{
    array,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::watch;

use self::{
    order::Order,
    tables::{Row, Tables},
    writer::{Change, Request},
};
use super::{Job, Leased, Queue, QueueError, Standing};
use crate::{
    clock::{self, milliseconds},
    notifications::Channel,
    store::{Space, StoreError},
};

const CHANNELS: usize = Channel::ALL.len();

/// What an operator may choose about the embedded queue.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its files are.
    pub directory: PathBuf,
    /// How long a job that was taken out stays with who took it.
    pub lease: Duration,
    /// Room on the disk below which no jobs are put.
    pub disk_reserve_bytes: u64,
}

/// The embedded queue.
pub struct Embedded {
    shared: Arc<Shared>,
    lease: Duration,
    space: Space,
    incarnation: String,
    /// Gone once the queue is closed.
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// The queue's files cannot be used.
#[derive(Debug, Error)]
#[error("the queue in {directory} cannot be opened: {reason}")]
pub struct OpenError {
    directory: PathBuf,
    reason: String,
}

/// What the writer changes too.
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// By channel: told whenever its jobs may be ready at another time than before.
    changed: [watch::Sender<()>; CHANNELS],
}

struct State {
    /// By channel.
    orders: [Order; CHANNELS],
    /// Of the next lease.
    next_lease: u64,
    /// To the writer; or why nothing is written any more.
    requests: Result<mpsc::Sender<Request>, QueueError>,
}

/// Unix milliseconds that never go back, whatever is done to the system's clock meanwhile.
struct Clock {
    begun: Instant,
    begun_ms: u64,
}

impl Clock {
    fn start() -> Self {
        Self { begun: Instant::now(), begun_ms: clock::now_ms() }
    }

    fn now_ms(&self) -> u64 {
        self.begun_ms.saturating_add(milliseconds(self.begun.elapsed()))
    }

    fn after_ms(&self, delay: Duration) -> u64 {
        self.now_ms().saturating_add(milliseconds(delay))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, channel: Channel) {
        self.changed[channel as usize].send_replace(());
    }

    /// Jobs that are durable now, each with its number and when it is ready.
    fn have_put(&self, jobs: Vec<(Channel, u64, Job, u64)>) {
        let mut told = [None; CHANNELS];
        let mut state = self.state();
        for (channel, number, job, ready_ms) in jobs {
            state.orders[channel as usize].put(number, job, ready_ms);
            told[channel as usize] = Some(channel);
        }
        drop(state);
        told.into_iter().flatten().for_each(|channel| self.tell(channel));
    }

    /// Refuses everything from here on. The writer ends once it has done what it was told before.
    fn end(&self, why: QueueError) {
        let mut state = self.state();
        if state.requests.is_ok() {
            state.requests = Err(why);
        }
        drop(state);
        Channel::ALL.into_iter().for_each(|channel| self.tell(channel));
    }
}

impl State {
    fn order(&mut self, channel: Channel) -> Result<&mut Order, QueueError> {
        match &self.requests {
            Ok(_) => Ok(&mut self.orders[channel as usize]),
            Err(why) => Err(why.clone()),
        }
    }
}

impl Embedded {
    /// Opens the queue, or makes it. What was leased is ready.
    ///
    /// # Errors
    /// Where the files cannot be read or written, or another process has them.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        Self::open_directory(settings).map_err(|error| {
            let reason = match error {
                StoreError::Corrupt(what) => {
                    format!("{what}; without the directory it begins anew, and what waits is put again")
                }
                StoreError::Full(why) | StoreError::Unavailable(why) => why,
            };
            OpenError { directory: settings.directory.clone(), reason }
        })
    }

    fn open_directory(settings: &Settings) -> Result<Self, StoreError> {
        let (tables, incarnation) = Tables::open(&settings.directory)?;
        Self::start(settings, tables, incarnation)
    }

    fn start(settings: &Settings, tables: Tables, incarnation: String) -> Result<Self, StoreError> {
        let mut orders: [Order; CHANNELS] = array::from_fn(|_| Order::default());
        let mut next_number = 0;
        for row in tables.rows() {
            let (number, row) = row?;
            let order = &mut orders[row.channel as usize];
            if row.buried {
                order.put_buried(number, row.job.into());
            } else {
                order.put(number, row.job.into(), row.ready_ms);
            }
            next_number = number + 1;
        }
        let (requests, waiting) = mpsc::channel();
        let shared = Arc::new(Shared {
            clock: Clock::start(),
            state: Mutex::new(State { orders, next_lease: 0, requests: Ok(requests) }),
            changed: array::from_fn(|_| watch::Sender::new(())),
        });
        let writer = writer::start(tables, next_number, shared.clone(), waiting);
        let writer = writer.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            shared,
            lease: settings.lease,
            space: Space::new(&settings.directory, settings.disk_reserve_bytes, "no notifications are queued"),
            incarnation,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Changes the order of a channel and has the writer do the same to its rows. Both under one lock: what is done to a
    /// job is written in the order in which it was done.
    async fn change<T>(
        &self,
        channel: Channel,
        work: impl FnOnce(&mut Order, &Clock) -> (T, Option<Change>) + Send,
    ) -> Result<T, QueueError> {
        let (done, written) = {
            let mut state = self.shared.state();
            let (done, change) = work(state.order(channel)?, &self.shared.clock);
            let requests = state.requests.as_ref().map_err(QueueError::clone)?;
            (done, change.map(|change| writer::submit(requests, change)).transpose()?)
        };
        self.shared.tell(channel);
        if let Some(written) = written {
            written.await.map_err(|_| QueueError::Unavailable("its writer ended".to_owned()))??;
        }
        Ok(done)
    }
}

impl Drop for Embedded {
    /// Without this the writer would wait for requests of a queue that is gone.
    fn drop(&mut self) {
        self.shared.end(closed());
    }
}

fn closed() -> QueueError {
    QueueError::Unavailable("it is closed".to_owned())
}

/// Rows to be written, if there are any.
fn replace(rows: Vec<(u64, Row)>) -> Option<Change> {
    (!rows.is_empty()).then_some(Change::Replace(rows))
}

#[async_trait]
impl Queue for Embedded {
    async fn put(&self, channel: Channel, jobs: Vec<(Job, Duration)>) -> Result<(), QueueError> {
        self.space.check()?;
        self.change(channel, |_, clock| {
            let jobs: Vec<_> = jobs.into_iter().map(|(job, delay)| (job, clock.after_ms(delay))).collect();
            ((), (!jobs.is_empty()).then_some(Change::Put { channel, jobs }))
        })
        .await
    }

    async fn take(&self, channel: Channel, count_max: usize) -> Result<Vec<Leased>, QueueError> {
        let mut state = self.shared.state();
        let (first, now_ms) = (state.next_lease, self.shared.clock.now_ms());
        let until_ms = now_ms.saturating_add(milliseconds(self.lease));
        let taken = state.order(channel)?.take(count_max, now_ms, until_ms, first);
        state.next_lease += taken.len() as u64;
        Ok(taken)
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    async fn touch(&self, channel: Channel, jobs: &[Leased]) -> Result<(), QueueError> {
        let mut state = self.shared.state();
        let order = state.order(channel)?;
        let (now_ms, until_ms) = (self.shared.clock.now_ms(), self.shared.clock.after_ms(self.lease));
        jobs.iter().for_each(|leased| order.touch(leased.lease, now_ms, until_ms));
        Ok(())
    }

    async fn finish(&self, channel: Channel, jobs: &[Leased]) -> Result<(), QueueError> {
        self.change(channel, |order, _| {
            let leases = jobs.iter().map(|leased| leased.lease);
            let removed: Vec<_> = leases.filter(|lease| order.finish(*lease)).map(|lease| lease.job).collect();
            ((), (!removed.is_empty()).then_some(Change::Remove(removed)))
        })
        .await
    }

    async fn give_back(&self, channel: Channel, jobs: &[(Leased, Duration)]) -> Result<(), QueueError> {
        self.change(channel, |order, clock| {
            let now_ms = clock.now_ms();
            let given = jobs.iter().filter_map(|(Leased { lease, .. }, delay)| {
                let ready_ms = now_ms.saturating_add(milliseconds(*delay));
                let job = order.give_back(*lease, now_ms, ready_ms)?;
                // The row of a job that is ready at once says so already.
                (!delay.is_zero()).then(|| (lease.job, Row { channel, job: job.into(), ready_ms, buried: false }))
            });
            ((), replace(given.collect()))
        })
        .await
    }

    async fn bury(&self, channel: Channel, jobs: &[Leased]) -> Result<(), QueueError> {
        self.change(channel, |order, clock| {
            let now_ms = clock.now_ms();
            let buried = jobs.iter().filter_map(|Leased { lease, .. }| {
                let job = order.bury(*lease, now_ms)?;
                Some((lease.job, Row { channel, job: job.into(), ready_ms: now_ms, buried: true }))
            });
            ((), replace(buried.collect()))
        })
        .await
    }

    async fn kick(&self, channel: Channel, count_max: u32) -> Result<u64, QueueError> {
        self.change(channel, |order, clock| {
            let kicked = order.kick(usize::try_from(count_max).unwrap_or(usize::MAX));
            let row = |job: Job| Row { channel, job: job.into(), ready_ms: clock.now_ms(), buried: false };
            let rows: Vec<_> = kicked.into_iter().map(|(number, job)| (number, row(job))).collect();
            (rows.len() as u64, replace(rows))
        })
        .await
    }

    async fn standing(&self, channel: Channel) -> Result<Standing, QueueError> {
        let now_ms = self.shared.clock.now_ms();
        Ok(self.shared.state().order(channel)?.standing(now_ms))
    }

    async fn ready(&self, channel: Channel) {
        let mut changed = self.shared.changed[channel as usize].subscribe();
        loop {
            let now_ms = self.shared.clock.now_ms();
            let from_ms = match self.shared.state().order(channel) {
                Ok(order) => order.ready_from_ms(now_ms),
                Err(_) => return,
            };
            let wait = from_ms.map(|from_ms| Duration::from_millis(from_ms.saturating_sub(now_ms)));
            if wait == Some(Duration::ZERO) {
                return;
            }
            let passed = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => {}
                // Its sender is there for as long as this queue is.
                _ = changed.changed() => {}
            }
        }
    }

    async fn incarnation(&self) -> Result<String, QueueError> {
        self.health().map(|()| self.incarnation.clone())
    }

    fn health(&self) -> Result<(), QueueError> {
        self.shared.state().requests.as_ref().map(drop).map_err(QueueError::clone)
    }

    async fn close(&self) {
        self.shared.end(closed());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let ended = tokio::task::spawn_blocking(move || writer.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the queue's writer did not end in good order");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::notifications::NotificationId;

    #[tokio::test]
    async fn a_queue_whose_disk_fails_says_so_and_refuses_everything() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            directory: directory.path().join("queue"),
            lease: Duration::from_mins(1),
            disk_reserve_bytes: 0,
        };
        let (tables, incarnation) = Tables::open(&settings.directory).unwrap();
        let rows = tables.jobs.clone();
        let queue = Embedded::start(&settings, tables, incarnation).unwrap();
        assert_eq!(queue.health(), Ok(()));
        let job = Job { notification: NotificationId::from_entropy([1; 16]), priority: 0, due_ms: 0 };
        let put = async || queue.put(Channel::Email, vec![(job, Duration::ZERO)]).await;
        put().await.unwrap();
        let folder = rows.path().join("tables");
        fs::rename(&folder, directory.path().join("moved")).unwrap();
        fs::write(&folder, "not a folder").unwrap();
        rows.rotate_memtable().unwrap();
        // The flush happens some time after.
        let failure = loop {
            if let Err(failure) = put().await {
                break failure;
            }
        };
        assert_eq!(queue.health(), Err(failure.clone()));
        assert_eq!(queue.take(Channel::Email, 1).await, Err(failure.clone()));
        assert_eq!(queue.incarnation().await, Err(failure));
    }
}
