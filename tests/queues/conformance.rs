//! What every queue promises, as tests of the port alone. [`conformance`] makes a test of each rule for a subject; what a
//! rule needs of a queue's inside is asked of the [`Subject`].
//!
//! No rule depends on how fast the machine is. What must not happen yet is given a time that no test lives to see, and
//! what must happen is waited for.

pub(super) mod crowds;
pub(super) mod delays;
pub(super) mod endings;
pub(super) mod lasting;
pub(super) mod leases;
pub(super) mod model;
pub(super) mod order;
pub(super) mod waiting;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use croupier::{
    notifications::{Channel, NotificationId},
    queue::{Job, Leased, Queue, QueueError},
};
use tokio::time::timeout;

use crate::harness::PATIENCE;

/// Longer than any test.
pub(super) const LONG: Duration = Duration::from_secs(100_000);
/// The shortest that every queue knows of.
pub(super) const SHORT: Duration = Duration::from_secs(1);

/// A place for a queue, empty at first and used by one rule alone.
#[async_trait]
pub(super) trait Subject: Send + Sync {
    /// Opens the queue. What was open before was closed and dropped, unless there may be several hosts.
    async fn open(&self, lease: Duration) -> Arc<dyn Queue>;

    /// Whether several hosts may have it open at the same time.
    fn has_several_hosts(&self) -> bool;

    /// As after the death of whatever process keeps the jobs. The next calls may fail, and are to be made again.
    async fn restarted(&self, queue: Arc<dyn Queue>) -> Arc<dyn Queue>;
}

/// A job whose number says which it is, and when it was due.
pub(super) fn job(number: u32, priority: u32) -> Job {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Job { notification: NotificationId::from_entropy(id), priority, due_ms: u64::from(number) }
}

/// Puts jobs that are ready at once.
pub(super) async fn put(queue: &dyn Queue, channel: Channel, jobs: impl IntoIterator<Item = Job>) {
    put_delayed(queue, channel, Duration::ZERO, jobs).await;
}

pub(super) async fn put_delayed(
    queue: &dyn Queue,
    channel: Channel,
    delay: Duration,
    jobs: impl IntoIterator<Item = Job>,
) {
    queue.put(channel, jobs.into_iter().map(|job| (job, delay)).collect()).await.unwrap();
}

/// Takes so many, waiting for each.
pub(super) async fn take(queue: &dyn Queue, channel: Channel, count: usize) -> Vec<Leased> {
    let mut taken = Vec::new();
    let take_all = async {
        while taken.len() < count {
            let more = asked_again(|| queue.take(channel, count - taken.len())).await;
            if more.is_empty() {
                queue.ready(channel).await;
            }
            taken.extend(more);
        }
    };
    timeout(PATIENCE, take_all).await.expect("the jobs do not come");
    taken
}

pub(super) async fn take_one(queue: &dyn Queue, channel: Channel) -> Leased {
    take(queue, channel, 1).await.remove(0)
}

/// What a call says once the queue can be reached.
pub(super) async fn asked_again<T, F: Future<Output = Result<T, QueueError>>>(ask: impl Fn() -> F) -> T {
    let answered = async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(QueueError::Unavailable(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, answered).await.expect("the queue is not reached")
}

/// The numbers of jobs.
pub(super) fn numbers<'a>(jobs: impl IntoIterator<Item = &'a Leased>) -> Vec<u64> {
    jobs.into_iter().map(|leased| leased.job.due_ms).collect()
}

/// How many are ready, delayed, leased and buried.
pub(super) async fn counts(queue: &dyn Queue, channel: Channel) -> [u64; 4] {
    let standing = asked_again(|| queue.standing(channel)).await;
    [standing.ready, standing.delayed, standing.leased, standing.buried]
}

/// A module of this name with a test of every rule, each on a subject of its own.
macro_rules! conformance {
    ($name:ident, $subject:expr) => {
        $crate::queues::conformance::conformance! { $name, $subject;
            order {
                the_most_urgent_goes_first
                of_one_priority_the_first_put_goes_first
                jobs_come_out_as_they_were_put
                channels_are_apart
                no_more_are_taken_than_are_wanted
                who_stands_next_is_known
            }
            delays {
                a_job_waits_for_its_time
                a_job_whose_time_has_come_takes_its_place
                a_part_of_a_second_is_a_delay
            }
            leases {
                a_job_that_was_taken_is_nobody_elses
                a_lapsed_lease_makes_a_job_ready_again
                a_touched_lease_begins_anew
                who_comes_late_moves_nothing
                a_job_that_is_done_is_removed_though_its_lease_is_over
            }
            endings {
                what_is_finished_does_not_come_again
                what_is_given_back_has_its_old_place
                what_is_given_back_with_a_delay_waits
                what_is_buried_waits_until_it_is_kicked
                kicking_wakes_nobody_else
                nothing_done_is_nothing_changed
                a_closed_queue_refuses_everything
                closing_ends_leases
            }
            waiting {
                who_waits_is_woken_by_a_job
                who_waits_is_woken_by_a_job_that_comes_back
                who_waits_for_one_channel_is_not_woken_by_another
                one_host_is_woken_by_another
            }
            crowds {
                ten_thousand_are_put_and_taken_at_once
                takers_never_share_a_job
                many_putters_lose_nothing
                what_a_taker_left_behind_is_somebody_elses
            }
            lasting {
                everything_survives_a_restart
                an_incarnation_is_the_same_whoever_asks
            }
            model {
                any_sequence_of_deeds_leaves_what_the_model_says
            }
        }
    };
    ($name:ident, $subject:expr; $($part:ident { $($rule:ident)* })*) => {
        mod $name {
            $(mod $part {
                use super::super::*;

                $(#[tokio::test(flavor = "multi_thread")]
                async fn $rule() {
                    $crate::queues::conformance::$part::$rule(&$subject).await;
                })*
            })*
        }
    };
}

pub(super) use conformance;
