//! What all connections share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::{sync::watch, task::JoinSet};

use crate::{cluster::Cluster, counts::Counts, faults::Faults, protocol::Operation, sasl::Salted};

/// What all connections share, and what remains when the node is stopped.
#[derive(Debug)]
pub(crate) struct State {
    cluster: Mutex<Cluster>,
    counts: Mutex<Counts>,
    /// Everything that runs for the node, so that it can be stopped.
    tasks: Mutex<JoinSet<()>>,
    paused: watch::Sender<bool>,
    pub(crate) faults: Faults,
    pub(crate) salted: Salted,
}

impl State {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self {
            cluster: Mutex::new(cluster),
            counts: Mutex::default(),
            tasks: Mutex::default(),
            paused: watch::Sender::new(false),
            faults: Faults::default(),
            salted: Salted::default(),
        }
    }

    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, operation: Operation) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).count(operation);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs something until it is done, or the node is stopped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends everything that runs.
    pub(crate) fn abort(&self) {
        self.tasks().abort_all();
    }

    /// Ends everything that runs, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub(crate) async fn until_resumed(&self) {
        // The sender lives as long as self.
        let _ = self.paused.subscribe().wait_for(|paused| !paused).await;
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
