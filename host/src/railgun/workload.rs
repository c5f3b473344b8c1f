//! How many workers a queue is worth.

use std::time::Duration;

use crate::queue::Standing;

/// What one worker is thought to do, and how soon everything is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// Notifications that one worker delivers in a second.
    pub per_worker_second: u32,
    /// How soon what waits is to be delivered.
    pub within: Duration,
    /// No more than so many.
    pub workers_max: u64,
}

impl Workload {
    /// As many as bring down what is ready and under way in time; one at least where there is anything.
    #[must_use]
    pub fn workers(&self, standing: &Standing) -> u64 {
        let work = standing.ready.saturating_add(standing.leased);
        let one_does = u64::from(self.per_worker_second.max(1)).saturating_mul(self.within.as_secs().max(1));
        work.div_ceil(one_does).min(self.workers_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_recommended_by_what_waits() {
        let workload = Workload { per_worker_second: 100, within: Duration::from_mins(1), workers_max: 10 };
        let workers = |ready, leased| workload.workers(&Standing { ready, leased, ..Standing::default() });
        assert_eq!((workers(0, 0), workers(0, 1), workers(6000, 0), workers(6000, 1)), (0, 1, 1, 2));
        assert_eq!(workers(u64::MAX, 1), 10);
    }
}
