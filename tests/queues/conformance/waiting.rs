//! Who waits for jobs is woken.

use std::{sync::Arc, time::Duration};

use croupier::{notifications::Channel, queue::Queue};
use futures_util::FutureExt as _;
use tokio::{task::JoinHandle, time::timeout};

use super::{LONG, Subject, job, put, take, take_one};
use crate::harness::PATIENCE;

const EMAIL: Channel = Channel::Email;

fn wait(queue: &Arc<dyn Queue>, channel: Channel) -> JoinHandle<()> {
    let queue = queue.clone();
    tokio::spawn(async move { queue.ready(channel).await })
}

async fn assert_woken(waiting: JoinHandle<()>) {
    timeout(PATIENCE, waiting).await.expect("nobody is woken").unwrap();
}

pub(crate) async fn who_waits_is_woken_by_a_job(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let waiting: Vec<_> = (0..3).map(|_| wait(&queue, EMAIL)).collect();
    assert_eq!(queue.ready(EMAIL).now_or_never(), None);
    put(&*queue, EMAIL, [job(1, 0)]).await;
    for waiting in waiting {
        assert_woken(waiting).await;
    }
    // As long as it is there nobody has to wait.
    assert_woken(wait(&queue, EMAIL)).await;
}

pub(crate) async fn who_waits_is_woken_by_a_job_that_comes_back(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, [job(1, 0)]).await;
    let leased = take_one(&*queue, EMAIL).await;
    let waiting = wait(&queue, EMAIL);
    queue.give_back(EMAIL, &[(leased, Duration::ZERO)]).await.unwrap();
    assert_woken(waiting).await;
    let leased = take_one(&*queue, EMAIL).await;
    queue.bury(EMAIL, &[leased]).await.unwrap();
    let waiting = wait(&queue, EMAIL);
    assert_eq!(queue.kick(EMAIL, 1).await, Ok(1));
    assert_woken(waiting).await;
}

pub(crate) async fn who_waits_for_one_channel_is_not_woken_by_another(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let waiting = wait(&queue, EMAIL);
    for number in 0..20 {
        put(&*queue, Channel::Push, [job(number, 0)]).await;
        let taken = take(&*queue, Channel::Push, 1).await;
        queue.finish(Channel::Push, &taken).await.unwrap();
    }
    assert!(!waiting.is_finished());
    put(&*queue, EMAIL, [job(1, 0)]).await;
    assert_woken(waiting).await;
}

pub(crate) async fn one_host_is_woken_by_another(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let other = if subject.has_several_hosts() { subject.open(LONG).await } else { queue.clone() };
    for number in 0..3 {
        let waiting = wait(&queue, EMAIL);
        put(&*other, EMAIL, [job(number, 0)]).await;
        assert_woken(waiting).await;
        take_one(&*queue, EMAIL).await;
    }
}
