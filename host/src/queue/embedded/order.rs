//! The jobs of one channel in memory: which comes next, which waits for its time, who has which. It asks no clock: who
//! calls says what time it is, in milliseconds that never go back.

use std::collections::{BTreeSet, HashMap};

use super::super::{Job, Lease, Leased, Standing};

#[derive(Default)]
pub(super) struct Order {
    /// By their numbers in the queue, which are in the order of putting.
    jobs: HashMap<u64, Entry>,
    /// Priority and job.
    ready: BTreeSet<(u32, u64)>,
    /// When they are ready, and job.
    delayed: BTreeSet<(u64, u64)>,
    /// When they are ready again, and job.
    leased: BTreeSet<(u64, u64)>,
    buried: BTreeSet<u64>,
}

struct Entry {
    job: Job,
    place: Place,
}

/// Where a job is, as the key under which it is found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ready,
    Delayed { ready_ms: u64 },
    Leased { until_ms: u64, number: u64 },
    Buried,
}

impl Order {
    /// A job that is ready from then on.
    pub(super) fn put(&mut self, number: u64, job: Job, ready_ms: u64) {
        self.enter(number, job, Place::Delayed { ready_ms });
    }

    /// A job that was set aside before.
    pub(super) fn put_buried(&mut self, number: u64, job: Job) {
        self.enter(number, job, Place::Buried);
    }

    /// The most urgent, leased until then under numbers that begin with this one.
    pub(super) fn take(&mut self, count_max: usize, now_ms: u64, until_ms: u64, first_number: u64) -> Vec<Leased> {
        self.advance(now_ms);
        let mut taken = Vec::new();
        while taken.len() < count_max
            && let Some((_, job)) = self.ready.first().copied()
        {
            let number = first_number + taken.len() as u64;
            if let Some(job_taken) = self.move_to(job, Place::Leased { until_ms, number }) {
                taken.push(Leased { job: job_taken, lease: Lease { job, number } });
            }
        }
        taken
    }

    pub(super) fn touch(&mut self, lease: Lease, now_ms: u64, until_ms: u64) {
        if self.is_held(lease, now_ms) {
            self.move_to(lease.job, Place::Leased { until_ms, number: lease.number });
        }
    }

    /// Removes a job, whoever has it now. Whether it was there.
    pub(super) fn finish(&mut self, lease: Lease) -> bool {
        self.leave(lease.job).is_some()
    }

    /// The job, where this lease is not over.
    pub(super) fn give_back(&mut self, lease: Lease, now_ms: u64, ready_ms: u64) -> Option<Job> {
        self.is_held(lease, now_ms).then(|| self.move_to(lease.job, Place::Delayed { ready_ms })).flatten()
    }

    /// The job, where this lease is not over.
    pub(super) fn bury(&mut self, lease: Lease, now_ms: u64) -> Option<Job> {
        self.is_held(lease, now_ms).then(|| self.move_to(lease.job, Place::Buried)).flatten()
    }

    /// Those that were put first, and are ready now.
    pub(super) fn kick(&mut self, count_max: usize) -> Vec<(u64, Job)> {
        let kicked: Vec<_> = self.buried.iter().copied().take(count_max).collect();
        kicked.into_iter().filter_map(|number| Some((number, self.move_to(number, Place::Ready)?))).collect()
    }

    pub(super) fn standing(&mut self, now_ms: u64) -> Standing {
        self.advance(now_ms);
        let next = self.ready.first().and_then(|(_, number)| self.jobs.get(number));
        Standing {
            ready: self.ready.len() as u64,
            delayed: self.delayed.len() as u64,
            leased: self.leased.len() as u64,
            buried: self.buried.len() as u64,
            next_due_ms: next.map(|entry| entry.job.due_ms),
        }
    }

    /// When a job is ready, as far as is known: now, or at the time of the first that is delayed or leased.
    pub(super) fn ready_from_ms(&mut self, now_ms: u64) -> Option<u64> {
        self.advance(now_ms);
        if !self.ready.is_empty() {
            return Some(now_ms);
        }
        [self.delayed.first(), self.leased.first()].into_iter().flatten().map(|(ready_ms, _)| *ready_ms).min()
    }

    /// Makes ready what has waited for this moment, and what somebody has had for too long.
    fn advance(&mut self, now_ms: u64) {
        while let Some((_, number)) = self.delayed.first().copied().filter(|(ready_ms, _)| *ready_ms <= now_ms) {
            self.move_to(number, Place::Ready);
        }
        while let Some((_, number)) = self.leased.first().copied().filter(|(until_ms, _)| *until_ms <= now_ms) {
            self.move_to(number, Place::Ready);
        }
    }

