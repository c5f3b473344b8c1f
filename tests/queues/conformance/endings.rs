//! What becomes of a job that was taken out.

use std::time::{Duration, Instant};

use croupier::{
    notifications::Channel,
    queue::{Leased, QueueError},
};

use super::{LONG, SHORT, Subject, counts, job, numbers, put, put_delayed, take, take_one};

const EMAIL: Channel = Channel::Email;

pub(crate) async fn what_is_finished_does_not_come_again(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, (0..20).map(|number| job(number, 0))).await;
    let taken = take(&*queue, EMAIL, 15).await;
    queue.finish(EMAIL, &taken[..10]).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [5, 0, 5, 0]);
    // Once more, as after an answer that was lost, and together with others.
    queue.finish(EMAIL, &taken).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [5, 0, 0, 0]);
    let rest = take(&*queue, EMAIL, 5).await;
    assert_eq!(numbers(&rest), [15, 16, 17, 18, 19]);
    queue.finish(EMAIL, &rest).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [0; 4]);
}

fn at_once(jobs: &[Leased]) -> Vec<(Leased, Duration)> {
    jobs.iter().map(|leased| (leased.clone(), Duration::ZERO)).collect()
}

pub(crate) async fn what_is_given_back_has_its_old_place(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, [job(1, 1), job(2, 0), job(3, 1), job(4, 1)]).await;
    let taken = take(&*queue, EMAIL, 3).await;
    assert_eq!(numbers(&taken), [2, 1, 3]);
    queue.give_back(EMAIL, &at_once(&taken)).await.unwrap();
    // Once more does nothing, and neither does what is done with it otherwise.
    queue.give_back(EMAIL, &at_once(&taken)).await.unwrap();
    queue.bury(EMAIL, &taken).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [4, 0, 0, 0]);
    assert_eq!(numbers(&take(&*queue, EMAIL, 4).await), [2, 1, 3, 4]);
}

pub(crate) async fn what_is_given_back_with_a_delay_waits(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, [job(1, 0), job(2, 0), job(3, 0)]).await;
    let taken = take(&*queue, EMAIL, 3).await;
    let given_at = Instant::now();
    let delays = [LONG, SHORT, Duration::ZERO];
    queue.give_back(EMAIL, &taken.into_iter().zip(delays).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(numbers(&take(&*queue, EMAIL, 2).await), [3, 2]);
    assert!(given_at.elapsed() >= SHORT, "after {:?}", given_at.elapsed());
    assert_eq!(counts(&*queue, EMAIL).await, [0, 1, 2, 0]);
}

pub(crate) async fn what_is_buried_waits_until_it_is_kicked(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, (0..7).map(|number| job(number, 3))).await;
    let taken = take(&*queue, EMAIL, 5).await;
    queue.bury(EMAIL, &taken).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [2, 0, 0, 5]);
    assert_eq!(numbers(&take(&*queue, EMAIL, 2).await), [5, 6]);
    assert_eq!(queue.take(EMAIL, 10).await, Ok(Vec::new()));
    for (count_max, kicked, counted) in
        [(0, 0, [0, 0, 2, 5]), (2, 2, [2, 0, 2, 3]), (u32::MAX, 3, [5, 0, 2, 0]), (10, 0, [5, 0, 2, 0])]
    {
        assert_eq!(queue.kick(EMAIL, count_max).await, Ok(kicked), "of {count_max}");
        assert_eq!(counts(&*queue, EMAIL).await, counted, "of {count_max}");
    }
    assert_eq!(numbers(&take(&*queue, EMAIL, 5).await), [0, 1, 2, 3, 4], "in their old places");
}

pub(crate) async fn kicking_wakes_nobody_else(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, (0..4).map(|number| job(number, 0))).await;
    let taken = take(&*queue, EMAIL, 4).await;
    queue.bury(EMAIL, &taken[..2]).await.unwrap();
    put_delayed(&*queue, EMAIL, LONG, [job(8, 0), job(9, 0)]).await;
    assert_eq!(queue.kick(EMAIL, 100).await, Ok(2));
    assert_eq!(queue.kick(EMAIL, 100).await, Ok(0));
    assert_eq!(counts(&*queue, EMAIL).await, [2, 2, 2, 0]);
}

pub(crate) async fn nothing_done_is_nothing_changed(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, [job(1, 0)]).await;
    let leased = take_one(&*queue, EMAIL).await;
    queue.put(EMAIL, Vec::new()).await.unwrap();
    queue.touch(EMAIL, &[]).await.unwrap();
    queue.finish(EMAIL, &[]).await.unwrap();
    queue.give_back(EMAIL, &[]).await.unwrap();
    queue.bury(EMAIL, &[]).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [0, 0, 1, 0]);
    queue.finish(EMAIL, &[leased]).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [0; 4]);
}

pub(crate) async fn a_closed_queue_refuses_everything(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, [job(1, 0)]).await;
    let leased = [take_one(&*queue, EMAIL).await];
    for _ in 0..2 {
        queue.close().await;
        let refusals = [
            queue.put(EMAIL, vec![(job(2, 0), Duration::ZERO)]).await.err(),
            queue.take(EMAIL, 1).await.err(),
            queue.touch(EMAIL, &leased).await.err(),
            queue.finish(EMAIL, &leased).await.err(),
            queue.give_back(EMAIL, &at_once(&leased)).await.err(),
            queue.bury(EMAIL, &leased).await.err(),
            queue.kick(EMAIL, 1).await.err(),
            queue.standing(EMAIL).await.err(),
            queue.incarnation().await.err(),
        ];
        for (number, refusal) in refusals.into_iter().enumerate() {
            assert!(matches!(refusal, Some(QueueError::Unavailable(_))), "{number}: {refusal:?}");
        }
        queue.ready(EMAIL).await;
    }
}

pub(crate) async fn closing_ends_leases(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, (0..5).map(|number| job(number, 0))).await;
    take(&*queue, EMAIL, 4).await;
    queue.close().await;
    drop(queue);
    let queue = subject.open(LONG).await;
    let mut taken = numbers(&take(&*queue, EMAIL, 5).await);
    taken.sort_unstable();
    assert_eq!(taken, [0, 1, 2, 3, 4]);
}
