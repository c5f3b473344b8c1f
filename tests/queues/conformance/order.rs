//! Which job comes out next, and that it is the one that was put.

use croupier::{
    notifications::{Channel, NotificationId},
    queue::Job,
};

use super::{LONG, Subject, counts, job, numbers, put, take, take_one};

const EMAIL: Channel = Channel::Email;

pub(crate) async fn the_most_urgent_goes_first(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    put(&*queue, EMAIL, [job(1, 3), job(2, u32::MAX), job(3, 1)]).await;
    put(&*queue, EMAIL, [job(4, 0), job(5, 1000), job(6, 2)]).await;
    assert_eq!(numbers(&take(&*queue, EMAIL, 2).await), [4, 3]);
    // One that comes later goes before those that wait.
    put(&*queue, EMAIL, [job(7, 0)]).await;
    assert_eq!(numbers(&take(&*queue, EMAIL, 5).await), [7, 6, 1, 5, 2]);
}

pub(crate) async fn of_one_priority_the_first_put_goes_first(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    for first in [0, 40, 80] {
        put(&*queue, EMAIL, (first..first + 40).map(|number| job(number, 7))).await;
    }
    let mut taken = Vec::new();
    for count in [1, 2, 30, 47, 40] {
        taken.extend(take(&*queue, EMAIL, count).await);
    }
    assert_eq!(numbers(&taken), (0..120).collect::<Vec<_>>());
}

pub(crate) async fn jobs_come_out_as_they_were_put(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let of = |byte, priority, due_ms| Job { notification: NotificationId::from_entropy([byte; 16]), priority, due_ms };
    let jobs = [of(0, 0, 0), of(0xff, 1, u64::MAX), of(0x5a, u32::MAX, 1_700_000_000_000)];
    put(&*queue, EMAIL, jobs).await;
    let taken: Vec<_> = take(&*queue, EMAIL, 3).await.into_iter().map(|leased| leased.job).collect();
    assert_eq!(taken, jobs);
    // The same once more is a job of its own.
    put(&*queue, EMAIL, [jobs[0], jobs[0]]).await;
    let twice = take(&*queue, EMAIL, 2).await;
    assert!(twice.iter().all(|leased| leased.job == jobs[0]) && twice[0].lease != twice[1].lease, "{twice:?}");
}

pub(crate) async fn channels_are_apart(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    for (channel, number) in Channel::ALL.into_iter().zip(0..4_u32) {
        put(&*queue, channel, (0..=number).map(|job_number| job(10 * number + job_number, 0))).await;
    }
    for (channel, number) in Channel::ALL.into_iter().zip(0..4_u32).rev() {
        assert_eq!(counts(&*queue, channel).await, [u64::from(number) + 1, 0, 0, 0], "{channel}");
        let expected: Vec<_> = (10 * number..=11 * number).map(u64::from).collect();
        let taken = queue.take(channel, 100).await.unwrap();
        assert_eq!(numbers(&taken), expected, "{channel}");
        queue.finish(channel, &taken[1..]).await.unwrap();
        queue.bury(channel, &taken[..1]).await.unwrap();
    }
    assert_eq!(queue.kick(Channel::Push, 100).await, Ok(1));
    assert_eq!(take_one(&*queue, Channel::Push).await.job.due_ms, 10);
    for channel in [Channel::Email, Channel::Social, Channel::Webhook] {
        assert_eq!(counts(&*queue, channel).await, [0, 0, 0, 1], "{channel}");
    }
}

pub(crate) async fn no_more_are_taken_than_are_wanted(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    assert_eq!(queue.take(EMAIL, 10).await, Ok(Vec::new()));
    put(&*queue, EMAIL, (0..50).map(|number| job(number, 0))).await;
    assert_eq!(queue.take(EMAIL, 0).await, Ok(Vec::new()));
    assert_eq!(numbers(&queue.take(EMAIL, 1).await.unwrap()), [0]);
    assert_eq!(queue.take(EMAIL, 9).await.unwrap().len(), 9);
    assert_eq!(queue.take(EMAIL, usize::MAX).await.unwrap().len(), 40);
    assert_eq!(queue.take(EMAIL, 10).await, Ok(Vec::new()));
}

pub(crate) async fn who_stands_next_is_known(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let next = async || queue.standing(EMAIL).await.unwrap().next_due_ms;
    assert_eq!(next().await, None);
    put(&*queue, EMAIL, [job(8, 5), job(9, 5)]).await;
    assert_eq!(next().await, Some(8));
    put(&*queue, EMAIL, [job(10, 4)]).await;
    assert_eq!(next().await, Some(10));
    take(&*queue, EMAIL, 2).await;
    assert_eq!(next().await, Some(9));
    take(&*queue, EMAIL, 1).await;
    assert_eq!(next().await, None);
}
