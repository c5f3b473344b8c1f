//! Jobs that wait for their time.

use std::time::{Duration, Instant};

use croupier::notifications::Channel;

use super::{LONG, SHORT, Subject, counts, job, numbers, put, put_delayed, take, take_one};

const PUSH: Channel = Channel::Push;

pub(crate) async fn a_job_waits_for_its_time(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put_delayed(&*queue, PUSH, LONG, [job(1, 0)]).await;
    let put_at = Instant::now();
    put_delayed(&*queue, PUSH, SHORT, [job(2, 0), job(3, 0)]).await;
    put(&*queue, PUSH, [job(4, 9)]).await;
    assert_eq!(take_one(&*queue, PUSH).await.job, job(4, 9), "the only one that is ready");
    let mut taken = numbers(&take(&*queue, PUSH, 2).await);
    assert!(put_at.elapsed() >= SHORT, "after {:?}", put_at.elapsed());
    taken.sort_unstable();
    assert_eq!(taken, [2, 3]);
    assert_eq!(counts(&*queue, PUSH).await, [0, 1, 3, 0]);
}

pub(crate) async fn a_job_whose_time_has_come_takes_its_place(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put_delayed(&*queue, PUSH, SHORT, [job(1, 2), job(2, 4)]).await;
    while counts(&*queue, PUSH).await != [2, 0, 0, 0] {
        tokio::task::yield_now().await;
    }
    put(&*queue, PUSH, [job(3, 1), job(4, 2), job(5, 3), job(6, 5)]).await;
    assert_eq!(numbers(&take(&*queue, PUSH, 6).await), [3, 1, 4, 5, 2, 6]);
}

pub(crate) async fn a_part_of_a_second_is_a_delay(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let (put_at, delay) = (Instant::now(), Duration::from_millis(150));
    put_delayed(&*queue, PUSH, delay, [job(1, 0)]).await;
    take_one(&*queue, PUSH).await;
    assert!(put_at.elapsed() >= delay, "after {:?}", put_at.elapsed());
}
