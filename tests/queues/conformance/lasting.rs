//! What outlives the process that keeps the jobs.

use croupier::notifications::Channel;

use super::{LONG, Subject, asked_again, counts, job, numbers, put, put_delayed, take};

const EMAIL: Channel = Channel::Email;
const SOCIAL: Channel = Channel::Social;

pub(crate) async fn everything_survives_a_restart(subject: &dyn Subject) {
    let mut queue = subject.open(LONG).await;
    put(&*queue, EMAIL, (0..10).map(|number| job(number, 10 - number))).await;
    put_delayed(&*queue, EMAIL, LONG, [job(50, 0)]).await;
    put(&*queue, SOCIAL, (100..1100).map(|number| job(number, 0))).await;
    // The most urgent: 9 is done, 8 is set aside, 7 waits, 6 is being worked on.
    let taken = take(&*queue, EMAIL, 4).await;
    assert_eq!(numbers(&taken), [9, 8, 7, 6]);
    queue.finish(EMAIL, &taken[..1]).await.unwrap();
    queue.bury(EMAIL, &taken[1..2]).await.unwrap();
    queue.give_back(EMAIL, &[(taken[2].clone(), LONG)]).await.unwrap();
    for _ in 0..2 {
        queue = subject.restarted(queue).await;
        assert_eq!(counts(&*queue, EMAIL).await, [7, 2, 0, 1]);
        let taken = take(&*queue, EMAIL, 7).await;
        assert_eq!(numbers(&taken), [6, 5, 4, 3, 2, 1, 0]);
        let taken = take(&*queue, SOCIAL, 1000).await;
        assert!(numbers(&taken) == (100..1100).collect::<Vec<_>>(), "not in order");
    }
    queue = subject.restarted(queue).await;
    assert_eq!(asked_again(|| queue.kick(EMAIL, 10)).await, 1);
    // What was done with jobs after a restart is as lasting.
    let taken = take(&*queue, EMAIL, 8).await;
    assert_eq!(numbers(&taken), [8, 6, 5, 4, 3, 2, 1, 0]);
    queue.finish(EMAIL, &taken).await.unwrap();
    put(&*queue, EMAIL, [job(200, 0)]).await;
    queue = subject.restarted(queue).await;
    assert_eq!(counts(&*queue, EMAIL).await, [1, 2, 0, 0]);
    assert_eq!(numbers(&take(&*queue, EMAIL, 1).await), [200]);
}

pub(crate) async fn an_incarnation_is_the_same_whoever_asks(subject: &dyn Subject) {
    let queue = subject.open(LONG).await;
    let incarnation = queue.incarnation().await.unwrap();
    assert!(incarnation.len() >= 8, "{incarnation}");
    put(&*queue, EMAIL, [job(1, 0)]).await;
    assert_eq!(queue.incarnation().await.as_ref(), Ok(&incarnation));
    queue.close().await;
    drop(queue);
    let queue = subject.open(LONG).await;
    assert_eq!(queue.incarnation().await, Ok(incarnation));
}
