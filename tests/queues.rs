//! The queues, each held to the one conformance suite of the port, and what each promises beyond it.

mod beanstalkd;
mod conformance;
mod embedded;
mod server;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use croupier::queue::Queue;
use tempfile::TempDir;

use self::{
    conformance::{Subject, conformance},
    server::Server,
};

/// A directory for an embedded queue.
struct EmbeddedSubject(TempDir);

#[async_trait]
impl Subject for EmbeddedSubject {
    async fn open(&self, lease: Duration) -> Arc<dyn Queue> {
        Arc::new(embedded::open(self.0.path(), lease))
    }

    fn has_several_hosts(&self) -> bool {
        false
    }

    async fn restarted(&self, queue: Arc<dyn Queue>) -> Arc<dyn Queue> {
        queue.close().await;
        let lease = queue.lease();
        drop(queue);
        self.open(lease).await
    }
}

#[async_trait]
impl Subject for Server {
    async fn open(&self, lease: Duration) -> Arc<dyn Queue> {
        Arc::new(beanstalkd::open(&self.address(), lease))
    }

    fn has_several_hosts(&self) -> bool {
        true
    }

    async fn restarted(&self, queue: Arc<dyn Queue>) -> Arc<dyn Queue> {
        self.kill();
        self.restart();
        queue
    }
}

conformance!(on_beanstalkd, Server::start());
conformance!(on_embedded, EmbeddedSubject(tempfile::tempdir().unwrap()));
