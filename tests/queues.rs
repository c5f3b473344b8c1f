//! The queues, each held to the one conformance suite of the port, and what each promises beyond it.

mod beanstalkd;
mod conformance;
mod embedded;
pub(crate) mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use croupier::{notifications::Channel, queue::Queue};
use futures_util::future::join_all;
use tempfile::TempDir;

use self::{
    conformance::{LONG, Subject, conformance, job, put},
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

/// How fast it goes, for whoever wants to know: `cargo test --release --test system queues::measure -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure() {
    const ROUNDS: u32 = 20;
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start();
    let embedded: Arc<dyn Queue> = Arc::new(embedded::open(directory.path(), LONG));
    let beanstalkd: Arc<dyn Queue> = Arc::new(beanstalkd::open(&server.address(), LONG));
    for (name, queue) in [("embedded", embedded), ("beanstalkd", beanstalkd)] {
        let mut spent = [Duration::ZERO; 4];
        for round in 0..ROUNDS {
            let begun = Instant::now();
            put(&*queue, Channel::Email, (0..1000).map(|number| job(1000 * round + number, number % 3))).await;
            spent[0] += begun.elapsed();
            let begun = Instant::now();
            let taken = queue.take(Channel::Email, 1000).await.unwrap();
            spent[1] += begun.elapsed();
            assert_eq!(taken.len(), 1000);
            let begun = Instant::now();
            queue.finish(Channel::Email, &taken).await.unwrap();
            spent[2] += begun.elapsed();
            let begun = Instant::now();
            join_all((0..100).map(|number| put(&*queue, Channel::Push, [job(number, 0)]))).await;
            spent[3] += begun.elapsed();
        }
        let [put, take, finish, singly] = spent.map(|spent| spent / ROUNDS);
        println!(
            "{name}: put 1,000 in {put:?}, take in {take:?}, finish in {finish:?}; 100 puts at once in {singly:?}"
        );
        queue.close().await;
    }
}
