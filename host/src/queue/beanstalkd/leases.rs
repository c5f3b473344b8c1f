//! Which jobs a connection has. To the server a lease is a job of a connection, and over when the connection is; who
//! took the job first, and came late, is told from who has it now by the number of the lease.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::super::{Job, Lease, Leased};

/// How much later than here a lease may be over at the server, which counts from when it is told.
const OVER_AT_SERVER: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Leases {
    /// The connection whose jobs these are.
    connection: u64,
    /// The server's process, and the first lease that is of it.
    incarnation: String,
    first_number: u64,
    /// Of the next lease.
    next_number: u64,
    /// By job. Those that are over may still be there.
    held: HashMap<u64, Held>,
}

#[derive(Clone, Copy)]
struct Held {
    number: u64,
    until: Instant,
}

impl Leases {
    /// Everything from here on is about this connection. Leases of another are over.
    pub(super) fn follow(&mut self, connection: u64, incarnation: &str) {
        if self.connection != connection {
            self.connection = connection;
            self.held.clear();
        }
        if self.incarnation != incarnation {
            incarnation.clone_into(&mut self.incarnation);
            self.first_number = self.next_number;
        }
    }

    /// A job that the connection has taken out, until then if it is not touched.
    pub(super) fn begin(&mut self, id: u64, job: Job, until: Instant) -> Leased {
        let number = self.next_number;
        self.next_number += 1;
        self.held.insert(id, Held { number, until });
        Leased { job, lease: Lease { job: id, number } }
    }

    /// Whether this is still the server process that has numbered the job. Another may have given the number to another
    /// job.
    pub(super) fn is_of_this_server(&self, lease: Lease) -> bool {
        lease.number >= self.first_number
    }

    /// A lease that begins anew, if it is not over as far as is known here. The server knows whether its time is.
    pub(super) fn touch(&mut self, lease: Lease, lasts: Duration) -> bool {
        let held = self.held.get_mut(&lease.job).filter(|held| held.number == lease.number);
        held.map(|held| held.until = Instant::now() + lasts).is_some()
    }

    /// A lease that is over now, if it was not before, as far as is known here: nobody has taken the job out since.
    pub(super) fn end(&mut self, lease: Lease) -> bool {
        let is_held = self.held.get(&lease.job).is_some_and(|held| held.number == lease.number);
        if is_held {
            self.held.remove(&lease.job);
        }
        is_held
    }

    /// Whether any lease may be over that was neither touched nor ended in time. Each is told of for a while, and then
    /// forgotten.
    pub(super) fn is_any_over(&mut self) -> bool {
        let now = Instant::now();
        let is_any = self.held.values().any(|held| held.until <= now);
        self.held.retain(|_, held| now < held.until + OVER_AT_SERVER);
        is_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::NotificationId;

    const LONG: Duration = Duration::from_secs(1000);

    fn job() -> Job {
        Job { notification: NotificationId::from_entropy([1; 16]), priority: 0, due_ms: 0 }
    }

    fn later() -> Instant {
        Instant::now() + LONG
    }

    #[test]
    fn who_comes_late_is_told_from_who_has_the_job_now() {
        let mut leases = Leases::default();
        leases.follow(1, "a");
        let first = leases.begin(7, job(), later()).lease;
        assert!(leases.touch(first, LONG));
        let second = leases.begin(7, job(), later()).lease;
        assert!(!leases.touch(first, LONG) && !leases.end(first));
        assert!(leases.touch(second, LONG) && leases.end(second));
        assert!(!leases.touch(second, LONG) && !leases.end(second));
    }

    #[test]
    fn leases_end_with_the_connection_and_jobs_with_the_server() {
        let mut leases = Leases::default();
        leases.follow(1, "a");
        let lease = leases.begin(7, job(), later()).lease;
        leases.follow(2, "a");
        assert!(!leases.touch(lease, LONG) && leases.is_of_this_server(lease));
        leases.follow(3, "b");
        assert!(!leases.is_of_this_server(lease));
        let next = leases.begin(7, job(), later()).lease;
        assert!(leases.is_of_this_server(next));
    }

    #[test]
    fn leases_that_are_over_are_told_of_and_forgotten() {
        let mut leases = Leases::default();
        leases.follow(1, "a");
        let kept = leases.begin(1, job(), later()).lease;
        assert!(!leases.is_any_over());
        let over = leases.begin(2, job(), Instant::now()).lease;
        assert!(leases.is_any_over());
        assert!(leases.touch(over, LONG), "the server knows best");
        assert!(!leases.is_any_over());
        let long_over = leases.begin(3, job(), Instant::now() - OVER_AT_SERVER).lease;
        assert!(leases.is_any_over() && !leases.is_any_over());
        assert!(!leases.end(long_over) && leases.end(kept));
    }
}
