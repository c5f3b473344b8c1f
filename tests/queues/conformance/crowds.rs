//! Many jobs, and many at work on them.

use std::{collections::BTreeSet, future::poll_fn, sync::Arc, task::Poll};

use croupier::{notifications::Channel, queue::Queue};
use futures_util::{FutureExt as _, future::join_all};

use super::{LONG, Subject, counts, job, numbers, put, take};

const EMAIL: Channel = Channel::Email;

pub(crate) async fn ten_thousand_are_put_and_taken_at_once(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, (0..10_000).map(|number| job(number, number % 3))).await;
    assert_eq!(counts(&*queue, EMAIL).await, [10_000, 0, 0, 0]);
    let taken = queue.take(EMAIL, 20_000).await.unwrap();
    let expected: Vec<_> = (0..3).flat_map(|priority| (priority..10_000).step_by(3)).collect();
    assert!(numbers(&taken) == expected, "not in order");
    queue.touch(EMAIL, &taken).await.unwrap();
    queue.finish(EMAIL, &taken).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [0; 4]);
}

async fn hosts(subject: &dyn Subject) -> Vec<Arc<dyn Queue>> {
    let mut hosts = vec![subject.open(LONG).await];
    if subject.has_several_hosts() {
        hosts.push(subject.open(LONG).await);
    }
    hosts
}

pub(crate) async fn takers_never_share_a_job(subject: &dyn Subject) {
    const JOBS: u32 = 5000;
    let hosts = hosts(subject).await;
    let takers: Vec<_> = (0..8)
        .map(|taker| {
            let queue = hosts[taker % hosts.len()].clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let taken = take(&*queue, EMAIL, 1 + taker * 3).await;
                    queue.finish(EMAIL, &taken).await.unwrap();
                    let numbers = numbers(&taken);
                    mine.extend(numbers.iter().copied().filter(|number| *number < u64::from(JOBS)));
                    if numbers.iter().any(|number| *number >= u64::from(JOBS)) {
                        return mine;
                    }
                }
            })
        })
        .collect();
    for piece in 0..50 {
        put(&*hosts[0], EMAIL, (piece * JOBS / 50..(piece + 1) * JOBS / 50).map(|number| job(number, number % 2)))
            .await;
    }
    // After everything else: an end for each, with enough to spare for those that take many at once.
    put(&*hosts[0], EMAIL, (0..400).map(|number| job(JOBS + number, 9))).await;
    let mine = join_all(takers).await.into_iter().flat_map(Result::unwrap);
    let mut found: Vec<_> = mine.collect();
    found.sort_unstable();
    assert!(found == (0..u64::from(JOBS)).collect::<Vec<_>>(), "{} of {JOBS}", found.len());
}

pub(crate) async fn many_putters_lose_nothing(subject: &dyn Subject) {
    let hosts = hosts(subject).await;
    let putters = (0..40).map(|putter| {
        let queue = hosts[putter as usize % hosts.len()].clone();
        tokio::spawn(async move {
            for number in 0..10 {
                put(&*queue, EMAIL, [job(100 * putter + number, 0), job(100 * putter + 50 + number, 0)]).await;
            }
        })
    });
    join_all(putters).await.into_iter().for_each(Result::unwrap);
    let found: BTreeSet<_> = numbers(&take(&*hosts[0], EMAIL, 800).await).into_iter().collect();
    assert_eq!(found.len(), 800);
    assert_eq!(counts(&*hosts[0], EMAIL).await, [0, 0, 800, 0]);
}

pub(crate) async fn what_a_taker_left_behind_is_somebody_elses(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    for (number, polls) in (0..40).zip((0..4).cycle()) {
        put(&*queue, EMAIL, [job(number, 0)]).await;
        let mut taking = queue.take(EMAIL, 1);
        let mut taken = None;
        for _ in 0..polls {
            taken = poll_fn(|context| {
                let Poll::Ready(taken) = taking.poll_unpin(context) else { return Poll::Ready(None) };
                Poll::Ready(Some(taken))
            })
            .await;
            if taken.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(taking);
        let taken = match taken {
            Some(taken) => taken.unwrap(),
            None => take(&*queue, EMAIL, 1).await,
        };
        assert_eq!(numbers(&taken), [u64::from(number)]);
        queue.finish(EMAIL, &taken).await.unwrap();
    }
    assert_eq!(counts(&*queue, EMAIL).await, [0; 4]);
}
