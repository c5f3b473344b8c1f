//! Jobs that somebody has, and for how long.

use std::time::Instant;

use croupier::notifications::Channel;

use super::{LONG, SHORT, Subject, counts, job, numbers, put, put_delayed, take, take_one};

const EMAIL: Channel = Channel::Email;

pub(crate) async fn a_job_that_was_taken_is_nobody_elses(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    assert_eq!(queue.lease(), LONG);
    put(&*queue, EMAIL, (0..5).map(|number| job(number, 0))).await;
    let first = take(&*queue, EMAIL, 3).await;
    let second = take(&*queue, EMAIL, 2).await;
    assert_eq!((numbers(&first), numbers(&second)), (vec![0, 1, 2], vec![3, 4]));
    assert_eq!(queue.take(EMAIL, 10).await, Ok(Vec::new()));
    assert_eq!(counts(&*queue, EMAIL).await, [0, 0, 5, 0]);
}

pub(crate) async fn a_lapsed_lease_makes_a_job_ready_again(subject: &dyn Subject) {
    let queue = subject.open(SHORT).await;
    put(&*queue, EMAIL, [job(1, 0)]).await;
    let begun = Instant::now();
    let mut leases = Vec::new();
    for _ in 0..3 {
        let leased = take_one(&*queue, EMAIL).await;
        assert_eq!(leased.job, job(1, 0));
        leases.push(leased.lease);
    }
    assert!(begun.elapsed() >= SHORT * 2, "after {:?}", begun.elapsed());
    leases.sort_unstable();
    leases.dedup();
    assert_eq!(leases.len(), 3, "one name for two leases");
}

pub(crate) async fn a_touched_lease_begins_anew(subject: &dyn Subject) {
    let lease = SHORT * 3;
    let queue = subject.open(lease).await;
    for attempt in 0..5 {
        put(&*queue, EMAIL, [job(1, 0)]).await;
        let leased = take_one(&*queue, EMAIL).await;
        // A part of the lease passes.
        put_delayed(&*queue, Channel::Push, SHORT, [job(2, 0)]).await;
        let clock = take_one(&*queue, Channel::Push).await;
        queue.finish(Channel::Push, &[clock]).await.unwrap();
        let touched_at = Instant::now();
        queue.touch(EMAIL, std::slice::from_ref(&leased)).await.unwrap();
        let again = take_one(&*queue, EMAIL).await;
        let lasted = touched_at.elapsed();
        queue.finish(EMAIL, &[again]).await.unwrap();
        if lasted >= lease {
            return;
        }
        println!("attempt {attempt}: {lasted:?}, unless the machine stood still and the lease was over before");
    }
    panic!("to touch a lease does not prolong it");
}

pub(crate) async fn who_comes_late_moves_nothing(subject: &dyn Subject) {
    let queue = subject.open(SHORT).await;
    put(&*queue, EMAIL, [job(1, 0)]).await;
    let late = take_one(&*queue, EMAIL).await;
    take_one(&*queue, EMAIL).await;
    queue.give_back(EMAIL, &[(late.clone(), LONG)]).await.unwrap();
    queue.bury(EMAIL, std::slice::from_ref(&late)).await.unwrap();
    queue.touch(EMAIL, &[late]).await.unwrap();
    let [_, delayed, _, buried] = counts(&*queue, EMAIL).await;
    assert_eq!((delayed, buried), (0, 0));
    take_one(&*queue, EMAIL).await;
}

pub(crate) async fn a_job_that_is_done_is_removed_though_its_lease_is_over(subject: &dyn Subject) {
    let queue = subject.open(SHORT).await;
    put(&*queue, EMAIL, [job(1, 0), job(2, 0)]).await;
    let late = take(&*queue, EMAIL, 2).await;
    while counts(&*queue, EMAIL).await != [2, 0, 0, 0] {
        tokio::task::yield_now().await;
    }
    queue.finish(EMAIL, &late[..1]).await.unwrap();
    assert_eq!(counts(&*queue, EMAIL).await, [1, 0, 0, 0]);
    assert_eq!(take_one(&*queue, EMAIL).await.job, job(2, 0));
}