    fn is_held(&mut self, lease: Lease, now_ms: u64) -> bool {
        self.advance(now_ms);
        let place = self.jobs.get(&lease.job).map(|entry| entry.place);
        matches!(place, Some(Place::Leased { number, .. }) if number == lease.number)
    }

    fn move_to(&mut self, number: u64, place: Place) -> Option<Job> {
        let job = self.leave(number)?;
        self.enter(number, job, place);
        Some(job)
    }

    fn enter(&mut self, number: u64, job: Job, place: Place) {
        match place {
            Place::Ready => self.ready.insert((job.priority, number)),
            Place::Delayed { ready_ms } => self.delayed.insert((ready_ms, number)),
            Place::Leased { until_ms, .. } => self.leased.insert((until_ms, number)),
            Place::Buried => self.buried.insert(number),
        };
        self.jobs.insert(number, Entry { job, place });
    }

    fn leave(&mut self, number: u64) -> Option<Job> {
        let Entry { job, place } = self.jobs.remove(&number)?;
        match place {
            Place::Ready => self.ready.remove(&(job.priority, number)),
            Place::Delayed { ready_ms } => self.delayed.remove(&(ready_ms, number)),
            Place::Leased { until_ms, .. } => self.leased.remove(&(until_ms, number)),
            Place::Buried => self.buried.remove(&number),
        };
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notifications::NotificationId;

    /// The same by looking at every job every time.
    #[derive(Default)]
    struct Model(Vec<(u64, Job, Place)>);

    impl Model {
        fn advance(&mut self, now_ms: u64) {
            for (.., place) in &mut self.0 {
                match *place {
                    Place::Delayed { ready_ms: from_ms } | Place::Leased { until_ms: from_ms, .. }
                        if from_ms <= now_ms =>
                    {
                        *place = Place::Ready;
                    }
                    _ => {}
                }
            }
        }

        fn take(&mut self, count_max: usize, until_ms: u64, first_number: u64) -> Vec<Leased> {
            let mut ready: Vec<_> = self.0.iter_mut().filter(|(.., place)| *place == Place::Ready).collect();
            ready.sort_by_key(|(number, job, _)| (job.priority, *number));
            let taken = ready.into_iter().take(count_max).zip(first_number..);
            taken
                .map(|((job_number, job, place), number)| {
                    *place = Place::Leased { until_ms, number };
                    Leased { job: *job, lease: Lease { job: *job_number, number } }
                })
                .collect()
        }

        fn held(&mut self, lease: Lease) -> Option<&mut (u64, Job, Place)> {
            let is_it = |place: Place| matches!(place, Place::Leased { number, .. } if number == lease.number);
            self.0.iter_mut().find(|(number, _, place)| *number == lease.job && is_it(*place))
        }

        fn standing(&self) -> Standing {
            let count =
                |is_there: fn(&Place) -> bool| self.0.iter().filter(|(.., place)| is_there(place)).count() as u64;
            let ready = self.0.iter().filter(|(.., place)| *place == Place::Ready);
            Standing {
                ready: count(|place| *place == Place::Ready),
                delayed: count(|place| matches!(place, Place::Delayed { .. })),
                leased: count(|place| matches!(place, Place::Leased { .. })),
                buried: count(|place| *place == Place::Buried),
                next_due_ms: ready.min_by_key(|(number, job, _)| (job.priority, *number)).map(|(_, job, _)| job.due_ms),
            }
        }

        fn ready_from_ms(&self, now_ms: u64) -> Option<u64> {
            let from_ms = |place: &Place| match *place {
                Place::Ready => Some(now_ms),
                Place::Delayed { ready_ms: from_ms } | Place::Leased { until_ms: from_ms, .. } => Some(from_ms),
                Place::Buried => None,
            };
            self.0.iter().filter_map(|(.., place)| from_ms(place)).min()
        }
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Put { priority: u32, delay_ms: u64 },
        Pass { ms: u64 },
        Take { count: usize, lease_ms: u64 },
        Touch { which: usize, lease_ms: u64 },
        Finish { which: usize },
        GiveBack { which: usize, delay_ms: u64 },
        Bury { which: usize },
        Kick { count: usize },
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            4 => (0..3_u32, 0..10_u64).prop_map(|(priority, delay_ms)| Deed::Put { priority, delay_ms }),
            2 => (0..5_u64).prop_map(|ms| Deed::Pass { ms }),
            3 => (0..4_usize, 1..10_u64).prop_map(|(count, lease_ms)| Deed::Take { count, lease_ms }),
            1 => (0..8_usize, 1..10_u64).prop_map(|(which, lease_ms)| Deed::Touch { which, lease_ms }),
            1 => (0..8_usize).prop_map(|which| Deed::Finish { which }),
            1 => (0..8_usize, 0..10_u64).prop_map(|(which, delay_ms)| Deed::GiveBack { which, delay_ms }),
            1 => (0..8_usize).prop_map(|which| Deed::Bury { which }),
            1 => (0..4_usize).prop_map(|count| Deed::Kick { count }),
        ]
    }

    /// An order and its model, what time it is for them, and all leases that there were.
    #[derive(Default)]
    struct Pair {
        order: Order,
        model: Model,
        now_ms: u64,
        put: u64,
        leases: Vec<Lease>,
    }

    impl Pair {
        /// One of the newest, some of which are over.
        fn lease(&self, which: usize) -> Lease {
            let nobodys = Lease { job: 1_000_000, number: 0 };
            self.leases.iter().rev().nth(which).copied().unwrap_or(nobodys)
        }

        fn do_it(&mut self, deed: &Deed) {
            self.model.advance(self.now_ms);
            let Self { order, model, now_ms, .. } = self;
            let now_ms = *now_ms;
            match *deed {
                Deed::Pass { ms } => self.now_ms += ms,
                Deed::Put { priority, delay_ms } => {
                    self.put += 1;
                    let job = Job { notification: NotificationId::from_entropy([7; 16]), priority, due_ms: self.put };
                    order.put(self.put, job, now_ms + delay_ms);
                    model.0.push((self.put, job, Place::Delayed { ready_ms: now_ms + delay_ms }));
                }
                Deed::Take { count, lease_ms } => {
                    let (until_ms, number) = (now_ms + lease_ms, self.leases.len() as u64);
                    let taken = order.take(count, now_ms, until_ms, number);
                    assert_eq!(taken, model.take(count, until_ms, number));
                    self.leases.extend(taken.iter().map(|leased| leased.lease));
                }
                Deed::Touch { which, lease_ms } => {
                    let lease = self.lease(which);
                    self.order.touch(lease, now_ms, now_ms + lease_ms);
                    if let Some((.., place)) = self.model.held(lease) {
                        *place = Place::Leased { until_ms: now_ms + lease_ms, number: lease.number };
                    }
                }
                Deed::Finish { which } => {
                    let lease = self.lease(which);
                    let was_there = self.model.0.iter().any(|(number, ..)| *number == lease.job);
                    self.model.0.retain(|(number, ..)| *number != lease.job);
                    assert_eq!(self.order.finish(lease), was_there);
                }
                Deed::GiveBack { which, delay_ms } => {
                    let lease = self.lease(which);
                    let given = self.order.give_back(lease, now_ms, now_ms + delay_ms);
                    let held = self.model.held(lease);
                    assert_eq!(given, held.as_ref().map(|(_, job, _)| *job));
                    if let Some((.., place)) = held {
                        *place = Place::Delayed { ready_ms: now_ms + delay_ms };
                    }
                }
                Deed::Bury { which } => {
                    let lease = self.lease(which);
                    let buried = self.order.bury(lease, now_ms);
                    let held = self.model.held(lease);
                    assert_eq!(buried, held.as_ref().map(|(_, job, _)| *job));
                    if let Some((.., place)) = held {
                        *place = Place::Buried;
                    }
                }
                Deed::Kick { count } => {
                    let buried = model.0.iter_mut().filter(|(.., place)| *place == Place::Buried).take(count);
                    let kicked = buried.map(|(number, job, place)| {
                        *place = Place::Ready;
                        (*number, *job)
                    });
                    assert_eq!(order.kick(count), kicked.collect::<Vec<_>>());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_sequence_of_deeds_leaves_what_the_model_says(deeds in prop::collection::vec(deed(), 0..80)) {
            let mut pair = Pair::default();
            for deed in &deeds {
                pair.do_it(deed);
                pair.model.advance(pair.now_ms);
                prop_assert_eq!(pair.order.standing(pair.now_ms), pair.model.standing(), "after {:?}", deed);
                let from_ms = pair.model.ready_from_ms(pair.now_ms);
                prop_assert_eq!(pair.order.ready_from_ms(pair.now_ms), from_ms, "after {:?}", deed);
            }
        }
    }

    #[test]
    fn a_lease_that_is_over_moves_nothing() {
        let mut order = Order::default();
        let job = Job { notification: NotificationId::from_entropy([1; 16]), priority: 0, due_ms: 0 };
        order.put(1, job, 0);
        let first = order.take(1, 0, 10, 0)[0].lease;
        let second = order.take(1, 10, 20, 1)[0].lease;
        assert_eq!((order.give_back(first, 11, 0), order.bury(first, 11)), (None, None));
        order.touch(first, 11, 1000);
        assert_eq!(order.ready_from_ms(11), Some(20));
        assert_eq!(order.bury(second, 11), Some(job));
        assert!(order.finish(first), "what was delivered waits for nothing");
        assert_eq!(order.standing(11), Standing::default());
    }
}
